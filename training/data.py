"""Reading shards of utterances: an endless shuffled stream of batches of like length."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from training.features import FLOOR, augment, coloured_noise, spec_augment


@dataclass
class Utterance:
    """Features (T, 80) in half precision and the description of what was spoken."""

    features: Any
    described: dict[str, Any]

    def text(self, lang: str) -> str:
        """All its sentences in ``lang``."""
        return " ".join(" ".join(s["words"][lang]) for s in self.described["sentences"])


def read_shard(path: Path) -> list[Utterance]:
    """All utterances of one shard."""
    with np.load(path, allow_pickle=False) as data:
        described = json.loads(str(data["described"]))
        ends = data["lengths"].cumsum()
        features = data["features"]
    return [
        Utterance(features[end - length : end], item)
        for end, length, item in zip(ends, np.diff(ends, prepend=0), described, strict=True)
    ]


def shards(folder: Path) -> list[Path]:
    """Finished shards of a folder."""
    return sorted(p for p in folder.glob("*.npz") if ".part" not in p.name)


def stream(folder: Path, rng: random.Random, pool: int = 12) -> Iterator[Utterance]:
    """Utterances for ever, from ``pool`` random shards at a time; new shards are noticed."""
    while True:
        found = shards(folder)
        while not found:
            time.sleep(2)
            found = shards(folder)
        gathered = [u for p in rng.sample(found, min(pool, len(found))) for u in read_shard(p)]
        rng.shuffle(gathered)
        yield from gathered


@dataclass
class Batch:
    """Padded features (B, T, 80), their lengths, and the utterances."""

    features: Tensor
    lengths: Tensor
    utterances: list[Utterance]


def collate(features: list[Any], utterances: list[Utterance]) -> Batch:
    """Pad a list of features."""
    lengths = torch.tensor([len(x) for x in features])
    padded = torch.zeros(len(features), int(lengths.max()), 80)
    for row, x in enumerate(features):
        padded[row, : len(x)] = torch.from_numpy(np.ascontiguousarray(x))
    return Batch(padded, lengths, utterances)


EMPTY = {"sentences": [], "voice": ["noise", "", 1, 1]}


def batches(
    folder: Path, seed: int, frames: int = 12_800, nothing: float = 0.03
) -> Iterator[Batch]:
    """Augmented batches of about ``frames`` frames of 10 ms.

    ``nothing`` is the share of rows in which nobody speaks.
    """
    rng = random.Random(seed)
    noise_rng = np.random.default_rng(seed)
    source = stream(folder, rng)
    while True:
        window = sorted((next(source) for _ in range(640)), key=lambda u: len(u.features))
        groups: list[list[Utterance]] = [[]]
        for utterance in window:
            size = len(utterance.features)
            if groups[-1] and size * (len(groups[-1]) + 1) > frames:
                groups.append([])
            groups[-1].append(utterance)
        rng.shuffle(groups)
        for group in groups:
            features = []
            babble = group[0].features.astype(np.float32)
            for row, utterance in enumerate(group):
                if rng.random() < nothing:
                    size = len(utterance.features)
                    level = np.float32(noise_rng.uniform(-14, -2))
                    x = np.maximum(coloured_noise(noise_rng, size) + level, np.float32(FLOOR))
                    group[row] = Utterance(x, dict(EMPTY))
                else:
                    x = augment(utterance.features.astype(np.float32), noise_rng, babble)
                    x = spec_augment(x, noise_rng)
                features.append(x)
            yield collate(features, group)
