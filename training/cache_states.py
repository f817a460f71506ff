"""Run the trained encoder once over the speech and keep its states with the words' times.

    python -m training.cache_states --data WORK/train --encoder WORK/encoder
        --vocabulary WORK/vocabulary --out WORK/states

The encoder's attention looks no further than its own chunk of 320 ms, so a slice of these states is
what the encoder gives for that beginning of the speech: the decoder trains on prefixes for free.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from training import checkpoint
from training.data import EMPTY, Utterance, collate, read_shard, shards
from training.features import FLOOR, augment, coloured_noise, spec_augment
from training.forced import word_ends
from training.train_encoder import EncoderTrainer
from training.vocabulary import Vocabulary

SPACE = "▁"


def load_encoder(folder: Path, vocabulary: Vocabulary) -> EncoderTrainer:
    """The averaged weights of the last checkpoint."""
    model = EncoderTrainer(vocabulary)
    model.load_state_dict(checkpoint.best_weights(folder / "state.pt"))
    return model.eval()


def encode_rows(
    model: EncoderTrainer, vocabulary: Vocabulary, rows: list[Utterance]
) -> list[tuple[np.ndarray, list[int]]]:  # type: ignore[type-arg]
    """States (S, D) and ends of the words in frames; utterances that do not align get no words."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        batch = collate([u.features.astype(np.float32) for u in rows], rows)
        x, real, valid = model.encoder.stack(batch.features, batch.lengths)
        states = model.encoder.conform(x, valid)
        scores = model.pieces(states).float().log_softmax(-1).numpy()
    found = []
    for row, utterance in enumerate(rows):
        size = int(real[row])
        ids = vocabulary.text.encode(utterance.text("eng"))
        pieces = [(i, vocabulary.text.index_to_token(i).startswith(SPACE)) for i in ids]
        ends = word_ends(scores[row, :size], pieces) if pieces else []
        found.append((states[row, :size].float().numpy().astype(np.float16), ends))
    return found


def cache_shard(
    path: Path, out: Path, model: EncoderTrainer, vocabulary: Vocabulary, seed: int, clean: bool
) -> None:
    """Write the states of one shard."""
    rng = np.random.default_rng(seed)
    rows = read_shard(path)
    if not clean:
        for i, utterance in enumerate(rows):
            x = utterance.features.astype(np.float32)
            if rng.random() < 0.03:
                level = np.float32(rng.uniform(-14, -2))
                x = np.maximum(coloured_noise(rng, len(x)) + level, np.float32(FLOOR))
                rows[i] = Utterance(x, dict(EMPTY))
            else:
                x = augment(x, rng, rows[i - 1].features.astype(np.float32))
                rows[i] = Utterance(
                    spec_augment(x, rng) if rng.random() < 0.5 else x, utterance.described
                )
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].features))
    states, described = [], []
    for start in range(0, len(order), 16):
        group = [rows[i] for i in order[start : start + 16]]
        for utterance, (x, ends) in zip(group, encode_rows(model, vocabulary, group), strict=True):
            words = sum(len(s["words"]["eng"]) for s in utterance.described["sentences"])
            if ends is None or len(ends) != words:
                continue
            states.append(x)
            described.append({**utterance.described, "ends": ends})
    part = out.with_suffix(".part.npz")
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        part,
        features=np.concatenate(states),
        lengths=np.array([len(x) for x in states]),
        described=np.array(json.dumps(described, ensure_ascii=False)),
    )
    part.rename(out)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--passes", type=int, default=1, help="differently augmented copies")
    parser.add_argument("--clean", action="store_true", help="without augmentation (tests)")
    parser.add_argument("--limit", type=int, default=10_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    vocabulary = Vocabulary(args.vocabulary)
    model = load_encoder(args.encoder, vocabulary)
    for number in range(args.passes):
        for path in shards(args.data)[: args.limit]:
            out = args.out / f"{path.stem}.{number}.npz"
            if not out.exists():
                seed = int(path.stem) * 7 + number
                cache_shard(path, out, model, vocabulary, seed, args.clean)
                print(out, flush=True)


if __name__ == "__main__":
    main()
