"""Tells clients what changed: their room, the server, and what concerns them alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import socketio

from seamless_server.doors.catalogue import capabilities
from seamless_server.doors.socketio.codec import Ready
from seamless_server.doors.socketio.delivery import Later
from seamless_server.doors.socketio.schema import (
    ListenersOf,
    MemberState,
    RoomCounts,
    RoomState,
    RoomStatus,
    ServerException,
    ServerLock,
    ServerState,
)
from seamless_server.metrics import Metrics
from seamless_server.rooms.members import Member, Room
from seamless_server.rooms.rooms import Rooms
from seamless_server.service.service import Service
from seamless_server.settings import Settings

if TYPE_CHECKING:
    from seamless_server.service.lock import OwnerLock


_COME_BACK_MS = (500, 5_000)
CROWD = 50
"""Members of whom all are told everything; in larger rooms most hear of speakers and counts."""
_COUNT_BYTES = 65_536
"""Bytes a second for mere counts, to all clients of a room or of the server together: how often
they come falls with the number of clients."""
_COUNTS = frozenset({"counts", "listening"})
_SERVER_COUNTS = frozenset(
    {"statusByRoom", "totalActiveConnections", "totalActiveTranscoders", "waitingSpeakers"}
)
_AUDIENCES = ("named", "crowd", "first")
"""Of a room: who is named in its state, who is not, and clients of the first protocol."""


@dataclass(eq=False)
class Announcer:
    """Sends states, soon and not too often, and complaints at once."""

    sio: socketio.AsyncServer
    settings: Settings
    metrics: Metrics
    rooms: Rooms
    service: Service
    lock: OwnerLock
    connections: dict[str, Any]

    def __post_init__(self) -> None:
        self._later = Later()
        self._told: dict[str, tuple[Any, float]] = {}
        """By audience: the facts that it knows, and when it is to be told new counts."""

    def room_changed(self, room: Room) -> None:
        """Tells the room, soon, and everybody, soon."""
        self._later.ask(f"room {room.room_id}", lambda: self._tell_room(room.room_id))
        self.server_changed()

    def server_changed(self) -> None:
        """Tells everybody, soon."""
        self._later.ask("server", self._tell_everybody)

    def forget_room(self, room_id: str) -> None:
        """The room is gone."""
        self._later.forget(f"room {room_id}")
        for audience in _AUDIENCES:
            self._told.pop(f"{room_id}|{audience}", None)
        self.server_changed()

    async def close(self) -> None:
        """Cancels what waits to be told."""
        await self._later.close()

    async def greet(self, member: Member, sid: str | None = None) -> None:
        """Tells who comes into a crowded room of it, which hears of its changes less often."""
        room, sid = self.rooms.of(member), sid or member.sid
        if room is None or sid is None or not member.roles or len(room.members) <= CROWD:
            return
        state = room_state(room, all_members=member.protocol < 2)
        await self.sio.emit("room_state_update", state.model_dump(), to=sid)

    async def _tell_room(self, room_id: str) -> float | None:
        """Tells this server's clients in a room; returns when the others are to be told."""
        room = self.rooms.get(room_id)
        if room is None:
            return None
        view = room_state(room).model_dump()
        named: list[str] = []
        crowd: list[str] = []
        first: list[str] = []
        for client_id, member in room.members.items():
            if member.sid not in self.connections or not member.roles:
                continue
            group = (
                first if member.protocol < 2 else named if client_id in view["members"] else crowd
            )
            group.append(member.sid)
        facts = {name: view[name] for name in view if name not in _COUNTS}
        waits = [
            await self._tell(f"{room_id}|named", "room_state_update", named, None, lambda: view),
            await self._tell(f"{room_id}|crowd", "room_state_update", crowd, facts, lambda: view),
            await self._tell(
                f"{room_id}|first",
                "room_state_update",
                first,
                view["activeTranscoders"],
                lambda: room_state(room, all_members=True).model_dump(),
            ),
        ]
        return min((wait for wait in waits if wait is not None), default=None)

    async def _tell_everybody(self) -> float | None:
        self.metrics.rooms.set(len(self.rooms.rooms))
        self.metrics.sessions.set(len(self.service.admission.places))
        self.metrics.stream_cost.set(self.service.admission.load.cost or 0.0)
        # Each replica describes itself to its own clients, and every room to its own members.
        state = self.server_state(None)
        facts = {name: state[name] for name in state if name not in _SERVER_COUNTS}
        if (wait := self._wait("server", facts)) > 0:
            return wait
        by_room: dict[str | None, list[str]] = {}
        for sid, connection in self.connections.items():
            by_room.setdefault(connection.member.room_id, []).append(sid)
        size = 0
        for room_id, sids in by_room.items():
            state["statusByRoom"] = self._status(room_id)
            size += await self._send("server_state_update", state, sids)
        self._sent("server", facts, size)
        return None

    async def _tell(
        self, key: str, event: str, sids: list[str], facts: Any, state: Callable[[], Any]
    ) -> float | None:
        """Tells these clients, if `facts` are news to them or it is time; else when it is.

        Without `facts` everything is news.
        """
        if not sids:
            return None
        if facts is not None and (wait := self._wait(key, facts)) > 0:
            return wait
        self._sent(key, facts, await self._send(event, state(), sids))
        return None

    async def _send(self, event: str, state: Any, sids: list[str]) -> int:
        """Sends to clients of this server; returns how many bytes that were."""
        encoded = orjson.dumps(state)
        await self.sio.emit(event, Ready(encoded), to=sids, ignore_queue=True)
        return len(encoded) * len(sids)

    def _wait(self, key: str, facts: Any) -> float:
        """Seconds for which clients who know these facts wait for new counts."""
        known, due = self._told.get(key, (None, 0.0))
        return due - time.monotonic() if known == facts else 0.0

    def _sent(self, key: str, facts: Any, size: int) -> None:
        self._told[key] = (facts, time.monotonic() + size / _COUNT_BYTES)

    def _status(self, room_id: str | None) -> dict[str, Any]:
        room = self.rooms.get(room_id) if room_id else None
        return {} if room is None else {room.room_id: room_status(room).model_dump()}

    def server_state(self, room_id: str | None) -> dict[str, Any]:
        """`server_state_update` for members of a room: of others it has only totals."""
        places, most = self.service.admission.places, self.settings.max_speakers
        state = ServerState(
            statusByRoom={},
            totalActiveConnections=len(self.connections),
            totalActiveTranscoders=len(places),
            agentsCapabilities=capabilities(self.service.models),
            serverLock=self._shown_lock(),
            ready=self.service.models.ready,
            maxSpeakers=most if isinstance(most, int) else None,
            waitingSpeakers=len(self.service.admission.line),
        ).model_dump()
        state["statusByRoom"] = self._status(room_id)
        return state

    def _shown_lock(self) -> ServerLock | None:
        holder = self.lock.holder
        if self.settings.lock_server_completely:
            # As the original shows it: its page then offers no start.
            return ServerLock(name="Seamless User", clientID="seamless_user", isActive=True)
        if holder is None:
            return None
        active = holder.key in self.service.admission.places
        return ServerLock(name=holder.name, clientID=holder.key, isActive=active)

    async def say_goodbye(self) -> None:
        """Tells everybody to connect again, not all at the same moment."""
        for sid in list(self.connections):
            wait = random.randint(*_COME_BACK_MS)
            await self.sio.emit("server_restart", {"retryAfterMs": wait}, to=sid)

    async def complain(
        self,
        sid: str | None,
        message: str,
        *,
        code: str = "error",
        event: str | None = None,
        field: str | None = None,
        member: Member | None = None,
    ) -> None:
        """Sends `server_exception` to the one client that it concerns."""
        if sid is None:
            return
        exception = ServerException(
            message=message,
            timeEpochMs=int(time.time() * 1000),
            code=code,
            event=event,
            field=field,
            room=member.room_id if member else None,
            clientID=member.client_id if member else None,
        )
        await self.sio.emit("server_exception", exception.model_dump(exclude_none=True), to=sid)


def room_status(room: Room) -> RoomStatus:
    """A room in two numbers, for `server_state_update`."""
    return RoomStatus(activeConnections=room.connected(), activeTranscoders=len(room.streaming()))


def room_state(room: Room, *, all_members: bool = False) -> RoomState:
    """A room for its members: `room_state_update`; `all_members` for the first protocol."""
    complete = all_members or len(room.members) <= CROWD
    named = room.members.values() if complete else _prominent(room)
    streaming, speakers = room.streaming(), room.speakers()
    return RoomState(
        room_id=room.room_id,
        members={member.client_id: member_state(member) for member in named},
        listeners=[member.client_id for member in named if "listener" in member.roles],
        speakers=[member.client_id for member in named if "speaker" in member.roles],
        activeTranscoders=len(streaming),
        owner=room.owner,
        hasPasscode=room.passcode is not None,
        closed=room.closed,
        complete=complete,
        counts=RoomCounts(
            members=len(room.members),
            connected=room.connected(),
            speakers=len(speakers),
            listeners=room.listeners(),
        ),
        listening=[
            ListenersOf(targetLanguage=lang, count=count) for lang, count in room.listening()
        ],
        speakersClosed=room.speakers_closed,
    )


def _prominent(room: Room) -> list[Member]:
    """The owner, who streams, and as many of those who may speak as a small room has members."""
    named = [room.owner, *room.streaming(), *room.speakers()[:CROWD]]
    return [
        room.members[key] for key in dict.fromkeys(named) if key is not None and key in room.members
    ]


def member_state(member: Member) -> MemberState:
    """A member for the others of its room."""
    wish = member.wish
    return MemberState(
        client_id=member.client_id,
        session_id=member.sid,
        name=member.name,
        connection_status="connected" if member.connected else "disconnected",
        transcoder=member.streaming,
        requested_output_type=member.model_type,  # type: ignore[arg-type]
        transcoder_dynamic_config=member.dynamic_config(),
        roles=sorted(member.roles),
        listener_config=None
        if wish is None
        else {
            "targetLanguage": wish.lang,
            "output": wish.take,
            "heard": wish.heard,
            "original": wish.original,
        },
        model=member.model,
    )
