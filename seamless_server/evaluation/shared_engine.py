"""The engine that several workers of an evaluation share.

On a GPU it is the scheduled engine as it is: everything is computed in batches. On a CPU only the
decoder's steps gain from batches (a step of four sentences costs little more than one of one),
while an encoder's work grows with its batch: four sentences in one batch take as long as one after
the other. There the workers' own threads encode, each on a core, and meet at the decoder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from seamless_server.agents.loading import AgentSystem
from seamless_server.caller import Caller
from seamless_server.engine import (
    DecodeRequest,
    DecodeResult,
    Engine,
    InlineEngine,
    SpeakRequest,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
)
from seamless_server.engine.api import Samples


class CoresEngine:
    """Decodes through a scheduled engine, and computes all else in the caller's thread.

    Args:
        inline: computes alone; safe to call from several threads.
        scheduled: of the same checkpoint.
    """

    def __init__(self, inline: InlineEngine, scheduled: Engine) -> None:
        self._inline = inline
        self._scheduled = scheduled

    def encode(self, requests: Sequence[Samples], caller: Caller | None = None) -> Iterator[Tensor]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._inline.encode(requests, caller)

    def decode(
        self, requests: Sequence[DecodeRequest], caller: Caller | None = None
    ) -> Iterator[DecodeResult]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._scheduled.decode(requests, caller)

    def units(
        self, requests: Sequence[UnitsRequest], caller: Caller | None = None
    ) -> Iterator[UnitsResult]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._inline.units(requests, caller)

    def vocode(
        self, requests: Sequence[VocodeRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._inline.vocode(requests, caller)

    def speak(
        self, requests: Sequence[SpeakRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._inline.speak(requests, caller)


def shared_system(system: AgentSystem, workers: int) -> AgentSystem:
    """The system that `workers` threads share, made of one with a scheduled engine."""
    weight = system.checkpoint.decoder.embed.weight
    if weight.device.type != "cpu":
        return system
    if not os.environ.get("OMP_NUM_THREADS"):
        # Workers times threads beyond the cores hinder one another.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        torch.set_num_threads(max(1, min(torch.get_num_threads(), (cores or 1) // workers)))
    inline = InlineEngine(system.checkpoint)
    return AgentSystem(system.checkpoint, CoresEngine(inline, system.engine))
