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
TOGETHER = 1000
"""Texts of much the same length that are counted at once: what that takes grows with them."""


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


def _soft_counts(symbols: Array, units: Array, table: Array, sizes: Array, ends: Array) -> Array:
    """Expected (symbol, unit) counts of a left-to-right model, all texts at once.

    symbols (B, C) and units (B, U) padded with 0; ``sizes`` and ``ends`` are their lengths.
    """
    batch, longest = units.shape
    width = symbols.shape[1]
    rows = np.arange(batch)
    states = np.arange(width)[None, :] < sizes[:, None]
    forward = np.zeros((longest, batch, width))
    scores = [np.where(states, table[symbols, units[:, t, None]], 0.0) for t in range(longest)]
    forward[0, :, 0] = scores[0][:, 0]
    forward[0] /= forward[0].sum(1, keepdims=True)
    for t in range(1, longest):
        now = forward[t - 1] * 0.65
        now[:, 1:] += forward[t - 1][:, :-1] * 0.35
        now *= scores[t]
        forward[t] = now / np.maximum(now.sum(1, keepdims=True), 1e-300)
    backward = np.zeros((batch, width))
    counts = np.zeros_like(table)
    for t in range(longest - 1, -1, -1):
        last = t == ends - 1
        if t + 1 < longest:
            following = backward * scores[t + 1]
            before = following * 0.65
            before[:, :-1] += following[:, 1:] * 0.35
            backward = before / np.maximum(before.sum(1, keepdims=True), 1e-300)
        backward[last] = 0.0
        backward[rows[last], sizes[last] - 1] = 1.0
        weight = forward[t] * backward
        total = weight.sum(1, keepdims=True)
        weight = np.where((total > 0) & (t < ends)[:, None], weight / np.maximum(total, 1e-300), 0)
        np.add.at(counts, (symbols, units[:, t, None]), weight)
    return counts


def _flat_start(texts: list[Array], units: list[Array], num_symbols: int, num_units: int) -> Array:
    """p(unit | symbol) by Baum-Welch from an even start."""
    sizes = np.array([len(x) for x in texts])
    ends = np.array([len(x) for x in units])
    symbols = np.zeros((len(texts), sizes.max()), int)
    padded = np.zeros((len(units), ends.max()), int)
    counts = np.full((num_symbols, num_units), 0.05)
    for row, (text, u) in enumerate(zip(texts, units, strict=True)):
        symbols[row, : len(text)] = text
        padded[row, : len(u)] = u
        # The even start, blurred over the neighbours.
        place = np.arange(len(u)) * len(text) // len(u)
        for shift, weight in ((-2, 0.4), (-1, 0.7), (0, 1.0), (1, 0.7), (2, 0.4)):
            index = np.clip(place + shift, 0, len(text) - 1)
            np.add.at(counts, (text[index], u), weight)
    order = np.argsort(ends, kind="stable")
    groups = [order[first : first + TOGETHER] for first in range(0, len(order), TOGETHER)]
    for _ in range(12):
        table = counts / counts.sum(1, keepdims=True)
        counts = np.full_like(table, 0.05)
        for group in groups:
            some, lasting = sizes[group], ends[group]
            counts += _soft_counts(
                symbols[group, : some.max()], padded[group, : lasting.max()], table, some, lasting
            )
    return counts


def align(texts: list[str], units: list[Array], num_units: int, rounds: int = 3) -> list[Array]:
    """Durations in units of every character of every text; each at least 1.

    Texts with more characters than units get None.
    """
    names = sorted({c for text in texts for c in text})
    index = {c: i for i, c in enumerate(names)}
    fits = [len(text) <= len(u) for text, u in zip(texts, units, strict=True)]
    coded = [np.array([index[c] for c in text]) for text in texts]
    used = [i for i, fit in enumerate(fits) if fit]
    counts = _flat_start([coded[i] for i in used], [units[i] for i in used], len(names), num_units)
    durations: list[Array] = [None] * len(texts)
    context: dict[str, Array] = {}
    lengths = np.zeros((len(names), LONGEST + 1))
    for _ in range(rounds):
        single = counts / counts.sum(1, keepdims=True)
        emissions = {
            key: np.log((c + 8 * single[index[key[1]]]) / (c.sum() + 8))
            for key, c in context.items()
        }
        plain = np.log(single)
        following: dict[str, Array] = defaultdict(lambda: np.zeros(num_units))
        counts = np.full_like(counts, 0.05)
        spans = np.full_like(lengths, 0.5)
        for row in used:
            text, u = texts[row], units[row]
            padded = f" {text} "
            keys = [padded[i : i + 3] for i in range(len(text))]
            scores = np.stack([emissions.get(k, plain[index[k[1]]])[u] for k in keys])
            durations[row] = found = _viterbi(scores, lengths[coded[row]])
            at = 0
            for key, symbol, n in zip(keys, coded[row], found, strict=True):
                piece = np.bincount(u[at : at + n], minlength=num_units)
                counts[symbol] += piece
                following[key] += piece
                spans[symbol, min(n, LONGEST)] += 1
                at += n
        context = following
        lengths = np.log(spans / spans.sum(1, keepdims=True))
    return durations
