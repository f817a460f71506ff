"""The scheduler's limits, what it keeps of a request, and what it counts."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from seamless_server.engine.company import Company
from seamless_server.engine.decoding import Loop
from seamless_server.engine.load import EngineLoad
from seamless_server.engine.requests import DecodeRequest, UnitsRequest, VocodeRequest

STAGES = ("vocode", "units", "decode", "encode")


@dataclass(frozen=True)
class SchedulerOptions:
    """Limits of a scheduler.

    slots, slot_bytes: policy loops at a time, and what they may take together (None: as much as
    they need); without slots the memory left after loading decides about both. most_batch:
    requests in one batch. most_frames: padded 10 ms frames (units, characters) in one batch.
    batch_seconds: how long a batch should take at most, and for how long decoder steps go on
    before others get their turn; 0 is one step. patience_seconds: a loop that would have to wait
    longer for a slot takes one of a loop that has had it long enough. static: decoder steps and
    small batches of the encoder and the vocoder in fixed shapes; None is on CUDA only, as graphs.
    threads: None is one on a GPU; on the CPU as many as there are cores for, with the threads that
    PyTorch uses in each call.
    """

    slots: int | None = None
    slot_bytes: int | None = None
    most_batch: int = 64
    most_frames: int = 64_000
    batch_seconds: float = 0.1
    patience_seconds: float = 0.3
    static: bool | None = None
    threads: int | None = None


def length_of(request: Any) -> int:
    """What batches of a stage are padded to: frames, tokens or units."""
    if isinstance(request, DecodeRequest):
        return len(request.prefix) + len(request.target)
    if isinstance(request, UnitsRequest):
        return len(request.ids)
    if isinstance(request, VocodeRequest):
        return len(request.units)
    return len(request)


@dataclass(eq=False)
class Job:
    """A request on its way.

    loop: a policy loop that goes on after it was suspended. company: those made with it.
    """

    stage: str
    request: Any
    future: Future[Any] = field(default_factory=Future)
    loop: Loop | None = None
    company: Company | None = None

    def __post_init__(self) -> None:
        self.length = length_of(self.request)
        self.since = time.monotonic()

    def wait_again(self, loop: Loop) -> None:
        """Its loop lost its slot."""
        self.loop, self.length, self.since = loop, loop.end, time.monotonic()

    def finish(self, result: Any) -> None:
        """Hand the result over, if anybody still waits for it."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Hand an error over, likewise."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


@dataclass
class SchedulerStats:
    """Batches, requests, and padded against real sizes, by stage; ``load`` says how full it is."""

    load: Callable[[], EngineLoad]
    batches: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    real: Counter[str] = field(default_factory=Counter)
    padded: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, lengths: Sequence[int], padded: int) -> None:
        """One batch of requests with these lengths, and all that was computed for it."""
        self.batches[name] += 1
        self.requests[name] += len(lengths)
        self.real[name] += sum(lengths)
        self.padded[name] += padded

    def waste(self) -> float:
        """Share of all batches that was padding."""
        padded = sum(self.padded.values())
        return 1 - sum(self.real.values()) / padded if padded else 0.0


class Pace:
    """How much of a stage fits into the time that one batch may take, measured as it works."""

    def __init__(self, batch_seconds: float) -> None:
        self._limit = batch_seconds
        self._seconds: dict[str, float] = {}

    def count(self, name: str, padded: int, seconds: float) -> None:
        """A batch of this padded size took so long."""
        each = seconds / max(1, padded)
        known = self._seconds.get(name, each)
        self._seconds[name] = 0.8 * known + 0.2 * each

    def seconds(self, name: str) -> float:
        """Seconds for one of padded length 1, 0 before the first."""
        return self._seconds.get(name, 0.0)

    def most(self, name: str) -> int:
        """Padded size of a batch that takes as long as it may; no limit before the first one."""
        each = self._seconds.get(name, 0.0)
        if self._limit == 0 or each == 0:
            return 1 << 62
        return int(self._limit / each)
