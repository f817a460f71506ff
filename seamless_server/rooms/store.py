"""Where rooms are remembered beyond one connection: in this process, or in Redis for replicas."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """What another replica changed; a bare one says that the replica is there."""

    replica: str
    room_id: str | None = None
    """None, with `missed`: changes were missed, so any room may be another."""
    members: tuple[dict[str, Any], ...] = ()
    """Records as they are now."""
    gone: tuple[str, ...] = ()
    """Client IDs that left the room."""
    facts: dict[str, Any] | None = None
    asked: tuple[str, str] | None = None
    """A client ID, and what the owner of its room does to it from there."""
    missed: bool = False


OnChange = Callable[[Change], Awaitable[None]]


class StateStore(ABC):
    """What replicas share: members by client ID, their streams, rooms' members, transcripts.

    Where one process is all there is, its own rooms know of members, and nobody else has any.
    """

    shared = False
    """Whether other replicas share it."""

    async def start(self, on_change: OnChange) -> None:  # noqa: B027
        """Connects; `on_change` is called for changes made by others."""

    async def close(self) -> None:  # noqa: B027
        """Disconnects."""

    async def save_member(self, record: dict[str, Any], ttl: float) -> None:  # noqa: B027
        """Keeps a member for `ttl` seconds after its last change."""

    async def load_member(self, client_id: str) -> dict[str, Any] | None:
        """A member that was kept."""
        return None

    async def remove_member(self, client_id: str, room_id: str | None) -> None:  # noqa: B027
        """It has left."""

    def save_stream(  # noqa: B027
        self, client_id: str, state: dict[str, Any] | None, written: Callable[[], None]
    ) -> None:
        """Keeps what another replica needs to go on with a stream; None: it has ended.

        `written` is called when another replica would find it.
        """

    async def load_stream(self, client_id: str) -> dict[str, Any] | None:
        """What was kept of it."""
        return None

    async def ask(self, room_id: str, client_id: str, ruling: str) -> None:  # noqa: B027
        """Lets the replica that holds a member do to it what its room's owner wants."""

    async def members(self, room_id: str) -> list[dict[str, Any]]:
        """Members of a room that other replicas hold."""
        return []

    async def told(self, replicas: Collection[str]) -> set[str]:
        """Those of these replicas of which `members` gives all that they hold: of others it cannot
        tell, after an outage, who is gone."""
        return set()

    async def has_members(self, room_id: str) -> bool:
        """Whether other replicas hold any."""
        return False

    async def save_room(self, room_id: str, facts: dict[str, Any]) -> None:  # noqa: B027
        """Keeps what is true of a room itself: its owner, its passcode, whether it is closed."""

    async def load_room(self, room_id: str) -> dict[str, Any] | None:
        """The same of a room that another replica opened."""
        return None

    @abstractmethod
    async def add_text(self, room_id: str, entry: dict[str, Any]) -> None:
        """Adds text to the transcript; the same speaker, language and segment is one entry.

        Without text it only says whether the sentence is finished.
        """

    @abstractmethod
    async def transcript(self, room_id: str) -> list[dict[str, Any]]:
        """Sentences in the order in which they began."""

    @abstractmethod
    async def clear_transcript(self, room_id: str) -> None:
        """Also when the room is gone."""


def transcript_key(entry: dict[str, Any]) -> str:
    """What makes two pieces of text parts of one sentence."""
    return f"{entry['segmentID']}|{entry['lang']}|{entry['speakerID']}"


class MemoryStore(StateStore):
    """The store of a single process. Members live in the process's own rooms."""

    def __init__(self, transcript_entries: int) -> None:
        self._limit = transcript_entries
        self._transcripts: dict[str, dict[str, dict[str, Any]]] = {}

    async def add_text(self, room_id: str, entry: dict[str, Any]) -> None:
        """See `StateStore`."""
        if not self._limit:
            return
        sentences = self._transcripts.setdefault(room_id, {})
        key = transcript_key(entry)
        if (known := sentences.get(key)) is not None:
            known["text"] += entry["text"]
            known["endMs"] = max(known["endMs"], entry["endMs"])
            known["finished"] = entry["finished"]
            known["confidence"] = entry.get("confidence")
            return
        if not entry["text"]:
            return
        sentences[key] = dict(entry)
        while len(sentences) > self._limit:
            del sentences[next(iter(sentences))]

    async def transcript(self, room_id: str) -> list[dict[str, Any]]:
        """Sentences in the order in which they began."""
        sentences = self._transcripts.get(room_id, {}).values()
        return [{**entry, "text": entry["text"].strip()} for entry in sentences]

    def rooms(self) -> list[str]:
        """Rooms in which something was said."""
        return list(self._transcripts)

    def entries(self, room_id: str) -> list[dict[str, Any]]:
        """A room's sentences as they are kept."""
        return [dict(entry) for entry in self._transcripts.get(room_id, {}).values()]

    def entry(self, room_id: str, key: str) -> dict[str, Any] | None:
        """One sentence as it is kept now."""
        found = self._transcripts.get(room_id, {}).get(key)
        return None if found is None else dict(found)

    async def clear_transcript(self, room_id: str) -> None:
        """Also when the room is gone."""
        self._transcripts.pop(room_id, None)
