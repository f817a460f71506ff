"""First stage: the speech encoder, with CTC over text pieces and over phonemes, and a teacher.

    python -m training.train_encoder --data WORK/train=0.4 WORK/kokoro=0.6
        --vocabulary WORK/vocabulary --out WORK/encoder --steps 6500

Speech that was stored with the states of Whisper's encoder also learns to come near them; speech
without a text (its description has no sentences) learns nothing else from its words.

Goes on from its last checkpoint when it was stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.speech_encoder import SpeechEncoder
from training import checkpoint, config, metrics
from training.data import Batch, batches, collate, read_shard, shards, shares
from training.distil import Distillation
from training.vocabulary import Vocabulary

PHONEME_LAYER = 3


class EncoderTrainer(nn.Module):
    """The encoder below its adaptor, and the two CTC heads that training alone needs."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.encoder = SpeechEncoder(config.ENCODER)
        self.pieces = nn.Linear(config.DIM, len(vocabulary.text))
        self.phonemes = nn.Linear(config.DIM, len(vocabulary.symbols) + 1)
        self.teacher = Distillation(config.DIM)
        self._middle: Tensor | None = None
        self.encoder.layers[PHONEME_LAYER].register_forward_hook(self._keep)

    def _keep(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self._middle = output

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of pieces and phonemes (B, S, V), their lengths, states (B, S, D)."""
        with config.autocast():
            x, real, valid = self.encoder.stack(batch.features, batch.lengths)
            x = self.encoder.conform(x, valid)
            pieces = self.pieces(x)
            assert self._middle is not None
            phonemes = self.phonemes(self._middle)
        return pieces.float(), phonemes.float(), real, x


def ctc(logits: Tensor, lengths: Tensor, targets: list[list[int]]) -> Tensor:
    """Mean CTC loss per target symbol; blank is 0."""
    flat = torch.tensor([t for row in targets for t in row], dtype=torch.long)
    sizes = torch.tensor([len(row) for row in targets])
    loss = F.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        flat,
        lengths,
        sizes,
        blank=0,
        reduction="none",
        zero_infinity=True,
    )
    return loss.sum() / sizes.sum().clamp(min=1)


def evaluate(
    model: EncoderTrainer, vocabulary: Vocabulary, folder: Path, limit: int = 192
) -> float:
    """Word error rate in per cent of the greedy CTC transcription of clean held-out speech."""
    model.eval()
    pairs = []
    utterances = [u for path in shards(folder)[:2] for u in read_shard(path)][:limit]
    with torch.inference_mode():
        for start in range(0, len(utterances), 32):
            rows = utterances[start : start + 32]
            batch = collate([u.features.astype("float32") for u in rows], rows)
            logits, _, lengths, _ = model(batch)
            best = logits.argmax(-1)
            for row, utterance in enumerate(rows):
                ids = torch.unique_consecutive(best[row, : int(lengths[row])])
                text = vocabulary.text.decode([int(i) for i in ids if i != 0])
                pairs.append((utterance.text("eng"), text))
    model.train()
    return metrics.word_error_rate(pairs)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True, metavar="FOLDER[=SHARE]")
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--test", type=Path, nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=12_000)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--frames", type=int, default=8000, help="10 ms frames in a batch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--teach", type=float, default=0.5, help="weight of the teacher's states")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    vocabulary = Vocabulary(args.vocabulary)
    model = EncoderTrainer(vocabulary)
    average = checkpoint.averaged_model(model, 0.998)
    averaged = checkpoint.inside(average, EncoderTrainer)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    args.out.mkdir(parents=True, exist_ok=True)
    state_path, log_path = args.out / "state.pt", args.out / "log.jsonl"
    step = checkpoint.load(state_path, model, optimizer, average)
    started, saved, seen = time.monotonic(), time.monotonic(), 0
    total, counted = 0.0, 0
    sources = shares(args.data)
    model.teacher.measure(list(sources))
    for batch in batches(sources, args.seed + step, args.frames):
        fraction = min(1.0, step / args.steps)
        rate = args.rate * checkpoint.warmth(optimizer, 400) * max(0.03, 1 - fraction)
        for group in optimizer.param_groups:
            group["lr"] = rate
        pieces, phonemes, lengths, states = model(batch)
        texts = [u.text("eng") for u in batch.utterances]
        loss_pieces = ctc(pieces, lengths, [vocabulary.text.encode(t) for t in texts])
        loss_phonemes = ctc(phonemes, lengths, [vocabulary.phonemes(t) for t in texts])
        with config.autocast():
            loss_teacher = model.teacher(states, batch)
        loss = loss_pieces + 0.5 * loss_phonemes + args.teach * loss_teacher
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        step += 1
        seen += len(texts)
        total += float(loss_pieces.detach())
        counted += 1
        if step % 100 == 0:
            line = {
                "step": step,
                "loss": round(total / counted, 4),
                "phonemes": round(float(loss_phonemes.detach()), 4),
                "teacher": round(float(loss_teacher.detach()), 4),
                "utterances_per_second": round(seen / (time.monotonic() - started), 1),
                "rate": round(rate, 6),
            }
            total, counted = 0.0, 0
            if step % 500 == 0:
                for folder in args.test:
                    if shards(folder):
                        line[f"wer_{folder.name}"] = round(
                            evaluate(averaged, vocabulary, folder), 2
                        )
            with log_path.open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
        done = step >= args.steps
        if done or time.monotonic() - saved > 180:
            saved = time.monotonic()
            checkpoint.save(state_path, step, model, optimizer, average)
        if done:
            break


if __name__ == "__main__":
    main()
