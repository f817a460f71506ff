"""One session of the realtime translation wire: what it asks for, and its outputs as events."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seamless_server.audio.pcm import to_pcm16
from seamless_server.audio.resample import StreamResampler
from seamless_server.doors.openai_audio import DEFAULT_MODEL
from seamless_server.doors.realtime_events import BadEvent, SessionFields
from seamless_server.errors import SeamlessError
from seamless_server.languages import resolve
from seamless_server.service.owner import Audience, EndReason, Owner, Targets
from seamless_server.service.served_models import AUTO

if TYPE_CHECKING:
    from seamless_server.streaming import ModelInfo, Output, SpeechOutput

RATE = 24_000
_FRAME = RATE // 5
_NOTHING = np.zeros(0, np.float32)
_LIFE_SECONDS = 3_600

Send = Callable[[dict[str, Any]], Awaitable[None]]


def error_event(
    message: str, code: str, param: str | None = None, event_id: str | None = None
) -> dict[str, Any]:
    """An `error` event."""
    error = {"type": "invalid_request_error", "code": code, "message": message}
    return {"type": "error", "error": {**error, "param": param, "event_id": event_id}}


class RealtimeTranslation(Owner, Audience):
    """One socket: owns its stream, and gets what it makes.

    Args:
        usual: the language that is wanted until the client says another.
        pick: chooses the model by what is spoken and wanted, among `models`, until audio comes.
    """

    def __init__(
        self,
        model: ModelInfo,
        usual: str,
        send: Send,
        models: Sequence[ModelInfo] = (),
        pick: Callable[[str | None, str], ModelInfo] | None = None,
    ) -> None:
        self._key = f"realtime-{secrets.token_hex(8)}"
        self.model, self._send = model, send
        self._models, self._pick = models or (model,), pick
        self.expires = int(time.time()) + _LIFE_SECONDS
        offered = model.text_languages
        self.lang = usual if usual in offered else offered[0]
        self.source: str | None = None
        self.transcribes = False
        self.ended = asyncio.Event()
        """The stream is over."""
        self._resamplers: dict[str, tuple[int, StreamResampler]] = {}
        self._frames: dict[str, bytes] = {}
        self._open: set[tuple[str, str]] = set()
        """Languages and kinds of output whose sentence has begun."""
        self._leaving: set[tuple[str, str]] = set()
        """Of them, those that are wanted only to the end of their sentence."""

    @property
    def key(self) -> str:
        """Its own."""
        return self._key

    def description(self) -> dict[str, Any]:
        """The session as clients read it."""
        transcription = {"model": self.model.name} if self.transcribes else None
        audio_input = {"noise_reduction": None, "transcription": transcription}
        return {
            "id": f"sess_{self._key.removeprefix('realtime-')}",
            "type": "translation",
            "model": self.model.name,
            "expires_at": self.expires,
            "audio": {"input": audio_input, "output": {"language": self.lang}},
        }

    def targets(self, model: ModelInfo) -> Targets:
        """What is to be made of the audio now."""
        from seamless_server.streaming import Target

        wanted = {self.lang: Target(text=True, speech=self.lang in model.speech_languages)}
        if self.transcribes and self.source is not None:
            wanted.setdefault(self.source, Target(text=True, speech=False))
        return wanted

    def update(self, fields: SessionFields, event_id: str | None = None) -> None:
        """Changes the session; nothing is changed if something does not fit.

        Raises:
            BadEvent: says what does not fit.
        """
        if fields.model not in (None, self.model.name, DEFAULT_MODEL, self._pick and AUTO):
            raise BadEvent(
                "The model of a session stays.", "invalid_value", "session.model", event_id
            )
        given, wanted = fields.audio.input, fields.audio.output.language
        models = (self.model,) if self._pick is None else self._models
        sources = {code: None for one in models for code in one.source_languages}
        texts = {code: None for one in models for code in one.text_languages}
        source = self.source or (next(iter(sources)) if len(sources) == 1 else None)
        where = "session.audio.input.language"
        try:
            if given.language is not None:
                source = resolve(given.language, sources)
            where = "session.audio.output.language"
            lang = self.lang if wanted is None else resolve(wanted, texts)
            model = self.model if self._pick is None else self._pick(source, lang)
        except SeamlessError as error:
            raise BadEvent(error.message, "invalid_language", where, event_id) from None
        transcribes = self.transcribes
        if "transcription" in given.model_fields_set:
            transcribes = given.transcription is not None
        if transcribes and source not in model.text_languages:
            raise BadEvent(
                "Say which language is spoken, one that this model writes: audio.input.language.",
                "input_language_required",
                "session.audio.input.language",
                event_id,
            )
        if lang != self.lang:
            self._leaving |= {one for one in self._open if one[0] == self.lang}
        self.lang, self.source, self.transcribes, self.model = lang, source, transcribes, model

    def settle(self) -> None:
        """The model stays from now on: a stream begins with it."""
        self._pick = None

    # -- the audience: the first in the thread that computes ---------------------------------------

    def pack(self, output: Output) -> Iterator[dict[str, Any]]:
        """The events of an output; none of languages that only others asked for."""
        from seamless_server.streaming import TextOutput

        elapsed = {"elapsed_ms": int(output.end_ms // 200 * 200)}
        if not self._takes(output):
            return
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

    def _takes(self, output: Output) -> bool:
        """Whether the client wants it: also the rest of a sentence in the language before."""
        wanted = self.targets(self.model).get(output.lang)
        text, speech = (output.lang, "text"), (output.lang, "speech")
        this = speech if hasattr(output, "samples") else text
        takes = this in self._leaving or (
            wanted is not None and (wanted.speech if this is speech else wanted.text)
        )
        if output.finished:
            self._open.discard(this)
            self._leaving.discard(this)
        elif takes:
            self._open |= {text, speech}
        return takes

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
        self.ended.set()

    async def complain(self, message: str, code: str) -> None:
        """An `error` event."""
        await self._send(error_event(message, code))
