"""How models are described to clients, whatever the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from seamless_server.service.served_models import Models
    from seamless_server.streaming import ModelInfo


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
    captionLangs: list[str] = []
    """Of `targetLangs` those that it writes only when they are the ones spoken."""
    voices: dict[str, int] = {}
    """How many it speaks with, for languages that have several: `voice_number` chooses."""
    loaded: bool = True
    """Otherwise the first stream waits while the model is loaded."""
    demonstration: bool = False
    sureFrom: float = 0.5
    """Confidence below which its words are shown as uncertain."""


def capability(model: ModelInfo, *, loaded: bool = True) -> Capability:
    """How a model is offered to clients."""
    speaks = bool(model.speech_languages)
    # Where things lie on this machine is nobody's business.
    description = model.description.replace(str(model.folder), model.folder.name)
    return Capability(
        name=model.name,
        description=description,
        modalities=["s2t", "s2s"] if speaks else ["s2t"],
        targetLangs=list(model.text_languages),
        dynamicParams=["expressive"] if model.expressive_languages else [],
        speechLangs=list(model.speech_languages),
        sourceLangs=list(model.source_languages),
        captionLangs=[lang for lang in model.text_languages if lang in model.captions],
        voices=dict(model.voices),
        loaded=loaded,
        demonstration=model.demonstration,
        sureFrom=model.sure_from,
    )


def capabilities(models: Models) -> list[Capability]:
    """All models that are served, the default one first; none until it is loaded."""
    return [capability(info, loaded=models.is_loaded(info.name)) for info in models.offered()]
