"""What an engine counts: how full it is, its batches, the pace of its stages, and its limits."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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


class StagePace:
    """How much of a stage fits into the time that one batch may take, measured as it works."""

    def __init__(self, batch_seconds: float) -> None:
        self._limit = batch_seconds
        self._seconds: dict[str, float] = {}

    def count(self, name: str, padded: int, seconds: float) -> None:
        """A batch of this padded size took so long."""
        each = seconds / max(1, padded)
        known = self._seconds.get(name, each)
        self._seconds[name] = 0.8 * known + 0.2 * each

    def forget(self) -> None:
        """Start anew."""
        self._seconds.clear()

    def seconds(self, name: str) -> float:
        """Seconds for one of padded length 1, 0 before the first."""
        return self._seconds.get(name, 0.0)

    def most(self, name: str) -> int:
        """Padded size of a batch that takes as long as it may; no limit before the first one."""
        each = self._seconds.get(name, 0.0)
        if self._limit == 0 or each == 0:
            return 1 << 62
        return int(self._limit / each)


PAUSE, LONGEST_PAUSE = 30.0, 960.0
"""Seconds without trouble before a limit is raised, at first and at most."""


class Limit:
    """A number that is halved when memory runs out, and comes back by quarters.

    Who finds that the last raise was one too many waits twice as long before the next one.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._now, self._clock = most, clock
        self._pause, self._next = PAUSE, 0.0
        self._raised = False

    @property
    def value(self) -> int:
        """The number at this moment."""
        if self._now < self.most and self._clock() >= self._next:
            self._now = min(self.most, self._now + max(1, self._now // 4))
            self._raised, self._next = True, self._clock() + self._pause
        return self._now

    def shed(self, tried: int) -> None:
        """So much at once was too much."""
        if self._raised:
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._raised = False
        self._now = max(1, min(self._now, tried // 2))
        self._next = self._clock() + self._pause
