"""Checkpoints: where models are, and how their files become networks and tokenizers.

What builds networks is imported when it is asked for: it brings PyTorch, which who only reads where
models are (a front of a cluster) does without.
"""

from typing import TYPE_CHECKING

from seamless_server.lazy import names_in

if TYPE_CHECKING:
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

__getattr__ = names_in(__name__, __all__, "loader", "tokenizers")
