"""How much one client, and all clients of one address, may ask for."""

from __future__ import annotations

import time
from collections.abc import Callable

from seamless_server.settings import Settings

_PATIENCE_SECONDS = 3.0
"""How long a client may send twice what it is allowed."""
_SUSPECT_SECONDS = 0.05
"""What the seconds of a burst shrink to for who comes from an address that flooded lately."""
_SUSPICION_SECONDS = 60.0
_SUSPECT_CONNECTS = 10.0
"""Connections a second from such an address; more wait."""
_FORGET_SECONDS = 120.0
"""An address that asked for nothing for so long has all its allowances back."""


class TokenBucket:
    """Lets `rate` a second through on average, `burst` at once."""

    __slots__ = ("_clock", "_last", "_rate", "_tokens", "burst")

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self.burst = burst
        self._tokens = burst
        self._clock = clock
        self._last = clock()

    def take(self, count: float = 1.0) -> bool:
        """Whether `count` more are allowed now."""
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + (now - self._last) * self._rate)
        self._last = now
        if self._tokens < count:
            return False
        self._tokens -= count
        return True


class AddressLimits:
    """The limits that all clients of one address share."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        def bucket(rate: float, seconds: float) -> TokenBucket:
            return TokenBucket(rate, rate * seconds or float("inf"), clock)

        self._clock = clock
        self._flooded = float("-inf")
        self.events = bucket(settings.max_events_per_address, 2)
        self.joins = bucket(settings.max_joins_per_address, 5)
        self.rooms = bucket(settings.max_rooms_per_address / 60, 60)
        self.audio_bytes = bucket(settings.max_audio_mb_per_address * 1e6, 5)
        self.connects = bucket(_SUSPECT_CONNECTS, 1)

    def flooded(self) -> None:
        """One of its clients had to be thrown out."""
        self._flooded = self._clock()

    @property
    def suspect(self) -> bool:
        """Whether that was a short while ago."""
        return self._clock() - self._flooded < _SUSPICION_SECONDS


class Addresses:
    """The limits of every address that was heard of lately."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._known: dict[str, tuple[AddressLimits, float]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def of(self, address: str) -> AddressLimits:
        """The limits of an address."""
        known = self._known.get(address)
        limits = AddressLimits(self._settings, self._clock) if known is None else known[0]
        self._known[address] = (limits, self._clock())
        return limits

    def forget(self) -> None:
        """Lets go of addresses that asked for nothing lately."""
        before = self._clock() - _FORGET_SECONDS
        self._known = {key: value for key, value in self._known.items() if value[1] > before}


class ClientLimits:
    """The limits of one connection."""

    def __init__(
        self,
        events_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        suspect: bool = False,
    ) -> None:
        """Args: suspect: its address flooded the server lately, so it is borne with less."""
        seconds = _SUSPECT_SECONDS if suspect else 1.0
        self.events = TokenBucket(events_per_second, 2 * seconds * events_per_second, clock)
        # A script may send a file at once; how much of it may wait is bounded by its session.
        self.audio = TokenBucket(events_per_second, 10 * seconds * events_per_second, clock)
        # Four-letter codes must not be found by trying.
        self.joins = TokenBucket(1.0, 60.0, clock)
        self.notices = TokenBucket(1.0, 5.0, clock)
        refusals = seconds * events_per_second
        self.patience = TokenBucket(refusals / 10, _PATIENCE_SECONDS * refusals, clock)
        """Refusals that are borne before the client is sent away."""

    def admit(self, shared: AddressLimits, size: int, *, audio: bool) -> bool:
        """Whether an event may come.

        Args:
            shared: the limits of its address.
            size: bytes of sound, or of all that it says.
            audio: whether it brings sound.
        """
        bucket = self.audio if audio else self.events
        return bucket.take() and shared.events.take() and shared.audio_bytes.take(size)
