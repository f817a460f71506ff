"""Clients that connect, come back, go, and stay away."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import socketio
from socketio.exceptions import ConnectionRefusedError

from seamless_server.doors.socketio.announcer import Announcer
from seamless_server.doors.socketio.sent import Had
from seamless_server.doors.socketio.sockets import MOST_PACKETS, Sockets
from seamless_server.doors.socketio.speaker import retarget_room, speaker_of
from seamless_server.doors.socketio.streams import Streams
from seamless_server.errors import Refused
from seamless_server.metrics import Metrics
from seamless_server.rooms.members import EVERYBODY, Member, Role, group_name
from seamless_server.rooms.rights import (
    Authenticator,
    Grant,
    Standing,
    token_of,
    until_expired,
)
from seamless_server.rooms.rooms import Rooms
from seamless_server.service.limits import Addresses, AddressLimits, ClientLimits
from seamless_server.service.lock import OwnerLock
from seamless_server.service.service import Service
from seamless_server.service.tasks import Tasks
from seamless_server.settings import Settings

logger = logging.getLogger(__name__)

RULINGS = {
    "removed": "The room's owner sent you away.",
    "muted": "The room's owner muted you: you can listen.",
    "room_ended": "The room's owner ended it.",
}
"""What owners of rooms do to members, by its code."""
_MAX_ID = 200
_TURN_SECONDS = 0.05
_LOOK_SECONDS = 0.5
"""How often sockets without a client are looked for."""


@dataclass(eq=False)
class Connection:
    """One Socket.IO connection."""

    sid: str
    member: Member
    limits: ClientLimits
    shared: AddressLimits
    """Limits that it shares with other clients of its address."""
    grant: Grant
    """What the client's token allows."""
    address: str
    local: bool
    """From this very machine."""
    had: Had
    """What its client had already when it connected."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the client got its state."""


@dataclass(eq=False, kw_only=True)
class Connections:
    """Handles `connect` and `disconnect`, and members that leave or stay away.

    Args:
        open: every connection by its Socket.IO session; kept by this class.
    """

    open: dict[str, Connection]
    sio: socketio.AsyncServer
    settings: Settings
    metrics: Metrics
    rooms: Rooms
    service: Service
    lock: OwnerLock
    announcer: Announcer
    streams: Streams
    tasks: Tasks
    auth: Authenticator

    def __post_init__(self) -> None:
        self.sockets = Sockets(self.sio, self.settings.max_events_per_second, self.turn)
        self.addresses = Addresses(self.settings)
        self._server_id = secrets.token_hex(8)

    async def connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """A client connects, perhaps for the second time.

        Raises:
            ConnectionRefusedError: with a sentence for the client.
        """
        query = parse_qs(str(environ.get("QUERY_STRING", "")), max_num_fields=50)
        client_id = _one(auth, query, "clientID")
        if not client_id or len(client_id) > _MAX_ID:
            raise ConnectionRefusedError(
                f"clientID: send a non-empty string of at most {_MAX_ID} characters in the query"
            )
        address, local = _peer(environ)
        try:
            self._check_room_for(address, client_id)
        except Refused as refused:
            raise ConnectionRefusedError(refused.message) from None
        grant = self.auth.grant(token_of(auth, environ.get("HTTP_AUTHORIZATION"), query))
        member = await self._member(client_id, _one(auth, {}, "resumeKey"), grant.subject)
        since, member.since = member.since, time.time()
        member.protocol = 2 if _one(auth, query, "protocol") == "2" else 1
        member.keeps_audio = isinstance(auth, Mapping) and "had" in auth
        shared = self.addresses.of(address)
        limits = ClientLimits(self.settings.max_events_per_second, suspect=shared.suspect)
        connection = Connection(
            sid=sid,
            member=member,
            limits=limits,
            shared=shared,
            grant=grant,
            address=address,
            local=local,
            had=Had(auth.get("had") if isinstance(auth, Mapping) else None, since),
        )
        if not member.roles <= grant.roles:
            member.roles = frozenset(role for role in member.roles if role in grant.roles)
        self.open[sid] = connection
        if (eio_sid := self.sockets.of(sid)) is not None:
            # By its name: Engine.IO holds a closed socket until its next ping wakes.
            self.sockets.tend_polling(eio_sid, lambda: self._tell_refusal(sid))
        self.metrics.connections.set(len(self.open))
        self.tasks.spawn(self._welcome(connection), "welcoming a client")
        if grant.expires is not None:
            self.tasks.spawn(self._watch_token(connection), "watching a token")

    async def _tell_refusal(self, sid: str) -> None:
        self.metrics.refused.labels("invalid").inc()
        connection = self.open.get(sid)
        if connection is not None and connection.limits.notices.take():
            await self.announcer.complain(
                sid,
                f"Nothing of a request was taken: send at most {MOST_PACKETS} packets in one.",
                code="invalid",
                member=connection.member,
            )

    async def turn(self, address: str) -> None:
        """Returns when an address may open a connection more, which is at once if it is known for
        no floods."""
        shared = self.addresses.of(address)
        while shared.suspect and not shared.connects.take():  # noqa: ASYNC110 - nothing to wait for
            await asyncio.sleep(_TURN_SECONDS)

    @contextmanager
    def entered(self, address: str) -> Iterator[None]:
        """A socket of another door, for as long as it is open.

        Raises:
            Refused: there are too many.
        """
        with self.sockets.counted(address):
            self._check_room_for(address)
            yield

    def _check_room_for(self, address: str, client_id: str | None = None) -> None:
        settings = self.settings
        # Members in their grace period count too: they cost memory all the same.
        members = self.rooms.members
        crowded = client_id not in members and len(members) >= 2 * settings.max_connections
        # Sockets count from their first byte, whether a client ever comes through them or not.
        limit = settings.max_connections_per_address
        if crowded or self.sockets.count() > settings.max_connections:
            problem = "The server is full. Try again later."
        elif limit and self.sockets.by_address()[address] > limit:
            problem = "Too many connections from your address."
        else:
            return
        self.metrics.refused.labels("connections").inc()
        raise Refused(problem, code="connections")

    async def _member(self, client_id: str, resume_key: str | None, subject: str | None) -> Member:
        """The member that comes back, or a new one.

        Raises:
            ConnectionRefusedError: it is somebody else's.
        """
        member = await self.rooms.recall(client_id)
        if member is None:
            member = Member(
                client_id, resume_key=resume_key, subject=subject, gone_since=time.monotonic()
            )
        elif not await self._is_owner(member, resume_key, subject):
            self.metrics.refused.labels("taken").inc()
            raise ConnectionRefusedError("clientID: taken by another client")
        self.rooms.members[client_id] = member
        return member

    async def _watch_token(self, connection: Connection) -> None:
        """A token that expires ends what it allowed, with a notice before."""
        member = connection.member

        async def tell(message: str, code: str) -> None:
            if self.open.get(connection.sid) is connection:
                await self.announcer.complain(connection.sid, message, code=code, member=member)

        assert connection.grant.expires is not None
        await until_expired(connection.grant.expires, tell)
        if self.open.get(connection.sid) is not connection:
            return
        connection.grant = self.auth.grant(None)
        await tell("Your token has expired: connect again with a new one.", "unauthorized")
        kept = frozenset(role for role in member.roles if role in connection.grant.roles)
        await self.change_roles(member, kept)

    async def change_roles(self, member: Member, roles: frozenset[Role]) -> None:
        """Gives a member in a room other roles; a stream that they do not allow ends."""
        before, stops = member.groups(), "speaker" in member.roles and "speaker" not in roles
        member.roles = roles
        await self.enter_groups(member, before)
        if member.sid is not None and member.room_id is not None:
            # Who has no role there hears nothing of a room.
            move = self.sio.enter_room if roles else self.sio.leave_room
            await move(member.sid, group_name(member.room_id, EVERYBODY))
            await self.announcer.greet(member)
        if stops:
            self.tasks.spawn(self.service.admission.stop(member.client_id), "stopping a stream")
        if "speaker" not in roles:
            self.service.admission.leave_line(member.client_id)
            self.lock.release(member.client_id)
        if (room := self.rooms.of(member)) is not None:
            retarget_room(self.service, room)
            self.announcer.room_changed(room)
            await self.rooms.save(member)

    async def _is_owner(self, member: Member, resume_key: str | None, subject: str | None) -> bool:
        """Whether who connects is the member, which its client ID alone never proves."""
        if member.resume_key is not None and secrets.compare_digest(
            member.resume_key.encode(), (resume_key or "").encode()
        ):
            return True
        if member.subject is not None:
            return member.subject == subject
        if member.resume_key is not None or self.auth.uses_tokens:
            return False
        # The original's pages have no proof: they may come back after their connection is lost.
        eio_sid = self.sockets.of(member.sid) if member.sid is not None else None
        return eio_sid is None or not await self.sockets.is_alive(eio_sid)

    async def _welcome(self, connection: Connection) -> None:
        """Gives a client its state, then what it missed, then lets its events in."""
        sid, member = connection.sid, connection.member
        try:
            # Events must not overtake the answer to the connection.
            while self.sio.manager.is_pre_connected(sid, "/"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            if member.sid is not None and member.sid != sid:
                await self._replace(member)
            await self._go_on(member)
            await self.sio.emit("server_id", member.server_id, to=sid)
            await self.sio.emit(
                "server_state_update", self.announcer.server_state(member.room_id), to=sid
            )
            if member.room_id is not None:
                await self._return_to_room(connection)
            member.sid, member.gone_since = sid, None
            if sid not in self.open:  # gone again meanwhile
                member.sid, member.gone_since = None, time.monotonic()
        finally:
            connection.ready.set()
        if (room := self.rooms.of(member)) is not None:
            retarget_room(self.service, room)
            self.announcer.room_changed(room)
            await self.rooms.save(member)
        self.announcer.server_changed()

    async def _go_on(self, member: Member) -> None:
        """A member from another replica: its stream goes on here, and its client needs to know
        nothing. Where that cannot be, another `server_id` has it start a new one."""
        left, member.left_stream = member.left_stream, False
        if left and "speaker" in member.roles and member.room_id is not None:
            room = await self.rooms.open(member.room_id)
            self.rooms.enter(room, member)
            if not await self.streams.go_on(member):
                member.server_id = ""
        member.server_id = member.server_id or self._server_id

    async def _replace(self, member: Member) -> None:
        """A client is back before its old connection was found dead."""
        old = member.sid
        self.service.admission.line.lose(member.client_id, time.monotonic())
        member.sid, member.gone_since = None, time.monotonic()
        if old is not None:
            await self.throw_out(old)

    async def give_up(self, member: Member) -> None:
        """The member is connected to another replica now: its connection here ends."""
        session = self.service.session(member.client_id)
        if member.left_stream and session is not None:  # that replica goes on with it
            await session.abort()
        for sid, connection in list(self.open.items()):
            if connection.member is member:
                await self.announcer.complain(
                    sid,
                    "You connected again elsewhere, so this connection ends.",
                    code="replaced",
                    member=member,
                )
                await self.throw_out(sid)
        await self.service.admission.stop(member.client_id)

    def tell_remote_listeners(self, away: bool) -> None:
        """What speakers on other replicas say comes late while Redis is away."""
        if not away:
            return
        remote = {
            room.room_id
            for room in self.rooms.rooms.values()
            if any(room.members[speaker].replica is not None for speaker in room.speakers())
        }
        for sid, connection in list(self.open.items()):
            if connection.member.room_id in remote:
                complaint = self.announcer.complain(
                    sid,
                    "The speaker's server cannot be reached; what you miss comes when it can.",
                    code="replicas",
                    member=connection.member,
                )
                self.tasks.spawn(complaint, "telling remote listeners")

    async def cut_off(self, connection: Connection) -> None:
        """Ends the connection of who floods at once; what it has sent already is not read."""
        connection.shared.flooded()
        eio_sid = self.sockets.of(connection.sid)
        if eio_sid is None or not self.sockets.cut(eio_sid):
            await self.throw_out(connection.sid)

    async def throw_out(self, sid: str) -> None:
        """Ends a connection, and closes the socket below it."""
        self.open.pop(sid, None)
        eio_sid = self.sockets.of(sid)
        await self.sio.disconnect(sid)
        if eio_sid is not None:
            self.tasks.spawn(self.sockets.close(eio_sid), "closing a socket")

    async def _return_to_room(self, connection: Connection) -> None:
        sid, member = connection.sid, connection.member
        assert member.room_id is not None
        room = await self.rooms.open(member.room_id)
        self.rooms.enter(room, member)
        if member.roles:
            await self.sio.enter_room(sid, group_name(room.room_id, EVERYBODY))
            await self.announcer.greet(member, sid)
        groups = member.groups()
        # What other replicas emitted, which held nothing back for it.
        for event in await self.sio.manager.last_events(room.room_id):
            if groups & event.groups and connection.had.lacks(event):
                await self.sio.emit(event.name, event.data, to=sid)
        sent = 0
        # More may come while this is sent.
        while len(missed := room.missed(member)) > sent:
            for held in missed[sent:]:
                if connection.had.is_new(held.event, held.data):
                    await self.sio.emit(held.event, held.data, to=sid)
            sent = len(missed)
        for group in groups:
            await self.sio.enter_room(sid, group)

    async def disconnect(self, sid: str, reason: str = "") -> None:
        """A connection ended; its member stays for the grace period."""
        connection = self.open.pop(sid, None)
        self.metrics.connections.set(len(self.open))
        if connection is None:
            return
        member = connection.member
        if member.sid == sid:
            self.lock.release(member.client_id)
            self.service.admission.line.lose(member.client_id, time.monotonic())
            member.sid, member.gone_since = None, time.monotonic()
            if member.room_id is None and self.rooms.members.get(member.client_id) is member:
                del self.rooms.members[member.client_id]
            if (room := self.rooms.of(member)) is not None:
                self.announcer.room_changed(room)
                await self.rooms.save(member)
        self.announcer.server_changed()

    # -- members who leave, and those who stay away -----------------------------------------------

    async def enter_groups(self, member: Member, before: set[str]) -> None:
        """Moves a connected member between delivery groups as its wishes say now."""
        if member.sid is None:
            return
        now = member.groups()
        for group in before - now:
            await self.sio.leave_room(member.sid, group)
        for group in now:
            await self.sio.enter_room(member.sid, group)

    async def rule(self, member: Member, ruling: str) -> None:
        """Sends a member away, or mutes it, where it is connected; it is told why.

        Args: ruling: one of `RULINGS`.
        """
        if member.replica is not None:
            assert member.room_id is not None
            await self.rooms.store.ask(member.room_id, member.client_id, ruling)
            return
        speaker = speaker_of(self.service, member.client_id)
        if speaker is not None:  # it hears it through its own door
            await speaker.complain(RULINGS[ruling], ruling)
        else:
            await self.announcer.complain(member.sid, RULINGS[ruling], code=ruling, member=member)
        if ruling == "muted":
            await self.change_roles(member, member.roles - {"speaker"})
        else:
            await self.leave_room(member)

    async def leave_room(self, member: Member) -> None:
        """Takes a member out of its room; its stream ends."""
        self.service.admission.leave_line(member.client_id)
        await self.service.admission.stop(member.client_id)
        if member.sid is not None:
            for group in member.groups():
                await self.sio.leave_room(member.sid, group)
            if member.room_id is not None:
                await self.sio.leave_room(member.sid, group_name(member.room_id, EVERYBODY))
        self.lock.release(member.client_id)
        if (room := await self.rooms.leave(member)) is not None:
            retarget_room(self.service, room)
            self.announcer.room_changed(room)

    def standings(self, connection: Connection) -> frozenset[Standing]:
        """What a connection is to its room and to the server."""
        member, grant = connection.member, connection.grant
        found: set[Standing] = {"anybody", *(member.roles & grant.roles)}
        room = self.rooms.of(member)
        if room is not None and member.roles and room.owner == member.client_id:
            found.add("owner")
        if grant.operator:
            found.add("operator")
        return frozenset(found)

    def is_here(self, member: Member) -> bool:
        """Whether a member has a connection to this very server."""
        return member.connected or any(
            connection.member is member for connection in self.open.values()
        )

    async def watch_sockets(self) -> None:
        """Runs for the server's life: no socket stays open without a client."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                for eio_sid in self.sockets.overdue():
                    closing = self.sockets.close(eio_sid, patience=_LOOK_SECONDS)
                    self.tasks.spawn(closing, "closing a socket without a client")
                self.addresses.forget()
            except Exception:
                self.metrics.errors.labels("sockets").inc()
                logger.exception("watching the sockets failed")

    async def tend(self) -> None:
        """Runs for the server's life: tidies up and keeps members known to other replicas."""
        grace = self.settings.grace_seconds
        pause = max(0.05, min(5.0, grace / 4))
        saved = pruned = time.monotonic()
        while True:
            await asyncio.sleep(pause)
            try:
                for member in self.rooms.overdue():
                    self.rooms.members.pop(member.client_id, None)
                    await self.leave_room(member)
                for room_id in await self.rooms.expire():
                    self.announcer.forget_room(room_id)
                if time.monotonic() - saved > grace / 2:
                    saved = time.monotonic()
                    await self.rooms.save_all()
                if time.monotonic() - pruned > 3600:
                    pruned = time.monotonic()
                    await self.service.recorder.prune()
            except Exception:
                self.metrics.errors.labels("tidy").inc()
                logger.exception("tidying up failed")


def _one(auth: object, query: Mapping[str, list[str]], name: str) -> str | None:
    value = auth.get(name) if isinstance(auth, Mapping) else None
    if value is None:
        value = next(iter(query.get(name, ())), None)
    return str(value) if isinstance(value, (str, int)) else None


def _peer(environ: Mapping[str, Any]) -> tuple[str, bool]:
    """The client's address, and whether that is this very machine."""
    client = (environ.get("asgi.scope") or {}).get("client") or ("", 0)
    address = str(client[0])
    forwarded = any(
        header in environ for header in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
    )
    try:
        local = ipaddress.ip_address(address).is_loopback
    except ValueError:
        local = False
    return address, local and not forwarded
