"""How models are described to clients, whatever the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from seamless_server.service.models import model_folder

if TYPE_CHECKING:
    from seamless_server.streaming import Model


class Capability(BaseModel):
    """A model that is served."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: str
    description: str
    modalities: list[Literal["s2t", "s2s"]]
    targetLangs: list[str]
    dynamicParams: list[Literal["expressive"]] = []
    speechLangs: list[str] = []
    sourceLangs: list[str] = []
    demonstration: bool = False


def capability(system: Model) -> Capability:
    """How a system is offered to clients."""
    speaks = bool(system.speech_languages)
    description, folder = system.description, model_folder(system)
    if folder is not None:
        # Where things lie on this machine is nobody's business.
        description = description.replace(str(folder), folder.name)
    return Capability(
        name=system.name,
        description=description,
        modalities=["s2t", "s2s"] if speaks else ["s2t"],
        targetLangs=list(system.text_languages),
        dynamicParams=["expressive"] if system.expressive_languages else [],
        speechLangs=list(system.speech_languages),
        sourceLangs=list(system.source_languages),
        # A model that brings a list of what it understands understands little else.
        demonstration=folder is not None and (folder / "phrases.json").is_file(),
    )
