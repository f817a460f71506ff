"""Second stage: adaptor, text decoder and its read/write policy on cached encoder states.

    python -m training.train_decoder --states WORK/states --encoder WORK/encoder
        --vocabulary WORK/vocabulary --out WORK/decoder --steps 6000

Every utterance comes whole and cut at a random place. p_choose learns by supervision: the smallest
one over layers and heads at the last source position is 1 when every word that the next token needs
has been heard, later (``--strict-from``) when moreover the decoder's own best token is right and
the words were heard 240 ms ago. With ``--emma`` the objective of arXiv 2312.04515 replaces all of
that (training/emma.py). Goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.checkpoints.tokenizers import EOS, PAD
from seamless_server.nn.layers import length_mask
from seamless_server.nn.speech_encoder import SpeechEncoder
from seamless_server.nn.text_decoder import TextDecoder
from training import cache_states, checkpoint, config, emma, metrics
from training.cache_states import SPACE, load_encoder
from training.data import Utterance, read_shard, shards, stream
from training.vocabulary import Vocabulary

MARGIN = 6
"""Encoder frames (240 ms) that a needed word must be past, in the strict phase."""


PUNCTUATION = (".", ",", "?")
NEVER = 1_000_000
"""Frame of what cannot be known before the speech has ended."""

CONFORMER = ("post_extract_layer_norm.", "model_dim_proj.", "inner_layer_norm.", "layers.")
"""What the first stage has trained; the adaptor belongs to this one."""


class Translator(nn.Module):
    """Adaptor and decoder; the conformer below is kept for export only."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.encoder = SpeechEncoder(config.ENCODER)
        self.decoder = TextDecoder(config.decoder(len(vocabulary.text)))
        nn.init.normal_(self.decoder.embed.weight, std=config.DIM**-0.5)
        for parameter in (*self.encoder.layers.parameters(), *self._front()):
            parameter.requires_grad_(False)

    def _front(self) -> Iterator[nn.Parameter]:
        for part in (
            self.encoder.post_extract_layer_norm,
            self.encoder.model_dim_proj,
            self.encoder.inner_layer_norm,
        ):
            yield from part.parameters()


@dataclass
class Rows:
    """Decoder inputs and what is wanted of them; N rows, each with its state row ``source``."""

    source: Tensor
    tokens: Tensor
    targets: Tensor
    met: Tensor
    sure: Tensor
    written: Tensor


def tokenized(
    vocabulary: Vocabulary, utterance: Utterance, lang: str
) -> tuple[list[int], list[int]]:
    """Tokens of the target text, and the frame by which each one's words have been heard.

    Whether a comma or a full stop comes is known when the next word is, or when nothing follows.
    """
    ends = utterance.described.get("ends", [])
    frames: list[int] = []
    words: list[str] = []
    offset = 0
    for sentence in utterance.described["sentences"]:
        words += sentence["words"][lang]
        frames += [ends[offset + need - 1] for need in sentence["needs"][lang]]
        offset += len(sentence["words"]["eng"])
    tokens = vocabulary.text.encode(" ".join(words))
    times, word = [], -1
    for token in tokens:
        if vocabulary.text.index_to_token(token).startswith(SPACE):
            word += 1
        times.append(frames[max(word, 0)])
    following = NEVER
    for place in range(len(tokens) - 1, -1, -1):
        if vocabulary.text.index_to_token(tokens[place]).strip(SPACE) in PUNCTUATION:
            times[place] = following
        following = times[place]
    return tokens, list(itertools.accumulate(times, max))


def make_rows(
    vocabulary: Vocabulary,
    utterances: list[Utterance],
    cuts: list[int],
    whole: list[bool],
    langs: list[list[str]],
) -> Rows:
    """Teacher-forced rows for every utterance and language."""
    built = []
    for number, utterance in enumerate(utterances):
        for lang in langs[number]:
            tokens, times = tokenized(vocabulary, utterance, lang)
            built.append((number, lang, tokens, times))
    longest = max(len(row[2]) for row in built) + 2
    shape = (len(built), longest)
    tokens_in = torch.full(shape, PAD)
    targets = torch.full(shape, -100)
    met, sure = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    written = torch.zeros(shape, dtype=torch.bool)
    for row, (number, lang, tokens, times) in enumerate(built):
        size = len(tokens)
        prefix = [*vocabulary.text.prefix(lang), *tokens]
        tokens_in[row, : size + 2] = torch.tensor(prefix)
        targets[row, 1 : size + 2] = torch.tensor([*tokens, EOS])
        heard = torch.tensor(times, dtype=torch.long)
        met[row, 1 : size + 1] = whole[number] | (heard <= cuts[number])
        sure[row, 1 : size + 1] = whole[number] | (heard + MARGIN <= cuts[number])
        met[row, size + 1] = sure[row, size + 1] = whole[number]
        # Whether to write the end of the sentence is no question before the source has ended.
        written[row, 1 : size + 1] = True
        if not size:
            written[row, 1] = True
            met[row, 1] = True
            sure[row, 1] = False
    source = torch.tensor([row[0] for row in built])
    return Rows(source, tokens_in, targets, met, sure, written)


def source_states(model: Translator, features: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Adapt (S, D) states of many utterances -> (B, S', D) and lengths (B,)."""
    lengths = torch.tensor([len(x) for x in features])
    padded = torch.zeros(len(features), int(lengths.max()), config.DIM)
    for row, x in enumerate(features):
        padded[row, : len(x)] = torch.from_numpy(x.astype(np.float32))
    padded = padded * length_mask(lengths, padded.size(1))[..., None]
    return model.encoder.adapt(padded, lengths, lengths)


def supervised(
    model: Translator, rows: Rows, states: Tensor, lengths: Tensor, strict: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss, and cross-entropy of the tokens that can be known, policy loss and its accuracy."""
    memory = model.decoder.project_source(states[rows.source], lengths[rows.source])
    features, choices = model.decoder(rows.tokens, memory)
    logits = model.decoder.logits(features).float()
    known = rows.met & (rows.targets >= 0)
    entropy = F.cross_entropy(logits[known], rows.targets[known], label_smoothing=0.05)
    smallest = choices[..., 0].float().flatten(1, 2).amin(1).clamp(1e-5, 1 - 1e-5)
    label = rows.met
    if strict:
        label = rows.sure & (logits.argmax(-1) == rows.targets)
    asked = rows.written
    policy = F.binary_cross_entropy(smallest[asked], label[asked].float())
    right = ((smallest > 0.5) == label)[asked].float().mean()
    parts = {"entropy": entropy, "policy": policy, "policy_right": right}
    return entropy + 0.3 * policy, parts


def expected(
    model: Translator, rows: Rows, states: Tensor, lengths: Tensor, weights: list[float]
) -> tuple[Tensor, dict[str, Tensor]]:
    """EMMA's loss on the whole utterances, and its parts; ``weights`` of latency and variance."""
    whole = (rows.met | (rows.targets < 0)).all(1)
    source, targets = rows.source[whole], rows.targets[whole]
    memory = model.decoder.project_source(states[source], lengths[source], last_only=False)
    features, alignment = emma.forward(model.decoder, rows.tokens[whole], memory, lengths[source])
    logits = model.decoder.logits(features).float()
    known = targets >= 0
    entropy = F.cross_entropy(logits[known], targets[known], label_smoothing=0.05)
    ratio = model.decoder.config.pre_decision_ratio
    windows = torch.div(lengths[source] + ratio - 1, ratio, rounding_mode="floor")
    latency, variance = emma.latency_and_variance(alignment, rows.written[whole], windows)
    parts = {"entropy": entropy, "latency": latency, "variance": variance}
    return entropy + weights[0] * latency + weights[1] * variance, parts


def batches(
    folder: Path, vocabulary: Vocabulary, seed: int, frames: int, langs: int
) -> Iterator[tuple[list[np.ndarray], Rows]]:
    """Endless training batches."""
    rng = random.Random(seed)
    source = stream(folder, rng, pool=8)
    while True:
        window = sorted((next(source) for _ in range(768)), key=lambda u: len(u.features))
        groups: list[list[Utterance]] = [[]]
        for utterance in window:
            if groups[-1] and len(utterance.features) * (len(groups[-1]) + 1) > frames:
                groups.append([])
            groups[-1].append(utterance)
        rng.shuffle(groups)
        for group in groups:
            utterances, cuts, whole, chosen, features = [], [], [], [], []
            for utterance in group:
                complete, beginning = cache_states.parts(utterance)
                cut = len(beginning)
                for is_whole in (True, False):
                    if not is_whole and not cut:
                        continue
                    utterances.append(utterance)
                    whole.append(is_whole)
                    cuts.append(len(complete) if is_whole else cut)
                    features.append(complete if is_whole else beginning)
                    chosen.append(rng.sample(config.LANGUAGES, langs))
            yield features, make_rows(vocabulary, utterances, cuts, whole, chosen)


def translate(
    model: Translator,
    vocabulary: Vocabulary,
    features: list[np.ndarray],
    lang: str,
) -> list[str]:
    """Greedy translation of whole utterances."""
    states, lengths = source_states(model, features)
    memory = model.decoder.project_source(states, lengths)
    tokens = torch.tensor([vocabulary.text.prefix(lang)]).repeat(len(features), 1)
    done = torch.zeros(len(features), dtype=torch.bool)
    for _ in range(60):
        out, _ = model.decoder(tokens, memory)
        best = model.decoder.logits(out[:, -1]).argmax(-1)
        best[done] = PAD
        tokens = torch.cat([tokens, best[:, None]], 1)
        done |= best == EOS
        if bool(done.all()):
            break
    return [
        vocabulary.text.decode([int(t) for t in row[2:] if t not in (PAD, EOS)]) for row in tokens
    ]


def evaluate(
    model: Translator, vocabulary: Vocabulary, folder: Path, limit: int = 128
) -> dict[str, float]:
    """Offline scores on cached clean states: WER for English, BLEU for the others."""
    model.eval()
    utterances = [u for path in shards(folder)[:1] for u in read_shard(path)][:limit]
    scores = {}
    with torch.inference_mode():
        for lang in config.LANGUAGES:
            pairs = []
            for start in range(0, len(utterances), 32):
                rows = utterances[start : start + 32]
                states = [cache_states.parts(u)[0] for u in rows]
                texts = translate(model, vocabulary, states, lang)
                pairs += [(u.text(lang), text) for u, text in zip(rows, texts, strict=True)]
            score = metrics.word_error_rate if lang == "eng" else metrics.bleu
            scores[f"{folder.name}_{lang}"] = round(score(pairs), 1)
    model.train()
    return scores


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--vocabulary", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--test", type=Path, nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--strict-from", type=float, default=0.6, help="share of the steps")
    parser.add_argument("--emma", action="store_true", help="EMMA's own losses")
    parser.add_argument(
        "--emma-weights",
        type=float,
        nargs=2,
        default=[0.5, 0.1],
        metavar=("LATENCY", "VARIANCE"),
        help="weights of the delay and of its variance, both in shares of the source",
    )
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--frames", type=int, default=2400)
    parser.add_argument("--langs", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(5)
    vocabulary = Vocabulary(args.vocabulary)
    model = Translator(vocabulary)
    trained = load_encoder(args.encoder, vocabulary)
    conformer = {
        name: value
        for name, value in trained.encoder.state_dict().items()
        if name.startswith(CONFORMER)
    }
    trainable = [p for p in model.parameters() if p.requires_grad]
    average = checkpoint.averaged_model(model, 0.997)
    optimizer = torch.optim.AdamW(trainable, lr=args.rate, betas=(0.9, 0.98), weight_decay=0.01)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "state.pt"
    step = checkpoint.load(path, model, optimizer, average)
    averaged = checkpoint.inside(average, Translator)
    for each in (model, averaged):
        # The conformer may have been trained further since the decoder's last state.
        each.encoder.load_state_dict(conformer, strict=False)
    saved = started = time.monotonic()
    totals: dict[str, float] = {}
    seen, counted = 0, 0
    for features, rows in batches(args.states, vocabulary, 11 + step, args.frames, args.langs):
        fraction = min(1.0, step / args.steps)
        for group in optimizer.param_groups:
            warmth = checkpoint.warmth(optimizer, 300)
            group["lr"] = args.rate * warmth * max(0.03, 1 - fraction)
        with config.autocast():
            states, lengths = source_states(model, features)
            if args.emma:
                loss, parts = expected(model, rows, states, lengths, args.emma_weights)
            else:
                strict = fraction >= args.strict_from
                loss, parts = supervised(model, rows, states, lengths, strict)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trainable, 1.0)
        optimizer.step()
        average.update_parameters(model)
        step += 1
        seen += len(features)
        for name, value in parts.items():
            totals[name] = totals.get(name, 0.0) + float(value.detach())
        counted += 1
        if step % 100 == 0:
            line: dict[str, float] = {
                "step": step,
                **{name: round(total / counted, 4) for name, total in totals.items()},
                "rows_per_second": round(seen / (time.monotonic() - started), 1),
            }
            totals, counted = {}, 0
            if step % 500 == 0:
                for folder in args.test:
                    line |= evaluate(averaged, vocabulary, folder)
            print(line, flush=True)
            with (args.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if step >= args.steps or time.monotonic() - saved > 150:
            saved = time.monotonic()
            checkpoint.save(path, step, model, optimizer, average)
        if step >= args.steps:
            break


if __name__ == "__main__":
    main()
