"""The networks of SeamlessStreaming as plain PyTorch modules (inference graph only)."""

from seamless_server.nn.config import (
    ModelConfig,
    SpeechEncoderConfig,
    T2UConfig,
    TextDecoderConfig,
    VocoderConfig,
)
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
