"""Which system is evaluated: from names and options to an agent, its files and its languages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from seamless_server.agents.building import known_options, load_class, options_of
from seamless_server.checkpoints.system_file import SystemFile
from seamless_server.errors import UsageError
from seamless_server.evaluation import agents
from seamless_server.evaluation.agents import AgentSpec
from seamless_server.evaluation.manifest import Coverage

_NOT_THE_MODELS = frozenset({"task", "tgt_lang", "model", "device", "dtype", "fp16", "compat"})
"""Options that an evaluation decides, whatever a model's system files say."""


@dataclass(frozen=True)
class SystemUnderTest:
    """A system, resolved but not loaded."""

    name: str
    spec: AgentSpec
    checkpoint: Path | None = None
    """Folder of its files."""
    spm_model: Path | None = None
    """Its text tokenizer."""
    coverage: Coverage = field(default_factory=Coverage)


def expressive_agent(
    task: str, options: dict[str, str | bool], voice: str, folder: Path | None = None
) -> str:
    """The agent that speaks in the speaker's own voice; its options are added to `options`.

    Args:
        task: only ``s2st`` speaks.
        options: of the agent.
        voice: name, file or folder of the voice.
        folder: with the voice's file, instead of the usual places.

    Raises:
        UsageError: another task.
    """
    if task != "s2st":
        raise UsageError("an expressive voice needs --task s2st")
    options["vocoder_name"] = voice
    if folder is not None:
        options["gated_model_dir"] = str(folder)
    return "seamless_server.agents.pipelines.SeamlessS2STAgent"


def resolve_system(
    task: str,
    *,
    model: str | None,
    agent_class: str | None,
    options: Mapping[str, str | bool],
    device: str,
    dtype: str,
    segment_ms: int,
) -> SystemUnderTest:
    """Find the agent of a task, and the files of a model.

    Options that are not given have the values of the model's own ``eval_<task>.yaml`` or
    ``*main.yaml``, else, and with ``compat: official`` always, those of the published evaluation,
    where the agent has them.

    Args:
        task: ``s2tt``, ``asr`` or ``s2st``.
        model: name or folder of a model; `None` is the best that is present.
        agent_class: another SimulEval agent than the task's; it need not know models.
        options: options of the agent.
        device: ``cpu``, ``cuda`` or ``auto``.
        dtype: ``fp32``, ``fp16``, ``bf16`` or ``auto``.
        segment_ms: source that the agent gets at a time.

    Raises:
        SeamlessError: there is no such class or model.
    """
    from seamless_server.agents.loading import choose_device
    from seamless_server.checkpoints.cards import find_agent_file

    file = find_agent_file(model) if model is not None and agent_class is None else None
    device = str(choose_device(device))
    if file is not None:
        return _of_file(file, options, device, dtype, segment_ms, task)
    path = agent_class or agents.AGENT_CLASSES[task]
    known = known_options(load_class(path))
    merged: dict[str, str | bool] = {
        name: value for name, value in agents.PUBLISHED_OPTIONS.items() if name in known
    }
    if "model" in known:
        spec = AgentSpec(path, merged, device, dtype, segment_ms)
        return _with_model(spec, options, model, task, known)
    if model is not None:
        raise UsageError(f"{path} has no option --model")
    spec = AgentSpec(path, {**merged, **options}, device, dtype, segment_ms)
    return SystemUnderTest(name=path.rpartition(".")[2], spec=spec)


def _of_file(
    file: SystemFile,
    options: Mapping[str, str | bool],
    device: str,
    dtype: str,
    segment_ms: int,
    task: str,
) -> SystemUnderTest:
    """The agent that a folder names."""
    if file.hears_with is not None:
        raise UsageError(
            f"{file.folder.name} translates text that another model hears; only agents that hear "
            "speech themselves can be evaluated"
        )
    own = options_of(file, load_class(file.agent_class, file.folder))
    given = {name: x if isinstance(x, bool) else str(x) for name, x in own.items()}
    spec = AgentSpec(file.agent_class, {}, device, dtype, segment_ms, file.folder)
    target = file.speech_langs if task == "s2st" else file.target_langs
    return SystemUnderTest(
        name=file.folder.name,
        spec=spec.merged({**given, **options}),
        coverage=Coverage(source=file.source_langs, target=target),
    )


def _with_model(
    spec: AgentSpec,
    options: Mapping[str, str | bool],
    model: str | None,
    task: str,
    known: Collection[str],
) -> SystemUnderTest:
    """Look the model up, as the agent will; its own options come before the published ones."""
    from seamless_server.checkpoints.cards import default_model, find_card, find_model
    from seamless_server.checkpoints.loader import read_folder_config
    from seamless_server.checkpoints.published import TOKENIZER

    wanted = model or default_model()
    folder = find_model(wanted, task == "s2st").resolve()
    card = find_card(wanted)
    config, _ = read_folder_config(folder)
    systems = folder if card is None or card.systems is None else card.systems
    own = {} if options.get("compat") == "official" else _own_options(systems, task, known)
    target = config.speech_langs if task == "s2st" else config.text_langs
    return SystemUnderTest(
        name=card.name if card else folder.name,
        spec=spec.merged({**own, **options, "model": card.name if card else str(folder)}),
        checkpoint=folder,
        spm_model=folder / TOKENIZER,
        coverage=Coverage(source=config.source_langs or None, target=target),
    )


def _own_options(folder: Path, task: str, known: Collection[str]) -> dict[str, str | bool]:
    """Agent options that a model's system files set."""
    names = [f"eval_{'s2st' if task == 's2st' else 's2tt'}.yaml"]
    names += [path.name for path in sorted(folder.glob("*main.yaml"))]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        return {}
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise UsageError(f"{path}: is not a table of options")
    return {
        name: value if isinstance(value, bool) else str(value)
        for name, value in content.items()
        if value is not None and name in known and name not in _NOT_THE_MODELS
    }
