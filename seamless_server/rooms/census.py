"""A room's members in numbers, kept while they come, change and go.

What is asked for with every output and every join must not cost a walk over thousands of members.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

CONNECTED, STREAMING, SPEAKER, LISTENER = "connected", "streaming", "speaker", "listener"
GROUP, AWAY, LISTENING, WISHED = "group", "away", "listening", "wished"
"""Members of a delivery group, and those of them without a connection; connected listeners by what
they read, and everybody's wishes, by language."""

Mark = tuple[str, str | None]


class Census:
    """Counts members by the marks that they bear."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[Mark]] = {}
        self._kinds: dict[str, Counter[str | None]] = {}
        self._bearers: dict[str, dict[str, None]] = {STREAMING: {}, SPEAKER: {}}

    def count(self, client_id: str, marks: Iterable[Mark]) -> None:
        """A member came, or is not what it was."""
        new = frozenset(marks)
        old = self._of.get(client_id, frozenset())
        if new == old:
            return
        self._of[client_id] = new
        self._move(client_id, old - new, new - old)

    def drop(self, client_id: str) -> None:
        """A member is gone."""
        self._move(client_id, self._of.pop(client_id, frozenset()), frozenset())

    def _move(self, client_id: str, lost: frozenset[Mark], won: frozenset[Mark]) -> None:
        for kind, value in lost:
            counts = self._kinds[kind]
            counts[value] -= 1
            if not counts[value]:
                del counts[value]
            if kind in self._bearers:
                del self._bearers[kind][client_id]
        for kind, value in won:
            self._kinds.setdefault(kind, Counter())[value] += 1
            if kind in self._bearers:
                self._bearers[kind][client_id] = None

    def of(self, kind: str) -> Counter[str | None]:
        """How many bear each mark of a kind; not to be changed."""
        return self._kinds.get(kind, Counter())

    def number(self, kind: str, value: str | None = None) -> int:
        """How many bear a mark."""
        return self.of(kind)[value] if kind in self._kinds else 0

    def bearers(self, kind: str) -> list[str]:
        """Client IDs of those who stream or speak."""
        return list(self._bearers[kind])
