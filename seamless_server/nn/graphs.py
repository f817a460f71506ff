"""CUDA graphs of calls in fixed shapes.

A call of a large network on little data is hundreds of small kernels: launching them takes the
processor longer than computing them takes the GPU. A graph is launched as a whole, but only for
the very same shapes and addresses. Elsewhere than on CUDA the same calls run without graphs, which
is how they are tested; there they have no advantage.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)

MOST = 512
"""Graphs of one owner; what comes in other shapes then is called plainly."""


class Graphs:
    """One graph for each key, recorded when the key comes first. For one thread.

    Args:
        record: False calls plainly, for comparison.
    """

    def __init__(self, device: torch.device, record: bool = True) -> None:
        self.recording = record and device.type == "cuda"
        self._graphs: dict[Hashable, tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Any]] = {}
        # One pool for all: none runs beside another. Outputs are kept, so they have their own room.
        self._pool = torch.cuda.graph_pool_handle() if self.recording else None

    def clear(self) -> None:
        """Forget all graphs: tensors that they read or write have moved."""
        self._graphs.clear()

    def run(self, key: Hashable, compute: Callable[..., Any], *inputs: Tensor) -> Any:
        """``compute(*inputs)``, whose inputs have the same shapes whenever the key is the same.

        From a graph its outputs are valid until the next call with the same key.
        """
        if not self.recording:
            return compute(*inputs)
        if key not in self._graphs:
            if len(self._graphs) >= MOST:
                return compute(*inputs)
            try:
                self._graphs[key] = self._record(compute, tuple(x.clone() for x in inputs))
            except torch.OutOfMemoryError:
                raise
            except RuntimeError as error:
                log.warning("no CUDA graphs from here on, calls are launched one by one: %s", error)
                self.recording = False
                self._graphs.clear()
                return compute(*inputs)
        graph, places, outputs = self._graphs[key]
        for place, x in zip(places, inputs, strict=True):
            place.copy_(x, non_blocking=True)
        graph.replay()
        return outputs

    def _record(
        self, compute: Callable[..., Any], inputs: tuple[Tensor, ...]
    ) -> tuple[torch.cuda.CUDAGraph, tuple[Tensor, ...], Any]:
        """Before it is recorded, a call must have run once on a stream beside."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            compute(*inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        # Other threads (agents) may use the device meanwhile.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            outputs = compute(*inputs)
        return graph, inputs, outputs
