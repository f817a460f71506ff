"""How full an engine is: what a server needs to know before it lets another speaker in."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW = 5.0
"""Seconds that "lately" means."""


@dataclass(frozen=True)
class EngineLoad:
    """How full an engine is at this moment.

    slots, slots_used: policy loops that fit at once, and that run. slot_bytes: memory that slots
    may take. waiting: requests in queues. busy: share of the last seconds in which the engine's
    threads computed, 0 to 1; near 1 it has nothing left to give. step_ms: mean time of a recent
    decoder step, which writes one token for every loop.
    """

    slots: int
    slots_used: int
    slot_bytes: int
    waiting: int
    busy: float
    step_ms: float


class Activity:
    """Times at which one of the engine's threads computed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spans: deque[tuple[float, float]] = deque()
        self._began: float | None = None
        self._since = clock()

    def begin(self) -> None:
        """The thread starts to compute."""
        with self._lock:
            self._began = self._clock()

    def end(self) -> None:
        """The thread has nothing to do."""
        with self._lock:
            now = self._clock()
            if self._began is not None:
                self._spans.append((self._began, now))
            self._began = None
            while self._spans and self._spans[0][1] < now - WINDOW:
                self._spans.popleft()

    def busy(self) -> float:
        """Share of the last seconds (or of the time since the start) spent computing."""
        with self._lock:
            now = self._clock()
            first = max(self._since, now - WINDOW)
            spans = list(self._spans)
            if self._began is not None:
                spans.append((self._began, now))
        if now <= first:
            return 0.0
        total = sum(max(0.0, end - max(start, first)) for start, end in spans)
        return min(1.0, total / (now - first))
