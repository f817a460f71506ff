"""Members of rooms, and what each of them gets: plain state, no input or output."""

from __future__ import annotations

import secrets
import string
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import astuple, dataclass, field, fields
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal

from seamless_server.errors import SeamlessError
from seamless_server.rooms.census import (
    AWAY,
    CONNECTED,
    GROUP,
    LISTENER,
    LISTENING,
    SPEAKER,
    STREAMING,
    WISHED,
    Census,
    Mark,
)

Kind = Literal["text", "speech", "opus"]
"""Text, speech as samples, and speech as Opus."""
Role = Literal["speaker", "listener"]
Take = Literal["s2s&t", "s2t", "s2s", "none"]
"""What a listener takes: speech and text, text, speech, or nothing."""
Encoding = Literal["pcm16", "opus"]
"""How speech comes to a listener."""

V1 = "v1"
"""Delivery group of clients of the original's protocol."""
FOLLOW = "follow"
"""Delivery group of those who take whatever the speaker chose."""
ANY = "*"
"""In place of a language: the speaker's own."""
HEARD = "="
"""Delivery group of those who read what was heard, in the language that is spoken."""
ORIGINAL = "~"
"""Delivery group of those who hear speakers' own voices."""
EVERYBODY = ""
"""Group of all who have a role in a room."""


def group_name(room_id: str, group: str, kind: Kind | None = None) -> str:
    """Name of the Socket.IO room of a group. `|` is in no room's code and in no session's ID, so
    that a room which is called like somebody's session has nothing of it."""
    return f"{room_id}|{group}|{kind}" if kind else f"{room_id}|{group}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a listener chose for itself."""

    lang: str | None = None
    """None is the speaker's own language."""
    take: Take = "s2s&t"
    heard: bool = False
    """Also what was heard, in the language that is spoken."""
    encoding: Encoding = "pcm16"
    original: bool = False
    """Also the own voices of speakers who send them."""

    @property
    def sound(self) -> Kind:
        """How sound goes to it."""
        return "opus" if self.encoding == "opus" else "speech"

    def kinds(self) -> set[Kind]:
        """What of a language goes to it."""
        found: set[Kind] = set()
        if self.take in ("s2s&t", "s2t"):
            found.add("text")
        if self.take in ("s2s&t", "s2s"):
            found.add(self.sound)
        return found


@dataclass(slots=True)
class Held:
    """An event held back for members who are away."""

    at: float
    group: str
    event: str
    data: dict[str, Any]
    size: int


_HERE = ("gone_since", "stream_ended", "replica", "left_stream", "keeps_audio", "counted")
"""What is true of a member on this replica alone."""
_COUNTED = frozenset({"sid", "protocol", "roles", "wish", "streaming", "room_id"})


@dataclass(eq=False)
class Member:
    """A client in a room; survives its connection for the grace period."""

    client_id: str
    sid: str | None = None
    """The Socket.IO session, `None` while disconnected."""
    protocol: int = 1
    name: str | None = None
    roles: frozenset[Role] = frozenset()
    target_language: str | None = None
    source_language: str | None = None
    """What it says it speaks."""
    expressive: bool | None = None
    send_voice: bool = False
    """Listeners may hear it as it speaks."""
    wish: Wish | None = None
    """None: whatever the speaker chose, as clients of the first protocol take it."""
    model_type: str | None = None
    model: str | None = None
    """What translates its stream, or did so last."""
    streaming: bool = False
    resume_key: str | None = None
    """Who knows it may come back as this member; the client ID is known to everybody."""
    subject: str | None = None
    """Who its token says it is; the same subject may come back as this member."""
    room_id: str | None = None
    since: float = 0.0
    """When its newest connection was made (seconds since the epoch)."""
    gone_since: float | None = None
    """When the connection was lost (monotonic)."""
    segment_base: int = 0
    stream_ended: float = float("-inf")
    """When its last stream ended (monotonic)."""
    replica: str | None = None
    """Set when the member is connected to another replica."""
    server_id: str = ""
    """The `server_id` that its client knows its stream by."""
    keeps_audio: bool = False
    """Its client keeps what it sent since the last pause, and can send it to another replica."""
    left_stream: bool = False
    """Another replica has a stream of it, or had one that has not ended."""
    counted: Callable[[Member], None] | None = field(default=None, repr=False)
    """Told of what changes; its room's, which counts its members."""

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in _COUNTED and (counted := self.__dict__.get("counted")) is not None:
            counted(self)

    @property
    def connected(self) -> bool:
        """Whether it has a connection, here or elsewhere."""
        return self.sid is not None

    def away_for(self) -> float:
        """Seconds since its connection was lost; negative while it has one."""
        if self.connected or self.gone_since is None:
            return -1.0
        return time.monotonic() - self.gone_since

    def groups(self) -> set[str]:
        """The delivery groups of its room that it belongs to."""
        if self.room_id is None or "listener" not in self.roles:
            return set()
        if self.protocol < 2:
            return {group_name(self.room_id, V1)}
        if self.wish is None:
            return {group_name(self.room_id, FOLLOW)}
        lang = self.wish.lang or ANY
        groups = {group_name(self.room_id, lang, kind) for kind in self.wish.kinds()}
        if self.wish.heard:
            groups.add(group_name(self.room_id, HEARD, "text"))
        if self.wish.original:
            groups.add(group_name(self.room_id, ORIGINAL, self.wish.sound))
        return groups

    def marks(self) -> list[Mark]:
        """What its room counts of it."""
        found: list[Mark] = []
        if self.connected:
            found.append((CONNECTED, None))
        if self.streaming:
            found.append((STREAMING, None))
        found += [(role, None) for role in self.roles]
        for group in self.groups():
            found.append((GROUP, group))
            if not self.connected:
                found.append((AWAY, group))
        if "listener" in self.roles:
            lang = None if self.wish is None or self.protocol < 2 else self.wish.lang
            if self.connected:
                found.append((LISTENING, lang))
            if lang is not None and self.wish is not None and self.wish.take != "none":
                found.append((WISHED, lang))
        return found

    def dynamic_config(self) -> dict[str, Any] | None:
        """What `set_dynamic_config` set so far."""
        config = {
            "targetLanguage": self.target_language,
            "sourceLanguage": self.source_language,
            "expressive": self.expressive,
            "sendVoice": self.send_voice or None,
        }
        return {name: value for name, value in config.items() if value is not None} or None

    def record(self) -> dict[str, Any]:
        """What another replica needs to go on with this member."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in _HERE:
            del record[name]
        wish = None if self.wish is None else list(astuple(self.wish))
        return {**record, "roles": sorted(self.roles), "wish": wish}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Member:
        """The inverse of `record`."""
        known = {**record, "roles": frozenset(record.get("roles", ()))}
        if known.get("wish"):
            known["wish"] = Wish(*known["wish"])
        return cls(**known)


class Room:
    """Members by client ID, in the order in which they came."""

    def __init__(self, room_id: str, replay_bytes: int) -> None:
        self.room_id = room_id
        self._members: dict[str, Member] = {}
        self._numbers: dict[str, int] = {}
        self._came = 0
        self._census = Census()
        self.owner: str | None = None
        """Client ID of who opened it, or of the speaker that took over."""
        self.passcode: str | None = None
        self.closed = False
        """Nobody else may join."""
        self.speakers_closed = False
        """Nobody else may speak."""
        self.said = False
        """Something was said in it."""
        self.empty_since: float | None = time.monotonic()
        self._held: deque[Held] = deque()
        self._held_bytes = 0
        self._replay_bytes = replay_bytes

    @property
    def members(self) -> Mapping[str, Member]:
        """To look at; `add` and `drop` change it."""
        return MappingProxyType(self._members)

    def add(self, member: Member) -> None:
        """A member is here, in place of an earlier one of its client ID."""
        before = self._members.get(member.client_id)
        if before is None:
            self._came += 1
            self._numbers[member.client_id] = self._came
        else:
            before.counted = None
        self._members[member.client_id] = member
        member.counted = lambda one: self._census.count(one.client_id, one.marks())
        self._census.count(member.client_id, member.marks())

    def drop(self, client_id: str) -> None:
        """A member is here no more."""
        member = self._members.pop(client_id, None)
        if member is not None:
            member.counted = None
            del self._numbers[client_id]
            self._census.drop(client_id)

    def page(self, after: int, limit: int) -> tuple[list[Member], int | None]:
        """Members who came after number `after`, and the number to go on with, if there are more.

        Numbers stay what they are when others leave.
        """
        later = (m for m in self._members.values() if self._numbers[m.client_id] > after)
        found = list(islice(later, limit + 1))
        more = len(found) > limit
        found = found[:limit]
        return found, self._numbers[found[-1].client_id] if more else None

    def speakers(self) -> list[str]:
        """Client IDs, in the order in which they came."""
        return sorted(self._census.bearers(SPEAKER), key=self._numbers.__getitem__)

    def streaming(self) -> list[str]:
        """Client IDs of members whose streams run."""
        return sorted(self._census.bearers(STREAMING), key=self._numbers.__getitem__)

    def facts(self) -> dict[str, Any]:
        """What replicas must know of the room itself."""
        return {
            "owner": self.owner,
            "passcode": self.passcode,
            "closed": self.closed,
            "speakers_closed": self.speakers_closed,
        }

    def take_over(self, facts: dict[str, Any]) -> None:
        """The inverse of `facts`."""
        self.owner, self.passcode = facts.get("owner"), facts.get("passcode")
        self.closed = bool(facts.get("closed"))
        self.speakers_closed = bool(facts.get("speakers_closed"))

    def let_in(self, client_id: str, passcode: str | None, roles: Collection[Role]) -> None:
        """Whether a client may join the room, and as what; those in it may stay what they are.

        Raises:
            SeamlessError: the room is closed, its passcode is another, or it has its speakers.
        """
        member = self._members.get(client_id)
        if member is not None and self.owner == client_id:
            return
        speaks = member is not None and "speaker" in member.roles
        if self.speakers_closed and "speaker" in roles and not speaks:
            raise SeamlessError(
                "This room takes no more speakers. You can listen.", code="speakers_closed"
            )
        if member is not None:
            return
        if self.passcode is not None and not secrets.compare_digest(
            self.passcode.encode(), (passcode or "").encode()
        ):
            raise SeamlessError("This room asks for a passcode.", code="passcode")
        if self.closed:
            raise SeamlessError("Nobody else may join this room.", code="room_closed")

    def pass_on(self, gone: str) -> bool:
        """Whether the owner is gone, so that the longest-standing speaker owns the room."""
        if self.owner != gone:
            return False
        self.owner = next(iter(self.speakers()), None)
        return True

    # -- in numbers -------------------------------------------------------------------------------

    def connected(self) -> int:
        """Members that have a connection, here or elsewhere."""
        return self._census.number(CONNECTED)

    def listeners(self) -> int:
        """Members who listen."""
        return self._census.number(LISTENER)

    def listening(self) -> list[tuple[str | None, int]]:
        """Connected listeners by language (None: the speaker's choice), most first."""
        return self._census.of(LISTENING).most_common()

    def audience(self) -> set[str]:
        """Every delivery group that has somebody in it, members in their grace period too."""
        return {group for group in self._census.of(GROUP) if group is not None}

    def languages(self) -> set[str]:
        """Languages that listeners asked for by name."""
        return {lang for lang in self._census.of(WISHED) if lang is not None}

    def alone_with(self, member: Member) -> str | None:
        """The language that nobody but this member asked for, if there is one."""
        lang = None if member.wish is None else member.wish.lang
        return lang if self._census.number(WISHED, lang) == 1 else None

    # -- output for those who are away ------------------------------------------------------------

    def hold(self, group: str, event: str, data: dict[str, Any], size: int) -> None:
        """Keeps an event for absent members of `group`, if there are any."""
        if not self._census.number(AWAY, group):
            return
        self._held.append(Held(time.monotonic(), group, event, data, size))
        self._held_bytes += size
        while self._held and self._held_bytes > self._replay_bytes:
            self._held_bytes -= self._held.popleft().size

    def missed(self, member: Member) -> list[Held]:
        """What `member` missed since it went away."""
        since = member.gone_since
        groups = member.groups()
        if since is None:
            return []
        return [held for held in self._held if held.at >= since and held.group in groups]

    def forget_held(self) -> None:
        """Drops what nobody waits for any more."""
        if not self._held:
            return
        waiting = [
            member.gone_since
            for member in self.members.values()
            if not member.connected and member.gone_since is not None
        ]
        oldest = min(waiting, default=float("inf"))
        while self._held and self._held[0].at < oldest:
            self._held_bytes -= self._held.popleft().size


def new_room_code(length: int, taken: Iterable[str]) -> str:
    """A fresh code of upper-case letters that cannot be guessed from others."""
    used = set(taken)
    while True:
        code = "".join(secrets.choice(string.ascii_uppercase) for _ in range(length))
        if code not in used:
            return code
