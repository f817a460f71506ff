"""A member that speaks: what its listeners want of its stream, and its output's way to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import socketio

from seamless_server.audio.opus import OpusEncoder
from seamless_server.doors.socketio.announcer import Announcer
from seamless_server.doors.socketio.codec import Ready
from seamless_server.doors.socketio.delivery import Emitted
from seamless_server.doors.socketio.incoming import IncomingAudio
from seamless_server.doors.socketio.original_voice import OriginalVoice, Pcm
from seamless_server.doors.socketio.packing import OutputPacker
from seamless_server.doors.socketio.schema import (
    NotUnderstood,
    PlaceInLine,
    SavedRecording,
    StreamConfig,
    StreamStatus,
    TranscriptSentence,
    TranslationSpeech,
    TranslationText,
)
from seamless_server.doors.socketio.sent import said_in
from seamless_server.doors.socketio.wire_outputs import PackedAgain, PackedSpeech, PackedText
from seamless_server.errors import SeamlessError
from seamless_server.languages import lookup
from seamless_server.rooms.members import (
    ANY,
    FOLLOW,
    HEARD,
    ORIGINAL,
    V1,
    Kind,
    Member,
    Room,
    group_name,
)
from seamless_server.rooms.rooms import Rooms
from seamless_server.service.owner import Audience, EndReason, Pause, Targets, Waiter
from seamless_server.service.service import Service
from seamless_server.service.session import Session
from seamless_server.settings import Settings

if TYPE_CHECKING:
    from seamless_server.streaming import ModelInfo, Output, TextOutput

_SPEECH: tuple[Kind, ...] = ("speech", "opus")
_STATUS_SECONDS = 0.5
_NOTICE_SECONDS = 5.0


class Speaker(Waiter, Audience):
    """Owns a member's stream, and brings its output to the room."""

    def __init__(
        self,
        member: Member,
        config: StreamConfig,
        *,
        sio: socketio.AsyncServer,
        settings: Settings,
        rooms: Rooms,
        service: Service,
        announcer: Announcer,
    ) -> None:
        self.member = member
        self.config = config
        self.incoming = IncomingAudio(config)
        self._sio = sio
        self._settings = settings
        self._rooms = rooms
        self._service = service
        self._announcer = announcer
        self._model: ModelInfo | None = None
        self._main = ""
        self._packer = OutputPacker("", config.buffer_limit)
        self.done_ms: float | None = None
        """Audio of the stream that nobody needs again; None: it is all the server's to keep."""
        self._encoders: dict[str, tuple[OpusEncoder, int]] = {}
        """Of the segments that are spoken, by language, and where in them the next piece begins."""
        self._original: OriginalVoice | None = None
        self._last_notice = 0.0
        self._status_task: asyncio.Task[None] | None = None

    # -- the owner of its stream ------------------------------------------------------------------

    @property
    def key(self) -> str:
        """The client ID."""
        return self.member.client_id

    @property
    def session(self) -> Session | None:
        """Its running session."""
        return self._service.session(self.key)

    def present(self) -> bool:
        """Whether it is still in a room."""
        return self._rooms.of(self.member) is not None

    def away_for(self) -> float:
        """Seconds since its connection was lost; negative while it has one."""
        return self.member.away_for()

    async def complain(self, message: str, code: str) -> None:
        """`server_exception` to the speaker."""
        await self._announcer.complain(self.member.sid, message, code=code, member=self.member)

    async def moved(self, position: int, waiting: int) -> None:
        """Its place in line is another."""
        await self._place("waiting", position=position, waiting=waiting)

    async def admitted(self) -> None:
        """Its turn came and its stream runs."""
        await self.started()
        recorded = self.session is not None and self.session.recording is not None
        await self._place("admitted", debug=recorded if self.config.debug else None)

    async def refused(self, message: str) -> None:
        """Its turn came, and its stream could not be started."""
        await self._place("ended", message=message)

    async def _place(self, state: Any, position: int = 0, **fields: Any) -> None:
        if self.member.sid is not None:
            fields.setdefault("waiting", len(self._service.admission.line))
            place = PlaceInLine(state=state, position=position, **fields)
            await self._sio.emit("place_in_line", place.model_dump(), to=self.member.sid)

    async def started(self, pause: Pause | None = None) -> None:
        """The session is there.

        Args:
            pause: where it goes on with another replica's.
        """
        if self.wants_pauses:
            self.done_ms = 0.0 if pause is None else pause.source_ms
            self._keep(pause or Pause(segment_base=self.member.segment_base))
        self.member.streaming, self.member.model_type = True, self.config.model_type
        self.member.model = self.model_name
        self.retarget()
        self._original = OriginalVoice(
            self.key, self.config.rate, self._original_wanted, self._send_original
        )
        if self.member.protocol >= 2:
            self._status_task = asyncio.create_task(self._report(), name="stream status")
        await self._changed()

    async def _changed(self) -> None:
        if (room := self._rooms.of(self.member)) is not None:
            self._announcer.room_changed(room)
        await self._rooms.save(self.member)

    # -- another replica can go on with it --------------------------------------------------------

    @property
    def wants_pauses(self) -> bool:  # type: ignore[override]
        """Whether there are other replicas."""
        return self._rooms.store.shared

    def goes_on_elsewhere(self) -> bool:
        """Whether another replica can go on with its stream."""
        return self.wants_pauses and self.member.keeps_audio

    async def on_pause(self, pause: Pause) -> None:
        """From here on another replica would go on."""
        self._keep(pause)

    def _keep(self, pause: Pause) -> None:
        if not self._is_here():
            return

        def written() -> None:
            self.done_ms = round(pause.source_ms, 1)

        state = {"config": self.config.model_dump(), "pause": asdict(pause)}
        self._rooms.store.save_stream(self.key, state, written)

    def _is_here(self) -> bool:
        """Whether its member has not gone over to another replica."""
        return self._rooms.members.get(self.key) is self.member

    def go_on(self, events: Iterable[Emitted]) -> None:
        """The stream goes on with what another replica began; `events` are the last of its room."""
        given, seq = said_in(events, self.key)
        self._packer = OutputPacker(self._main, self.config.buffer_limit, given, seq)
        self.retarget()

    # -- what is wanted ---------------------------------------------------------------------------

    def choose(self, model: ModelInfo) -> Targets:
        """What to make of the speaker's audio with the model that it gets."""
        self._model = model
        targets, self._main = self._targets(model)
        self._packer = OutputPacker(self._main, self.config.buffer_limit)
        return targets

    def _targets(self, model: ModelInfo) -> tuple[Targets, str]:
        """What is wanted now, and the speaker's own language.

        The speaker's language is always written, for the transcript; it is spoken only if
        somebody hears it.
        """
        from seamless_server.streaming import Target  # brings torch, which is slow to import

        main = self._main_language(model)
        speech: set[str] = set()
        text = {main}
        room = self._rooms.of(self.member)
        if room is not None:
            groups = room.audience()

            def hears(lang: str) -> bool:
                return any(group_name(room.room_id, lang, kind) in groups for kind in _SPEECH)

            followed = {group_name(room.room_id, V1), group_name(room.room_id, FOLLOW)} & groups
            if followed and self.config.model_type != "s2t":
                speech.add(main)
            if hears(ANY):
                speech.add(main)
            spoken = self.member.source_language
            if spoken and group_name(room.room_id, HEARD, "text") in groups:
                text.add(spoken)
            for lang in room.languages():
                if hears(lang):
                    speech.add(lang)
                text.add(lang)
        if self.config.debug and self.config.model_type != "s2t":
            speech.add(main)
        text &= set(model.text_languages)
        speech &= set(model.speech_languages)
        return {
            lang: Target(text=lang in text, speech=lang in speech) for lang in sorted(text | speech)
        }, main

    def _main_language(self, model: ModelInfo) -> str:
        """The speaker's choice, or the default."""
        offered = model.text_languages
        for wanted in (self.member.target_language, self._settings.default_target_language):
            if wanted in offered:
                return wanted
        return offered[0]

    @property
    def model_name(self) -> str | None:
        """The model of the running stream."""
        return None if self._model is None else self._model.name

    def text_languages(self) -> tuple[str, ...] | None:
        """What the model of the running stream writes."""
        return None if self._model is None else self._model.text_languages

    def retarget(self) -> None:
        """Takes over what is wanted now; in force with the next step."""
        session = self.session
        if session is None or self._model is None:
            return
        session.set_expressive(self.member.expressive)
        targets, main = self._targets(self._model)
        session.set_targets(targets, lambda: self._packer.set_main(main))
        room = self._rooms.of(self.member)
        wants_floats = room is not None and group_name(room.room_id, V1) in room.audience()
        self._packer.wants_floats = wants_floats

    # -- the audience of its stream ---------------------------------------------------------------

    def pack(self, output: Output) -> Iterator[PackedText | PackedSpeech | PackedAgain]:
        """Makes an output ready for the wire."""
        return self._packer.pack(output)

    async def on_output(self, packed: PackedText | PackedSpeech | PackedAgain) -> None:
        """Sends a packed output to everyone who wants it."""
        room = self._rooms.of(self.member)
        if room is None:
            return
        if isinstance(packed, PackedAgain):  # the transcript here begins with it
            await self._rooms.store.add_text(room.room_id, self._entry(packed.said))
            return
        kind = "text" if isinstance(packed, PackedText) else "speech"
        lost = isinstance(packed, PackedText) and not packed.said.understood
        name = "not_understood" if lost else f"translation_{kind}"
        audience = room.audience()
        groups: dict[str, list[str]] = {}
        for form, group in self._groups(room, packed):
            if group in audience:
                groups.setdefault(form, []).append(group)
        opus = groups.pop("opus", [])
        first = groups.pop(V1, [])
        if isinstance(packed, PackedSpeech):
            if opus:
                await self._send(room, opus, name, await asyncio.to_thread(self._as_opus, packed))
            else:
                self._encoders.pop(packed.said.lang, None)  # nobody has the beginning any more
        if modern := groups.pop(kind, []):
            await self._send(room, modern, name, self._modern(packed))
        if first:
            await self._send_v1(room, f"translation_{kind}", packed)
        if isinstance(packed, PackedText):
            room.said = True
            await self._rooms.store.add_text(room.room_id, self._entry(packed.said))

    async def _send(self, room: Room, groups: list[str], name: str, data: dict[str, Any]) -> None:
        size = 300 + len(data.get("payload", ""))
        for group in groups:
            room.hold(group, name, data, size)
        await self._sio.emit(name, data, room=groups)

    def _groups(self, room: Room, packed: PackedText | PackedSpeech) -> Iterator[tuple[str, str]]:
        """The delivery groups that the event is for, and in which form."""
        kinds: tuple[Kind, ...] = ("text",) if isinstance(packed, PackedText) else _SPEECH
        langs = [packed.said.lang]
        if packed.main or (isinstance(packed, PackedText) and packed.coming):
            # Who follows the speaker sees one language of each sentence: a new one from the start.
            langs.append(ANY)
        for lang in langs:
            yield from ((kind, group_name(room.room_id, lang, kind)) for kind in kinds)
        if isinstance(packed, PackedText) and packed.said.lang == self.member.source_language:
            yield "text", group_name(room.room_id, HEARD, "text")
        without = "s2s" if isinstance(packed, PackedText) else "s2t"
        if packed.main and self.config.model_type != without:
            yield kinds[0], group_name(room.room_id, FOLLOW)
            yield V1, group_name(room.room_id, V1)

    def _as_opus(self, packed: PackedSpeech) -> dict[str, Any]:
        """A piece of speech, encoded once for all who take it so; in a thread."""
        encoder, offset = self._encoders.get(packed.said.lang) or (
            OpusEncoder(packed.said.sample_rate),
            packed.offset,
        )
        piece = encoder.encode(
            np.frombuffer(packed.pcm16, "<i2"), packed.said.sample_rate, last=packed.said.finished
        )
        self._encoders[packed.said.lang] = encoder, offset + piece.samples
        if packed.said.finished:
            del self._encoders[packed.said.lang]
        return {
            **self._modern(packed),
            "encoding": "opus",
            "offset": offset,
            "payload": piece.payload,
            "sample_rate": piece.sample_rate,
            "preSkip": piece.pre_skip,
            "samples": piece.samples,
        }

    def _modern(self, packed: PackedText | PackedSpeech) -> dict[str, Any]:
        said = packed.said
        event: NotUnderstood | TranslationText | TranslationSpeech
        common: dict[str, Any] = {
            "eos": said.finished,
            "speakerID": self.member.client_id,
            "lang": said.lang,
            "segmentID": said.segment_id,
            "seq": packed.seq,
            "startMs": said.start_ms,
            "endMs": said.end_ms,
            "latencyMs": said.latency_ms,
            "offset": packed.offset,
        }
        if isinstance(packed, PackedSpeech):
            rate = packed.said.sample_rate
            event = TranslationSpeech(payload=packed.pcm16, sample_rate=rate, **common)
        elif packed.said.understood:
            text, confidence = packed.said.text, packed.said.confidence
            event = TranslationText(payload=text, confidence=confidence, **common)
        else:
            event = NotUnderstood(confidence=packed.said.confidence, **common)
        return event.model_dump(by_alias=True, exclude={"pre_skip", "samples"})

    async def _send_v1(self, room: Room, name: str, packed: PackedText | PackedSpeech) -> None:
        group, finished = group_name(room.room_id, V1), packed.said.finished
        if isinstance(packed, PackedText):
            if not packed.words and not finished:
                return
            data: dict[str, Any] = {"event": name, "payload": packed.words, "eos": finished}
            room.hold(group, name, data, 100 + len(packed.words))
            await self._sio.emit(name, data, room=group)
            return
        for number, floats in enumerate(packed.floats, 1):
            data = {
                "event": name,
                "payload": Ready(floats),
                "sample_rate": packed.said.sample_rate,
                "eos": finished and number == len(packed.floats),
            }
            room.hold(group, name, data, 100 + len(floats))
            await self._sio.emit(name, data, room=group)
            await asyncio.sleep(0)

    # -- its own voice ----------------------------------------------------------------------------

    def let_hear(self, samples: Pcm) -> None:
        """Audio of the speaker, for listeners who want it as it is, if the speaker sends it."""
        if self._original is not None:
            self._original.feed(samples)

    def _original_wanted(self) -> list[Kind]:
        room = self._rooms.of(self.member)
        if room is None or not self.member.send_voice:
            return []
        audience = room.audience()
        return [kind for kind in _SPEECH if group_name(room.room_id, ORIGINAL, kind) in audience]

    async def _send_original(self, kind: Kind, data: dict[str, Any]) -> None:
        """To everybody but the speaker; who is away misses it, as it is worth nothing later."""
        if (room := self._rooms.of(self.member)) is not None:
            group = group_name(room.room_id, ORIGINAL, kind)
            await self._sio.emit("original_speech", data, room=group, skip_sid=self.member.sid)

    def _entry(self, said: TextOutput) -> dict[str, Any]:
        return TranscriptSentence(
            speakerID=self.member.client_id,
            lang=said.lang,
            segmentID=said.segment_id,
            startMs=said.start_ms,
            endMs=said.end_ms,
            text=said.text,
            finished=said.finished,
            confidence=said.confidence,
        ).model_dump()

    async def on_end(
        self, reason: EndReason, error: BaseException | None, next_segment: int
    ) -> None:
        """The stream is over."""
        member = self.member
        if self._status_task is not None:
            self._status_task.cancel()
        if self._original is not None:
            self._original.close()
        if self._service.admission.draining and self.goes_on_elsewhere() and reason == "closed":
            return  # it is not over for anybody else
        member.segment_base = max(member.segment_base, next_segment)
        if self._service.session(self.key) is None:
            member.streaming, member.stream_ended = False, time.monotonic()
            if self.wants_pauses and self._is_here():
                self._rooms.store.save_stream(self.key, None, lambda: None)
        if self._service.admission.draining:
            member.server_id = ""  # the stream is over, wherever its client comes back
        if isinstance(error, SeamlessError):
            await self.complain(error.message, error.code)
        elif error is not None:
            await self.complain(
                "The translation of your stream failed. Start it again to go on.", "stream_failed"
            )
        await self._changed()

    async def on_recording(self, name: str, files: list[str]) -> None:
        """Tells the speaker where its debug recording is."""
        saved = SavedRecording(name=name, files=files, url=f"/api/debug/{name}/")
        if self.member.sid is not None:
            await self._sio.emit("recording_saved", saved.model_dump(), to=self.member.sid)

    # -- telling the speaker ----------------------------------------------------------------------

    async def audio_dropped(self, dropped_ms: float) -> None:
        """Tells the speaker that audio was lost, now and then."""
        now = time.monotonic()
        if dropped_ms > 0 and now - self._last_notice > _NOTICE_SECONDS:
            self._last_notice = now
            await self.complain(
                "The server cannot keep up with your audio, so its oldest part was left out.",
                "overload",
            )

    def _spoken_otherwise(self) -> str | None:
        """What to tell somebody who wants to speak in their own voice and does not."""
        wanted = self.member.expressive
        if wanted is None:
            wanted = self.config.options.get("expressive")
        if not wanted or self._model is None:
            return None
        targets, _ = self._targets(self._model)
        known = self._model.expressive_languages
        others = [lang for lang, target in targets.items() if target.speech and lang not in known]
        if not others:
            return None
        if not known:
            return "This model cannot speak in your own voice: its usual voice is heard."
        names = ", ".join(lookup(lang).name for lang in others)
        return f"Your own voice cannot speak {names}: the model's usual voice does."

    async def _report(self) -> None:
        last: Mapping[str, Any] | None = None
        while True:
            await asyncio.sleep(_STATUS_SECONDS)
            session, sid = self.session, self.member.sid
            if session is None or sid is None:
                continue
            status = session.status()
            behind = status.queued_ms > 2 * self._settings.join_limit_ms
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
                else status.level or self._spoken_otherwise(),
                sourceLanguage=status.source_lang,
            ).model_dump()
            if report != last:
                last = report
                await self._sio.emit("stream_status", report, to=sid)


def speaker_of(service: Service, client_id: str) -> Speaker | None:
    """The speaker of that client ID, if it has a place."""
    place = service.admission.places.get(client_id)
    return place.owner if place is not None and isinstance(place.owner, Speaker) else None


def retarget_room(service: Service, room: Room) -> None:
    """The wishes of a room's listeners changed."""
    for client_id in room.streaming():
        if (speaker := speaker_of(service, client_id)) is not None:
            speaker.retarget()
