"""Which units each character of a text lasts: monotonic alignment learnt from the data alone.

A left-to-right model with one state a character, whose emission table p(unit | character in its
context) and lengths are re-estimated by Viterbi passes from an even start (flat-start training).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

Array = Any
LONGEST = 14


def _viterbi(scores: Array, costs: Array) -> Array:
    """Durations (C,) that maximise the sum of ``scores`` (C, U) with ``costs`` (C, LONGEST+1)."""
    characters, size = scores.shape
    sums = np.concatenate([np.zeros((characters, 1)), scores.cumsum(1)], 1)
    best = np.full(size + 1, -np.inf)
    best[0] = 0.0
    choice = np.zeros((characters, size + 1), int)
    for c in range(characters):
        following = np.full(size + 1, -np.inf)
        longest = min(LONGEST if 0 < c < characters - 1 else 40, size)
        for d in range(1, longest + 1):
            cost = costs[c, min(d, LONGEST)]
            value = best[: size + 1 - d] + sums[c, d:] - sums[c, : size + 1 - d] + cost
            better = value > following[d:]
            following[d:][better] = value[better]
            choice[c, d:][better] = d
        best = following
    durations = np.zeros(characters, int)
    at = size
    for c in range(characters - 1, -1, -1):
        durations[c] = choice[c, at]
        at -= durations[c]
    return durations


def align(texts: list[str], units: list[Array], num_units: int, rounds: int = 6) -> list[Array]:
    """Durations in units of every character of every text; each at least 1.

    Texts with more characters than units get None.
    """
    symbols = sorted({c for text in texts for c in text})
    index = {c: i for i, c in enumerate(symbols)}
    durations: list[Array] = []
    for text, u in zip(texts, units, strict=True):
        edges = np.round(np.linspace(0, len(u), len(text) + 1)).astype(int)
        durations.append(np.diff(edges) if len(u) >= len(text) else None)
    for number in range(rounds):
        single = np.full((len(symbols), num_units), 0.02)
        context: dict[str, Array] = defaultdict(lambda: np.zeros(num_units))
        lengths = np.full((len(symbols), LONGEST + 1), 0.5)
        for text, u, d in zip(texts, units, durations, strict=True):
            if d is None:
                continue
            at = 0
            padded = f" {text} "
            for i, (c, n) in enumerate(zip(text, d, strict=True)):
                piece = np.bincount(u[at : at + n], minlength=num_units)
                single[index[c]] += piece
                context[padded[i : i + 3]] += piece
                lengths[index[c], min(n, LONGEST)] += 1
                at += n
        single /= single.sum(1, keepdims=True)
        lengths = np.log(lengths / lengths.sum(1, keepdims=True))
        # The first rounds use characters alone: contexts would only confirm the even start.
        emissions = {}
        for key, counts in context.items():
            prior = single[index[key[1]]]
            weight = 8.0 if number >= 2 else 1e6
            emissions[key] = np.log((counts + weight * prior) / (counts.sum() + weight))
        for row, (text, u) in enumerate(zip(texts, units, strict=True)):
            if durations[row] is None:
                continue
            padded = f" {text} "
            scores = np.stack([emissions[padded[i : i + 3]][u] for i in range(len(text))])
            costs = np.stack([lengths[index[c]] for c in text])
            durations[row] = _viterbi(scores, costs)
    return durations
