"""What one may try a model with: phrases that it understands, and sound clips."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel

from seamless_server.doors.failures import FILE
from seamless_server.doors.parts import Parts, parts_of
from seamless_server.errors import SeamlessError

router = APIRouter()


class Sample(BaseModel):
    """A sound clip to try, from the model's folder."""

    name: str
    url: str
    text: str | None = None
    translations: dict[str, str] = {}
    model: str


def _folders(parts: Parts) -> list[tuple[str, Path]]:
    """The folders of the models."""
    return [(model.name, model.folder) for model in parts.models.offered()]


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


@router.get(
    "/api/samples/{model}/{name}",
    tags=["catalogue"],
    response_class=FileResponse,
    responses=FILE,
)
async def sample(request: Request, model: str, name: str) -> FileResponse:
    """One clip."""
    found = _samples(parts_of(request)).get(f"{model}/{name}")
    if found is None:
        raise SeamlessError("There is no such clip.", code="not_found")
    return FileResponse(found[0], media_type=mimetypes.guess_type(name)[0])
