"""The state of a running server: who is connected, which rooms there are, who holds the lock."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import socketio

from seamless_server.doors.socketio.delivery import Later
from seamless_server.doors.socketio.schema import (
    Capability,
    ServerException,
    ServerLock,
    ServerState,
    StreamConfig,
)
from seamless_server.metrics import Metrics
from seamless_server.rooms.members import Member, Room, new_room_code
from seamless_server.rooms.rights import Authenticator
from seamless_server.rooms.store import StateStore
from seamless_server.service.debug_store import DebugStore
from seamless_server.service.limits import ClientLimits
from seamless_server.service.line import Line
from seamless_server.service.load import Load
from seamless_server.service.models import Models
from seamless_server.service.session import Session
from seamless_server.service.system import System, model_folder
from seamless_server.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Connection:
    """One Socket.IO connection."""

    sid: str
    member: Member
    limits: ClientLimits
    allowed: frozenset[str]
    """Roles that the client's token gives it."""
    address: str
    local: bool
    """From this very machine."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client got its state."""


class RunningStream(Protocol):
    """A member's stream, as far as the handlers of events know it."""

    member: Member
    system: System
    config: StreamConfig
    session: Session | None

    async def stop(self) -> None:
        """Ends it with everything that was said translated."""

    async def abort(self) -> None:
        """Ends it at once."""

    def retarget(self) -> None:
        """The wishes of its listeners changed."""

    async def audio_dropped(self, dropped_ms: float) -> None:
        """So much of its audio was lost."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who asked for the server."""

    name: str
    client_id: str


class Hub:
    """Everything that the handlers of events share. Belongs to the event loop's thread."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        models: Models,
        sio: socketio.AsyncServer,
        store: StateStore,
        pool: ThreadPoolExecutor,
        load: Load,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.models = models
        self.sio = sio
        self.store = store
        self.pool = pool
        self.load = load
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self.auth = Authenticator(settings)
        self.server_id = secrets.token_hex(8)
        self.connections: dict[str, Connection] = {}
        self.members: dict[str, Member] = {}
        self.rooms: dict[str, Room] = {}
        self.streams: dict[str, RunningStream] = {}
        self.line = Line(settings.waiting_places)
        self.line_moved = asyncio.Event()
        """Set when a place may be free, or the line is another."""
        self.lock: Lock | None = None
        self.translating = 0
        """Files that `POST /api/translate` works on."""
        self.tasks: set[asyncio.Task[Any]] = set()
        self._later = Later()
        self.debug_store = DebugStore(
            settings.debug_dir,
            max_mb=settings.debug_max_mb,
            max_days=settings.debug_max_days,
            min_free_mb=settings.debug_min_free_mb,
        )

    # -- rooms ------------------------------------------------------------------------------------

    def room_of(self, member: Member) -> Room | None:
        """The member's room."""
        return self.rooms.get(member.room_id) if member.room_id else None

    def new_room_id(self) -> str:
        """A code that no room has."""
        return new_room_code(self.settings.room_code_length, self.rooms)

    async def open_room(self, room_id: str) -> Room:
        """The room of that code, made if need be, with the members that other replicas hold."""
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id, self.settings.replay_bytes)
            await self.refresh_room(room_id)
        return room

    async def refresh_room(self, room_id: str) -> None:
        """Another replica changed a room: take over what it says of its members."""
        room = self.rooms.get(room_id)
        if room is None:
            return
        records = {record["client_id"]: record for record in await self.store.members(room_id)}
        for client_id, member in list(room.members.items()):
            if member.replica is not None and client_id not in records:
                del room.members[client_id]
        for client_id, record in records.items():
            known = room.members.get(client_id)
            if known is not None and known.replica is None and self._is_here(known):
                # It has come over to us; the other replica did not know yet.
                self.spawn(self.save(known), "claiming a member")
                continue
            if known is not None and known.replica is None:
                self.members.pop(client_id, None)
            replica = record.pop("replica", "elsewhere")
            remote = Member.from_record(record)
            remote.replica = replica
            room.members[client_id] = remote
        self.retarget(room)

    def _is_here(self, member: Member) -> bool:
        return member.connected or any(
            connection.member is member for connection in self.connections.values()
        )

    def retarget(self, room: Room) -> None:
        """The wishes of a room's listeners changed."""
        for client_id in room.members:
            if (stream := self.streams.get(client_id)) is not None:
                stream.retarget()

    def line_changed(self) -> None:
        """Somebody came into the line or left it, or a stream ended."""
        self.metrics.waiting.set(len(self.line))
        self.line_moved.set()
        self.server_changed()

    def leave_line(self, client_id: str) -> None:
        """A member does not wait for a stream any more, if it did."""
        if self.line.leave(client_id) is not None:
            self.line_changed()

    async def save(self, member: Member) -> None:
        """Lets replicas know of a member."""
        if member.room_id is not None and member.replica is None:
            await self.store.save_member(member.record(), self.settings.grace_seconds * 2)

    # -- telling clients --------------------------------------------------------------------------

    def spawn(self, coroutine: Any, name: str) -> None:
        """Runs something beside the current event; its failure is logged."""
        task = asyncio.create_task(coroutine, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.metrics.errors.labels("task").inc()
            logger.error("%s failed", task.get_name(), exc_info=error)

    def room_changed(self, room: Room) -> None:
        """Tells the room, soon, and everybody, soon."""
        self._later.ask(f"room {room.room_id}", lambda: self._tell_room(room.room_id))
        self.server_changed()

    def server_changed(self) -> None:
        """Tells everybody, soon."""
        self._later.ask("server", self._tell_everybody)

    async def _tell_room(self, room_id: str) -> None:
        room = self.rooms.get(room_id)
        if room is not None:
            state = room.state().model_dump()
            await self.sio.emit("room_state_update", state, room=room_id)

    async def _tell_everybody(self) -> None:
        self.metrics.rooms.set(len(self.rooms))
        self.metrics.sessions.set(len(self.streams))
        self.metrics.stream_cost.set(self.load.cost or 0.0)
        # Each replica describes itself to its own clients.
        await self.sio.emit("server_state_update", self.server_state(), ignore_queue=True)

    def server_state(self) -> dict[str, Any]:
        """For `server_state_update`."""
        by_room = {room_id: room.status() for room_id, room in self.rooms.items()}
        state = ServerState(
            statusByRoom=by_room,
            totalActiveConnections=len(self.connections),
            totalActiveTranscoders=len(self.streams),
            agentsCapabilities=[capability(system) for system in self.models.systems()],
            serverLock=self._shown_lock(),
            ready=self.models.ready,
            maxSpeakers=most if isinstance(most := self.settings.max_speakers, int) else None,
            waitingSpeakers=len(self.line),
        )
        return state.model_dump()

    def _shown_lock(self) -> ServerLock | None:
        lock = self.lock
        if self.settings.lock_server_completely:
            # As the original shows it: its page then offers no start.
            return ServerLock(name="Seamless User", clientID="seamless_user", isActive=True)
        if lock is None:
            return None
        active = lock.client_id in self.streams
        return ServerLock(name=lock.name, clientID=lock.client_id, isActive=active)

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

    # -- members who come and go ------------------------------------------------------------------

    async def enter_groups(self, member: Member, before: set[str]) -> None:
        """Moves a connected member between delivery groups as its wishes say now."""
        if member.sid is None:
            return
        now = member.groups()
        for group in before - now:
            await self.sio.leave_room(member.sid, group)
        for group in now:
            await self.sio.enter_room(member.sid, group)

    async def leave_room(self, member: Member) -> None:
        """Takes a member out of its room; its stream ends."""
        room = self.room_of(member)
        self.leave_line(member.client_id)
        if (stream := self.streams.get(member.client_id)) is not None:
            await stream.stop()
        if member.sid is not None:
            for group in member.groups():
                await self.sio.leave_room(member.sid, group)
            if member.room_id is not None:
                await self.sio.leave_room(member.sid, member.room_id)
        await self.store.remove_member(member.client_id, member.room_id)
        member.room_id = None
        if self.lock is not None and self.lock.client_id == member.client_id:
            self.lock = None
        if room is not None:
            room.members.pop(member.client_id, None)
            if not room.members:
                room.empty_since = time.monotonic()
            self.retarget(room)
            self.room_changed(room)

    async def forget(self, member: Member) -> None:
        """A member's grace period is over."""
        self.members.pop(member.client_id, None)
        await self.leave_room(member)

    async def tidy(self) -> None:
        """Forgets members that stayed away and rooms that stayed empty."""
        now = time.monotonic()
        for member in list(self.members.values()):
            gone = member.gone_since
            if gone is not None and now - gone > self.settings.grace_seconds:
                await self.forget(member)
        for room in list(self.rooms.values()):
            room.forget_held()
            if room.members:
                room.empty_since = None
            elif now - (room.empty_since or now) > self.settings.room_expiry_seconds:
                del self.rooms[room.room_id]
                self._later.forget(f"room {room.room_id}")
                await self.store.clear_transcript(room.room_id)
                self.server_changed()

    async def tend(self) -> None:
        """Runs for the server's life: tidies up and keeps members known to other replicas."""
        pause = max(0.05, min(5.0, self.settings.grace_seconds / 4))
        saved = pruned = time.monotonic()
        while True:
            await asyncio.sleep(pause)
            try:
                await self.tidy()
                if time.monotonic() - saved > self.settings.grace_seconds / 2:
                    saved = time.monotonic()
                    for member in list(self.members.values()):
                        await self.save(member)
                if time.monotonic() - pruned > 3600:
                    pruned = time.monotonic()
                    await asyncio.get_running_loop().run_in_executor(
                        self.writer, self.debug_store.prune
                    )
            except Exception:
                self.metrics.errors.labels("tidy").inc()
                logger.exception("tidying up failed")

    def by_address(self) -> Counter[str]:
        """Connections by address."""
        return Counter(connection.address for connection in self.connections.values())

    async def close(self) -> None:
        """Ends every stream and everything that runs beside."""
        for client_id in self.line:
            self.line.leave(client_id)
        for stream in list(self.streams.values()):
            await stream.abort()
        await self._later.close()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.store.close()
        self.writer.shutdown(wait=True)


def capability(system: System) -> Capability:
    """How a system is offered to clients."""
    speaks = bool(system.speech_languages)
    description, folder = system.description, model_folder(system)
    if folder is not None:
        # Where things lie on this machine is nobody's business.
        description = description.replace(str(folder), folder.name)
    return Capability(
        name=system.name,
        description=description,
        modalities=["s2t", "s2s"] if speaks else ["s2t"],
        targetLangs=list(system.text_languages),
        speechLangs=list(system.speech_languages),
        sourceLangs=list(system.source_languages),
        # A model that brings a list of what it understands understands little else.
        demonstration=folder is not None and (folder / "phrases.json").is_file(),
    )
