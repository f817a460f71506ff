"""Run the trained encoder once over the speech and keep its states with the words' times.

    python -m training.cache_states --data WORK/train --encoder WORK/encoder
        --vocabulary WORK/vocabulary --out WORK/states

The encoder's attention looks no further than its own chunk of 320 ms, so the states of finished
chunks are what the encoder gives for any beginning of the speech. The last chunk is another matter:
at run time its last window reaches past the end, and the frame stacked from it is filled up. A
decoder that sees this only where whole utterances end takes it for the end. So all lengths here are
those of run time, and of one beginning of every utterance the last chunk is encoded as it is then.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training import checkpoint, config
from training.data import (
    EMPTY,
    Utterance,
    babble,
    changed,
    collate,
    compose,
    joined,
    nothing,
    read_shard,
    shards,
)
from training.features import spec_augment
from training.forced import word_ends
from training.train_encoder import EncoderTrainer
from training.vocabulary import Vocabulary

Array = NDArray[Any]

SPACE = "▁"
CHUNK = config.ENCODER.attention_chunk_size
_STEP = CHUNK * config.ENCODER.fbank_stride
SILENT = 0.05
"""Share of utterances in which nobody speaks."""
_SHORT = 2
"""Filterbank frames (10 ms) that a multiple of 320 ms lacks, since a window lasts 25 ms."""


def as_heard(x: Array, rng: np.random.Generator) -> Array:
    """(T, 80), made longer to a length of run time with frames like its last ones."""
    lacking = (-_SHORT - len(x)) % _STEP
    return np.concatenate([x, x[-6:][rng.integers(0, len(x[-6:]), lacking)]])


def parts(utterance: Utterance) -> tuple[Array, Array]:
    """States of the whole utterance and of its beginning (empty if it has none)."""
    cut = utterance.described.get("cut", 0)
    if not cut:
        return utterance.features, utterance.features[:0]
    complete, tail = utterance.features[:-CHUNK], utterance.features[-CHUNK:]
    return complete, np.concatenate([complete[: cut - CHUNK], tail])


def load_encoder(folder: Path, vocabulary: Vocabulary) -> EncoderTrainer:
    """The averaged weights of the last checkpoint."""
    model = EncoderTrainer(vocabulary)
    model.load_state_dict(checkpoint.best_weights(folder / "state.pt"))
    return model.eval()


def encode_rows(
    model: EncoderTrainer, vocabulary: Vocabulary, rows: list[Utterance]
) -> list[tuple[Array, list[int] | None]]:
    """States (S, D) and ends of the words in frames; utterances that do not align get no words."""
    with torch.inference_mode(), config.autocast():
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


def composed(
    rows: list[Utterance], seed: int, rng: np.random.Generator, clean: bool
) -> list[Utterance]:
    """The utterances of a shard as they are heard: joined and changed, or ``clean`` (tests)."""
    if clean:
        return [joined([row], [], 10, 10) for row in rows]
    chooser = random.Random(seed)
    left = chooser.sample(rows, len(rows))
    source = (row for row in left)
    voices = [row.features for row in left]
    found = []
    with contextlib.suppress(StopIteration):
        while True:
            row = compose(source, chooser)
            if chooser.random() < SILENT:
                row = nothing(rng, len(row.features), voices)
            else:
                several = None
                if chooser.random() < 0.15:
                    several = babble(rng, len(row.features), voices, chooser.randint(1, 5))
                row = changed(row, rng, several)
                if chooser.random() < 0.5:
                    spec_augment(row.features, rng)
            found.append(row)
    return found


def cache_shard(
    path: Path, out: Path, model: EncoderTrainer, vocabulary: Vocabulary, seed: int, clean: bool
) -> None:
    """Write the states of one shard."""
    rng = np.random.default_rng(seed)
    rows = composed(read_shard(path), seed, rng, clean)
    rows = [Utterance(as_heard(u.features.astype(np.float32), rng), u.described) for u in rows]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].features))
    states, described = [], []
    for start in range(0, len(order), 16):
        group = [rows[i] for i in order[start : start + 16]]
        chunks = [int(rng.integers(1, max(2, len(u.features) // _STEP + 1))) for u in group]
        begun = [
            Utterance(u.features[: count * _STEP - _SHORT], dict(EMPTY))
            for u, count in zip(group, chunks, strict=True)
        ]
        for utterance, (x, ends), (early, _) in zip(
            group,
            encode_rows(model, vocabulary, group),
            encode_rows(model, vocabulary, begun),
            strict=True,
        ):
            words = sum(len(s["words"]["eng"]) for s in utterance.described["sentences"])
            if ends is None or len(ends) != words:
                continue
            cut = len(early) if len(early) < len(x) else 0
            states.append(np.concatenate([x, early[-CHUNK:]]) if cut else x)
            described.append({**utterance.described, "ends": ends, "cut": cut})
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
    parser.add_argument("--data", type=Path, required=True, nargs="+")
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
        for path in [p for folder in args.data for p in shards(folder)[: args.limit]]:
            out = args.out / f"{path.parent.name}.{path.stem}.{number}.npz"
            if not out.exists():
                seed = int(path.stem) * 7 + number
                cache_shard(path, out, model, vocabulary, seed, args.clean)
                print(out, flush=True)


if __name__ == "__main__":
    main()
