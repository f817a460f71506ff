"""The published SeamlessStreaming: its files, where they come from, and its configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING

from seamless_server.nn.config import ModelConfig, T2UConfig

if TYPE_CHECKING:
    from torch import Tensor

UNITY = "seamless_streaming_unity.pt"
DECODER = "seamless_streaming_monotonic_decoder.pt"
VOCODER = "vocoder_v2.pt"
TOKENIZER = "tokenizer.model"
CHARACTERS = "spm_char_lang38_tc.model"
WEIGHTS = (UNITY, DECODER, VOCODER)

LICENCE = "CC-BY-NC 4.0 (non-commercial use only)"


@dataclass(frozen=True)
class PublishedFile:
    """One file, the hub repositories that may hold it (best first) and its approximate size."""

    name: str
    repos: tuple[str, ...]
    megabytes: float


FILES = (
    PublishedFile(UNITY, ("facebook/seamless-streaming",), 3630),
    PublishedFile(DECODER, ("facebook/seamless-streaming",), 4280),
    PublishedFile(VOCODER, ("facebook/seamless-streaming", "facebook/seamless-m4t-v2-large"), 167),
    PublishedFile(TOKENIZER, ("facebook/seamless-streaming", "facebook/seamless-m4t-large"), 5.2),
    PublishedFile(CHARACTERS, ("facebook/seamless-streaming",), 0.4),
)


def published_config() -> ModelConfig:
    """Sizes and languages of the published model."""
    data = json.loads(
        (resources.files("seamless_server") / "data" / "published.json").read_text("utf-8")
    )
    return ModelConfig(
        name="SeamlessStreaming",
        text_langs=tuple(data["text_langs"]),
        unit_langs=tuple(data["unit_langs"]),
        vocoder_langs=data["vocoder_langs"],
        vocoder_speakers={k: tuple(v) for k, v in data["vocoder_speakers"].items()},
    )


def fit_tables(config: ModelConfig, t2u_state: Mapping[str, Tensor]) -> ModelConfig:
    """Take the sizes of the T2U's two tables from the file.

    The published checkpoints pad them to a size that no document states; everything else about
    the architecture is fixed.
    """
    units, chars = t2u_state.get("final_proj.weight"), t2u_state.get("embed_char.weight")
    if config.t2u is None or units is None or chars is None:
        return config
    if units.dim() != 2 or chars.dim() != 2 or units.size(0) < config.num_units + 4:
        return config
    t2u: T2UConfig = replace(
        config.t2u, unit_vocab_size=units.size(0), char_vocab_size=chars.size(0)
    )
    return replace(config, t2u=t2u)
