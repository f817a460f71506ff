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
    may take. waiting: requests in queues. busy: share of the last seconds in which the engine
    computed, 0 to 1; near 1 it has nothing left to give. step_ms: mean time of a recent decoder
    step, which writes one token for every loop.
    """

    slots: int
    slots_used: int
    slot_bytes: int
    waiting: int
    busy: float
    step_ms: float


class Activity:
    """Times at which the engine computed, and how long decoder steps take."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spans: deque[tuple[float, float]] = deque()
        self._began: float | None = None
        self._since = clock()
        self._step = 0.0

    def begin(self) -> None:
        """The engine starts to compute."""
        with self._lock:
            self._began = self._clock()

    def end(self) -> None:
        """The engine has nothing to do."""
        with self._lock:
            now = self._clock()
            if self._began is not None:
                self._spans.append((self._began, now))
            self._began = None
            while self._spans and self._spans[0][1] < now - WINDOW:
                self._spans.popleft()

    def step(self, seconds: float) -> None:
        """A decoder step took so long."""
        self._step = seconds if self._step == 0.0 else 0.9 * self._step + 0.1 * seconds

    @property
    def step_ms(self) -> float:
        """Mean time of recent decoder steps."""
        return self._step * 1000

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
