"""The networks of SeamlessStreaming as plain PyTorch modules (inference graph only).

They are imported when they are asked for: who only reads their sizes does without PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seamless_server.nn.config import (
    ModelConfig,
    SpeechEncoderConfig,
    T2UConfig,
    TextDecoderConfig,
    VocoderConfig,
)

if TYPE_CHECKING:
    from seamless_server.nn.speech_encoder import SpeechEncoder
    from seamless_server.nn.t2u import T2U, T2UOutput
    from seamless_server.nn.text_decoder import DecoderCache, SourceMemory, TextDecoder
    from seamless_server.nn.vocoder import Vocoder

__all__ = [
    "T2U",
    "DecoderCache",
    "ModelConfig",
    "SourceMemory",
    "SpeechEncoder",
    "SpeechEncoderConfig",
    "T2UConfig",
    "T2UOutput",
    "TextDecoder",
    "TextDecoderConfig",
    "Vocoder",
    "VocoderConfig",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("speech_encoder", "t2u", "text_decoder", "vocoder"):
            found = import_module(f"{__name__}.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
