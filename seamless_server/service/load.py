"""What the running streams cost, measured, and whether one more can be carried.

The measure is the share of time in which the machine worked for streams, per second of speech that
it worked through. Steps that run at the same time count once with an engine that computes for all
in batches, since that engine is the one thing that they wait for; with engines of their own they
share the workers. So what batching saves shows in the measure as soon as people speak at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LIMIT = 0.85
"""Share of the machine that streams may use; the rest is for peaks."""
_ENOUGH = 5.0
"""Seconds of measured speech before the measure is trusted more than the warm-up's."""
_MEMORY = 60.0
"""Seconds of speech after which what was measured before counts half."""


class Load:
    """Measures the steps of all sessions. Its methods may be called in any thread.

    Args:
        slots: steps that truly compute at the same time: 1 for an engine that batches, the number
            of workers otherwise.
        clock: seconds.
    """

    def __init__(self, slots: int = 1, clock: Callable[[], float] = time.perf_counter) -> None:
        self._slots = max(1, slots)
        self._clock = clock
        self._lock = threading.Lock()
        self._underway = 0
        self._since = 0.0
        self._busy = 0.0
        self._speech = 0.0
        self._expected: float | None = None

    def expect(self, cost: float) -> None:
        """Says what a stream should cost, until real ones have been measured."""
        with self._lock:
            self._expected = max(cost / self._slots, self._expected or 0.0)

    @contextmanager
    def step(self, seconds: float, *, speech: bool) -> Iterator[None]:
        """Around the computing of `seconds` of audio; only speech is measured.

        A step that begins in silence mostly costs next to nothing: counting it would make a stream
        look cheap that is about to speak.
        """
        if not speech:
            yield
            return
        self._change(+1)
        try:
            yield
        finally:
            self._change(-1, seconds)

    def _change(self, by: int, seconds: float = 0.0) -> None:
        with self._lock:
            now = self._clock()
            self._busy += (now - self._since) * min(self._underway, self._slots) / self._slots
            self._since = now
            self._underway += by
            self._speech += seconds
            if self._speech > _MEMORY:
                self._busy /= 2
                self._speech /= 2

    @property
    def cost(self) -> float | None:
        """Share of the machine that one speaking stream takes; `None` while nothing is known."""
        with self._lock:
            if self._speech < _ENOUGH:
                return self._expected
            return self._busy / self._speech

    def allows(self, running: int) -> bool:
        """Whether one more could speak beside `running` streams if all spoke at once."""
        cost = self.cost
        return running == 0 or cost is None or (running + 1) * cost <= LIMIT


class Pace:
    """The real-time factor of one stream over its last seconds of audio."""

    def __init__(self, memory: float = 5.0) -> None:
        self._memory = memory
        self._took = 0.0
        self._audio = 0.0

    def add(self, took: float, audio: float) -> None:
        """A step took `took` seconds for `audio` seconds of sound."""
        keep = self._memory / (self._memory + audio)
        self._took = (self._took + took) * keep
        self._audio = (self._audio + audio) * keep

    @property
    def factor(self) -> float | None:
        """Seconds per second of audio; below 1 the stream keeps up. `None` before any audio."""
        return self._took / self._audio if self._audio else None
