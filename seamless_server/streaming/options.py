"""Options of streams: the official agents' names and defaults, and a model's own defaults."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.encoder import OfflineWav2VecBertEncoderAgent
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.text_decoder import MMASpeechToTextDecoderAgent
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vad import SileroVADAgent
from seamless_server.agents.vocoder import VocoderAgent
from seamless_server.errors import CheckpointError, ConfigError

AGENTS = (
    SileroVADAgent,
    OnlineFeatureExtractorAgent,
    OfflineWav2VecBertEncoderAgent,
    MMASpeechToTextDecoderAgent,
    DetokenizerAgent,
    NARUnitYUnitDecoderAgent,
    VocoderAgent,
)

RANGES: dict[str, tuple[float, float]] = {
    "decision_threshold": (0.0, 1.0),
    "max_len_a": (0, 1000),
    "max_len_b": (0, 4000),
    "max_consecutive_write": (1, 4000),
    "min_starting_wait": (0, 10_000),
    "min_starting_wait_w2vbert": (0, 100_000),
    "min_unit_chunk_size": (0, 10_000),
    "d_factor": (0.1, 10.0),
    "silence_limit_ms": (1, 600_000),
    "speech_soft_limit_ms": (1, 3_600_000),
    "chunk_size_samples": (512, 160_000),
    "window_size_samples": (512, 512),
    "init_speech_prob": (0.0, 1.0),
    "shift_size": (10, 10),
    "window_size": (25, 25),
    "feature_dim": (80, 80),
}


def option_parser() -> ArgumentParser:
    """A parser of all agents' options."""
    parser = ArgumentParser(conflict_handler="resolve", add_help=False, allow_abbrev=False)
    for agent in AGENTS:
        agent.add_args(parser)
    return parser


def agent_options() -> dict[str, Any]:
    """Every option of the agents with its default."""
    return vars(option_parser().parse_args([]))


def model_defaults(folders: list[Path]) -> dict[str, Any]:
    """Agent options of a model's own system file (``main.yaml``, or its only YAML file)."""
    known = agent_options()
    for folder in folders:
        files = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
        main = [f for f in files if f.name.endswith("main.yaml")] or files[:1]
        if not main:
            continue
        try:
            data = yaml.safe_load(main[0].read_text("utf-8"))
        except (yaml.YAMLError, OSError, UnicodeDecodeError):
            raise CheckpointError(main[0], "is not a readable YAML file") from None
        if isinstance(data, dict):
            return {k: v for k, v in data.items() if k in known and v is not None}
    return {}


def make_args(defaults: Mapping[str, Any], given: Mapping[str, Any], **fixed: Any) -> Namespace:
    """Options for the agents.

    Raises:
        ConfigError: an option is unknown or out of its range.
    """
    values = agent_options()
    values.update(defaults)
    for name, value in given.items():
        if name not in values:
            raise ConfigError(name, "is not an option of any agent")
        values[name] = value
    for name, (low, high) in RANGES.items():
        value = values[name]
        if name == "min_starting_wait_w2vbert" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(name, f"must be a number, not {value!r}")
        if not low <= value <= high:
            raise ConfigError(name, f"must be from {low:g} to {high:g}, not {value:g}")
    if values["decision_method"] not in ("min", "mean", "median"):
        raise ConfigError("decision_method", "must be min, mean or median")
    values.update(fixed)
    return Namespace(**values)
