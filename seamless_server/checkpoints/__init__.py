"""Checkpoints: where models are, and how their files become networks and tokenizers."""

from seamless_server.checkpoints.loader import Checkpoint, load_checkpoint, verify_folder
from seamless_server.checkpoints.tokenizers import (
    CharTokenizer,
    TextTokenizer,
    UnitTokenizer,
    characters_of,
)

__all__ = [
    "CharTokenizer",
    "Checkpoint",
    "TextTokenizer",
    "UnitTokenizer",
    "characters_of",
    "load_checkpoint",
    "verify_folder",
]
