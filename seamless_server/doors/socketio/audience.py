"""A member's stream: what its listeners want of it, and the way of its output to them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from seamless_server.doors.socketio.codec import Ready
from seamless_server.doors.socketio.hub import Hub
from seamless_server.doors.socketio.schema import (
    RecordingSaved,
    StreamConfig,
    StreamStatus,
    TranscriptEntry,
    TranslationSpeech,
    TranslationText,
)
from seamless_server.errors import SeamlessError
from seamless_server.rooms.members import ANY, FOLLOW, V1, Kind, Member, Room, group_name
from seamless_server.service.outputs import SpeechEvent, TextEvent
from seamless_server.service.session import EndReason, Session
from seamless_server.service.system import System

if TYPE_CHECKING:
    from seamless_server.streaming import Target

logger = logging.getLogger(__name__)

_STATUS_SECONDS = 0.5
_NOTICE_SECONDS = 5.0


class Speaking:
    """A member that speaks; the audience of its session."""

    def __init__(self, hub: Hub, member: Member, system: System, config: StreamConfig) -> None:
        self.member = member
        self.system = system
        self.config = config
        self.session: Session | None = None
        self._hub = hub
        self._last_notice = 0.0
        self._status_task: asyncio.Task[None] | None = None

    def start(self, session: Session) -> None:
        """The session is there."""
        self.session = session
        self.retarget()
        if self.member.protocol >= 2:
            self._status_task = asyncio.create_task(self._report(), name="stream status")

    async def stop(self) -> None:
        """Ends the stream with everything that was said translated; bounded in time."""
        if self.session is None:
            return
        try:
            await asyncio.wait_for(self.session.stop(), self._hub.settings.flush_seconds)
        except asyncio.TimeoutError:
            await self.session.abort()

    async def abort(self) -> None:
        """Ends the stream at once."""
        if self.session is not None:
            await self.session.abort()

    # -- what is wanted ---------------------------------------------------------------------------

    def main_language(self) -> str:
        """The speaker's choice, or the default."""
        offered = self.system.text_languages
        for wanted in (self.member.target_language, self._hub.settings.default_target_language):
            if wanted in offered:
                return wanted
        return offered[0]

    def targets(self) -> tuple[dict[str, Target], str]:
        """What to make of the speaker's audio now, and the speaker's own language.

        The speaker's language is always written, for the transcript; it is spoken only if
        somebody hears it.
        """
        from seamless_server.streaming import Target  # brings torch, which is slow to import

        main = self.main_language()
        speech: set[str] = set()
        text = {main}
        room = self._hub.room_of(self.member)
        if room is not None:
            groups = room.audience()
            followed = {group_name(room.room_id, V1), group_name(room.room_id, FOLLOW)} & groups
            if followed and self.config.model_type != "s2t":
                speech.add(main)
            if group_name(room.room_id, ANY, "speech") in groups:
                speech.add(main)
            for lang in room.languages():
                if group_name(room.room_id, lang, "speech") in groups:
                    speech.add(lang)
                text.add(lang)
        if self.config.debug and self.config.model_type != "s2t":
            speech.add(main)
        text &= set(self.system.text_languages)
        speech &= set(self.system.speech_languages)
        return {
            lang: Target(text=lang in text, speech=lang in speech) for lang in sorted(text | speech)
        }, main

    def retarget(self) -> None:
        """Takes over what is wanted now; in force with the next step."""
        if self.session is None:
            return
        targets, main = self.targets()
        self.session.set_targets(targets, main)
        room = self._hub.room_of(self.member)
        wants_floats = room is not None and group_name(room.room_id, V1) in room.audience()
        self.session.packer.wants_floats = wants_floats

    # -- the session's audience -------------------------------------------------------------------

    async def on_output(self, event: TextEvent | SpeechEvent) -> None:
        """Sends an output to everyone who wants it."""
        room = self._hub.room_of(self.member)
        if room is None:
            return
        kind: Kind = "text" if isinstance(event, TextEvent) else "speech"
        name = f"translation_{kind}"
        audience = room.audience()
        groups = [group for group in self._groups(room, event, kind) if group in audience]
        modern = [group for group in groups if group != group_name(room.room_id, V1)]
        if modern:
            data = self._modern(event)
            payload = data["payload"]
            for group in modern:
                room.hold(group, name, data, 300 + len(payload))
            await self._hub.sio.emit(name, data, room=modern)
        if len(modern) < len(groups):
            await self._send_v1(room, name, event)
        self._hub.metrics.outputs.labels(kind).inc()
        self._hub.metrics.output_latency.labels(kind).observe(event.latency_ms / 1000)
        if isinstance(event, TextEvent):
            await self._hub.store.add_text(room.room_id, self._entry(event))

    def _groups(self, room: Room, event: TextEvent | SpeechEvent, kind: Kind) -> Iterator[str]:
        yield group_name(room.room_id, event.lang, kind)
        if event.main:
            yield group_name(room.room_id, ANY, kind)
            without = {"text": "s2s", "speech": "s2t"}[kind]
            if self.config.model_type != without:
                yield group_name(room.room_id, FOLLOW)
                yield group_name(room.room_id, V1)

    def _modern(self, event: TextEvent | SpeechEvent) -> dict[str, Any]:
        common: dict[str, Any] = {
            "eos": event.finished,
            "speakerID": self.member.client_id,
            "lang": event.lang,
            "segmentID": event.segment_id,
            "seq": event.seq,
            "startMs": event.start_ms,
            "endMs": event.end_ms,
            "latencyMs": event.latency_ms,
        }
        if isinstance(event, TextEvent):
            return TranslationText(payload=event.text, **common).model_dump(by_alias=True)
        return TranslationSpeech(
            payload=event.pcm16, sample_rate=event.sample_rate, **common
        ).model_dump(by_alias=True)

    async def _send_v1(self, room: Room, name: str, event: TextEvent | SpeechEvent) -> None:
        group = group_name(room.room_id, V1)
        if isinstance(event, TextEvent):
            if not event.words and not event.finished:
                return
            data: dict[str, Any] = {"event": name, "payload": event.words, "eos": event.finished}
            room.hold(group, name, data, 100 + len(event.words))
            await self._hub.sio.emit(name, data, room=group)
            return
        for number, floats in enumerate(event.floats, 1):
            data = {
                "event": name,
                "payload": Ready(floats),
                "sample_rate": event.sample_rate,
                "eos": event.finished and number == len(event.floats),
            }
            room.hold(group, name, data, 100 + len(floats))
            await self._hub.sio.emit(name, data, room=group)
            await asyncio.sleep(0)

    def _entry(self, event: TextEvent) -> dict[str, Any]:
        return TranscriptEntry(
            speakerID=self.member.client_id,
            lang=event.lang,
            segmentID=event.segment_id,
            startMs=event.start_ms,
            endMs=event.end_ms,
            text=event.text,
            finished=event.finished,
        ).model_dump()

    async def on_end(self, reason: EndReason, error: BaseException | None) -> None:
        """The session is over, for whatever reason."""
        hub, member = self._hub, self.member
        if self._status_task is not None:
            self._status_task.cancel()
        hub.metrics.sessions_ended.labels(reason).inc()
        if hub.streams.get(member.client_id) is self:
            del hub.streams[member.client_id]
            member.streaming, member.stream_ended = False, time.monotonic()
            hub.line_changed()
        if self.session is not None:
            member.segment_base = max(member.segment_base, self.session.next_segment)
            if self.session.recording is not None:
                hub.spawn(self._save_recording(), "saving a recording")
        if error is not None:
            hub.metrics.errors.labels("stream").inc()
            message = (
                error.message
                if isinstance(error, SeamlessError)
                else "The translation of your stream failed. Start it again to go on."
            )
            code = error.code if isinstance(error, SeamlessError) else "stream_failed"
            await hub.complain(member.sid, message, code=code, member=member)
        if (room := hub.room_of(member)) is not None:
            hub.room_changed(room)
        await hub.save(member)

    async def _save_recording(self) -> None:
        assert self.session is not None
        recording = self.session.recording
        assert recording is not None
        files = await asyncio.wrap_future(recording.finish())
        name = recording.folder.name
        saved = RecordingSaved(name=name, files=files, url=f"/api/debug/{name}/")
        if self.member.sid is not None:
            await self._hub.sio.emit("recording_saved", saved.model_dump(), to=self.member.sid)

    # -- telling the speaker ----------------------------------------------------------------------

    async def audio_dropped(self, dropped_ms: float) -> None:
        """Tells the speaker that audio was lost, now and then."""
        now = time.monotonic()
        if dropped_ms > 0 and now - self._last_notice > _NOTICE_SECONDS:
            self._last_notice = now
            await self._hub.complain(
                self.member.sid,
                "The server cannot keep up with your audio, so its oldest part was left out.",
                code="overload",
                member=self.member,
            )

    async def _report(self) -> None:
        last: Mapping[str, Any] | None = None
        while True:
            await asyncio.sleep(_STATUS_SECONDS)
            session, sid = self.session, self.member.sid
            if session is None or sid is None:
                continue
            status = session.status()
            behind = status.queued_ms > 2 * self._hub.settings.join_limit_ms
            report = StreamStatus(
                state=status.state,
                lagMs=round(status.lag_ms, 1),
                queuedMs=round(status.queued_ms, 1),
                coalesced=status.coalesced,
                droppedMs=round(status.dropped_ms, 1),
                realTimeFactor=None
                if status.real_time_factor is None
                else round(status.real_time_factor, 3),
                warning=f"{status.queued_ms / 1000:.0f} s of your audio wait to be translated."
                if behind
                else None,
            ).model_dump()
            if report != last:
                last = report
                await self._hub.sio.emit("stream_status", report, to=sid)
