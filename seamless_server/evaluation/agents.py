"""Building the agent that is evaluated, as SimulEval builds it: a class, its options, a device."""

from __future__ import annotations

import argparse
import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seamless_server.agents.compat import OFFICIAL_OPTIONS
from seamless_server.errors import UsageError, require_simuleval

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
        return AgentSpec(self.agent_class, options, self.device, dtype, int(segment))


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


def load_class(path: str) -> Any:
    """Import an agent class.

    Raises:
        UsageError: there is no such class.
    """
    require_simuleval()
    module, _, name = path.rpartition(".")
    if not module:
        raise UsageError(
            f"--agent-class takes a dotted path such as package.module.Class: '{path}'"
        )
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        raise UsageError(f"--agent-class {path}: no module '{error.name}'") from None
    if found is None:
        raise UsageError(f"--agent-class {path}: module '{module}' has no '{name}'")
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(f"agent options: {message}")


def _parser(agent_class: Any) -> _Parser:
    parser = _Parser(prog="agent", add_help=False, allow_abbrev=False, conflict_handler="resolve")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="fp32")
    parser.add_argument("--fp16", action="store_true")
    parser.add_argument("--source-segment-size", type=int, default=320)
    parser.add_argument("--task", default=None)
    parser.add_argument("--tgt-lang", default=None)
    agent_class.add_args(parser)
    return parser


def known_options(agent_class: Any) -> dict[str, bool]:
    """Names of an agent's options (with underscores), and whether each is a switch."""
    return {
        option[2:].replace("-", "_"): action.nargs == 0
        for option, action in _parser(agent_class)._option_string_actions.items()
        if option.startswith("--")
    }


def arguments(spec: AgentSpec, agent_class: Any) -> list[str]:
    """The agent's command line.

    Raises:
        UsageError: names every option that the agent does not have.
    """
    known = known_options(agent_class)
    unknown = [name for name in spec.options if name not in known]
    if unknown:
        listed = ", ".join("--" + name.replace("_", "-") for name in unknown)
        raise UsageError(f"{agent_class.__name__} has no option {listed}")
    words = ["--device", spec.device, "--source-segment-size", str(spec.segment_ms)]
    words += ["--dtype", spec.dtype]
    for name, value in spec.options.items():
        flag = "--" + name.replace("_", "-")
        if known[name]:
            words += [flag] if str(value).lower() in ("true", "1", "yes") else []
        elif value is True:
            raise UsageError(f"{flag} needs a value")
        else:
            words.append(f"{flag}={value}")
    return words


def check(spec: AgentSpec) -> None:
    """Check class and options without building anything.

    Raises:
        UsageError: what does not fit.
    """
    agent_class = load_class(spec.agent_class)
    _parser(agent_class).parse_args(arguments(spec, agent_class))


def build(spec: AgentSpec, *, workers: int = 1) -> Any:
    """Build the agent and put it on its device.

    Args:
        spec: which agent.
        workers: how many sentences will be under way at a time; with several our agents get an
            engine that computes for all of them.

    Raises:
        UsageError: the class or an option does not exist.
    """
    agent_class = load_class(spec.agent_class)
    args = _parser(agent_class).parse_args(arguments(spec, agent_class))
    agent = agent_class.from_args(args, *_system(agent_class, args, workers))
    agent.to(spec.device, fp16=spec.dtype == "fp16")
    return agent


def _system(agent_class: Any, args: argparse.Namespace, workers: int) -> tuple[Any, ...]:
    """The loaded system for one of our pipelines when it is shared; nothing for other agents."""
    from seamless_server.agents.loading import load_system
    from seamless_server.agents.pipeline import SeamlessPipeline, SeamlessTreePipeline
    from seamless_server.evaluation.shared_engine import shared_system

    if workers == 1 or not issubclass(agent_class, SeamlessPipeline | SeamlessTreePipeline):
        return ()
    speech = bool(agent_class.speech)
    system = load_system(args.model, args.device, args.dtype, speech, engine="scheduled")
    return (shared_system(system, workers),)


def is_stateless(agent: Any) -> bool:
    """Whether one agent object can serve several sentences at a time, each with states of its own.

    SimulEval's rule: an agent whose policy takes the states as an argument keeps none itself. In
    the official compatibility mode ours break it, as the official ones do.
    """
    if getattr(getattr(agent, "compat", None), "leaking_language", False):
        return False
    modules = list(getattr(agent, "module_list", [agent]))
    return all(len(inspect.signature(module.policy).parameters) > 0 for module in modules)


def reset_states(states: Any) -> None:
    """Reset what `build_states` made: one state, or a list or dict of them."""
    if isinstance(states, Mapping):
        states = list(states.values())
    if isinstance(states, Sequence):
        for state in states:
            reset_states(state)
    else:
        states.reset()
