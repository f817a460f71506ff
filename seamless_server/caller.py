"""Who a computation is made for: what it took, and a way to end it from another thread."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator


class Cancelled(Exception):
    """The stream that asked for this was ended meanwhile."""


class Caller:
    """Who asks: seconds and calls by stage, and a way to end waiting calls from another thread.

    Args:
        clock: what seconds are told by; may be that of the thread's processor time.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.where: str | None = None
        """The engine elsewhere that computes for it, if one does."""
        self.trace: str | None = None
        """Traceparent of the span that is computed now, where there are traces."""
        self.cancelled = False
        self._lock = threading.Lock()
        self._leave: dict[int, Callable[[], None]] = {}
        self._stats: dict[str, tuple[float, int]] = {}

    @property
    def stats(self) -> dict[str, tuple[float, int]]:
        """Seconds and calls by stage."""
        return dict(self._stats)

    def count(self, name: str, seconds: float) -> None:
        """Count one call of a stage."""
        spent, calls = self._stats.get(name, (0.0, 0))
        self._stats[name] = spent + seconds, calls + 1

    def cancel(self) -> None:
        """End what waits and runs; everything after it is refused. From any thread."""
        with self._lock:
            self.cancelled = True
            leaving = list(self._leave.values())
        for leave in leaving:
            leave()

    @contextlib.contextmanager
    def watching(self, leave: Callable[[], None]) -> Iterator[None]:
        """Call ``leave`` (from another thread) if the caller is cancelled inside the block.

        Raises:
            Cancelled: it was cancelled before.
        """
        key = id(leave)
        with self._lock:
            if self.cancelled:
                raise Cancelled
            self._leave[key] = leave
        try:
            yield
        finally:
            with self._lock:
                del self._leave[key]
