"""Reading shards of utterances: an endless stream of batches of like length, as microphones hear.

Shards hold single sentences without silence around. What a batch has of them is made anew each
time: one to five sentences, pauses of 0 to 0.6 s, any beginning and level, and everything that
``features.augment`` does.
"""

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

from training.features import (
    augment,
    coloured_noise,
    levelled,
    music,
    retimed,
    silence,
    spec_augment,
)


@dataclass
class Utterance:
    """Features (T, 80) in half precision and the description of what was spoken.

    ``states`` (T', 512), where there are any, is what the teacher hears each 40 ms, and ``heard``
    (T,) the row of it that belongs to each frame of 10 ms (-1: none).
    """

    features: Any
    described: dict[str, Any]
    states: Any = None
    heard: Any = None

    def text(self, lang: str) -> str:
        """All its sentences in ``lang``."""
        return " ".join(" ".join(s["words"][lang]) for s in self.described["sentences"])


def read_shard(path: Path) -> list[Utterance]:
    """All utterances of one shard."""
    with np.load(path, allow_pickle=False) as data:
        described = json.loads(str(data["described"]))
        ends = data["lengths"].cumsum()
        features = data["features"]
        taught = data.get("states")
        last = data["heard"].cumsum() if taught is not None else None
    found = []
    for i, (end, length) in enumerate(zip(ends, np.diff(ends, prepend=0), strict=True)):
        x = features[end - length : end]
        states = heard = None
        if taught is not None and last is not None:
            states = taught[last[i - 1] if i else 0 : last[i]]
            heard = np.minimum(np.arange(length) // 4, len(states) - 1)
        found.append(Utterance(x, described[i], states, heard))
    return found


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


def mixed(sources: dict[Path, float], rng: random.Random, pool: int = 12) -> Iterator[Utterance]:
    """Utterances for ever from several folders, each in its share."""
    streams = [stream(folder, rng, pool) for folder in sources]
    while True:
        yield next(rng.choices(streams, list(sources.values()))[0])


def shares(texts: list[str]) -> dict[Path, float]:
    """Folders of the command line, each with its share: ``FOLDER`` or ``FOLDER=0.3``."""
    found = {}
    for text in texts:
        folder, _, share = text.partition("=")
        found[Path(folder)] = float(share or 1)
    return found


LONGEST = 1500
"""Frames of 10 ms that joined sentences may last."""


def joined(parts: list[Utterance], pauses: list[int], before: int, after: int) -> Utterance:
    """Sentences one after the other, with ``pauses`` frames between, as one utterance."""
    pieces: list[Any] = [silence(before)]
    states: list[Any] = []
    heard: list[Any] = [np.full(before, -1)]
    rows = 0
    for number, part in enumerate(parts):
        if number:
            pieces.append(silence(pauses[number - 1]))
            heard.append(np.full(pauses[number - 1], -1))
        pieces.append(part.features.astype(np.float32))
        if part.states is None:
            heard.append(np.full(len(part.features), -1))
        else:
            heard.append(part.heard + rows)
            states.append(part.states)
            rows += len(part.states)
    pieces.append(silence(after))
    heard.append(np.full(after, -1))
    described = {
        **parts[0].described,
        "sentences": [s for part in parts for s in part.described["sentences"]],
    }
    return Utterance(
        np.concatenate(pieces),
        described,
        np.concatenate(states) if states else None,
        np.concatenate(heard) if states else None,
    )


def compose(source: Iterator[Utterance], rng: random.Random) -> Utterance:
    """One to five sentences with random silence: none before the first in a quarter of them.

    Raises StopIteration when the source ends before the first.
    """
    count = rng.choices((1, 2, 3, 4, 5), (0.66, 0.18, 0.08, 0.05, 0.03))[0]
    parts = [next(source)]
    while len(parts) < count:
        part = next(source, None)
        if part is None:
            break
        # Unlabelled speech stays by itself.
        if not part.described["sentences"] or not parts[0].described["sentences"]:
            break
        if sum(len(p.features) for p in (*parts, part)) > LONGEST:
            break
        parts.append(part)
    pauses = [0 if rng.random() < 0.25 else rng.randint(0, 60) for _ in parts[1:]]
    before = 0 if rng.random() < 0.25 else rng.randint(0, 60)
    return joined(parts, pauses, before, rng.randint(8, 60))


EMPTY = {"sentences": [], "voice": ["noise", "", 1, 1]}


def nothing(rng: np.random.Generator, frames: int, voices: list[Any]) -> Utterance:
    """Noise, music, or the babble of several ``voices``, in which nobody is to be understood."""
    kind = rng.random()
    if kind < 0.4:
        x = coloured_noise(rng, frames)
    elif kind < 0.65:
        x = music(rng, frames)
    else:
        x = babble(rng, frames, voices, int(rng.integers(4, 9)))
    return Utterance(levelled(x, rng.uniform(-60, -10)), dict(EMPTY))


def babble(rng: np.random.Generator, frames: int, voices: list[Any], count: int) -> Any:
    """``count`` of the ``voices`` (T, 80) at once, each from anywhere, as loud as each other."""
    total = np.zeros((frames, 80), np.float32)
    for _ in range(count):
        x = voices[int(rng.integers(len(voices)))].astype(np.float32)
        rolled = np.roll(np.resize(x, (frames, 80)), int(rng.integers(frames)), 0)
        total += np.exp(levelled(rolled, -30))
    return np.log(total + 1e-7)


def changed(utterance: Utterance, rng: np.random.Generator, noise: Any = None) -> Utterance:
    """Heard once more: at another pace, in another room, by another microphone."""
    x, heard = utterance.features.astype(np.float32), utterance.heard
    if rng.random() < 0.8:
        x, places = retimed(x, rng)
        if heard is not None:
            heard = heard[np.minimum(np.round(places).astype(int), len(heard) - 1)]
    x = augment(x, rng, noise)
    return Utterance(x, utterance.described, utterance.states, heard)


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


def batches(
    sources: dict[Path, float], seed: int, frames: int = 12_800, silent: float = 0.04
) -> Iterator[Batch]:
    """Augmented batches of about ``frames`` frames of 10 ms.

    ``silent`` is the share of rows in which nobody speaks.
    """
    rng = random.Random(seed)
    noise_rng = np.random.default_rng(seed)
    source = mixed(sources, rng)
    while True:
        window = sorted((compose(source, rng) for _ in range(480)), key=lambda u: len(u.features))
        voices = [u.features for u in rng.sample(window, 40)]
        groups: list[list[Utterance]] = [[]]
        for utterance in window:
            size = len(utterance.features)
            if groups[-1] and size * (len(groups[-1]) + 1) > frames:
                groups.append([])
            groups[-1].append(utterance)
        rng.shuffle(groups)
        for group in groups:
            for row, utterance in enumerate(group):
                if rng.random() < silent:
                    group[row] = nothing(noise_rng, len(utterance.features), voices)
                else:
                    several = None
                    if rng.random() < 0.15:
                        count = rng.randint(1, 5)
                        several = babble(noise_rng, len(utterance.features), voices, count)
                    group[row] = changed(utterance, noise_rng, several)
                    spec_augment(group[row].features, noise_rng)
            yield collate([u.features for u in group], group)
