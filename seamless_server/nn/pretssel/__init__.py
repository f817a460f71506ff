"""PRETSSEL: the expressive voice of Seamless (arXiv 2312.05187, section 4.2).

Units of a translation are spoken with the voice, prosody and pace of the person who is translated:

    frames -> prosody -+
    language ----------+-> condition
    units, durations -> acoustic (conditioned) -> mel -> vocoder -> samples
"""

from seamless_server.nn.pretssel.sizes import (
    AcousticConfig,
    MelVocoderConfig,
    PretsselConfig,
    ProsodyConfig,
    WatermarkConfig,
)
from seamless_server.nn.pretssel.voice import Pretssel, runs_of

__all__ = [
    "AcousticConfig",
    "MelVocoderConfig",
    "Pretssel",
    "PretsselConfig",
    "ProsodyConfig",
    "WatermarkConfig",
    "runs_of",
]
