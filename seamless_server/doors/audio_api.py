"""`POST /api/translate`: a whole file in, its translation out, all at once or as it is made."""

from __future__ import annotations

import asyncio
import base64
import io
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, asynccontextmanager
from typing import IO, Annotated, Any

import numpy as np
import orjson
import soundfile
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.types import Message

from seamless_server.audio.resample import StreamResampler
from seamless_server.doors.rest import hub_of
from seamless_server.doors.socketio.hub import Hub
from seamless_server.errors import SeamlessError
from seamless_server.rooms.rights import bearer
from seamless_server.service.outputs import to_pcm16
from seamless_server.service.system import System

router = APIRouter()

_BLOCK_MS = 1_280

_EXAMPLE = {
    "model": "SeamlessStreaming-mini",
    "language": "spa",
    "durationMs": 2100.0,
    "text": "¿Dónde está la estación?",
    "segments": [
        {"segmentID": 0, "startMs": 320.0, "endMs": 2100.0, "text": "¿Dónde está la estación?"}
    ],
    "speech": None,
}
_FIELDS = {
    "file": {"type": "string", "format": "binary", "description": "Any sound file."},
    "targetLanguage": {"type": "string", "examples": ["spa"]},
    "model": {"type": "string", "description": "One of /api/models; the first by default."},
    "speech": {"type": "boolean", "default": False, "description": "Also speak it."},
    "stream": {
        "type": "boolean",
        "default": False,
        "description": "Answer with one JSON object a line while it is made (NDJSON).",
    },
}


class TranslateRequest(BaseModel):
    """The fields of the form, beside the file."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    target_language: str = Field(alias="targetLanguage", max_length=20)
    model: str | None = Field(default=None, max_length=200)
    speech: bool = False
    stream: bool = False


@router.post(
    "/api/translate",
    tags=["translation"],
    summary="Translate a sound file",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file", "targetLanguage"],
                        "properties": _FIELDS,
                    }
                }
            },
        }
    },
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
        401: {"description": "A token is needed"},
        413: {"description": "The file is too large or too long"},
        422: {"description": "A field or the file cannot be used; says which"},
        503: {"description": "Busy, or the model is still loading"},
    },
)
async def translate(
    request: Request,
    accept: Annotated[str, Header()] = "application/json",
    authorization: Annotated[str | None, Header()] = None,
) -> Response:
    """Gives the translation as JSON, with `Accept: audio/wav` as speech, or line by line."""
    hub = hub_of(request)
    if "speaker" not in hub.auth.roles(bearer(authorization)):
        raise SeamlessError("Send a valid token to translate files.", code="unauthorized")
    wants_wav = "audio/wav" in accept or "audio/x-wav" in accept
    wants_lines = "application/x-ndjson" in accept
    async with _form(request, hub) as (fields, file):
        if wants_wav:
            fields.speech = True
        system = _system(hub, fields)
        if fields.stream or wants_lines:
            # The upload is gone when this function returns, the answer only begins then.
            held = tempfile.TemporaryFile()  # noqa: SIM115
            await asyncio.to_thread(shutil.copyfileobj, file, held)
            held.seek(0)
            events = _translate(hub, system, held, fields)
            # What is wrong with the file shows at once, while the status can still tell.
            first = await anext(events)
            return StreamingResponse(_lines(first, events), media_type="application/x-ndjson")
        result, speech, rate = await _collect(_translate(hub, system, file, fields), system, fields)
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


@asynccontextmanager
async def _form(request: Request, hub: Hub) -> AsyncIterator[tuple[TranslateRequest, IO[bytes]]]:
    """The form's fields and file, with the upload's size bounded while it arrives."""
    limit = int(hub.settings.max_upload_mb * 1e6)
    too_large = SeamlessError(
        f"The upload is larger than {hub.settings.max_upload_mb:g} MB.", code="too_large"
    )
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large
        return message

    bounded = Request(request.scope, receive)
    try:
        form = await bounded.form(max_files=1, max_fields=20)
    except SeamlessError:
        raise
    except Exception as error:
        raise SeamlessError("Send the file as multipart/form-data.", code="invalid") from error
    try:
        given: dict[str, Any] = {**request.query_params, **form}
        file = given.pop("file", None)
        if not isinstance(file, UploadFile):
            raise SeamlessError("file: send a sound file in this field.", code="invalid")
        for alias in ("tgt_lang", "target_language"):
            if alias in given:
                given.setdefault("targetLanguage", given[alias])
        try:
            fields = TranslateRequest.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            raise SeamlessError(f"{first['loc'][0]}: {first['msg']}", code="invalid") from None
        yield fields, file.file
    finally:
        await form.close()


def _system(hub: Hub, fields: TranslateRequest) -> System:
    if not hub.models.ready:
        raise SeamlessError("The model is still loading; try again soon.", code="loading")
    system = hub.models.get(fields.model)
    if system is None:
        names = ", ".join(system.name for system in hub.models.systems())
        raise SeamlessError(f"model: choose one of: {names}", code="invalid")
    offered = system.speech_languages if fields.speech else system.text_languages
    if fields.target_language not in offered:
        kind = "speech" if fields.speech else "text"
        raise SeamlessError(
            f"targetLanguage: '{fields.target_language}' is not offered as {kind}; choose one of: "
            f"{', '.join(offered)}",
            code="language",
        )
    return system


async def _translate(
    hub: Hub, system: System, file: IO[bytes], fields: TranslateRequest
) -> AsyncGenerator[dict[str, Any], None]:
    """Events as they are made. Each step is a job of its own, so live streams get their turn."""
    if hub.translating >= hub.settings.max_translate_jobs:
        raise SeamlessError("The server is busy with other files; try again soon.", code="busy")
    hub.translating += 1
    loop = asyncio.get_running_loop()
    steps = _steps(system, file, fields, hub.settings.max_upload_seconds)
    try:
        while (event := await loop.run_in_executor(hub.pool, next, steps, None)) is not None:
            yield event
    finally:
        hub.translating -= 1
        await loop.run_in_executor(hub.pool, _close, steps, file)


def _close(steps: Generator[dict[str, Any], None, None], file: IO[bytes]) -> None:
    steps.close()
    file.close()


def _steps(
    system: System, file: IO[bytes], fields: TranslateRequest, max_seconds: float
) -> Generator[dict[str, Any], None, None]:
    """The same as a generator that computes in the caller's thread."""
    from seamless_server.streaming import Target

    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError:
        raise SeamlessError("file: this is no sound file that can be read.", code="audio") from None
    with sound:
        rate, seconds = sound.samplerate, sound.frames / sound.samplerate
        if seconds > max_seconds:
            raise SeamlessError(
                f"file: {seconds:.0f} s are too long; {max_seconds:.0f} s are the most.",
                code="too_large",
            )
        if sound.frames == 0:
            raise SeamlessError("file: there is no sound in it.", code="audio")
        try:
            resampler = StreamResampler(rate, system.sample_rate)
        except ValueError as error:
            raise SeamlessError(f"file: {error}", code="audio") from None
        lang = fields.target_language
        stream = system.open_stream({lang: Target(text=True, speech=fields.speech)})
        duration_ms = round(seconds * 1000, 1)
        try:
            done = 0
            blocks = sound.blocks(rate * _BLOCK_MS // 1000, dtype="float32", always_2d=True)
            for block in blocks:
                mono = block.mean(axis=1, dtype=np.float32)
                if not np.isfinite(mono).all():
                    raise SeamlessError("file: holds samples that are no numbers.", code="audio")
                for output in stream.push(resampler.process(mono)):
                    yield _event(output)
                done += len(mono)
                yield {
                    "type": "progress",
                    "positionMs": round(done * 1000 / rate, 1),
                    "durationMs": duration_ms,
                }
            for output in stream.push(resampler.process(np.zeros(0, np.float32), last=True)):
                yield _event(output)
            for output in stream.finish():
                yield _event(output)
        finally:
            stream.close()


def _event(output: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": "text",
        "lang": output.lang,
        "segmentID": output.segment_id,
        "startMs": round(output.start_ms, 1),
        "endMs": round(output.end_ms, 1),
        "eos": output.finished,
    }
    if isinstance(getattr(output, "text", None), str):
        return {**event, "text": output.text}
    pcm = to_pcm16(output.samples)
    return {**event, "type": "speech", "sampleRate": output.sample_rate, "pcm16": pcm}


async def _lines(
    first: dict[str, Any], events: AsyncGenerator[dict[str, Any], None]
) -> AsyncIterator[bytes]:
    try:
        async with aclosing(events) as rest:
            yield _line(first)
            async for event in rest:
                yield _line(event)
        yield orjson.dumps({"type": "done"}) + b"\n"
    except SeamlessError as error:
        # The answer has begun, so its status cannot tell any more.
        yield orjson.dumps({"type": "error", "detail": error.message, "code": error.code}) + b"\n"


def _line(event: dict[str, Any]) -> bytes:
    if "pcm16" in event:
        event = {**event, "pcm16": base64.b64encode(event["pcm16"]).decode()}
    return orjson.dumps(event) + b"\n"


async def _collect(
    events: AsyncGenerator[dict[str, Any], None], system: System, fields: TranslateRequest
) -> tuple[dict[str, Any], bytes, int]:
    segments: dict[int, dict[str, Any]] = {}
    speech = bytearray()
    rate = system.sample_rate
    duration_ms = 0.0
    async with aclosing(events) as stream:
        async for event in stream:
            if event["type"] == "progress":
                duration_ms = event["durationMs"]
            elif event["type"] == "speech":
                speech += event["pcm16"]
                rate = event["sampleRate"]
            else:
                segment = segments.setdefault(
                    event["segmentID"],
                    {
                        "segmentID": event["segmentID"],
                        "startMs": event["startMs"],
                        "endMs": event["endMs"],
                        "text": "",
                    },
                )
                segment["text"] += event["text"]
                segment["endMs"] = max(segment["endMs"], event["endMs"])
    said = [{**segment, "text": segment["text"].strip()} for segment in segments.values()]
    said = [segment for segment in said if segment["text"]]
    result = {
        "model": system.name,
        "language": fields.target_language,
        "durationMs": duration_ms,
        "text": " ".join(segment["text"] for segment in said),
        "segments": said,
        "speech": None,
    }
    return result, bytes(speech), rate


def _wav(pcm: bytes, rate: int) -> bytes:
    packed = io.BytesIO()
    samples = np.frombuffer(pcm, dtype="<i2")
    soundfile.write(packed, samples, rate, format="WAV", subtype="PCM_16")
    return packed.getvalue()
