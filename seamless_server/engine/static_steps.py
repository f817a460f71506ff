"""Decoder steps in fixed shapes, which CUDA can capture once as a graph and replay.

A step of one token for a few rows is hundreds of small kernels: launching them takes the processor
longer than computing them takes the GPU. A graph is launched as a whole, but only for the very same
shapes and addresses. So rows, positions and frames are rounded up to powers of two, rows that
nobody uses compute on empty slots, and everything that changes from step to step is copied into one
small tensor of integers. On other devices the same path runs without a graph, which is how it is
tested; there it has no advantage.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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
        self._capturing = device.type == "cuda"
        shape = (slots.count, 2 + NGRAM_WINDOW)
        self._host = torch.zeros(shape, dtype=torch.long, pin_memory=self._capturing)
        self._inputs = torch.zeros(shape, dtype=torch.long, device=device)
        self._graphs: dict[Shape, tuple[torch.cuda.CUDAGraph, Outputs]] = {}
        # One pool for all graphs: what one leaves there is read before the next one runs.
        self._pool = torch.cuda.graph_pool_handle() if self._capturing else None
        self._generation = slots.generation

    def run(self, steps: Sequence[Step]) -> Outputs:
        """Features (B, D), best tokens (B,) and p_choose (B, L, H, 1, 1) of one token a row.

        On CUDA they are valid until the next step of the same shape.
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
        features, best, p_choose = self._replay(shape) if self._capturing else self._compute(shape)
        return features[:rows], best[:rows], p_choose[:rows]

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

    def _replay(self, shape: Shape) -> Outputs:
        if self._generation != self._slots.generation:  # the tensors moved: graphs point nowhere
            self._graphs.clear()
            self._generation = self._slots.generation
        if shape not in self._graphs:
            self._graphs[shape] = self._capture(shape)
        graph, (features, best, p_choose) = self._graphs[shape]
        graph.replay()
        # Features outlive the step: the speech branch collects them.
        return features.clone(), best, p_choose

    def _capture(self, shape: Shape) -> tuple[torch.cuda.CUDAGraph, Outputs]:
        """Record the step; before that it must have run once, outside of the recording.

        Both write what the replay will write: keys and values of the same tokens.
        """
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._compute(shape)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads (agents) may use the device meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            outputs = self._compute(shape)
        return graph, outputs
