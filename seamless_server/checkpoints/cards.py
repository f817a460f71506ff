"""Which models there are, and where: published, embedded, or a folder of one's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from seamless_server.checkpoints import published, store
from seamless_server.errors import CheckpointError

PUBLISHED = "SeamlessStreaming"
EMBEDDED = "SeamlessStreaming-mini"
_PACKAGE = Path(__file__).resolve().parents[1]
_PACKAGED = _PACKAGE / "models"
SYSTEM_DIRS = _PACKAGED if _PACKAGED.is_dir() else _PACKAGE.parent / "models"
"""System folders, inside an installed package or beside it in a checkout: YAML files for
SimulEval, and the embedded weights."""

ALIASES = {
    "seamless_streaming": PUBLISHED,
    "seamless_streaming_unity": PUBLISHED,
    "seamless_streaming_monotonic_decoder": PUBLISHED,
    "facebook/seamless-streaming": PUBLISHED,
    "mini": EMBEDDED,
}


@dataclass(frozen=True)
class ModelCard:
    """A model that can be named.

    folder: where its weights are or belong. systems: where its SimulEval YAML files are, if any.
    """

    name: str
    description: str
    folder: Path
    systems: Path | None
    licence: str
    embedded: bool = False

    @property
    def missing(self) -> list[str]:
        """Names of the files that are not there."""
        return missing_files(self.folder)

    @property
    def present(self) -> bool:
        """Whether all files are there."""
        return not self.missing


def missing_files(folder: Path) -> list[str]:
    """Files that a folder lacks to be a model; with our safetensors file the .pt files may go."""
    weights = (published.UNITY, published.DECODER, published.VOCODER)
    tokenizers = (published.TOKENIZER, published.CHARACTERS)
    if (folder / store.FILE).is_file():
        return [x for x in tokenizers if not (folder / x).is_file()]
    return [x for x in (*weights, *tokenizers) if not (folder / x).is_file()]


def checkpoint_dir() -> Path:
    """Where downloaded models live: ``SEAMLESS_CHECKPOINT_DIR``, else a folder of the user's."""
    given = os.environ.get("SEAMLESS_CHECKPOINT_DIR")
    if given:
        return Path(given).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "seamless-server"


def published_folder() -> Path:
    """Where the published model's files are; ``SEAMLESS_CHECKPOINT_DIR`` itself may hold them."""
    base = checkpoint_dir()
    return base if not missing_files(base) else base / PUBLISHED


def cards() -> tuple[ModelCard, ...]:
    """All models that have a name, best first."""
    return (
        ModelCard(
            PUBLISHED,
            "Meta's SeamlessStreaming, 2.5B parameters: hears 102 languages, writes 97 and "
            "speaks 36",
            published_folder(),
            SYSTEM_DIRS / PUBLISHED,
            published.LICENCE,
        ),
        ModelCard(
            EMBEDDED,
            "Small demonstration model for a travel-and-meeting phrasebook: English in, English, "
            "Spanish, French and German out",
            SYSTEM_DIRS / EMBEDDED,
            SYSTEM_DIRS / EMBEDDED,
            "MIT",
            embedded=True,
        ),
    )


def find_card(name: str) -> ModelCard | None:
    """The card of a name or alias."""
    wanted = ALIASES.get(name, name)
    return next((card for card in cards() if card.name == wanted), None)


def find_model(name: str | os.PathLike[str]) -> Path:
    """Folder of a model given by name or path.

    Raises:
        CheckpointError: there is no such model, or its files are not there; says what to do.
    """
    card = find_card(os.fspath(name))
    if card is not None:
        if card.present:
            return card.folder
        if card.embedded:
            raise CheckpointError(card.folder, f"lacks {', '.join(card.missing)}")
        raise CheckpointError(
            card.folder,
            f"lacks {', '.join(card.missing)}; run `seamless-server models download {card.name}`",
        )
    folder = Path(name).expanduser()
    if not folder.is_dir():
        names = ", ".join(card.name for card in cards())
        raise CheckpointError(
            name, f"is neither a folder with a model nor the name of one ({names})"
        )
    missing = missing_files(folder)
    if (folder / published.UNITY).is_file() and published.VOCODER in missing:
        missing.remove(published.VOCODER)  # text output can do without
    if missing:
        raise CheckpointError(folder, f"is no model: it lacks {', '.join(missing)}")
    return folder


def default_model() -> str:
    """The published model if it is present, else the embedded one.

    Raises:
        CheckpointError: neither is there; says what to do.
    """
    for card in cards():
        if card.present:
            return card.name
    raise CheckpointError(
        published_folder(),
        f"no model is present; run `seamless-server models download {PUBLISHED}` or name a folder",
    )
