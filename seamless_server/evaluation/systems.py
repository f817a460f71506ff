"""Which system is evaluated: from names and options to an agent, its files and its languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seamless_server.errors import UsageError
from seamless_server.evaluation import agents
from seamless_server.evaluation.agents import AgentSpec
from seamless_server.evaluation.manifest import Coverage


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

    Options that are not given have the values of the published evaluation, where the agent has
    them.

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
    path = agent_class or agents.AGENT_CLASSES[task]
    known = agents.known_options(agents.load_class(path))
    merged: dict[str, str | bool] = {
        name: value for name, value in agents.PUBLISHED_OPTIONS.items() if name in known
    }
    merged |= options
    if device == "auto":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
    spec = AgentSpec(path, merged, device, dtype, segment_ms)
    if "model" not in known:
        if model is not None:
            raise UsageError(f"{path} has no option --model")
        return SystemUnderTest(name=path.rpartition(".")[2], spec=spec)
    return _with_model(spec, model, task)


def _with_model(spec: AgentSpec, model: str | None, task: str) -> SystemUnderTest:
    """Look the model up, as the agent will."""
    from seamless_server.checkpoints.cards import default_model, find_card, find_model
    from seamless_server.checkpoints.loader import read_folder_config
    from seamless_server.checkpoints.published import TOKENIZER

    wanted = model or default_model()
    folder = find_model(wanted).resolve()
    card = find_card(wanted)
    config, _ = read_folder_config(folder)
    target = config.speech_langs if task == "s2st" else config.text_langs
    return SystemUnderTest(
        name=card.name if card else folder.name,
        spec=spec.merged({"model": card.name if card else str(folder)}),
        checkpoint=folder,
        spm_model=folder / TOKENIZER,
        coverage=Coverage(source=config.source_langs or None, target=target),
    )
