"""`WS /v1/realtime/translations`: a live translation session for clients of OpenAI's wire.

PCM of 16 bits, mono, 24 kHz, both ways; speech comes in frames of 200 ms.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from seamless_server.audio.pcm import to_pcm16
from seamless_server.audio.resample import StreamResampler
from seamless_server.doors.openai_audio import DEFAULT_MODEL
from seamless_server.doors.realtime_events import Append, BadEvent, Close, Update, parse
from seamless_server.errors import LanguageError, SeamlessError
from seamless_server.languages import resolve
from seamless_server.rooms.rights import bearer, may
from seamless_server.service.limits import ClientLimits
from seamless_server.service.owner import Audience, EndReason, Owner, StreamRequest, Targets

if TYPE_CHECKING:
    from seamless_server.doors.application import Parts
    from seamless_server.service.session import Session
    from seamless_server.streaming import Model, Output, SpeechOutput

router = APIRouter()

PATH = "/v1/realtime/translations"
RATE = 24_000
_FRAME = RATE // 5
_NOTHING = np.zeros(0, np.float32)
_LIFE_SECONDS = 3_600
_SUBPROTOCOL = "realtime"
_KEY_PREFIX = "insecure-api-key."


class RealtimeTranslation(Owner, Audience):
    """One socket: owns its stream, and gets what it makes."""

    def __init__(self, parts: Parts, model: Model, send: Any) -> None:
        self._key = f"realtime-{secrets.token_hex(8)}"
        self._parts, self._model, self._send = parts, model, send
        self.expires = int(time.time()) + _LIFE_SECONDS
        offered, usual = model.text_languages, parts.settings.default_target_language
        self.lang = usual if usual in offered else offered[0]
        self.source: str | None = None
        self.transcribes = False
        self._resamplers: dict[str, tuple[int, StreamResampler]] = {}
        self._frames: dict[str, bytes] = {}
        self._ended = asyncio.Event()

    @property
    def key(self) -> str:
        """Its own."""
        return self._key

    def description(self) -> dict[str, Any]:
        """The session as clients read it."""
        transcription = {"model": self._model.name} if self.transcribes else None
        audio_input = {"noise_reduction": None, "transcription": transcription}
        return {
            "id": f"sess_{self._key.removeprefix('realtime-')}",
            "type": "translation",
            "model": self._model.name,
            "expires_at": self.expires,
            "audio": {"input": audio_input, "output": {"language": self.lang}},
        }

    def targets(self, model: Model) -> Targets:
        """What is to be made of the audio now."""
        from seamless_server.streaming import Target

        wanted = {self.lang: Target(text=True, speech=self.lang in model.speech_languages)}
        if self.transcribes and self.source is not None:
            wanted.setdefault(self.source, Target(text=True, speech=False))
        return wanted

    def update(self, event: Update) -> None:
        """Changes the session; nothing is changed if something does not fit.

        Raises:
            BadEvent: says what does not fit.
        """
        fields = event.session
        if fields.model not in (None, self._model.name, DEFAULT_MODEL):
            raise BadEvent(
                "The model of a session stays.", "invalid_value", "session.model", event.event_id
            )
        given, wanted = fields.audio.input, fields.audio.output.language
        sources = self._model.source_languages
        source = self.source or (sources[0] if len(sources) == 1 else None)
        where = "session.audio.input.language"
        try:
            if given.language is not None:
                source = resolve(given.language, sources)
            where = "session.audio.output.language"
            lang = self.lang if wanted is None else resolve(wanted, self._model.text_languages)
        except LanguageError as error:
            raise BadEvent(error.message, "invalid_language", where, event.event_id) from None
        transcribes = self.transcribes
        if "transcription" in given.model_fields_set:
            transcribes = given.transcription is not None
        if transcribes and source not in self._model.text_languages:
            raise BadEvent(
                "Say which language is spoken, one that this model writes: audio.input.language.",
                "input_language_required",
                "session.audio.input.language",
                event.event_id,
            )
        self.lang, self.source, self.transcribes = lang, source, transcribes

    # -- the audience: the first two in the thread that computes -----------------------------------

    def pack(self, output: Output) -> Iterator[dict[str, Any]]:
        """The events of an output."""
        from seamless_server.streaming import TextOutput

        elapsed = {"elapsed_ms": int(output.end_ms // 200 * 200)}
        if isinstance(output, TextOutput):
            heard = output.lang == self.source and output.lang != self.lang
            kind = "input" if heard else "output"
            if output.text:
                event = f"session.{kind}_transcript.delta"
                yield {"type": event, "delta": output.text, **elapsed}
            return
        pcm = self._frames.pop(output.lang, b"") + self._resampled(output)
        size = 2 * _FRAME
        cut = len(pcm) if output.finished else len(pcm) // size * size
        self._frames[output.lang] = pcm[cut:]
        for start in range(0, cut, size):
            frame = base64.b64encode(pcm[start : min(start + size, cut)]).decode()
            form = {"format": "pcm16", "sample_rate": RATE, "channels": 1}
            yield {"type": "session.output_audio.delta", "delta": frame, **form, **elapsed}

    def _resampled(self, output: SpeechOutput) -> bytes:
        """The output at the wire's rate; one sentence goes through one filter."""
        rate, resampler = self._resamplers.pop(output.lang, (0, None))
        pcm = b""
        if resampler is not None and len(output.samples) and rate != output.sample_rate:
            pcm, resampler = to_pcm16(resampler.process(_NOTHING, last=True)), None
        if resampler is None:
            if not len(output.samples):  # the end of a sentence that had no sound
                return pcm
            rate, resampler = output.sample_rate, StreamResampler(output.sample_rate, RATE)
        pcm += to_pcm16(resampler.process(output.samples, last=output.finished))
        if not output.finished:
            self._resamplers[output.lang] = (rate, resampler)
        return pcm

    async def on_output(self, packed: dict[str, Any]) -> None:
        """Sends an event."""
        await self._send(packed)

    async def on_end(
        self, reason: EndReason, error: BaseException | None, next_segment: int
    ) -> None:
        """The stream is over."""
        if isinstance(error, SeamlessError):
            await self.complain(error.message, error.code)
        elif error is not None:
            await self.complain("The translation failed.", "stream_failed")
        self._ended.set()

    async def complain(self, message: str, code: str) -> None:
        """An `error` event."""
        await self._send(_error(message, code))


@router.websocket(PATH)
async def translations(socket: WebSocket) -> None:
    """The life of one session."""
    parts: Parts = socket.app.state.parts
    if not may(f"WS {PATH}", parts.auth.standings(_token(socket))):
        await socket.close(1008, "Send a valid token.")
        return
    offered = [name.strip() for name in socket.headers.get("sec-websocket-protocol", "").split(",")]
    await socket.accept(_SUBPROTOCOL if _SUBPROTOCOL in offered else None)

    async def send(event: dict[str, Any]) -> None:
        event = {"event_id": f"event_{secrets.token_hex(8)}", **event}
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it left meanwhile
            await socket.send_text(orjson.dumps(event).decode())

    session: Session | None = None
    try:
        name = socket.query_params.get("model")
        model = parts.models.choose(None if name == DEFAULT_MODEL else name)
        translation = RealtimeTranslation(parts, model, send)
        request = StreamRequest(
            rate=RATE,
            targets=translation.targets,
            model=model.name,
            speech=False,  # a model that only writes is welcome
            options=parts.settings.option_policy.defaults,
        )
        session = await parts.service.open(translation, request, translation)
        assert session is not None  # it does not wait in line
    except SeamlessError as error:
        await send(_error(error.message, error.code))
        await socket.close(1013)
        return
    try:
        await send({"type": "session.created", "session": translation.description()})
        await _serve(socket, parts, translation, model, session, send)
        await session.stop()
        await send({"type": "session.closed"})
        with contextlib.suppress(RuntimeError):
            await socket.close()
    except WebSocketDisconnect:
        pass
    finally:
        await session.abort()


async def _serve(
    socket: WebSocket,
    parts: Parts,
    translation: RealtimeTranslation,
    model: Model,
    session: Session,
    send: Any,
) -> None:
    """Takes events until the client closes the session."""
    limits = ClientLimits(parts.settings.max_events_per_second)
    while True:
        text = await socket.receive_text()
        if not limits.audio.take():
            await send(_error("Too many events: slow down.", "rate_limit_exceeded"))
            if not limits.patience.take():
                return
            continue
        try:
            event = parse(_json(text))
            if isinstance(event, Close):
                return
            if isinstance(event, Update):
                translation.update(event)
                session.set_targets(translation.targets(model))
                await send({"type": "session.updated", "session": translation.description()})
            else:
                await _append(session, event, send)
        except BadEvent as error:
            await send(_error(error.message, error.code, error.param, error.event_id))


async def _append(session: Session, event: Append, send: Any) -> None:
    try:
        pcm = base64.b64decode(event.audio, validate=True)
    except (binascii.Error, ValueError):
        raise BadEvent("audio: is no base64", "invalid_value", "audio", event.event_id) from None
    if len(pcm) % 2:
        raise BadEvent(
            "audio: 16-bit samples come in even byte counts",
            "invalid_value",
            "audio",
            event.event_id,
        )
    if len(pcm) == 2:
        pcm += b"\0\0"  # a single sample means "muted" to a session
    if pcm and session.feed(np.frombuffer(pcm, dtype="<i2")) > 0:
        await send(_error("The oldest audio was left out: the server is behind.", "overload"))


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        raise BadEvent("This is no JSON.", "invalid_json", None, None) from None


def _error(
    message: str, code: str, param: str | None = None, event_id: str | None = None
) -> dict[str, Any]:
    error = {"type": "invalid_request_error", "code": code, "message": message}
    return {"type": "error", "error": {**error, "param": param, "event_id": event_id}}


def _token(socket: WebSocket) -> str | None:
    """From the bearer header, the `api-key` header, or a browser's subprotocol."""
    if (token := bearer(socket.headers.get("authorization"))) is not None:
        return token
    if (key := socket.headers.get("api-key")) is not None:
        return key
    for name in socket.headers.get("sec-websocket-protocol", "").split(","):
        _, found, key = name.strip().partition(_KEY_PREFIX)
        if found:
            return key
    return None
