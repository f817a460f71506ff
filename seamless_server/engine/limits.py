"""How much a device is given at once after its memory ran out: less, and slowly more again."""

from __future__ import annotations

import time
from collections.abc import Callable

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
