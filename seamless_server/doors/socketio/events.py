"""What clients ask for: every Socket.IO event, checked, limited and answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import socketio

from seamless_server.doors.socketio.announcer import Announcer, member_state
from seamless_server.doors.socketio.connections import Connection, Connections
from seamless_server.doors.socketio.schema import (
    INBOUND,
    DynamicConfig,
    EventError,
    JoinConfig,
    ListenerConfig,
    MembersAck,
    MembersPage,
    OpusAudio,
    RoomRules,
    StreamConfig,
    parse,
)
from seamless_server.doors.socketio.speaker import retarget_room, speaker_of
from seamless_server.doors.socketio.streams import Streams
from seamless_server.errors import ConfigError, Refused, SeamlessError
from seamless_server.metrics import Metrics
from seamless_server.rooms.members import EVERYBODY, Member, Room, Wish, group_name
from seamless_server.rooms.rights import RIGHTS, Authenticator, may
from seamless_server.rooms.rooms import Rooms
from seamless_server.service.lock import OwnerLock
from seamless_server.service.service import Service
from seamless_server.settings import Settings

logger = logging.getLogger(__name__)

Answer = Any
Handler = Callable[..., Awaitable[Answer]]

ESCAPE_HATCH = "remove_server_lock"


@dataclass(eq=False, kw_only=True)
class Events:
    """The handlers of one server."""

    sio: socketio.AsyncServer
    settings: Settings
    metrics: Metrics
    rooms: Rooms
    service: Service
    lock: OwnerLock
    announcer: Announcer
    connections: Connections
    streams: Streams
    auth: Authenticator

    def __post_init__(self) -> None:
        self.sio.on("connect", self.connections.connect)
        self.sio.on("disconnect", self.connections.disconnect)
        for event in INBOUND:
            self.sio.on(event, self._guarded(event, getattr(self, event)))
        self.sio.on("*", self._unknown)

    # -- around every handler ---------------------------------------------------------------------

    def _guarded(self, event: str, handler: Handler) -> Callable[..., Awaitable[Answer]]:
        """Limits, checks and runs a handler; whatever fails is answered with a sentence."""

        async def guarded(sid: str, *args: Any) -> Answer:
            connection = self.connections.open.get(sid)
            if connection is None:
                return _error("You are not connected.")
            size = sum(map(_size, args))
            if not await self._allowed(connection, event, size):
                return _error("Too many events: slow down.")
            try:
                await connection.ready.wait()
                if not may(event, self.connections.standings(connection)):
                    return await self._forbid(connection, event)
                return await handler(connection, *parse(event, args))
            except EventError as error:
                self.metrics.refused.labels("invalid").inc()
                await self._notice(connection, error.message, error.code, event, error.field)
                return _error(error.message, error.field or None)
            except SeamlessError as error:
                await self._notice(connection, error.message, error.code, event)
                return {**_error(error.message), "code": error.code}
            except Exception:
                self.metrics.errors.labels("event").inc()
                logger.exception("%s failed", event)
                message = "The server failed to do this; its log says why."
                await self._notice(connection, message, "internal", event)
                return _error(message)

        return guarded

    async def _forbid(self, connection: Connection, event: str) -> Answer:
        self.metrics.refused.labels("forbidden").inc()
        needed = RIGHTS[event]
        if event == "configure_stream" and self.rooms.of(connection.member) is None:
            return _error("member_or_room_is_none")
        if connection.member.room_id is None and "operator" not in needed:
            message, code = "Join a room first.", "no_room"
        else:
            who = " or ".join(sorted(needed))
            message, code = f"Only a room's {who} may do this.", "forbidden"
        if "speaker" in needed and "listener" not in needed:
            message = "Join the room as a speaker first."
        await self._notice(connection, message, code, event)
        return {**_error(message), "code": code}

    async def _allowed(self, connection: Connection, event: str, size: int) -> bool:
        limits, shared = connection.limits, connection.shared
        if limits.admit(shared, size, audio=event == "incoming_audio") and (
            event != "join_room" or (limits.joins.take() and shared.joins.take())
        ):
            return True
        self.metrics.refused.labels("rate").inc()
        await self._notice(connection, f"{event}: too many events; slow down", "rate", event)
        if not limits.patience.take():
            logger.warning("a client is disconnected: it floods the server")
            await self.connections.cut_off(connection)
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
            await self.announcer.complain(
                connection.sid,
                message,
                code=code,
                event=event,
                field=field or None,
                member=connection.member,
            )

    async def _unknown(self, event: str, sid: str, *_: Any) -> Answer:
        connection = self.connections.open.get(sid)
        if connection is None or not await self._allowed(connection, "event", 0):
            return _error("Too many events: slow down.")
        self.metrics.refused.labels("unknown").inc()
        shown = str(event)[:40]
        message = f"event: '{shown}' is none that this server knows"
        await self._notice(connection, message, "invalid", shown, "event")
        return _error(message, "event")

    # -- rooms ------------------------------------------------------------------------------------

    async def join_room(
        self, connection: Connection, client_id: str, room_id: str | None, config: JoinConfig
    ) -> Answer:
        """Joins or makes a room, or changes roles in it."""
        member = connection.member
        if client_id != member.client_id:
            raise EventError("join_room", "clientID", "is not the one that you connected with")
        roles = member.roles if config.roles is None else frozenset(config.roles)
        forbidden = roles - connection.grant.roles
        if forbidden:
            raise SeamlessError(
                f"To be a {' and '.join(sorted(forbidden))} here you need a valid token.",
                code="unauthorized",
            )
        if config.lockServerName and not self._may_lock(connection):
            raise SeamlessError("Only the operator may lock this server.", code="forbidden")
        if room_id and not config.open and not await self.rooms.has(room_id):
            raise SeamlessError(
                f"There is no room {room_id} here. Check the code, or open it.", code="no_room"
            )
        room_id = room_id or self.rooms.new_code()
        room = self.rooms.get(room_id)
        if room is None and not connection.shared.rooms.take():
            raise SeamlessError("Too many new rooms: wait a minute.", code="rate")
        room = await self.rooms.open(room_id)
        if not connection.grant.operator:
            room.let_in(client_id, config.passcode, roles)
        if member.room_id is not None and member.room_id != room_id:
            await self.connections.leave_room(member)
        if self.connections.open.get(connection.sid) is not connection:
            # It left while its room was looked up: nobody would ever take it out again.
            raise SeamlessError("You are not connected.", code="no_room")
        opens = not room.members and room.owner is None and bool(roles)
        self.rooms.enter(room, member)
        await self.connections.change_roles(member, roles)
        if opens:
            room.owner = member.client_id
            await self.rooms.save_facts(room)
        self._take_lock(connection, config)
        self.announcer.server_changed()
        return {"roomsJoined": [room.room_id], "roomID": room.room_id}

    async def set_room(self, connection: Connection, rules: RoomRules) -> Answer:
        """The owner sets a passcode, or lets nobody else in or speak."""
        room = self._room(connection)
        if "passcode" in rules.model_fields_set:
            room.passcode = rules.passcode or None
        if "closed" in rules.model_fields_set:
            room.closed = rules.closed
        if "speakersClosed" in rules.model_fields_set:
            room.speakers_closed = rules.speakersClosed
        await self.rooms.save_facts(room)
        self.announcer.room_changed(room)
        return _ok("room_set")

    async def invite_token(self, connection: Connection) -> Answer:
        """What a link needs so that people can listen, and do nothing else."""
        return {**_ok("invite_token"), "token": self.auth.listener_token()}

    async def remove_member(self, connection: Connection, client_id: str) -> Answer:
        """The owner sends somebody away."""
        member = self._other(connection, "remove_member", client_id)
        await self.connections.rule(member, "removed")
        return _ok("member_removed")

    async def members(self, connection: Connection, page: MembersPage) -> Answer:
        """Who is in the room, a page at a time: for those who show it."""
        room = self._room(connection)
        found, following = room.page(page.after, page.limit)
        states = {member.client_id: member_state(member) for member in found}
        return MembersAck(members=states, next=following, total=len(room.members)).model_dump()

    async def mute_member(self, connection: Connection, client_id: str) -> Answer:
        """The owner lets somebody speak no more; what was said is still translated."""
        member = self._other(connection, "mute_member", client_id)
        await self.connections.rule(member, "muted")
        return _ok("member_muted")

    async def end_room(self, connection: Connection) -> Answer:
        """The owner sends everybody away; nothing of what was said is kept."""
        room = self._room(connection)
        await self.clear_transcript_for_all(connection)
        for member in list(room.members.values()):
            if member is not connection.member:
                await self.connections.rule(member, "room_ended")
        await self.connections.leave_room(connection.member)
        return _ok("room_ended")

    def _other(self, connection: Connection, event: str, client_id: str) -> Member:
        """Somebody else of the owner's room."""
        member = self._room(connection).members.get(client_id)
        if member is None or member is connection.member:
            raise EventError(event, "clientID", "is nobody else's in this room")
        return member

    def _room(self, connection: Connection) -> Room:
        room = self.rooms.of(connection.member)
        if room is None:
            raise SeamlessError("Join a room first.", code="no_room")
        return room

    def _may_lock(self, connection: Connection) -> bool:
        usual = "operator" if self.auth.uses_tokens else "anyone"
        who = self.settings.server_lock or usual
        return who == "anyone" or (who == "operator" and connection.grant.operator)

    def _take_lock(self, connection: Connection, config: JoinConfig) -> None:
        member, lock, name = connection.member, self.lock, config.lockServerName
        if name and not self._may_lock(connection):
            raise SeamlessError("Only the operator may lock this server.", code="forbidden")
        if name == ESCAPE_HATCH and self.settings.lock_escape_hatch:
            lock.remove()
        elif name and "speaker" in member.roles:
            lock.take(name, member.client_id)
        elif "lockServerName" in config.model_fields_set or "speaker" not in member.roles:
            lock.release(member.client_id)

    async def set_name(self, connection: Connection, name: str) -> Answer:
        """Sets the name that others see."""
        member = connection.member
        member.name = name or None
        await self._changed(member)
        return _ok("name_set")

    async def set_listener_config(self, connection: Connection, config: ListenerConfig) -> Answer:
        """A listener chooses its language and whether it reads or hears it."""
        member = connection.member
        if member.protocol < 2:
            raise EventError("set_listener_config", "protocol", "connect with protocol 2 for it")
        output = config.output
        note = "listener_config_set"
        lang = config.targetLanguage
        if lang is not None:
            models = self.service.models.offered()
            written = {code for model in models for code in model.text_languages}
            spoken = {code for model in models for code in model.speech_languages}
            if models and lang not in written | spoken:
                raise EventError(
                    "set_listener_config", "targetLanguage", _not_offered(lang, written | spoken)
                )
            if models and lang not in spoken and "s2s" in output:
                output, note = "s2t", f"{lang} is offered as text only"
            self._check_languages(member, lang)
        before = member.groups()
        member.wish = Wish(lang, output, config.heard, config.encoding, config.original)
        await self.connections.enter_groups(member, before)
        await self._changed(member)
        return {**_ok(note), "targetLanguage": lang, "output": output}

    def _check_languages(self, member: Member, lang: str) -> None:
        room = self.rooms.of(member)
        if room is None:
            return
        others = room.languages() - {room.alone_with(member)}
        most = self.settings.max_languages
        if lang not in others and len(others) >= most:
            raise SeamlessError(
                f"This room already listens in {most} languages, which is the most that this "
                f"server allows: choose one of {', '.join(sorted(others))}.",
                code="max_languages",
            )

    async def transcript(self, connection: Connection) -> Answer:
        """What was said in the room so far."""
        room_id = connection.member.room_id
        if room_id is None:
            raise SeamlessError("Join a room first.", code="no_room")
        return await self.rooms.store.transcript(room_id)

    async def clear_transcript_for_all(self, connection: Connection) -> Answer:
        """Clears what everybody in the room sees."""
        room_id = connection.member.room_id
        if room_id is None:
            raise SeamlessError("Join a room first.", code="no_room")
        await self.rooms.store.clear_transcript(room_id)
        await self.sio.emit("clear_transcript", room=group_name(room_id, EVERYBODY))
        return _ok("transcript_cleared")

    # -- streams ----------------------------------------------------------------------------------

    async def set_dynamic_config(self, connection: Connection, config: DynamicConfig) -> Answer:
        """Changes the speaker's language or manner, before or during a stream."""
        member = connection.member
        speaker = speaker_of(self.service, member.client_id)
        if config.targetLanguage is not None:
            offered = set(speaker.text_languages() or ()) if speaker is not None else set()
            if not offered:
                models = self.service.models.offered()
                offered = {code for model in models for code in model.text_languages}
            if offered and config.targetLanguage not in offered:
                raise EventError(
                    "set_dynamic_config",
                    "targetLanguage",
                    _not_offered(config.targetLanguage, offered),
                )
            member.target_language = config.targetLanguage
        if "sourceLanguage" in config.model_fields_set:
            member.source_language = config.sourceLanguage
        if "expressive" in config.model_fields_set:
            member.expressive = config.expressive
        if "sendVoice" in config.model_fields_set:
            member.send_voice = config.sendVoice
        if speaker is not None:
            speaker.retarget()
        await self._changed(member)
        return _ok("dynamic_config_set")

    async def configure_stream(self, connection: Connection, config: StreamConfig) -> Answer:
        """Starts the member's stream, or puts it in line; a running one ends first."""
        member = connection.member
        try:
            speaker, session = await self.streams.start(member, config, local=connection.local)
        except Refused as refused:
            return _error(refused.code)
        except ConfigError as error:
            field = {"model": "model_name", "speech": "model_type"}.get(error.field, error.field)
            raise EventError("configure_stream", field, error.reason) from None
        granted = {"encoding": speaker.incoming.encoding} if config.encoding != "pcm16" else {}
        if session is None:
            line = self.service.admission.line
            return {
                "status": "waiting",
                "message": "max_speakers",
                "position": line.position(member.client_id),
                "waiting": len(line),
                **granted,
            }
        answer = {**_ok("server_ready"), "model": speaker.model_name, **granted}
        if config.debug:
            answer["debug"] = session.recording is not None
        return answer

    async def incoming_audio(self, connection: Connection, audio: bytes | OpusAudio) -> Answer:
        """Takes mono audio at the stream's rate: 16-bit little-endian samples, or Opus."""
        if isinstance(audio, bytes) and len(audio) % 2:
            raise EventError("incoming_audio", "audio", "16-bit samples come in even byte counts")
        client_id = connection.member.client_id
        if (place := self.service.admission.line.position(client_id)) > 0:
            raise SeamlessError(
                f"You are number {place} in line: send audio when you are admitted.",
                code="waiting",
            )
        speaker = speaker_of(self.service, client_id)
        session = None if speaker is None else speaker.session
        if speaker is None or session is None:
            if time.monotonic() - connection.member.stream_ended < 5:
                return {"queuedMs": 0.0}  # still on its way when the stream ended
            raise SeamlessError(
                "There is no stream: send configure_stream first.", code="no_stream"
            )
        if audio:
            samples = speaker.incoming.samples(audio)
            dropped_ms = session.feed(samples)
            speaker.let_hear(samples)
            await speaker.audio_dropped(dropped_ms)
        answer = {
            "queuedMs": round(session.queued_ms, 1),
            "receivedMs": round(session.received_ms, 1),
        }
        # Without other replicas all that was received is this one's to keep.
        return answer if speaker.done_ms is None else {**answer, "doneMs": speaker.done_ms}

    async def stop_stream(self, connection: Connection) -> Answer:
        """Ends the stream when everything that was said is translated and sent."""
        self.service.admission.leave_line(connection.member.client_id)
        await self.service.admission.stop(connection.member.client_id)
        return _ok("Stream stopped")

    async def _changed(self, member: Member) -> None:
        if (room := self.rooms.of(member)) is not None:
            retarget_room(self.service, room)
            self.announcer.room_changed(room)
            await self.rooms.save(member)


def _size(argument: Any) -> int:
    """Bytes of sound."""
    sound = argument.get("payload") if isinstance(argument, dict) else argument
    return len(sound) if isinstance(sound, bytes) else 0


def _ok(message: str) -> dict[str, Any]:
    return {"status": "ok", "message": message}


def _error(message: str, field: str | None = None) -> dict[str, Any]:
    answer = {"status": "error", "message": message}
    return {**answer, "field": field} if field else answer


def _not_offered(lang: str, offered: set[str]) -> str:
    listed = ", ".join(sorted(offered))
    return f"'{lang}' is not offered; choose one of: {listed}"
