"""Requests that are made at the same moment: those of one speaker's languages.

Whoever makes them says so, and the engine decodes them in one batch: an idle engine waits until all
of them are there, or until whoever is not there has ended without a request.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Iterator

PATIENCE = 0.004
"""Seconds that the first waits for the last at most. Who comes later joins at the next step."""


class Company:
    """So many threads that are about to make one request each."""

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self.missing = count

    def come(self) -> None:
        """One more is there, or will not come."""
        with self._lock:
            self.missing -= 1


class _Member:
    """One of these threads."""

    def __init__(self, company: Company) -> None:
        self._company: Company | None = company

    def come(self) -> Company | None:
        """Its request is there; only the first one counts."""
        company, self._company = self._company, None
        if company is not None:
            company.come()
        return company


_member: contextvars.ContextVar[_Member | None] = contextvars.ContextVar("member", default=None)


def arrive() -> Company | None:
    """Note that the calling thread's request is made; those that it is made with, if any."""
    member = _member.get()
    return None if member is None else member.come()


@contextlib.contextmanager
def in_company(company: Company) -> Iterator[None]:
    """The calling thread is one of them inside."""
    member = _Member(company)
    token = _member.set(member)
    try:
        yield
    finally:
        _member.reset(token)
        member.come()
