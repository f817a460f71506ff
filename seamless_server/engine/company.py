"""Requests that are made at the same moment: those of one speaker's languages.

Whoever makes them says how many there are, so that the engine waits the few milliseconds until all
of them are there instead of starting with the first.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

PATIENCE = 0.005
"""Seconds that the first waits for the last at most."""

_company: contextvars.ContextVar[int] = contextvars.ContextVar("company", default=1)


def company() -> int:
    """How many threads are making the calling one's request at this moment, itself included."""
    return _company.get()


@contextlib.contextmanager
def in_company(count: int) -> Iterator[None]:
    """Say that ``count`` threads make the same call as this one does inside."""
    token = _company.set(count)
    try:
        yield
    finally:
        _company.reset(token)
