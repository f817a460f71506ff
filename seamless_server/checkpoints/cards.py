"""Which models there are, and where: published, embedded, or a folder of one's own."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from seamless_server.checkpoints import model_file, published
from seamless_server.checkpoints.config_file import read_config
from seamless_server.checkpoints.system_file import SystemFile, find_agent
from seamless_server.errors import CheckpointError, DependencyError

logger = logging.getLogger(__name__)

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
    agent: SystemFile | None = None
    """The SimulEval agent that it is, when it is not SeamlessStreaming."""

    @property
    def missing(self) -> list[str]:
        """Names of the files that are not there."""
        if self.agent is None:
            return missing_files(self.folder)
        weights = self.agent.weights
        names = () if weights is None else weights.files
        return [name for name in names if not (self.folder / name).is_file()]

    @property
    def present(self) -> bool:
        """Whether all files are there."""
        return not self.missing


def missing_files(folder: Path, speech: bool = True) -> list[str]:
    """Files that a folder lacks to be a model; with our safetensors file the .pt files may go.

    Args:
        speech: False asks for those that text output needs.
    """
    weights = [published.UNITY, published.DECODER, *([published.VOCODER] if speech else [])]
    tokenizers = [published.TOKENIZER, *([published.CHARACTERS] if speech else [])]
    if (folder / model_file.FILE).is_file():
        weights = []
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
        *(_agent_card(file) for file in _agents_here()),
    )


def _agents_here() -> list[SystemFile]:
    """Agents whose folders stand among the system folders."""
    folders = sorted(SYSTEM_DIRS.iterdir()) if SYSTEM_DIRS.is_dir() else []
    found = []
    for folder in folders:
        try:
            agent = find_agent(folder)
        except CheckpointError as error:
            logger.warning("left out: %s", error.message)
            continue
        if agent is not None:
            found.append(agent)
    return found


def agents_here() -> list[str]:
    """Names of the agents among the system folders that can be served now: with their weights, and
    with the packages that they need."""
    return [
        card.name
        for card in cards()
        if card.agent is not None and card.present and not card.agent.absent
    ]


def _agent_card(file: SystemFile) -> ModelCard:
    return ModelCard(
        file.folder.name,
        file.description,
        weights_folder(file),
        file.folder,
        file.licence,
        embedded=file.weights is None,
        agent=file,
    )


def weights_folder(file: SystemFile) -> Path:
    """Where an agent's weights are or belong: beside its system file if they are all there."""
    names = () if file.weights is None else file.weights.files
    if all((file.folder / name).is_file() for name in names):
        return file.folder
    return checkpoint_dir() / file.folder.name


def find_agent_file(name: str | os.PathLike[str]) -> SystemFile | None:
    """The SimulEval agent that a name or folder means; None for SeamlessStreaming models.

    Raises:
        CheckpointError: its system file makes no sense, or its weights are not there.
    """
    card = find_card(os.fspath(name))
    if card is None:
        file = find_agent(Path(name).expanduser())
        card = None if file is None else _agent_card(file)
    if card is None or card.agent is None:
        return None
    if card.agent.absent:
        remedy = f"pip install 'seamless-server[{card.agent.extra}]'"
        remedy = remedy if card.agent.extra else f"pip install {' '.join(card.agent.absent)}"
        raise DependencyError(card.agent.absent[0], card.name, remedy)
    if card.missing:
        remedy = f"run `seamless-server models download {card.name}`"
        raise CheckpointError(card.folder, f"lacks {', '.join(card.missing)}; {remedy}")
    return card.agent


def find_card(name: str) -> ModelCard | None:
    """The card of a name or alias."""
    wanted = ALIASES.get(name, name)
    return next((card for card in cards() if card.name == wanted), None)


def find_model(name: str | os.PathLike[str], speech: bool = True) -> Path:
    """Folder of a model given by name or path.

    Args:
        speech: False is content with the files that text output needs.

    Raises:
        CheckpointError: there is no such model, or its files are not there; says what to do.
    """
    card = find_card(os.fspath(name))
    folder = card.folder if card is not None else Path(name).expanduser()
    if card is None and not folder.is_dir():
        names = ", ".join(card.name for card in cards())
        raise CheckpointError(
            name, f"is neither a folder with a model nor the name of one ({names})"
        )
    if (card is not None and card.agent is not None) or find_agent(folder) is not None:
        raise CheckpointError(folder, "is an agent of its own, and this is for SeamlessStreaming")
    missing = missing_files(folder, speech and _speaks(folder))
    if not missing:
        return folder
    lacks = f"lacks {', '.join(missing)}"
    if card is None:
        text = "" if missing_files(folder, speech=False) else " (it has what text output needs)"
        raise CheckpointError(folder, f"is no model: it {lacks}{text}")
    if not card.embedded:
        lacks += f"; run `seamless-server models download {card.name}`"
    raise CheckpointError(folder, lacks)


def _speaks(folder: Path) -> bool:
    """Whether a model has speech output at all; the published one, without a config, has."""
    path = folder / "config.json"
    return not path.is_file() or read_config(path).t2u is not None


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
