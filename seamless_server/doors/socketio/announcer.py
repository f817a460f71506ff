"""Tells clients what changed: their room, the server, and what concerns them alone."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

import socketio

from seamless_server.doors.catalogue import capability
from seamless_server.doors.socketio.delivery import Later
from seamless_server.doors.socketio.schema import (
    MemberState,
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


class Announcer:
    """Sends states, soon and not too often, and complaints at once."""

    def __init__(
        self,
        sio: socketio.AsyncServer,
        settings: Settings,
        metrics: Metrics,
        rooms: Rooms,
        service: Service,
        lock: OwnerLock,
        connections: dict[str, Any],
    ) -> None:
        self._sio = sio
        self._settings = settings
        self._metrics = metrics
        self._rooms = rooms
        self._service = service
        self._lock = lock
        self._connections = connections
        self._later = Later()

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
        self.server_changed()

    async def close(self) -> None:
        """Cancels what waits to be told."""
        await self._later.close()

    async def _tell_room(self, room_id: str) -> None:
        room = self._rooms.get(room_id)
        if room is not None:
            await self._sio.emit("room_state_update", room_state(room).model_dump(), room=room_id)

    async def _tell_everybody(self) -> None:
        self._metrics.rooms.set(len(self._rooms.rooms))
        self._metrics.sessions.set(len(self._service.admission.places))
        self._metrics.stream_cost.set(self._service.admission.load.cost or 0.0)
        # Each replica describes itself to its own clients, and every room to its own members.
        state = self.server_state(None)
        by_room: dict[str | None, list[str]] = {}
        for sid, connection in self._connections.items():
            by_room.setdefault(connection.member.room_id, []).append(sid)
        for room_id, sids in by_room.items():
            state["statusByRoom"] = self._status(room_id)
            await self._sio.emit("server_state_update", state, room=sids, ignore_queue=True)

    def _status(self, room_id: str | None) -> dict[str, Any]:
        room = self._rooms.get(room_id) if room_id else None
        return {} if room is None else {room.room_id: room_status(room).model_dump()}

    def server_state(self, room_id: str | None) -> dict[str, Any]:
        """`server_state_update` for members of a room: of others it has only totals."""
        places, most = self._service.admission.places, self._settings.max_speakers
        state = ServerState(
            statusByRoom={},
            totalActiveConnections=len(self._connections),
            totalActiveTranscoders=len(places),
            agentsCapabilities=[capability(x) for x in self._service.models.loaded()],
            serverLock=self._shown_lock(),
            ready=self._service.models.ready,
            maxSpeakers=most if isinstance(most, int) else None,
            waitingSpeakers=len(self._service.admission.line),
        ).model_dump()
        state["statusByRoom"] = self._status(room_id)
        return state

    def _shown_lock(self) -> ServerLock | None:
        holder = self._lock.holder
        if self._settings.lock_server_completely:
            # As the original shows it: its page then offers no start.
            return ServerLock(name="Seamless User", clientID="seamless_user", isActive=True)
        if holder is None:
            return None
        active = holder.key in self._service.admission.places
        return ServerLock(name=holder.name, clientID=holder.key, isActive=active)

    async def say_goodbye(self) -> None:
        """Tells everybody to connect again, not all at the same moment."""
        for sid in list(self._connections):
            wait = random.randint(*_COME_BACK_MS)
            await self._sio.emit("server_restart", {"retryAfterMs": wait}, to=sid)

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
        await self._sio.emit("server_exception", exception.model_dump(exclude_none=True), to=sid)


def room_status(room: Room) -> RoomStatus:
    """A room in two numbers, for `server_state_update`."""
    return RoomStatus(activeConnections=room.connected(), activeTranscoders=room.streaming())


def room_state(room: Room) -> RoomState:
    """A room for its members: `room_state_update`."""
    return RoomState(
        room_id=room.room_id,
        members={key: member_state(member) for key, member in room.members.items()},
        listeners=room.listeners(),
        speakers=room.speakers(),
        activeTranscoders=room.streaming(),
        owner=room.owner,
        hasPasscode=room.passcode is not None,
        closed=room.closed,
    )


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
        else {"targetLanguage": wish.lang, "output": wish.take},
    )
