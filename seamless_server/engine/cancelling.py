"""Ending a stream's work from outside: waiting ends, queues and slots are left at once.

A stream's calls run inside :func:`cancellable`; the engine asks for the cancellation of the calling
context and registers what it waits for.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator


class Cancelled(Exception):
    """The stream that asked for this was ended meanwhile."""


class Cancellation:
    """Says to all requests of a stream that nobody waits for them any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._leave: dict[int, Callable[[], None]] = {}

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """End what waits and runs; everything after it is refused. From any thread."""
        with self._lock:
            self._cancelled = True
            leaving = list(self._leave.values())
        for leave in leaving:
            leave()

    @contextlib.contextmanager
    def watching(self, leave: Callable[[], None]) -> Iterator[None]:
        """Call ``leave`` (from another thread) if the stream is ended inside the block.

        Raises:
            Cancelled: it was ended before.
        """
        key = id(leave)
        with self._lock:
            if self._cancelled:
                raise Cancelled
            self._leave[key] = leave
        try:
            yield
        finally:
            with self._lock:
                del self._leave[key]


_current: contextvars.ContextVar[Cancellation | None] = contextvars.ContextVar(
    "cancellation", default=None
)


def current() -> Cancellation | None:
    """The cancellation of whoever is calling."""
    return _current.get()


@contextlib.contextmanager
def cancellable(cancellation: Cancellation) -> Iterator[None]:
    """Let ``cancellation`` end the engine's calls that this thread makes inside."""
    token = _current.set(cancellation)
    try:
        yield
    finally:
        _current.reset(token)
