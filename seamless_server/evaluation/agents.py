"""Building the agent that is evaluated, as SimulEval builds it: a class, its options, a device."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seamless_server.agents.building import load_class, option_parser, words
from seamless_server.agents.compat import OFFICIAL_OPTIONS
from seamless_server.errors import UsageError

AGENT_CLASSES: Mapping[str, str] = {
    "s2tt": "seamless_server.agents.pipelines.SeamlessStreamingS2TAgent",
    "asr": "seamless_server.agents.pipelines.SeamlessStreamingS2TAgent",
    "s2st": "seamless_server.agents.pipelines.SeamlessStreamingS2STAgent",
}
"""The agent of each task."""

PUBLISHED_OPTIONS: Mapping[str, str | bool] = {
    name: value if isinstance(value, bool) else str(value)
    for name, value in OFFICIAL_OPTIONS.items()
    if value is not False
}
"""Agent options of the published evaluation, where an agent has them."""


@dataclass(frozen=True)
class AgentSpec:
    """Everything that makes an agent."""

    agent_class: str
    """Dotted path of a SimulEval agent class."""
    options: Mapping[str, str | bool]
    """Options by their names with underscores; `True` is a switch that is on."""
    device: str = "cpu"
    dtype: str = "fp32"
    segment_ms: int = 320
    folder: Path | None = None
    """Where its class may stand, beside those that Python finds."""

    def merged(self, changes: Mapping[str, str | bool]) -> AgentSpec:
        """The same with some options changed.

        Raises:
            UsageError: ``source_segment_size`` is no length.
        """
        options = {**self.options, **changes}
        segment = str(options.pop("source_segment_size", self.segment_ms))
        if not segment.isdecimal() or int(segment) == 0:
            raise UsageError(f"--source-segment-size takes milliseconds: '{segment}'")
        dtype = str(options.pop("dtype", self.dtype))
        return replace(self, options=options, dtype=dtype, segment_ms=int(segment))


def parse_options(arguments: Sequence[str]) -> dict[str, str | bool]:
    """Read agent options off a command line: ``--name value``, ``--name=value`` or ``--switch``.

    Raises:
        UsageError: something stands where an option should.
    """
    options: dict[str, str | bool] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--") or word == "--":
            raise UsageError(f"unexpected argument '{word}': agent options look like --name VALUE")
        name, equals, value = word[2:].partition("=")
        key = name.replace("-", "_")
        if equals:
            options[key] = value
        elif rest and not rest[0].startswith("--"):
            options[key] = rest.pop(0)
        else:
            options[key] = True
    return options


def arguments(spec: AgentSpec, agent_class: Any) -> list[str]:
    """The agent's command line.

    Raises:
        UsageError: names every option that the agent does not have.
    """
    fixed = {"device": spec.device, "source_segment_size": spec.segment_ms, "dtype": spec.dtype}
    return [*words(fixed, agent_class), *words(spec.options, agent_class)]


def check(spec: AgentSpec) -> None:
    """Check class and options without building anything.

    Raises:
        UsageError: what does not fit.
    """
    agent_class = load_class(spec.agent_class, spec.folder)
    option_parser(agent_class).parse_args(arguments(spec, agent_class))


def build(spec: AgentSpec, *, workers: int = 1) -> Any:
    """Build the agent and put it on its device.

    Args:
        spec: which agent.
        workers: how many sentences will be under way at a time; with several our agents get an
            engine that computes for all of them.

    Raises:
        UsageError: the class or an option does not exist.
    """
    agent_class = load_class(spec.agent_class, spec.folder)
    args = option_parser(agent_class).parse_args(arguments(spec, agent_class))
    agent = agent_class.from_args(args, *_system(agent_class, args, workers))
    agent.to(spec.device, fp16=spec.dtype == "fp16")
    return agent


def _system(agent_class: Any, args: argparse.Namespace, workers: int) -> tuple[Any, ...]:
    """The loaded system for one of our pipelines when it is shared; nothing for other agents."""
    from seamless_server.agents.loading import system_from_args
    from seamless_server.agents.pipeline import SeamlessPipeline, SeamlessTreePipeline
    from seamless_server.evaluation.shared_engine import shared_system

    if workers == 1 or not issubclass(agent_class, SeamlessPipeline | SeamlessTreePipeline):
        return ()
    system = system_from_args(args, agent_class.speech, agent_class.voice_option, "scheduled")
    return (shared_system(system, workers),)
