"""The line of those that wait for a stream: plain state, no input or output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class Line(Generic[Entry]):
    """First come, first served; at most `places` wait.

    Who loses its connection keeps its place for a moment, but is passed over meanwhile.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting: dict[str, Entry] = {}
        self._away: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[str]:
        """Keys in order."""
        return iter(tuple(self._waiting))

    def __contains__(self, key: object) -> bool:
        return key in self._waiting

    def join(self, key: str, entry: Entry, *, first: bool = False) -> bool:
        """Takes the last place (or the first), or keeps the one it has; `False` if all are
        taken."""
        if key not in self._waiting and len(self._waiting) >= self._places:
            return False
        if first and key not in self._waiting:
            self._waiting = {key: entry, **self._waiting}
        self._waiting[key] = entry
        self._away.pop(key, None)
        return True

    def lose(self, key: str, now: float) -> None:
        """Who waits lost its connection at `now`; `join` brings it back."""
        if key in self._waiting:
            self._away[key] = now

    def expire(self, before: float) -> bool:
        """Lets go of those who have been away since `before`; returns whether there were any."""
        gone = [key for key, since in self._away.items() if since <= before]
        for key in gone:
            self.leave(key)
        return bool(gone)

    def first(self) -> str | None:
        """The key of who is next, of those who are there."""
        return next((waiting for waiting in self._waiting if waiting not in self._away), None)

    def get(self, key: str) -> Entry | None:
        """What somebody in line wants to start."""
        return self._waiting.get(key)

    def leave(self, key: str) -> Entry | None:
        """Gives up a place; returns what was to be started, if it was in line."""
        self._away.pop(key, None)
        return self._waiting.pop(key, None)

    def position(self, key: str) -> int:
        """1 is next; 0 is not in line."""
        for number, waiting in enumerate(self._waiting, 1):
            if waiting == key:
                return number
        return 0
