"""Sizes of PRETSSEL. The defaults are those of the published 24 kHz model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from seamless_server.nn.config import _divides, check_sizes, check_upsampling

FRAMES_PER_UNIT = 2
"""Units last 20 ms, mel frames 10 ms."""
LANGS = ("cmn", "deu", "eng", "fra", "ita", "spa")


@dataclass(frozen=True)
class ProsodyConfig:
    """ECAPA-TDNN over the speaker's mel frames: one size a block, the last being the mix of all."""

    mel_dim: int = 80
    channels: tuple[int, ...] = (512, 512, 512, 512, 1536)
    kernel_sizes: tuple[int, ...] = (5, 3, 3, 3, 1)
    dilations: tuple[int, ...] = (1, 2, 3, 4, 1)
    attention_channels: int = 128
    res2net_scale: int = 8
    se_channels: int = 128
    embed_dim: int = 512

    def __post_init__(self) -> None:
        check_sizes(self)
        size = len(self.channels)
        if size < 3 or len(self.kernel_sizes) != size or len(self.dilations) != size:
            raise ValueError("channels, kernel_sizes and dilations must have one length above 2")
        if min(*self.channels, *self.dilations) < 1:
            raise ValueError("channels and dilations must be at least 1")
        _odd("kernel_sizes", *self.kernel_sizes)
        for width in self.channels[1:-1]:
            if width % self.res2net_scale:
                raise ValueError(
                    f"res2net_scale ({self.res2net_scale}) must divide channels ({width})"
                )


@dataclass(frozen=True)
class AcousticConfig:
    """FastSpeech 2 with conditions: units -> mel frames.

    ``cond_dim`` is the width of [prosody | language], which conditions every layer.
    """

    cond_dim: int = 576
    model_dim: int = 256
    vocab_size: int = 10_004
    num_encoder_layers: int = 4
    num_decoder_layers: int = 4
    num_heads: int = 2
    conv_inner_dim: int = 1024
    conv_kernel_size: int = 9
    predictor_dim: int = 512
    predictor_kernel_size: int = 5
    mel_dim: int = 80
    postnet_dim: int = 512
    postnet_layers: int = 5
    postnet_kernel_size: int = 5
    max_frames: int = 10_000

    def __post_init__(self) -> None:
        check_sizes(self)
        _divides(self, "num_heads", "model_dim")
        _odd("conv_kernel_size", self.conv_kernel_size)
        _odd("predictor_kernel_size", self.predictor_kernel_size)
        _odd("postnet_kernel_size", self.postnet_kernel_size)


@dataclass(frozen=True)
class WatermarkConfig:
    """Audio autoencoder of SEANet's form (arXiv 2210.13438). ``ratios`` are the decoder's."""

    dim: int = 128
    num_filters: int = 32
    ratios: tuple[int, ...] = (8, 5, 4, 2)
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    compress: int = 2
    lstm_layers: int = 2

    def __post_init__(self) -> None:
        check_sizes(self)
        _odd("kernel_size", self.kernel_size)
        _odd("last_kernel_size", self.last_kernel_size)
        _odd("residual_kernel_size", self.residual_kernel_size)
        if not self.ratios or min(self.ratios) < 1:
            raise ValueError("ratios must name a number for every stage")
        if self.num_filters < self.compress:
            raise ValueError("compress must not be above n_filters")

    @property
    def hop(self) -> int:
        """Samples of one step of the innermost layers."""
        return math.prod(self.ratios)


@dataclass(frozen=True)
class MelVocoderConfig:
    """HiFi-GAN (arXiv 2010.05646) over mel frames, with its watermark."""

    mel_dim: int = 80
    upsample_rates: tuple[int, ...] = (5, 4, 4, 3)
    upsample_kernel_sizes: tuple[int, ...] = (10, 8, 8, 6)
    upsample_initial_channel: int = 512
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    watermark: WatermarkConfig = field(default_factory=WatermarkConfig)

    def __post_init__(self) -> None:
        check_sizes(self)
        check_upsampling(self, lambda _, kernel: kernel % 2 == 0, "be even and not below it")

    @property
    def samples_per_frame(self) -> int:
        """Output samples for one mel frame (240 = 10 ms at 24 kHz in the published model)."""
        return math.prod(self.upsample_rates)


@dataclass(frozen=True)
class PretsselConfig:
    """The whole expressive voice; ``langs`` are the rows of its language table."""

    name: str = "pretssel_melhifigan_wm"
    sample_rate: int = 24_000
    langs: tuple[str, ...] = LANGS
    lang_embed_dim: int = 64
    prosody: ProsodyConfig = field(default_factory=ProsodyConfig)
    acoustic: AcousticConfig = field(default_factory=AcousticConfig)
    vocoder: MelVocoderConfig = field(default_factory=MelVocoderConfig)

    def __post_init__(self) -> None:
        check_sizes(self)
        if not self.langs:
            raise ValueError("langs names no language")
        if self.acoustic.cond_dim != self.prosody.embed_dim + self.lang_embed_dim:
            raise ValueError("film_cond_dim must be embed_dim + lang_embed_dim")
        if not self.prosody.mel_dim == self.acoustic.mel_dim == self.vocoder.mel_dim:
            raise ValueError("input_dim and mel_dim must be one number")
        if self.vocoder.samples_per_frame * 100 != self.sample_rate:
            raise ValueError(
                f"upsample_rates make {self.vocoder.samples_per_frame} samples of 10 ms, "
                f"which is not {self.sample_rate} Hz"
            )

    @property
    def samples_per_unit(self) -> int:
        """Output samples for one unit (480 = 20 ms at 24 kHz)."""
        return self.vocoder.samples_per_frame * FRAMES_PER_UNIT

    @property
    def num_units(self) -> int:
        """Units that can be spoken; four rows of the table in front are control symbols."""
        return self.acoustic.vocab_size - CONTROL

    @property
    def max_units(self) -> int:
        """Units that can be spoken in one piece."""
        return self.acoustic.max_frames // FRAMES_PER_UNIT


CONTROL = 4
"""Rows of the unit table in front of unit 0: <s>, <pad>, </s>, <unk>."""


def _odd(name: str, *sizes: int) -> None:
    for size in sizes:
        if size < 1 or size % 2 == 0:
            raise ValueError(f"{name} must be odd, not {size}")
