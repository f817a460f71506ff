"""Checkpoints: where models are, and how their files become networks and tokenizers.

What builds networks is imported when it is asked for: it brings PyTorch, which who only reads where
models are (a front of a cluster) does without.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("loader", "tokenizers"):
            found = import_module(f"{__name__}.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
