"""The REST interface beside Socket.IO: languages, models, options, rooms and recordings."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict

from seamless_server.doors.catalogue import Capability, capabilities, capability
from seamless_server.doors.failures import FILE, documented
from seamless_server.doors.parts import parts_of
from seamless_server.errors import SeamlessError
from seamless_server.languages import all_languages
from seamless_server.stream_options import StreamOptions, settable

router = APIRouter()


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


@router.get("/api/languages", tags=["catalogue"])
async def languages(request: Request) -> list[LanguageInfo]:
    """Every language that a loaded model hears, writes or speaks; all known ones until then."""
    models = parts_of(request).models.offered()
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
            about = {"code": code, "name": language.name, "script": language.script}
            found.append(LanguageInfo(**about, source=source, text=text, speech=speech))
    return found


@router.get("/api/models", tags=["catalogue"])
async def models(
    request: Request,
    source: Annotated[str | None, Query(description="Language that is spoken.")] = None,
    target: Annotated[str | None, Query(description="Language that is wanted.")] = None,
    speech: Annotated[bool, Query(description="As speech, if there is a model for it.")] = False,
) -> list[Capability]:
    """The models that are served, the default one first; empty while it loads.

    With `source` or `target` those that can do it, the best one first.
    """
    models = parts_of(request).models
    if source is None and target is None:
        return capabilities(models)
    able = models.able(source, target, speech=speech)
    return [capability(info, loaded=models.is_loaded(info.name)) for info in able]


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


@router.get("/api/rooms/{room_id}", tags=["rooms"], responses=documented(404, 429))
async def room(
    request: Request, room_id: Annotated[str, PathParameter(examples=["ABCD"], max_length=64)]
) -> RoomInfo:
    """Counts only: who is there and what they say is told to members alone."""
    parts = parts_of(request)
    # Codes must not be found by trying here either.
    address = request.client.host if request.client is not None else ""
    if not parts.connections.addresses.of(address).joins.take():
        raise SeamlessError("Too many tries: slow down.", code="rate")
    found = parts.rooms.get(room_id)
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


@router.get("/api/debug/{recording}/", tags=["debug"], responses=documented(404))
async def recording_files(request: Request, recording: str) -> list[str]:
    """The files of a debug recording; its name is known only to its speaker."""
    folder = parts_of(request).recorder.store.folder(recording)
    if folder is None:
        raise SeamlessError("There is no such recording.", code="not_found")
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@router.get(
    "/api/debug/{recording}/{name}", tags=["debug"], response_class=FileResponse, responses=FILE
)
async def recording_file(request: Request, recording: str, name: str) -> FileResponse:
    """One file of it; `timeline.html` shows the whole."""
    path = parts_of(request).recorder.store.file(recording, name)
    if path is None:
        raise SeamlessError("There is no such file.", code="not_found")
    headers = {"Content-Security-Policy": "sandbox allow-scripts", "X-Robots-Tag": "noindex"}
    return FileResponse(path, headers=headers)
