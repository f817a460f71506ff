"""Files for clients of OpenAI's audio API: `/v1/audio/translations`, `/v1/audio/transcriptions`.

The source of the wire is OpenAI's API reference. Beyond it, `target_language` names any language
that the model writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from seamless_server.doors.failures import STATUS, documented
from seamless_server.doors.forms import described_form, read_form, upload_form
from seamless_server.doors.parts import Parts, parts_of
from seamless_server.doors.uploads import (
    SaidText,
    UploadedSound,
    file_request,
    translate_file,
)
from seamless_server.errors import ConfigError, LanguageError, SeamlessError
from seamless_server.languages import resolve, spoken
from seamless_server.service.captions import CaptionMaker, to_srt, to_vtt
from seamless_server.service.owner import StreamRequest
from seamless_server.service.served_models import AUTO

if TYPE_CHECKING:
    from seamless_server.streaming import ModelInfo, TextOutput

DEFAULT_MODEL = "default"
"""The name under which the first model can be asked for, whatever it is."""


class ClientRoute(APIRoute):
    """Answers errors in the shape that these clients read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As the base class."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except SeamlessError as error:
                return failure(error, getattr(error, "param", None))
            except HTTPException as error:
                if error.status_code == 413:
                    return failure(SeamlessError(error.detail, code="too_large"))
                return failure(SeamlessError("The body is no JSON.", code="invalid_json"))
            except RequestValidationError as error:
                first = error.errors()[0]
                field = ".".join(str(part) for part in first["loc"][1:])
                message = f"{field or 'body'}: {first['msg']}"
                return failure(SeamlessError(message, code="invalid_value"), field or None)

        return handled


class _Problem(BaseModel):
    message: str
    type: str
    param: str | None
    code: str


class OpenAIFailure(BaseModel):
    """The body of an answer that is an error."""

    error: _Problem


router = APIRouter(
    tags=["openai"],
    route_class=ClientRoute,
    responses={**documented(403, 421), **documented(401, 503, model=OpenAIFailure)},
)


def failure(error: SeamlessError, param: str | None = None) -> JSONResponse:
    """An error as these clients read it."""
    status = STATUS.get(error.code, 400)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"message": error.message, "type": kind, "param": param, "code": error.code}
    return JSONResponse({"error": body}, status)


class AudioRequest(BaseModel):
    """The fields of the form, beside the file; those that only other models know are ignored."""

    model_config = ConfigDict(extra="ignore")

    model: str = DEFAULT_MODEL
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    language: str | None = None
    target_language: str | None = None


def model_of(parts: Parts, name: str | None) -> ModelInfo:
    """The model of that name.

    Raises:
        SeamlessError: `loading`, or `model_not_found`.
    """
    found = parts.models.choose(None)
    if name in (None, DEFAULT_MODEL):
        return found
    named = parts.models.get(name)
    if named is None:
        raise SeamlessError(f"The model '{name}' is not served here.", code="model_not_found")
    return named


@router.get("/v1/models")
async def models(request: Request) -> dict[str, Any]:
    """The models that are served."""
    names = [model.name for model in parts_of(request).models.offered()]
    entries = [
        {"id": name, "object": "model", "created": 0, "owned_by": "seamless-server"}
        for name in names
    ]
    return {"object": "list", "data": entries}


@router.get("/v1/models/{name}", responses=documented(404, model=OpenAIFailure))
async def one_model(request: Request, name: str) -> dict[str, Any]:
    """One of them."""
    model = model_of(parts_of(request), name)
    return {"id": model.name, "object": "model", "created": 0, "owned_by": "seamless-server"}


_TEXT = {"type": "string"}
_FORM = described_form(
    [],
    model={**_TEXT, "default": DEFAULT_MODEL},
    response_format={**_TEXT, "enum": ["json", "text", "srt", "vtt", "verbose_json"]},
    language=_TEXT,
    target_language=_TEXT,
)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}, "text/plain": {}}},
    **documented(400, 404, 413, 507, model=OpenAIFailure),
}


@router.post(
    "/v1/audio/translations",
    summary="Translate a sound file",
    openapi_extra=_FORM,
    responses=_ANSWERS,
)
async def translations(request: Request) -> Response:
    """Into English, or into `target_language`."""
    return await _answer(request, "translate")


@router.post(
    "/v1/audio/transcriptions",
    summary="Write down a sound file",
    openapi_extra=_FORM,
    responses=_ANSWERS,
)
async def transcriptions(request: Request) -> Response:
    """In `language`, which the sound is in, or in `target_language`."""
    return await _answer(request, "transcribe")


async def _answer(request: Request, task: str) -> Response:
    parts = parts_of(request)
    async with upload_form(request, parts.settings.max_upload_mb) as (given, file):
        fields = read_form(AudioRequest, given)
        source = _source(fields)
        if fields.model == AUTO:
            offered = {lang for one in parts.models.offered() for lang in one.text_languages}
            lang = _target(source, sorted(offered), fields, task)
            model = pick(parts, source, lang)
        else:
            model = model_of(parts, fields.model)
            heard = model.source_languages
            only = source or (heard[0] if len(heard) == 1 else None)
            lang = _target(only, model.text_languages, fields, task)
        sound = await asyncio.to_thread(
            UploadedSound, file.file, file.filename or "", parts.settings.max_upload_seconds
        )
        options = parts.settings.option_policy.defaults.model_copy(
            update={} if source is None else {"source_lang": source}
        )
        wanted = file_request(model.name, lang, options, rate=sound.rate)
        written = await _write(parts, sound, wanted)
    return _shaped(fields, written, task, lang, sound.duration_ms / 1000)


def _source(fields: AudioRequest) -> str | None:
    if fields.language is None:
        return None
    try:
        return resolve(fields.language, spoken())
    except LanguageError as error:
        raise SeamlessError(error.message, code="language") from None


def _target(source: str | None, offered: Collection[str], fields: AudioRequest, task: str) -> str:
    wanted = fields.target_language or ("eng" if task == "translate" else source)
    if wanted is None:
        raise SeamlessError(
            "language: say which language is spoken.", code="input_language_required"
        )
    try:
        return resolve(wanted, offered)
    except LanguageError as error:
        raise SeamlessError(error.message, code="language") from None


def pick(parts: Parts, source: str | None, target: str | None) -> ModelInfo:
    """The best model for what is spoken and wanted.

    Raises:
        SeamlessError: none is ready, or none can do it.
    """
    try:
        return parts.models.pick(source, target, speech=False)
    except ConfigError as error:
        raise SeamlessError(error.message, code="language") from None


async def _write(parts: Parts, sound: UploadedSound, wanted: StreamRequest) -> list[TextOutput]:
    from seamless_server.streaming import TextOutput

    async with aclosing(translate_file(parts, sound, wanted)) as outputs:
        return [output async for output in outputs if isinstance(output, TextOutput)]


def _shaped(
    fields: AudioRequest, written: list[TextOutput], task: str, lang: str, seconds: float
) -> Response:
    maker, said = CaptionMaker(), SaidText()
    for output in written:
        maker.add(output.text, output.start_ms, output.end_ms, finished=output.finished)
        said.add(output)
    form = fields.response_format
    if form == "text":
        return PlainTextResponse(said.text + "\n")
    if form in ("srt", "vtt"):
        captions = maker.finish()
        return PlainTextResponse(to_srt(captions) if form == "srt" else to_vtt(captions))
    if form == "json":
        return JSONResponse({"text": said.text})
    facts = {"task": task, "language": lang, "duration": seconds, "text": said.text}
    segments = [
        {"id": number, "start": x.start_ms / 1000, "end": x.end_ms / 1000, "text": x.text}
        for number, x in enumerate(said.segments)
    ]
    return JSONResponse({**facts, "segments": segments})
