"""When each word was heard: CTC forced alignment (Graves et al. 2006) with the trained encoder."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def forced_alignment(log_probs: Array, targets: list[int]) -> Array:
    """Frame at which each of ``targets`` is first emitted on the best path.

    Args:
        log_probs: (S, V) log probabilities, blank is 0.
        targets: symbols, not empty.

    Returns:
        (len(targets),) frame numbers, or None when the targets do not fit into S frames.
    """
    size = len(log_probs)
    states = np.zeros(2 * len(targets) + 1, int)
    states[1::2] = targets
    skip = np.zeros(len(states), bool)
    skip[3::2] = states[3::2] != states[1:-2:2]
    emitted = log_probs[:, states]
    score = np.full(len(states), -np.inf)
    score[:2] = emitted[0, :2]
    back = np.zeros((size, len(states)), np.int8)
    for t in range(1, size):
        one = np.concatenate([[-np.inf], score[:-1]])
        two = np.where(skip, np.concatenate([[-np.inf, -np.inf], score[:-2]]), -np.inf)
        stacked = np.stack([score, one, two])
        back[t] = stacked.argmax(0)
        score = stacked.max(0) + emitted[t]
    at = len(states) - 1 if score[-1] > score[-2] else len(states) - 2
    if not np.isfinite(score[at]):
        return None
    first = np.zeros(len(targets), int)
    for t in range(size - 1, -1, -1):
        if at % 2:
            first[at // 2] = t
        at -= int(back[t, at])
    return first


def word_ends(log_probs: Array, pieces: list[tuple[int, bool]]) -> list[int] | None:
    """Frame behind the last piece of each word; ``pieces`` are (id, starts a word)."""
    frames = forced_alignment(log_probs, [piece for piece, _ in pieces])
    if frames is None:
        return None
    ends: list[int] = []
    for (_, starts), frame in zip(pieces, frames, strict=True):
        if starts or not ends:
            ends.append(int(frame) + 1)
        else:
            ends[-1] = int(frame) + 1
    return ends
