"""Which system is evaluated: from names and options to an agent, its files and its languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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
    return SystemUnderTest(name=model or path.rpartition(".")[2], spec=spec)
