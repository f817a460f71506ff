"""What operators look at: how the server is, its numbers, and whether it is ready."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field

from seamless_server import __version__
from seamless_server.doors.failures import documented
from seamless_server.doors.parts import parts_of
from seamless_server.errors import SeamlessError

router = APIRouter(tags=["operation"])


class StreamState(BaseModel):
    """A stream that runs."""

    room: str
    speaker: str
    state: str
    lagMs: float
    queuedMs: float
    engine: str | None
    """The engine elsewhere that computes it, if one does."""


class EngineState(BaseModel):
    """An engine elsewhere."""

    engine: str
    host: str
    pid: int
    version: str
    slots: int
    slotsUsed: int = Field(validation_alias="slots_used")
    waiting: int
    busy: float


class ServerStatus(BaseModel):
    """What the operator sees of a server or front."""

    version: str
    role: str
    state: str
    connections: int
    rooms: int
    waiting: int
    streams: list[StreamState]
    engines: list[EngineState]


@router.get("/api/status", summary="Engines, rooms and speakers as they are")
async def status(request: Request) -> ServerStatus:
    """What `seamless-server top` shows."""
    parts = parts_of(request)
    admission, models = parts.service.admission, parts.models
    streams = []
    for key, place in list(admission.places.items()):
        if place.session is None:
            continue
        doing, member = place.session.status(), parts.rooms.members.get(key)
        streams.append(
            StreamState(
                room=(member.room_id if member else None) or "",
                speaker=(member.name if member else None) or key,
                state=doing.state,
                lagMs=round(doing.lag_ms, 1),
                queuedMs=round(doing.queued_ms, 1),
                engine=place.session.engine,
            )
        )
    engines = {x["engine"]: x for model in models.loaded() for x in model.engines()}
    return ServerStatus(
        version=__version__,
        role=parts.settings.role,
        state="draining" if admission.draining else models.progress.state,
        connections=len(parts.connections.open),
        rooms=len(parts.rooms.rooms),
        waiting=len(admission.line),
        streams=streams,
        engines=[EngineState.model_validate(each) for each in engines.values()],
    )


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    """Answers as soon as the process does, models or not."""
    return {"status": "ok", "version": __version__}


@router.get(
    "/readyz",
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
    summary="Numbers for Prometheus",
    response_class=PlainTextResponse,
    responses=documented(404),
)
async def metrics(request: Request) -> Response:
    """Prometheus' text format; 404 if the operator turned it off."""
    parts = parts_of(request)
    if not parts.settings.metrics:
        raise SeamlessError("Metrics are turned off.", code="not_found")
    parts.metrics.tasks.set(len(asyncio.all_tasks()))
    return PlainTextResponse(parts.metrics.render(), media_type="text/plain; version=0.0.4")
