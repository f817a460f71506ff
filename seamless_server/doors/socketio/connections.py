"""Clients that connect, come back, and go."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from socketio.exceptions import ConnectionRefusedError

from seamless_server.doors.socketio.hub import Connection, Hub
from seamless_server.rooms.members import Member
from seamless_server.rooms.rights import token_of
from seamless_server.service.limits import ClientLimits

logger = logging.getLogger(__name__)

_MAX_ID = 200


class Connections:
    """Handles `connect` and `disconnect`."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """A client connects, perhaps for the second time.

        Raises:
            ConnectionRefusedError: with a sentence for the client.
        """
        hub = self._hub
        query = parse_qs(str(environ.get("QUERY_STRING", "")), max_num_fields=50)
        client_id = _one(auth, query, "clientID")
        if not client_id or len(client_id) > _MAX_ID:
            raise ConnectionRefusedError(
                f"clientID: send a non-empty string of at most {_MAX_ID} characters in the query"
            )
        address, local = _peer(environ)
        self._check_room_for(address, client_id)
        resume_key = _one(auth, {}, "resumeKey")
        member = await self._member(client_id, resume_key)
        member.protocol = 2 if _one(auth, query, "protocol") == "2" else 1
        connection = Connection(
            sid=sid,
            member=member,
            limits=ClientLimits(hub.settings.max_events_per_second),
            allowed=hub.auth.roles(token_of(auth, query)),
            address=address,
            local=local,
        )
        if not member.roles <= connection.allowed:
            member.roles &= set(connection.allowed)
        hub.connections[sid] = connection
        hub.metrics.connections.set(len(hub.connections))
        hub.spawn(self._welcome(connection), "welcoming a client")

    def _check_room_for(self, address: str, client_id: str) -> None:
        settings = self._hub.settings
        # Members in their grace period count too: they cost memory all the same.
        members = self._hub.members
        crowded = client_id not in members and len(members) >= 2 * settings.max_connections
        if crowded or len(self._hub.connections) >= settings.max_connections:
            self._hub.metrics.refused.labels("connections").inc()
            raise ConnectionRefusedError("The server is full. Try again later.")
        limit = settings.max_connections_per_address
        if limit and self._hub.by_address()[address] >= limit:
            self._hub.metrics.refused.labels("connections").inc()
            raise ConnectionRefusedError("Too many connections from your address.")

    async def _member(self, client_id: str, resume_key: str | None) -> Member:
        """The member that comes back, or a new one."""
        hub = self._hub
        member = hub.members.get(client_id)
        if member is None and (record := await hub.store.load_member(client_id)) is not None:
            record.pop("replica", None)
            member = Member.from_record({**record, "sid": None, "streaming": False})
        if member is None:
            member = Member(client_id, resume_key=resume_key, gone_since=time.monotonic())
        elif member.resume_key is not None and not secrets.compare_digest(
            member.resume_key, resume_key or ""
        ):
            raise ConnectionRefusedError("clientID: taken by another client")
        hub.members[client_id] = member
        return member

    async def _welcome(self, connection: Connection) -> None:
        """Gives a client its state, then what it missed, then lets its events in."""
        hub, sid, member = self._hub, connection.sid, connection.member
        try:
            # Events must not overtake the answer to the connection.
            while hub.sio.manager.is_pre_connected(sid, "/"):  # noqa: ASYNC110
                await asyncio.sleep(0)
            if member.sid is not None and member.sid != sid:
                await self._replace(member)
            await hub.sio.emit("server_id", hub.server_id, to=sid)
            await hub.sio.emit("server_state_update", hub.server_state(), to=sid)
            if member.room_id is not None:
                await self._return_to_room(connection)
            member.sid, member.gone_since = sid, None
            if sid not in hub.connections:  # gone again meanwhile
                member.sid, member.gone_since = None, time.monotonic()
        finally:
            connection.ready.set()
        if (room := hub.room_of(member)) is not None:
            hub.retarget(room)
            hub.room_changed(room)
            await hub.save(member)
        hub.server_changed()

    async def _replace(self, member: Member) -> None:
        """A client is back before its old connection was found dead."""
        hub, old = self._hub, member.sid
        hub.line.lose(member.client_id, time.monotonic())
        member.sid, member.gone_since = None, time.monotonic()
        if old is not None:
            hub.connections.pop(old, None)
            await hub.sio.disconnect(old)

    async def _return_to_room(self, connection: Connection) -> None:
        hub, sid, member = self._hub, connection.sid, connection.member
        assert member.room_id is not None
        room = await hub.open_room(member.room_id)
        member.replica = None
        room.members[member.client_id] = member
        await hub.sio.enter_room(sid, room.room_id)
        sent = 0
        # More may come while this is sent.
        while len(missed := room.missed(member)) > sent:
            for held in missed[sent:]:
                await hub.sio.emit(held.event, held.data, to=sid)
            sent = len(missed)
        for group in member.groups():
            await hub.sio.enter_room(sid, group)

    async def disconnect(self, sid: str, reason: str = "") -> None:
        """A connection ended; its member stays for the grace period."""
        hub = self._hub
        connection = hub.connections.pop(sid, None)
        hub.metrics.connections.set(len(hub.connections))
        if connection is None:
            return
        member = connection.member
        if member.sid == sid:
            hub.line.lose(member.client_id, time.monotonic())
            member.sid, member.gone_since = None, time.monotonic()
            if member.room_id is None and hub.members.get(member.client_id) is member:
                del hub.members[member.client_id]
            if (room := hub.room_of(member)) is not None:
                hub.room_changed(room)
                await hub.save(member)
        hub.server_changed()


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
