"""What clients ask for: every Socket.IO event, checked, limited and answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np

from seamless_server.doors.socketio.connections import Connections
from seamless_server.doors.socketio.hub import Connection, Hub, Lock
from seamless_server.doors.socketio.schema import (
    INBOUND,
    DynamicConfig,
    EventError,
    JoinConfig,
    ListenerConfig,
    StreamConfig,
    parse,
)
from seamless_server.errors import SeamlessError
from seamless_server.rooms.members import Member
from seamless_server.service.service import Configuring

logger = logging.getLogger(__name__)

Answer = Any
Handler = Callable[..., Awaitable[Answer]]

ESCAPE_HATCH = "remove_server_lock"


class Events:
    """The handlers of one server."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._configuring = Configuring(hub)
        hub.spawn(self._configuring.tend_line(), "tending the line")
        connections = Connections(hub)
        hub.sio.on("connect", connections.connect)
        hub.sio.on("disconnect", connections.disconnect)
        for event in INBOUND:
            hub.sio.on(event, self._guarded(event, getattr(self, event)))
        hub.sio.on("*", self._unknown)

    # -- around every handler ---------------------------------------------------------------------

    def _guarded(self, event: str, handler: Handler) -> Callable[..., Awaitable[Answer]]:
        """Limits, checks and runs a handler; whatever fails is answered with a sentence."""

        async def guarded(sid: str, *args: Any) -> Answer:
            connection = self._hub.connections.get(sid)
            if connection is None:
                return _error("You are not connected.")
            if not await self._allowed(connection, event):
                return _error("Too many events: slow down.")
            try:
                await connection.ready.wait()
                return await handler(connection, *parse(event, args))
            except EventError as error:
                self._hub.metrics.refused.labels("invalid").inc()
                await self._notice(connection, error.message, error.code, event, error.field)
                return _error(error.message, error.field or None)
            except SeamlessError as error:
                await self._notice(connection, error.message, error.code, event)
                return {**_error(error.message), "code": error.code}
            except Exception:
                self._hub.metrics.errors.labels("event").inc()
                logger.exception("%s failed", event)
                message = "The server failed to do this; its log says why."
                await self._notice(connection, message, "internal", event)
                return _error(message)

        return guarded

    async def _allowed(self, connection: Connection, event: str) -> bool:
        limits = connection.limits
        bucket = limits.audio if event == "incoming_audio" else limits.events
        if bucket.take() and (event != "join_room" or limits.joins.take()):
            return True
        self._hub.metrics.refused.labels("rate").inc()
        await self._notice(connection, f"{event}: too many events; slow down", "rate", event)
        if not limits.patience.take():
            logger.warning("a client is disconnected: it floods the server")
            await self._hub.sio.disconnect(connection.sid)
        return False

    async def _notice(
        self,
        connection: Connection,
        message: str,
        code: str,
        event: str,
        field: str | None = None,
    ) -> None:
        if connection.limits.notices.take():
            await self._hub.complain(
                connection.sid,
                message,
                code=code,
                event=event,
                field=field or None,
                member=connection.member,
            )

    async def _unknown(self, event: str, sid: str, *_: Any) -> Answer:
        connection = self._hub.connections.get(sid)
        if connection is None or not await self._allowed(connection, "event"):
            return _error("Too many events: slow down.")
        self._hub.metrics.refused.labels("unknown").inc()
        shown = str(event)[:40]
        message = f"event: '{shown}' is none that this server knows"
        await self._notice(connection, message, "invalid", shown, "event")
        return _error(message, "event")

    # -- rooms ------------------------------------------------------------------------------------

    async def join_room(
        self, connection: Connection, client_id: str, room_id: str | None, config: JoinConfig
    ) -> Answer:
        """Joins or makes a room, or changes roles in it."""
        hub, member = self._hub, connection.member
        if client_id != member.client_id:
            raise EventError("join_room", "clientID", "is not the one that you connected with")
        roles = set(config.roles) if config.roles is not None else set(member.roles)
        forbidden = roles - connection.allowed
        if forbidden:
            raise SeamlessError(
                f"To be a {' and '.join(sorted(forbidden))} here you need a valid token.",
                code="unauthorized",
            )
        if member.room_id is not None and member.room_id != room_id:
            await hub.leave_room(member)
        room = await hub.open_room(room_id or hub.new_room_id())
        before = member.groups()
        member.room_id = room.room_id
        stops = "speaker" in member.roles and "speaker" not in roles
        member.roles = roles
        room.members[member.client_id] = member
        room.empty_since = None
        await hub.sio.enter_room(connection.sid, room.room_id)
        await hub.enter_groups(member, before)
        self._take_lock(member, config)
        if stops and (stream := hub.streams.get(member.client_id)) is not None:
            hub.spawn(stream.stop(), "stopping a stream")
        if "speaker" not in roles:
            hub.leave_line(member.client_id)
        hub.retarget(room)
        hub.room_changed(room)
        await hub.save(member)
        return {"roomsJoined": [room.room_id], "roomID": room.room_id}

    def _take_lock(self, member: Member, config: JoinConfig) -> None:
        hub, name = self._hub, config.lockServerName
        if name == ESCAPE_HATCH and hub.settings.lock_escape_hatch:
            hub.lock = None
        elif name and "speaker" in member.roles:
            if hub.lock is None or hub.lock.client_id == member.client_id:
                hub.lock = Lock(name, member.client_id)
        elif (
            hub.lock is not None
            and hub.lock.client_id == member.client_id
            and ("lockServerName" in config.model_fields_set or "speaker" not in member.roles)
        ):
            hub.lock = None

    async def set_name(self, connection: Connection, name: str) -> Answer:
        """Sets the name that others see."""
        member = connection.member
        member.name = name or None
        await self._changed(member)
        return _ok("name_set")

    async def set_listener_config(self, connection: Connection, config: ListenerConfig) -> Answer:
        """A listener chooses its language and whether it reads or hears it."""
        hub, member = self._hub, connection.member
        if member.protocol < 2:
            raise EventError("set_listener_config", "protocol", "connect with protocol 2 for it")
        output = config.output
        note = "listener_config_set"
        lang = config.targetLanguage
        if lang is not None:
            systems = hub.models.systems()
            written = {code for system in systems for code in system.text_languages}
            spoken = {code for system in systems for code in system.speech_languages}
            if systems and lang not in written | spoken:
                raise EventError(
                    "set_listener_config", "targetLanguage", _not_offered(lang, written | spoken)
                )
            if systems and lang not in spoken and "s2s" in output:
                output, note = "s2t", f"{lang} is offered as text only"
            self._check_languages(member, lang)
        before = member.groups()
        member.listener = ListenerConfig(targetLanguage=lang, output=output)
        await hub.enter_groups(member, before)
        await self._changed(member)
        return {**_ok(note), "targetLanguage": lang, "output": output}

    def _check_languages(self, member: Member, lang: str) -> None:
        room = self._hub.room_of(member)
        if room is None:
            return
        others = {
            other.listener.targetLanguage
            for other in room.members.values()
            if other is not member and other.listener is not None
        } - {None}
        most = self._hub.settings.max_languages
        if lang not in others and len(others) >= most:
            raise SeamlessError(
                f"This room already listens in {most} languages, which is the most that this "
                f"server allows: choose one of {', '.join(sorted(filter(None, others)))}.",
                code="max_languages",
            )

    async def transcript(self, connection: Connection) -> Answer:
        """What was said in the room so far."""
        room_id = connection.member.room_id
        if room_id is None:
            raise SeamlessError("Join a room first.", code="no_room")
        return await self._hub.store.transcript(room_id)

    async def clear_transcript_for_all(self, connection: Connection) -> Answer:
        """Clears what everybody in the room sees."""
        room_id = connection.member.room_id
        if room_id is None:
            raise SeamlessError("Join a room first.", code="no_room")
        await self._hub.store.clear_transcript(room_id)
        await self._hub.sio.emit("clear_transcript", room=room_id)
        return _ok("transcript_cleared")

    # -- streams ----------------------------------------------------------------------------------

    async def set_dynamic_config(self, connection: Connection, config: DynamicConfig) -> Answer:
        """Changes the speaker's language or manner, before or during a stream."""
        hub, member = self._hub, connection.member
        if config.targetLanguage is not None:
            stream = hub.streams.get(member.client_id)
            systems = (stream.system,) if stream is not None else hub.models.systems()
            offered = {code for system in systems for code in system.text_languages}
            if systems and config.targetLanguage not in offered:
                raise EventError(
                    "set_dynamic_config",
                    "targetLanguage",
                    _not_offered(config.targetLanguage, offered),
                )
            member.target_language = config.targetLanguage
        if "expressive" in config.model_fields_set:
            member.expressive = config.expressive
        if (stream := hub.streams.get(member.client_id)) is not None:
            stream.retarget()
        await self._changed(member)
        return _ok("dynamic_config_set")

    async def configure_stream(self, connection: Connection, config: StreamConfig) -> Answer:
        """Makes the member's session."""
        return await self._configuring.configure(connection, config)

    async def incoming_audio(self, connection: Connection, audio: bytes) -> Answer:
        """Takes mono 16-bit little-endian audio at the stream's rate."""
        if len(audio) % 2:
            raise EventError("incoming_audio", "audio", "16-bit samples come in even byte counts")
        stream = self._hub.streams.get(connection.member.client_id)
        if (place := self._hub.line.position(connection.member.client_id)) > 0:
            raise SeamlessError(
                f"You are number {place} in line: send audio when you are admitted.",
                code="waiting",
            )
        if stream is None or stream.session is None:
            if time.monotonic() - connection.member.stream_ended < 5:
                return {"queuedMs": 0.0}  # still on its way when the stream ended
            raise SeamlessError(
                "There is no stream: send configure_stream first.", code="no_stream"
            )
        if audio:
            dropped_ms = stream.session.feed(np.frombuffer(audio, dtype="<i2"))
            await stream.audio_dropped(dropped_ms)
        return {"queuedMs": round(stream.session.queued_ms, 1)}

    async def stop_stream(self, connection: Connection) -> Answer:
        """Ends the stream when everything that was said is translated and sent."""
        self._hub.leave_line(connection.member.client_id)
        stream = self._hub.streams.get(connection.member.client_id)
        if stream is not None:
            await stream.stop()
        return _ok("Stream stopped")

    async def _changed(self, member: Member) -> None:
        if (room := self._hub.room_of(member)) is not None:
            self._hub.retarget(room)
            self._hub.room_changed(room)
            await self._hub.save(member)


def _ok(message: str) -> dict[str, Any]:
    return {"status": "ok", "message": message}


def _error(message: str, field: str | None = None) -> dict[str, Any]:
    answer = {"status": "error", "message": message}
    return {**answer, "field": field} if field else answer


def _not_offered(lang: str, offered: set[str]) -> str:
    listed = ", ".join(sorted(offered))
    return f"'{lang}' is not offered; choose one of: {listed}"
