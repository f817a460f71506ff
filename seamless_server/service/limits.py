"""How much one client may ask for."""

from __future__ import annotations

import time
from collections.abc import Callable

_PATIENCE = 1_000


class TokenBucket:
    """Lets `rate` events a second through on average, `burst` at once."""

    __slots__ = ("_clock", "_last", "_rate", "_tokens", "burst")

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self.burst = burst
        self._tokens = burst
        self._clock = clock
        self._last = clock()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._last) * self._rate)
        self._last = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ClientLimits:
    """The limits of one connection."""

    def __init__(self, events_per_second: float) -> None:
        self.events = TokenBucket(events_per_second, 2 * events_per_second)
        # A script may send a file at once; how much of it may wait is bounded by its session.
        self.audio = TokenBucket(events_per_second, 10 * events_per_second)
        # Four-letter codes must not be found by trying.
        self.joins = TokenBucket(1.0, 60.0)
        self.notices = TokenBucket(1.0, 5.0)
        self.patience = TokenBucket(events_per_second, _PATIENCE)
        """Refusals that are borne before the client is sent away."""
