"""`configure_stream`: who may start a stream, on which model, and its start."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from seamless_server.doors.socketio.audience import Speaking
from seamless_server.doors.socketio.hub import Connection, Hub, RunningStream
from seamless_server.doors.socketio.schema import EventError, StreamConfig
from seamless_server.errors import SeamlessError
from seamless_server.rooms.members import Member
from seamless_server.service.admission import Admission
from seamless_server.service.recording import Recording, disk_reason
from seamless_server.service.session import Session, SessionLimits
from seamless_server.service.system import Stream, System

logger = logging.getLogger(__name__)


class Configuring:
    """Starts streams."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._admission = Admission(hub)

    async def configure(self, connection: Connection, config: StreamConfig) -> dict[str, Any]:
        """Answers `configure_stream`; a running stream of the same member ends first."""
        hub, member, admission = self._hub, connection.member, self._admission
        if hub.room_of(member) is None:
            return _refused("member_or_room_is_none")
        if "speaker" not in member.roles:
            return _refused("Join the room as a speaker to start a stream.")
        waits = config.wait and member.protocol >= 2
        if not waits:
            hub.leave_line(member.client_id)
        renews = (running := hub.streams.get(member.client_id)) is not None
        try:
            if running is not None:
                admission.renewing.add(member.client_id)
                await running.stop()
            async with admission.door:
                if await admission.locked(member):
                    return _refused("server_locked")
                self._system(config)  # what cannot start need not wait
                if not await admission.has_place(member, waits=waits):
                    answer = admission.queue_up(member, config) if waits else None
                    return answer or _refused("max_speakers")
                hub.leave_line(member.client_id)
                speaking = self._take(member, config)
        finally:
            if renews:
                admission.renewing.discard(member.client_id)
                hub.line_changed()
        debug = await self._open(connection, speaking)
        answer = {"status": "ok", "message": "server_ready"}
        if config.debug:
            answer["debug"] = debug
        return answer

    async def tend_line(self) -> None:
        """Runs for the server's life: starts the streams of those who waited in line."""
        await self._admission.run(self._take, self._open)

    def _take(self, member: Member, config: StreamConfig) -> RunningStream:
        """Gives a member its place: from here on it is taken.

        Raises:
            SeamlessError: the model is not there.
        """
        speaking = Speaking(self._hub, member, self._system(config), config)
        self._hub.streams[member.client_id] = speaking
        member.streaming, member.model_type = True, config.model_type
        return speaking

    async def _open(self, connection: Connection, stream: RunningStream) -> bool:
        """Starts the stream of a taken place; returns whether it is recorded."""
        assert isinstance(stream, Speaking)
        hub, member = self._hub, connection.member
        try:
            recorded = await self._start(connection, stream)
        except BaseException:
            if hub.streams.get(member.client_id) is stream:
                del hub.streams[member.client_id]
                member.streaming = False
                hub.line_changed()
            raise
        if (room := hub.room_of(member)) is not None:
            hub.room_changed(room)
        await hub.save(member)
        return recorded

    def _system(self, config: StreamConfig) -> System:
        models = self._hub.models
        if not models.ready:
            progress = models.progress
            if progress.error is not None:
                raise SeamlessError(progress.error, code="no_model")
            raise SeamlessError(
                f"The model is still loading ({progress.seconds:.0f} s so far); "
                "try again in a moment.",
                code="loading",
            )
        system = models.get(config.model_name)
        if system is None:
            names = ", ".join(system.name for system in models.systems())
            raise EventError(
                "configure_stream",
                "model_name",
                f"'{config.model_name}' is not served here; choose one of: {names}",
            )
        if config.model_type != "s2t" and not system.speech_languages:
            raise EventError("configure_stream", "model_type", "this model gives text only")
        return system

    async def _start(self, connection: Connection, speaking: Speaking) -> bool:
        hub, member, config = self._hub, connection.member, speaking.config
        settings, system = hub.settings, speaking.system
        recording = await self._recording(connection, speaking)
        targets, main = speaking.targets()
        loop = asyncio.get_running_loop()

        def open_stream() -> Stream:
            opened = system.open_stream(targets)
            if recording is not None:
                opened.trace = recording.trace
            return opened

        try:
            stream = await loop.run_in_executor(hub.pool, open_stream)
        except BaseException:
            if recording is not None:
                recording.finish()
            raise
        session = Session(
            stream=stream,
            sample_rate=system.sample_rate,
            rate=config.rate,
            pool=hub.pool,
            audience=speaking,
            metrics=hub.metrics,
            limits=SessionLimits(
                chunk_ms=settings.chunk_ms,
                join_limit_ms=settings.join_limit_ms,
                queue_seconds=settings.queue_seconds,
                idle_ms=settings.idle_ms,
            ),
            main=main,
            segment_base=member.segment_base,
            load=hub.load,
            buffer_limit=config.buffer_limit,
            recording=recording,
        )
        speaking.start(session)
        hub.metrics.sessions_started.labels(system.name).inc()
        if hub.streams.get(member.client_id) is not speaking or hub.room_of(member) is None:
            await speaking.abort()  # the member left meanwhile
            raise SeamlessError("You left the room.", code="no_room")
        return recording is not None

    async def _recording(self, connection: Connection, speaking: Speaking) -> Recording | None:
        """A recording, if one is asked for, allowed and possible."""
        hub, config, member = self._hub, speaking.config, connection.member
        allow = hub.settings.allow_debug
        if not config.debug or allow == "no" or (allow == "auto" and not connection.local):
            return None
        loop = asyncio.get_running_loop()

        def warn(message: str) -> None:
            loop.call_soon_threadsafe(
                hub.spawn,
                hub.complain(member.sid, message, code="recording", member=member),
                "warning of a recording",
            )

        try:
            folder = await loop.run_in_executor(
                hub.writer, hub.debug_store.create, member.room_id or ""
            )
        except OSError as error:
            warn(f"There will be no debug recording: {disk_reason(error)}. The stream goes on.")
            return None
        recording = Recording(
            hub.debug_store,
            folder,
            rate=config.rate,
            heard_rate=speaking.system.sample_rate,
            writer=hub.writer,
            max_minutes=hub.settings.debug_max_minutes,
            on_warning=warn,
        )
        recording.note(
            "configured",
            rate=config.rate,
            model=speaking.system.name,
            model_type=config.model_type,
        )
        return recording


def _refused(message: str) -> dict[str, Any]:
    return {"status": "error", "message": message}
