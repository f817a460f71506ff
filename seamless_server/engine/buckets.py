"""Which requests go into one batch, and how long it is: neighbours in length, few lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")

MOST_WASTE = 0.15
"""Share of a batch that may be padding."""


def bucket(
    items: Sequence[T],
    length: Callable[[T], int],
    most_items: int,
    most_padded: int,
    waste: float = MOST_WASTE,
) -> list[T]:
    """The next batch: the first item, and those nearest to it in length.

    The first item is the one that has waited longest, so nobody waits for ever. Others join while
    the share of padding stays below ``waste`` and the padded size below ``most_padded``. With a
    ``waste`` of 1 nothing is padded: lengths do not matter, and the oldest go first.
    """
    batch: list[T] = []
    if waste >= 1:
        for item, total in zip(items, accumulate(map(length, items)), strict=False):
            if batch and (len(batch) >= most_items or total > most_padded):
                break
            batch.append(item)
        return batch
    first = items[0]
    target = length(first)
    others = sorted(items[1:], key=lambda item: abs(length(item) - target))
    batch, total, longest = [first], target, target
    for item in others:
        size = length(item)
        new_longest, new_total = max(longest, size), total + size
        padded = new_longest * (len(batch) + 1)
        if len(batch) >= most_items or padded > most_padded:
            break
        if padded - new_total > waste * padded:
            continue
        batch.append(item)
        total, longest = new_total, new_longest
    return batch


def rung(length: int, least: int = 16) -> int:
    """The next of few lengths: the first eight multiples of ``least``, then four to an octave.

    oneDNN makes its kernels anew for each length that it has not seen lately, about a millisecond
    for each of the vocoder's 50 kinds of convolutions: on the CPU few lengths beat no padding.
    """
    step = least
    while length > 8 * step:
        step *= 2
    return max(least, -(-length // step) * step)


def even_skip(units: int, reach: int) -> int:
    """How many of the first units a vocoder leaves out: all that it can look back to, or none, for
    the same reason."""
    return reach if units >= reach else 0
