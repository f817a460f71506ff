"""A room's members in numbers, kept while they come, change and go.

What is asked for with every output and every join must not cost a walk over thousands of members.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seamless_server.rooms.members import Member

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

    def count(self, member: Member) -> None:
        """A member came, or is not what it was."""
        new = frozenset(_marks(member))
        old = self._of.get(member.client_id, frozenset())
        if new == old:
            return
        self._of[member.client_id] = new
        self._move(member.client_id, old - new, new - old)

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


def _marks(member: Member) -> list[Mark]:
    found: list[Mark] = []
    if member.connected:
        found.append((CONNECTED, None))
    if member.streaming:
        found.append((STREAMING, None))
    found += [(role, None) for role in member.roles]
    for group in member.groups():
        found.append((GROUP, group))
        if not member.connected:
            found.append((AWAY, group))
    if "listener" in member.roles:
        lang = None if member.wish is None or member.protocol < 2 else member.wish.lang
        if member.connected:
            found.append((LISTENING, lang))
        if lang is not None and member.wish is not None and member.wish.take != "none":
            found.append((WISHED, lang))
    return found
