"""The networks of SeamlessStreaming as plain PyTorch modules (inference graph only).

They are imported when they are asked for: who only reads their sizes does without PyTorch.
"""

from typing import TYPE_CHECKING

from seamless_server.lazy import names_in
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

__getattr__ = names_in(__name__, __all__, "speech_encoder", "t2u", "text_decoder", "vocoder")
