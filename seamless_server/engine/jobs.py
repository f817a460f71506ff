"""The side of the scheduled engine that sessions see: requests come, wait, and may be given up."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeVar

from torch import Tensor

from seamless_server.caller import Caller, Cancelled
from seamless_server.engine.api import (
    DecodeRequest,
    DecodeResult,
    Samples,
    SpeakRequest,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
    measured,
)
from seamless_server.engine.decode import Loop
from seamless_server.engine.stages import MOST_WASTE, Stages
from seamless_server.errors import SeamlessError, UsageError

T = TypeVar("T")

STAGES = ("vocode", "speak", "units", "decode", "encode")


@dataclass(frozen=True)
class SchedulerOptions:
    """Limits of a scheduler.

    slots, slot_bytes: policy loops at a time, and what they may take together (None: as much as
    they need); without slots the memory left after loading decides about both. most_batch:
    requests in one batch. most_frames: padded 10 ms frames (units, characters) in one batch.
    batch_seconds: how long a batch should take at most, and for how long decoder steps go on
    before others get their turn; 0 is one step. patience_seconds: a loop that would have to wait
    longer for a slot takes one of a loop that has had it long enough. static: decoder steps and
    small batches of the encoder and the vocoder in fixed shapes; None is on CUDA only. graphs:
    calls in fixed shapes are recorded as CUDA graphs, where there is CUDA.
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
    graphs: bool = True
    threads: int | None = None


def length_of(request: Any) -> int:
    """What batches of a stage are padded to: frames, tokens or units."""
    if isinstance(request, DecodeRequest):
        return len(request.prefix) + len(request.target)
    if isinstance(request, UnitsRequest):
        return len(request.ids)
    if isinstance(request, VocodeRequest | SpeakRequest):
        return len(request.units)
    return len(request)


@dataclass(eq=False)
class Job:
    """A request on its way.

    loop: a policy loop that goes on after it was suspended.
    """

    stage: str
    request: Any
    future: Future[Any] = field(default_factory=Future)
    loop: Loop | None = None

    def __post_init__(self) -> None:
        self.length = length_of(self.request)
        self.since = time.monotonic()

    def wait_again(self, loop: Loop) -> None:
        """Its loop lost its slot."""
        self.loop, self.length, self.since = loop, loop.end, time.monotonic()

    def settle(self, result: Any) -> None:
        """Hand the result, or what went wrong, over, if anybody still waits for it."""
        if isinstance(result, SeamlessError):
            self.fail(result)
            return
        with contextlib.suppress(InvalidStateError):
            self.future.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Hand an error over, likewise."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)


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


class JobQueues:
    """Queues of requests by stage, and callers that wait for their results."""

    def __init__(self, stages: Stages) -> None:
        self.stages = stages
        self._waiting: dict[str, deque[Job]] = {name: deque() for name in STAGES}
        self._work = threading.Condition()
        self._closing = False

    def encode(self, requests: Sequence[Samples], caller: Caller | None = None) -> Iterator[Tensor]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._ask("encode", requests, caller)

    def decode(
        self, requests: Sequence[DecodeRequest], caller: Caller | None = None
    ) -> Iterator[DecodeResult]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._ask("decode", requests, caller)

    def units(
        self, requests: Sequence[UnitsRequest], caller: Caller | None = None
    ) -> Iterator[UnitsResult]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._ask("units", requests, caller)

    def vocode(
        self, requests: Sequence[VocodeRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._ask("vocode", requests, caller)

    def speak(
        self, requests: Sequence[SpeakRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """See :class:`~seamless_server.engine.api.Engine`."""
        return self._ask("speak", requests, caller)

    def _ask(self, name: str, requests: Sequence[Any], caller: Caller | None) -> Iterator[Any]:
        jobs = [Job(name, x) for x in requests]
        leave = (caller or Caller()).watching(lambda: self._cancel(jobs))
        with leave:
            try:
                for number, job in enumerate(jobs):
                    with measured(name, caller):
                        if not number:
                            self._enter(jobs)
                        result = job.future.result()
                    yield result
            finally:
                # Whoever stops waiting leaves the queues and the slots.
                self._cancel([x for x in jobs if not x.future.done()])

    def submit(self, name: str, request: Any) -> Job:
        """Queue a request of a stage; its ``future`` will hold the result.

        Raises:
            UsageError: the engine is closed, or the model has no such stage.
            LanguageError: the vocoder does not speak the language.
        """
        job = Job(name, request)
        self._enter([job])
        return job

    def _enter(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.stages.check(job.stage, job.request)
        with self._work:
            if self._closing:
                raise UsageError("the engine is closed")
            for job in jobs:
                self._waiting[job.stage].append(job)
            self._work.notify(len(jobs))

    def _cancel(self, jobs: Sequence[Job]) -> None:
        """From any thread: the owner of these is gone."""
        if not jobs:
            return
        for job in jobs:
            job.fail(Cancelled())
        with self._work:
            for job in jobs:
                if job in self._waiting[job.stage]:
                    self._waiting[job.stage].remove(job)
            self._work.notify()
