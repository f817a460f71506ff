"""Seconds and calls by stage, for whoever wants to know where the time goes."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from seamless_server.engine.cancelling import Cancelled, current
from seamless_server.engine.threads import settle_thread

STAGES = ("vad", "features", "encode", "decode", "units", "vocode")


@dataclass
class Meter:
    """Seconds and calls by stage; ``clock`` may be that of the thread's processor time."""

    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, stage: str, seconds: float) -> None:
        """Count one call. From any thread: a stream's languages may be computed side by side."""
        with self._lock:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
            self.calls[stage] = self.calls.get(stage, 0) + 1


_current: contextvars.ContextVar[Meter | None] = contextvars.ContextVar("meter", default=None)


@contextlib.contextmanager
def metered(meter: Meter) -> Iterator[Meter]:
    """Let ``meter`` count everything that this thread does inside."""
    token = _current.set(meter)
    try:
        yield meter
    finally:
        _current.reset(token)


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Time one call of a stage, in a thread that is fit to compute.

    Raises:
        Cancelled: the calling stream was ended.
    """
    settle_thread()
    cancellation = current()
    if cancellation is not None and cancellation.cancelled:
        raise Cancelled
    meter = _current.get()
    if meter is None:
        yield
        return
    start = meter.clock()
    try:
        yield
    finally:
        meter.add(name, meter.clock() - start)
