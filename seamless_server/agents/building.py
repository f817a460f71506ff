"""Building any SimulEval agent: its class, its options, its device."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seamless_server.checkpoints.cards import weights_folder
from seamless_server.checkpoints.system_file import SystemFile
from seamless_server.errors import UsageError, require_simuleval


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(f"agent options: {message}")


def load_class(path: str, folder: Path | None = None) -> Any:
    """Import an agent class.

    Args:
        path: ``package.module.Class``.
        folder: a module that stands there is taken before one that Python finds elsewhere.

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
        found = getattr(_module(module, folder), name, None)
    except ModuleNotFoundError as error:
        raise UsageError(f"--agent-class {path}: no module '{error.name}'") from None
    except Exception as error:  # other people's code runs here
        raise UsageError(f"--agent-class {path}: {type(error).__name__}: {error}") from error
    if found is None:
        raise UsageError(f"--agent-class {path}: module '{module}' has no '{name}'")
    return found


def _module(name: str, folder: Path | None) -> Any:
    if folder is None:
        return importlib.import_module(name)
    file = folder.joinpath(*name.split(".")).with_suffix(".py")
    if not file.is_file():
        return importlib.import_module(name)
    # Under a name of its own, so that two folders may each have an `agent.py`.
    unique = f"seamless_agent_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    if unique in sys.modules:
        return sys.modules[unique]
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # as SimulEval does: for the modules beside it
    spec = importlib.util.spec_from_file_location(unique, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[unique] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module


def option_parser(agent_class: Any) -> argparse.ArgumentParser:
    """A parser of an agent's options, and of those that SimulEval gives to every agent."""
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
        for option, action in option_parser(agent_class)._option_string_actions.items()
        if option.startswith("--")
    }


def words(options: Mapping[str, Any], agent_class: Any) -> list[str]:
    """A command line of an agent's options, by their names with underscores.

    Raises:
        UsageError: names every option that the agent does not have.
    """
    known = known_options(agent_class)
    unknown = [name for name in options if name not in known]
    if unknown:
        listed = ", ".join("--" + name.replace("_", "-") for name in unknown)
        raise UsageError(f"{agent_class.__name__} has no option {listed}")
    found: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if known[name]:
            found += [flag] if str(value).lower() in ("true", "1", "yes") else []
        elif value is True:
            raise UsageError(f"{flag} needs a value")
        elif isinstance(value, list):
            found += [flag, *(str(item) for item in value)]
        else:
            found.append(f"{flag}={value}")
    return found


def from_options(agent_class: Any, options: Mapping[str, Any], *more: Any) -> Any:
    """An agent with these options, not yet on a device.

    Args:
        more: handed to ``from_args`` behind the options.

    Raises:
        UsageError: an option does not exist, or has no such value.
    """
    args = option_parser(agent_class).parse_args(words(options, agent_class))
    return agent_class.from_args(args, *more)


def options_of(file: SystemFile, agent_class: Any) -> dict[str, Any]:
    """What a system file sets of an agent's options.

    A path that exists beside the file is made absolute. The option ``weights``, if the agent has
    one, is the folder of the weights that the file names.
    """
    known = known_options(agent_class)
    found = {name: x for name, x in file.options.items() if name in known}
    for name, value in found.items():
        if isinstance(value, str) and (file.folder / value).exists():
            found[name] = str((file.folder / value).resolve())
    if file.weights is not None and "weights" in known:
        found.setdefault("weights", str(weights_folder(file)))
    if "task" in known and file.task is not None:
        found.setdefault("task", file.task)
    return found


def modules_of(agent: Any) -> list[Any]:
    """The agents of a pipeline or tree; an agent alone otherwise."""
    return list(getattr(agent, "module_list", [agent]))


def keeps_state(agent: Any) -> str | None:
    """The class that keeps its own state, so that one object cannot serve several streams.

    SimulEval's rule: an agent whose policy takes the states as an argument keeps none itself. In
    the official compatibility mode ours break it, as the official ones do.
    """
    if getattr(getattr(agent, "compat", None), "leaking_language", False):
        return type(agent).__name__
    for module in modules_of(agent):
        if not inspect.signature(module.policy).parameters:
            return type(module).__name__
    return None


def all_states(states: Any) -> list[Any]:
    """What `build_states` made as a list: one state, or a list or dict of them."""
    if isinstance(states, Mapping):
        states = list(states.values())
    if isinstance(states, Sequence):
        return [state for item in states for state in all_states(item)]
    return [states]


def reset_states(states: Any) -> None:
    """Reset what `build_states` made."""
    for state in all_states(states):
        state.reset()
