"""Decoder steps in fixed shapes, which become CUDA graphs.

Rows, positions and frames are rounded up to powers of two, rows that nobody uses compute on empty
slots, and everything that changes from step to step is copied into one small tensor of integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from seamless_server.engine.graphs import Graphs
from seamless_server.engine.policy import NGRAM_WINDOW, Step
from seamless_server.engine.slots import BLOCK, Slots
from seamless_server.nn import TextDecoder

Shape = tuple[int, int, int]
Outputs = tuple[Tensor, Tensor, Tensor]
NOTHING = -1


def power(size: int, least: int, most: int) -> int:
    """The next power of two times ``least``, at most ``most``."""
    bucket = least
    while bucket < size:
        bucket *= 2
    return min(bucket, most)


class StaticSteps:
    """Steps over the first rows of ``slots``."""

    def __init__(self, decoder: TextDecoder, slots: Slots) -> None:
        self._decoder, self._slots = decoder, slots
        device = decoder.embed.weight.device
        shape = (slots.count, 2 + NGRAM_WINDOW)
        self._host = torch.zeros(shape, dtype=torch.long, pin_memory=device.type == "cuda")
        self._inputs = torch.zeros(shape, dtype=torch.long, device=device)
        self._graphs = Graphs(device)
        self._generation = slots.generation

    def run(self, steps: Sequence[Step]) -> Outputs:
        """Features (B, D), best tokens (B,) and p_choose (B, L, H, 1, 1) of one token a row.

        Tokens and p_choose are valid until the next step.
        """
        rows = len(steps)
        shape = (
            power(rows, 1, self._slots.count),
            power(max(x.position for x in steps) + 1, BLOCK, self._slots.positions),
            power(max(self._slots.frames_used[:rows]), BLOCK, self._slots.frames),
        )
        table = [self._row(step) for step in steps]
        # Unused rows take part at position 0 of slots that nobody has.
        table += [[0, 0, *[NOTHING] * NGRAM_WINDOW]] * (shape[0] - rows)
        self._host[: shape[0]] = torch.tensor(table)
        self._inputs.copy_(self._host, non_blocking=True)
        if self._generation != self._slots.generation:  # the tensors moved: graphs point nowhere
            self._graphs.clear()
            self._generation = self._slots.generation
        # A recording runs twice; both write the same keys and values of the same tokens.
        features, best, p_choose = self._graphs.run(shape, partial(self._compute, shape))
        # Features outlive the step: the speech branch collects them.
        return features[:rows].clone(), best[:rows], p_choose[:rows]

    @staticmethod
    def _row(step: Step) -> list[int]:
        banned = list(step.banned) or [NOTHING]
        banned += [banned[0]] * (NGRAM_WINDOW - len(banned))
        return [step.tokens[0], step.position, *banned]

    def _compute(self, shape: Shape) -> Outputs:
        rows, positions, frames = shape
        inputs = self._inputs[:rows]
        features, p_choose = self._decoder(
            inputs[:, :1],
            self._slots.sources(rows, frames),
            inputs[:, 1:2],
            self._slots.cache.rows(rows),
            positions,
            torch.zeros(rows, dtype=torch.long, device=inputs.device),
        )
        logits = self._decoder.logits(features[:, 0])
        banned = inputs[:, 2:]
        ids = banned.clamp(min=0)
        kept = logits.gather(1, ids)
        logits.scatter_(1, ids, kept.masked_fill(banned != NOTHING, -torch.inf))
        return features[:, 0], logits.argmax(-1), p_choose
