"""The line of speakers that wait for a stream: plain state, no input or output."""

from __future__ import annotations

from collections.abc import Iterator

from seamless_server.doors.socketio.schema import StreamConfig


class Line:
    """First come, first served; at most `places` wait.

    Who loses its connection keeps its place for a moment, but is passed over meanwhile.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._waiting: dict[str, StreamConfig] = {}
        self._away: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[str]:
        """Client IDs in order."""
        return iter(tuple(self._waiting))

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._waiting

    def join(self, client_id: str, config: StreamConfig) -> bool:
        """Takes the last place, or keeps the one it has; `False` if all are taken."""
        if client_id not in self._waiting and len(self._waiting) >= self._places:
            return False
        self._waiting[client_id] = config
        self._away.pop(client_id, None)
        return True

    def lose(self, client_id: str, now: float) -> None:
        """A member lost its connection at `now`; `join` brings it back."""
        if client_id in self._waiting:
            self._away[client_id] = now

    def expire(self, before: float) -> bool:
        """Lets go of those who have been away since `before`; returns whether there were any."""
        gone = [client_id for client_id, since in self._away.items() if since <= before]
        for client_id in gone:
            self.leave(client_id)
        return bool(gone)

    def first(self) -> str | None:
        """The client ID of who is next, of those who are there."""
        return next((waiting for waiting in self._waiting if waiting not in self._away), None)

    def leave(self, client_id: str) -> StreamConfig | None:
        """Gives up a place; returns what the member wanted to start, if it was in line."""
        self._away.pop(client_id, None)
        return self._waiting.pop(client_id, None)

    def position(self, client_id: str) -> int:
        """1 is next; 0 is not in line."""
        for number, waiting in enumerate(self._waiting, 1):
            if waiting == client_id:
                return number
        return 0
