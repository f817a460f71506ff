"""`POST /api/translate`: a whole file in, its translation out, all at once or as it is made."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Annotated, Any

import numpy as np
import orjson
import soundfile
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from seamless_server.audio.pcm import to_pcm16
from seamless_server.audio.resample import at_rate
from seamless_server.doors.failures import documented
from seamless_server.doors.forms import described_form, no_room, read_form, upload_form
from seamless_server.doors.parts import Parts, parts_of
from seamless_server.doors.uploads import (
    SaidText,
    UploadedSound,
    UploadProgress,
    file_request,
    translate_file,
)
from seamless_server.errors import LanguageError, SeamlessError
from seamless_server.languages import resolve
from seamless_server.service.served_models import AUTO
from seamless_server.stream_options import StreamOptions, read_options, settable

if TYPE_CHECKING:
    from seamless_server.streaming import ModelInfo, Output

router = APIRouter()

_EXAMPLE = {
    "model": "SeamlessStreaming-mini",
    "language": "spa",
    "durationMs": 2100.0,
    "text": "¿Dónde está la estación?",
    "segments": [
        {"segmentID": 0, "startMs": 320.0, "endMs": 2100.0, "text": "¿Dónde está la estación?"}
    ],
    "notices": [],
    "speech": None,
}
_FIELDS = {
    "targetLanguage": {"type": "string", "examples": ["spa"]},
    "model": {
        "type": "string",
        "description": "One of /api/models, or auto; the first by default.",
    },
    "speech": {"type": "boolean", "default": False, "description": "Also speak it."},
    "stream": {
        "type": "boolean",
        "default": False,
        "description": "Answer with one JSON object a line while it is made (NDJSON).",
    },
    **{name: StreamOptions.model_json_schema()["properties"][name] for name in settable("speaker")},
}


class TranslateRequest(BaseModel):
    """The fields of the form, beside the file and the options of the stream."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    target_language: str = Field(alias="targetLanguage", max_length=20)
    model: str | None = Field(default=None, max_length=200)
    speech: bool = False
    stream: bool = False


@router.post(
    "/api/translate",
    tags=["translation"],
    summary="Translate a sound file",
    openapi_extra=described_form(["targetLanguage"], **_FIELDS),
    responses={
        200: {
            "content": {
                "application/json": {"example": _EXAMPLE},
                "application/x-ndjson": {
                    "example": '{"type":"progress","positionMs":1280.0,"durationMs":2100.0}\n'
                    '{"type":"text","lang":"spa","text":" ¿Dónde","segmentID":0}\n'
                },
                "audio/wav": {},
            }
        },
        **documented(413, 503, 507),
    },
)
async def translate(
    request: Request,
    accept: Annotated[str, Header()] = "application/json",
) -> Response:
    """Gives the translation as JSON, with `Accept: audio/wav` as speech, or line by line."""
    parts = parts_of(request)
    wants_wav = "audio/wav" in accept or "audio/x-wav" in accept
    wants_lines = "application/x-ndjson" in accept
    async with upload_form(request, parts.settings.max_upload_mb) as (given, file):
        fields = _fields(given)
        content: IO[bytes] = file.file
        if wants_wav:
            fields.speech = True
        model = _model(parts, fields, given.get("source_lang"))
        chosen = {name: given[name] for name in settable("speaker") if name in given}
        options, lang = parts.settings.option_policy.admit(chosen), fields.target_language
        stream_request = file_request(fields.model, lang, options, speech=fields.speech)
        if fields.stream or wants_lines:
            # The upload is gone when this function returns, the answer only begins then.
            content = await asyncio.to_thread(_copied, content)
        limit = parts.settings.max_upload_seconds
        sound = await asyncio.to_thread(UploadedSound, content, file.filename or "file", limit)
        events = translate_file(parts, sound, replace(stream_request, rate=sound.rate))
        if fields.stream or wants_lines:
            # What is wrong with the file shows at once, while the status can still tell.
            first = await anext(events)
            lines = _lines(first, events, sound)
            return StreamingResponse(lines, media_type="application/x-ndjson")
        result, speech, rate = await _collect(events, model, fields, sound)
    if wants_wav:
        return Response(_wav(speech, rate), media_type="audio/wav")
    if fields.speech:
        wav = await asyncio.to_thread(_wav, speech, rate)
        result["speech"] = {
            "sampleRate": rate,
            "encoding": "wav",
            "base64": base64.b64encode(wav).decode(),
        }
    return JSONResponse(result)


def _copied(file: IO[bytes]) -> IO[bytes]:
    try:
        held = tempfile.TemporaryFile()  # noqa: SIM115
        shutil.copyfileobj(file, held)
        held.seek(0)
    except OSError as error:
        raise no_room(error) from error
    return held


def _fields(given: dict[str, Any]) -> TranslateRequest:
    for alias in ("tgt_lang", "target_language"):
        if alias in given:
            given.setdefault("targetLanguage", given[alias])
    return read_form(TranslateRequest, given)


def _model(parts: Parts, fields: TranslateRequest, source: object) -> ModelInfo:
    if fields.model == AUTO:
        spoken = read_options({"source_lang": source} if source else {}).source_lang
        known = {lang for one in parts.models.offered() for lang in one.text_languages}
        with suppress(LanguageError):
            fields.target_language = resolve(fields.target_language, known)
        model = parts.models.pick(spoken, fields.target_language, speech=fields.speech)
        fields.model = model.name
    model = parts.models.choose(fields.model)
    offered = model.speech_languages if fields.speech else model.text_languages
    try:
        fields.target_language = resolve(fields.target_language, offered)
    except LanguageError:
        kind = "speech" if fields.speech else "text"
        raise SeamlessError(
            f"targetLanguage: '{fields.target_language}' is not offered as {kind}; choose one of: "
            f"{', '.join(offered)}",
            code="language",
        ) from None
    return model


def _event(output: Output | UploadProgress, sound: UploadedSound) -> dict[str, Any]:
    from seamless_server.streaming import TextOutput

    if isinstance(output, UploadProgress):
        position = round(output.position_ms, 1)
        return {"type": "progress", "positionMs": position, "durationMs": sound.duration_ms}
    event: dict[str, Any] = {
        "lang": output.lang,
        "segmentID": output.segment_id,
        "startMs": output.start_ms,
        "endMs": output.end_ms,
        "eos": output.finished,
    }
    if isinstance(output, TextOutput):
        event |= {"type": "text", "text": output.text, "confidence": output.confidence}
        return event if output.understood else {**event, "understood": False}
    pcm = base64.b64encode(to_pcm16(output.samples)).decode()
    return {"type": "speech", **event, "sampleRate": output.sample_rate, "pcm16": pcm}


async def _lines(
    first: Output | UploadProgress,
    events: AsyncGenerator[Output | UploadProgress, None],
    sound: UploadedSound,
) -> AsyncIterator[bytes]:
    try:
        async with aclosing(events) as rest:
            yield orjson.dumps(_event(first, sound)) + b"\n"
            async for event in rest:
                yield orjson.dumps(_event(event, sound)) + b"\n"
        for notice in sound.notices:
            yield orjson.dumps({"type": "notice", "message": notice}) + b"\n"
        yield orjson.dumps({"type": "done"}) + b"\n"
    except SeamlessError as error:
        # The answer has begun, so its status cannot tell any more.
        yield orjson.dumps({"type": "error", "detail": error.message, "code": error.code}) + b"\n"


async def _collect(
    events: AsyncGenerator[Output | UploadProgress, None],
    model: ModelInfo,
    fields: TranslateRequest,
    sound: UploadedSound,
) -> tuple[dict[str, Any], bytes, int]:
    from seamless_server.streaming import SpeechOutput, TextOutput

    written = SaidText()
    speech = bytearray()
    rate = 0
    async with aclosing(events) as stream:
        async for output in stream:
            if isinstance(output, SpeechOutput):
                # One file has one rate, whatever voice says the rest.
                rate = rate or (output.sample_rate if len(output.samples) else 0)
                speech += to_pcm16(at_rate(output.samples, output.sample_rate, rate))
            elif isinstance(output, TextOutput):
                written.add(output)
    segments = [
        {"segmentID": x.segment_id, "startMs": x.start_ms, "endMs": x.end_ms, "text": x.text}
        for x in written.segments
    ]
    result = {
        "model": model.name,
        "language": fields.target_language,
        "durationMs": sound.duration_ms,
        "text": written.text,
        "segments": segments,
        "notices": sound.notices,
        "speech": None,
    }
    return result, bytes(speech), rate or model.sample_rate


def _wav(pcm: bytes, rate: int) -> bytes:
    packed = io.BytesIO()
    samples = np.frombuffer(pcm, dtype="<i2")
    soundfile.write(packed, samples, rate, format="WAV", subtype="PCM_16")
    return packed.getvalue()
