"""Options of streams: the official agents' names and defaults, and a model's own defaults."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.encoder import OfflineWav2VecBertEncoderAgent
from seamless_server.agents.expressive import DualVocoderAgent
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.text_decoder import MMASpeechToTextDecoderAgent
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vad import SileroVADAgent
from seamless_server.checkpoints.system_file import main_file, read_yaml
from seamless_server.stream_options import StreamOptions, read_options

AGENTS = (
    SileroVADAgent,
    OnlineFeatureExtractorAgent,
    OfflineWav2VecBertEncoderAgent,
    MMASpeechToTextDecoderAgent,
    DetokenizerAgent,
    NARUnitYUnitDecoderAgent,
    DualVocoderAgent,
)


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
        if (path := main_file(folder)) is not None and (data := read_yaml(path)):
            return {k: v for k, v in data.items() if k in known and v is not None}
    return {}


def make_args(defaults: Mapping[str, Any], given: StreamOptions, **fixed: Any) -> Namespace:
    """Options for the agents: the given ones over the model's over the official defaults.

    Raises:
        ConfigError: one of the model's is out of its range.
    """
    known = {k: v for k, v in defaults.items() if k in StreamOptions.model_fields}
    options = given.over(read_options(known))
    return Namespace(**{**agent_options(), **defaults, **options.agents(), **fixed})
