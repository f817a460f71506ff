"""The REST interface beside Socket.IO, and what operators look at."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import orjson
from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict

from seamless_server import __version__
from seamless_server.doors.catalogue import Capability, capability
from seamless_server.doors.failures import documented
from seamless_server.errors import SeamlessError
from seamless_server.languages import all_languages
from seamless_server.stream_options import StreamOptions, settable

if TYPE_CHECKING:
    from seamless_server.doors.application import Parts

router = APIRouter()


def parts_of(request: Request) -> Parts:
    """The running server."""
    parts: Parts = request.app.state.parts
    return parts


class LanguageInfo(BaseModel):
    """A language, and what the loaded models do with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "code": "spa",
                "name": "Spanish",
                "script": "Latn",
                "source": True,
                "text": True,
                "speech": True,
            }
        }
    )
    code: str
    name: str
    script: str
    source: bool
    text: bool
    speech: bool


class RoomInfo(BaseModel):
    """A room in numbers; nobody's name or words."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "roomID": "ABCD",
                "members": 3,
                "connected": 3,
                "speakers": 1,
                "listeners": 2,
                "activeTranscoders": 1,
                "languages": {"deu": 1, "spa": 1},
            }
        }
    )
    roomID: str
    members: int
    connected: int
    speakers: int
    listeners: int
    activeTranscoders: int
    languages: dict[str, int]


class Phrase(BaseModel):
    """A phrase to try, from the model's folder."""

    model_config = ConfigDict(extra="allow")


class Sample(BaseModel):
    """A sound clip to try, from the model's folder."""

    name: str
    url: str
    text: str | None = None
    translations: dict[str, str] = {}
    model: str


@router.get("/healthz", tags=["operation"], summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    """Answers as soon as the process does, models or not."""
    return {"status": "ok", "version": __version__}


@router.get(
    "/readyz",
    tags=["operation"],
    summary="Are the models loaded?",
    responses={
        503: {
            "description": "Not yet, with how far it is",
            "content": {
                "application/json": {
                    "example": {
                        "ready": False,
                        "state": "loading",
                        "model": "SeamlessStreaming",
                        "step": "loading",
                        "loaded": [],
                        "total": 1,
                        "seconds": 12.4,
                        "error": None,
                    }
                }
            },
        }
    },
)
async def readyz(request: Request) -> JSONResponse:
    """200 when every model is loaded and warm, else 503; both with the progress."""
    progress = parts_of(request).models.progress.to_json()
    if parts_of(request).service.admission.draining:
        progress |= {"ready": False, "state": "draining"}
    return JSONResponse(progress, 200 if progress["ready"] else 503)


@router.get(
    "/metrics",
    tags=["operation"],
    summary="Numbers for Prometheus",
    response_class=PlainTextResponse,
    responses=documented(404),
)
async def metrics(request: Request) -> Response:
    """Prometheus' text format; 404 if the operator turned it off."""
    parts = parts_of(request)
    if not parts.settings.metrics:
        raise SeamlessError("Metrics are turned off.", code="not_found")
    return PlainTextResponse(parts.metrics.render(), media_type="text/plain; version=0.0.4")


@router.get("/api/languages", tags=["catalogue"])
async def languages(request: Request) -> list[LanguageInfo]:
    """Every language that a loaded model hears, writes or speaks; all known ones until then."""
    models = parts_of(request).models.loaded()
    found = []
    for language in all_languages():
        code = language.code
        if models:
            source = any(code in model.source_languages for model in models)
            text = any(code in model.text_languages for model in models)
            speech = any(code in model.speech_languages for model in models)
        else:
            source, text = language.source_speech, language.target_text
            speech = language.target_speech
        if source or text or speech:
            found.append(
                LanguageInfo(
                    code=code,
                    name=language.name,
                    script=language.script,
                    source=source,
                    text=text,
                    speech=speech,
                )
            )
    return found


@router.get("/api/models", tags=["catalogue"])
async def models(request: Request) -> list[Capability]:
    """The models that are served, the default one first; empty while they load."""
    return [capability(model) for model in parts_of(request).models.loaded()]


_KINDS: dict[type, Literal["number", "whole", "yes_no", "language"]] = {
    bool: "yes_no",
    int: "whole",
    str: "language",
}


class OptionInfo(BaseModel):
    """An option of a stream that a speaker may set."""

    name: str
    type: Literal["number", "whole", "yes_no", "language"]
    low: float | None
    high: float | None
    default: float | bool | str | None
    """The operator's; null is the model's own."""
    help: str


@router.get("/api/options", tags=["catalogue"])
async def options(request: Request) -> list[OptionInfo]:
    """What speakers may ask of their streams, within the ranges that this server allows."""
    policy = parts_of(request).settings.option_policy
    found = []
    for name in settable("speaker"):
        field, limits = StreamOptions.model_fields[name], policy.range(name)
        kinds = get_args(field.annotation)
        found.append(
            OptionInfo(
                name=name,
                type=next((kind for x, kind in _KINDS.items() if x in kinds), "number"),
                low=limits[0] if limits else None,
                high=limits[1] if limits else None,
                default=getattr(policy.defaults, name),
                help=field.description or "",
            )
        )
    return found


@router.get("/api/rooms/{room_id}", tags=["rooms"], responses=documented(404))
async def room(
    request: Request, room_id: Annotated[str, PathParameter(examples=["ABCD"], max_length=64)]
) -> RoomInfo:
    """Counts only: who is there and what they say is told to members alone."""
    found = parts_of(request).rooms.get(room_id)
    if found is None:
        raise SeamlessError("There is no such room.", code="not_found")
    chosen = {lang: count for lang, count in found.listening() if lang is not None}
    return RoomInfo(
        roomID=room_id,
        members=len(found.members),
        connected=found.connected(),
        speakers=len(found.speakers()),
        listeners=found.listeners(),
        activeTranscoders=len(found.streaming()),
        languages=chosen,
    )


def _folders(parts: Parts) -> list[tuple[str, Path]]:
    """The folders of the models."""
    return [(model.name, model.folder) for model in parts.models.loaded()]


@router.get("/api/phrases", tags=["catalogue"])
async def phrases(request: Request) -> list[dict[str, Any]]:
    """Phrases that a model of a small domain understands; empty for models without such a list."""
    found: list[dict[str, Any]] = []
    for name, folder in _folders(parts_of(request)):
        path = folder / "phrases.json"
        if path.is_file():
            entries = orjson.loads(path.read_bytes())
            for entry in entries if isinstance(entries, list) else entries.get("phrases", []):
                given = entry if isinstance(entry, dict) else {"text": entry}
                found.append({"model": name, **given})
    return found


_SOUNDS = {".wav", ".flac", ".ogg", ".mp3", ".opus"}


def _samples(parts: Parts) -> dict[str, tuple[Path, Sample]]:
    found: dict[str, tuple[Path, Sample]] = {}
    for model, folder in _folders(parts):
        texts: dict[str, str] = {}
        translations: dict[str, dict[str, str]] = {}
        listing = folder / "samples" / "samples.json"
        if listing.is_file():
            entries = orjson.loads(listing.read_bytes())
            for entry in entries if isinstance(entries, list) else []:
                texts[str(entry.get("file"))] = str(entry.get("text", ""))
                translations[str(entry.get("file"))] = entry.get("translations") or {}
        for path in sorted((folder / "samples").glob("*")):
            if path.suffix.lower() in _SOUNDS:
                key = f"{model}/{path.name}"
                text = texts.get(path.name)
                if text is None and path.with_suffix(".txt").is_file():
                    text = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
                sample = Sample(
                    name=path.stem,
                    url=f"/api/samples/{key}",
                    text=text,
                    translations=translations.get(path.name, {}),
                    model=model,
                )
                found[key] = (path, sample)
    return found


@router.get("/api/samples", tags=["catalogue"])
async def samples(request: Request) -> list[Sample]:
    """Sound clips to try, for those who have no microphone at hand."""
    return [sample for _, sample in _samples(parts_of(request)).values()]


_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"*/*": {}}}, **documented(404)}


@router.get(
    "/api/samples/{model}/{name}",
    tags=["catalogue"],
    response_class=FileResponse,
    responses=_FILE,
)
async def sample(request: Request, model: str, name: str) -> FileResponse:
    """One clip."""
    found = _samples(parts_of(request)).get(f"{model}/{name}")
    if found is None:
        raise SeamlessError("There is no such clip.", code="not_found")
    return FileResponse(found[0], media_type=mimetypes.guess_type(name)[0])


@router.get("/api/debug/{recording}/", tags=["debug"], responses=documented(404))
async def recording_files(request: Request, recording: str) -> list[str]:
    """The files of a debug recording; its name is known only to its speaker."""
    folder = parts_of(request).recorder.store.folder(recording)
    if folder is None:
        raise SeamlessError("There is no such recording.", code="not_found")
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@router.get(
    "/api/debug/{recording}/{name}", tags=["debug"], response_class=FileResponse, responses=_FILE
)
async def recording_file(request: Request, recording: str, name: str) -> FileResponse:
    """One file of it; `timeline.html` shows the whole."""
    path = parts_of(request).recorder.store.file(recording, name)
    if path is None:
        raise SeamlessError("There is no such file.", code="not_found")
    headers = {"Content-Security-Policy": "sandbox allow-scripts", "X-Robots-Tag": "noindex"}
    return FileResponse(path, headers=headers)
