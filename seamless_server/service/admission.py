"""Who may start a stream now: the server's lock, its places, and the line before them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from seamless_server.doors.socketio.hub import Connection, Hub, RunningStream
from seamless_server.doors.socketio.schema import PlaceInLine, StreamConfig
from seamless_server.errors import SeamlessError
from seamless_server.rooms.members import Member
from seamless_server.service.system import engine_has_room

logger = logging.getLogger(__name__)

LATE_MS = 2_000
"""Measured load or not: nobody more is let in while a stream is this late."""
_ASK_AGAIN_SECONDS = 1.0
_AWAY_SECONDS = 10.0
"""Who has been away for so long gives way to somebody who waits, and loses its own place."""

Take = Callable[[Member, StreamConfig], RunningStream]
Open = Callable[[Connection, RunningStream], Awaitable[bool]]


class Admission:
    """Decides who starts, and calls in those who wait."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        # Two requests must not both find the last free place.
        self.door = asyncio.Lock()
        self.renewing: set[str] = set()
        """Members that start anew: their place is theirs while the old stream ends."""
        self._told: dict[str, tuple[int, int]] = {}

    # -- may somebody start? ----------------------------------------------------------------------

    async def locked(self, member: Member) -> bool:
        """Whether the server's lock keeps a member out; its holder has the server to itself."""
        hub = self._hub
        if hub.settings.lock_server_completely:
            return True
        if hub.lock is None:
            return False
        if hub.lock.client_id != member.client_id:
            return True
        for client_id, stream in list(hub.streams.items()):
            if client_id != member.client_id:
                await hub.complain(
                    stream.member.sid,
                    f"{hub.lock.name} has the server now, so your stream ended.",
                    code="server_locked",
                    member=stream.member,
                )
                hub.spawn(stream.stop(), "making room for the lock's holder")
        return False

    async def has_place(self, member: Member, *, waits: bool) -> bool:
        """Whether a member may start beside those who speak, and before those who wait.

        Args:
            member: who asks.
            waits: it can wait in line, so that who is away for a moment keeps its stream.
        """
        hub = self._hub
        if hub.lock is not None and hub.lock.client_id == member.client_id:
            return True
        if member.client_id in self.renewing:
            return True
        if (first := hub.line.first()) is not None and first != member.client_id:
            return False
        taken = len(hub.streams.keys() | self.renewing)
        if not self._full(taken):
            return True
        patience = _AWAY_SECONDS if waits else 0.0
        away = [stream for stream in hub.streams.values() if stream.member.away_for() > patience]
        if not away or self._full(taken - len(away)):
            return False
        # Somebody present goes before somebody who may never come back.
        logger.info("a stream whose speaker is away ends: somebody else wants to speak")
        await away[0].stop()
        return True

    def _full(self, running: int) -> bool:
        most = self._hub.settings.max_speakers
        if most == "auto":
            return running > 0 and (self._late() or not self._has_room(running))
        return most is not None and running >= most

    def _has_room(self, running: int) -> bool:
        return self._hub.load.allows(running) and all(
            engine_has_room(system, running) for system in self._hub.models.systems()
        )

    def _late(self) -> bool:
        states = (
            stream.session.status() for stream in self._hub.streams.values() if stream.session
        )
        return any(max(state.lag_ms, state.queued_ms) > LATE_MS for state in states)

    # -- the line ---------------------------------------------------------------------------------

    def queue_up(self, member: Member, config: StreamConfig) -> dict[str, Any] | None:
        """The answer to a member that now waits in line; `None` if no place is left in it."""
        line = self._hub.line
        if not line.join(member.client_id, config):
            return None
        self._told.pop(member.client_id, None)
        self._hub.line_changed()
        return {
            "status": "waiting",
            "message": "max_speakers",
            "position": line.position(member.client_id),
            "waiting": len(line),
        }

    async def run(self, take: Take, start: Open) -> None:
        """Runs for the server's life: calls in whoever is next, tells the others where they are.

        Args:
            take: gives a member its place.
            start: starts the stream in that place.
        """
        hub = self._hub
        while True:
            # Load falls without anybody telling: somebody who waits for that asks again.
            patience = _ASK_AGAIN_SECONDS if len(hub.line) else None
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(hub.line_moved.wait(), patience)
            hub.line_moved.clear()
            try:
                if hub.line.expire(time.monotonic() - _AWAY_SECONDS):
                    hub.line_changed()
                while await self._call_in(take, start):
                    pass
                await self._tell()
            except Exception:
                hub.metrics.errors.labels("line").inc()
                logger.exception("the line did not move")

    async def _call_in(self, take: Take, start: Open) -> bool:
        """Gives a place to the next in line; `False` if there is none to give or nobody to take."""
        hub = self._hub
        async with self.door:
            holder = hub.lock.client_id if hub.lock else None
            client_id = holder if holder in hub.line else hub.line.first()
            if client_id is None:
                return False
            member = hub.members.get(client_id)
            connection = hub.connections.get(member.sid) if member and member.sid else None
            if member is None or connection is None or hub.room_of(member) is None:
                hub.leave_line(client_id)
                return True
            if await self.locked(member) or not await self.has_place(member, waits=True):
                return False
            config = hub.line.leave(client_id)
            hub.line_changed()
            if config is None:
                return True  # it left while somebody made room
            try:
                stream = take(member, config)
            except SeamlessError as error:
                await self._end(member, error.message)
                return True
        hub.spawn(self._start(connection, stream, start), "starting a stream from the line")
        return True

    async def _start(self, connection: Connection, stream: RunningStream, start: Open) -> None:
        member = connection.member
        try:
            debug = await start(connection, stream)
        except SeamlessError as error:
            await self._end(member, error.message)
        except Exception:
            await self._end(member, "The stream could not be started; the server's log says why.")
            raise
        else:
            place = PlaceInLine(state="admitted", position=0, waiting=len(self._hub.line))
            place.debug = debug if stream.config.debug else None
            await self._send(member, place)

    async def _end(self, member: Member, message: str) -> None:
        place = PlaceInLine(state="ended", position=0, waiting=len(self._hub.line), message=message)
        await self._send(member, place)

    async def _tell(self) -> None:
        """Tells everybody in line whose place changed."""
        line = self._hub.line
        now = {client_id: (n, len(line)) for n, client_id in enumerate(line, 1)}
        before, self._told = self._told, now
        for client_id, (position, waiting) in now.items():
            member = self._hub.members.get(client_id)
            if member is not None and before.get(client_id) != (position, waiting):
                place = PlaceInLine(state="waiting", position=position, waiting=waiting)
                await self._send(member, place)

    async def _send(self, member: Member, place: PlaceInLine) -> None:
        if member.sid is not None:
            await self._hub.sio.emit("place_in_line", place.model_dump(), to=member.sid)
