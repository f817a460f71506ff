"""Sizes of the networks. The defaults are those of the published 2.5B model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any


def check_sizes(config: Any, *others: str) -> None:
    """Raises ValueError for a whole number below 1, but for fields that mean something else."""
    for each in fields(config):
        value = getattr(config, each.name)
        if isinstance(value, int) and value < 1 and each.name not in others:
            raise ValueError(f"{each.name} must be at least 1, not {value}")


def _divides(owner: object, heads: str, dim: str) -> None:
    if getattr(owner, dim) % getattr(owner, heads):
        raise ValueError(
            f"{heads} ({getattr(owner, heads)}) must divide {dim} ({getattr(owner, dim)})"
        )


def check_upsampling(config: Any, fits: Callable[[int, int], bool], must: str) -> None:
    """Raises ValueError for stages of a HiFi-GAN that do not go together.

    Args:
        fits: whether a stage with this rate may have a kernel of this size.
        must: the same in words.
    """
    rates, kernels = config.upsample_rates, config.upsample_kernel_sizes
    if not rates or len(rates) != len(kernels):
        raise ValueError("upsample_rates and upsample_kernel_sizes must have one length, not 0")
    if len(config.resblock_kernel_sizes) != len(config.resblock_dilation_sizes):
        raise ValueError("resblock_kernel_sizes and resblock_dilation_sizes must have one length")
    for rate, kernel in zip(rates, kernels, strict=True):
        if rate < 1 or kernel < rate or not fits(rate, kernel):
            raise ValueError(
                f"upsample_kernel_sizes: {kernel} does not fit rate {rate} (it must {must})"
            )
    if config.upsample_initial_channel % (1 << len(rates)):
        raise ValueError(
            "upsample_initial_channel must be divisible by 2 for every upsampling stage"
        )


@dataclass(frozen=True)
class SpeechEncoderConfig:
    """w2v-BERT 2.0 conformer and its strided adaptor.

    ``attention_chunk_size`` (encoder frames, 0 = off as published) limits attention to the frame's
    own chunk and ``attention_left_chunks`` before it (-1 = all), so that the states of finished
    chunks no longer change when more audio arrives.
    """

    model_dim: int = 1024
    num_fbank_channels: int = 80
    fbank_stride: int = 2
    num_layers: int = 24
    num_heads: int = 16
    ffn_dim: int = 4096
    depthwise_kernel_size: int = 31
    max_left_rel_pos: int = 64
    max_right_rel_pos: int = 8
    num_adaptor_layers: int = 1
    adaptor_kernel_size: int = 8
    adaptor_stride: int = 8
    attention_chunk_size: int = 0
    attention_left_chunks: int = -1

    def __post_init__(self) -> None:
        check_sizes(
            self,
            "max_left_rel_pos",
            "max_right_rel_pos",
            "attention_chunk_size",
            "attention_left_chunks",
        )
        _divides(self, "num_heads", "model_dim")
        if self.max_left_rel_pos < 0 or self.max_right_rel_pos < 0:
            raise ValueError("max_left_rel_pos and max_right_rel_pos must not be negative")
        if self.attention_chunk_size < 0:
            raise ValueError("attention_chunk_size must not be negative")

    @property
    def feature_dim(self) -> int:
        """Channels of one stacked frame."""
        return self.num_fbank_channels * self.fbank_stride


@dataclass(frozen=True)
class TextDecoderConfig:
    """EMMA monotonic text decoder."""

    model_dim: int = 1024
    vocab_size: int = 256_102
    num_layers: int = 24
    num_heads: int = 16
    ffn_dim: int = 8192
    max_seq_len: int = 4096
    energy_bias_value: float = -0.5
    monotonic_temperature: float = 0.2
    num_monotonic_energy_layers: int = 4
    pre_decision_ratio: int = 2

    def __post_init__(self) -> None:
        check_sizes(self)
        _divides(self, "num_heads", "model_dim")
        if self.monotonic_temperature <= 0:
            raise ValueError("monotonic_temperature must be positive")


@dataclass(frozen=True)
class T2UConfig:
    """UnitY2 non-autoregressive text-to-unit network."""

    model_dim: int = 1024
    unit_vocab_size: int = 10_082
    char_vocab_size: int = 10_943
    num_encoder_layers: int = 6
    num_decoder_layers: int = 6
    num_encoder_heads: int = 16
    num_decoder_heads: int = 16
    ffn_dim: int = 8192
    conv_kernel_size: int = 7
    conv_inner_dim: int = 1024
    duration_hidden_dim: int = 256
    duration_kernel_size: int = 3
    max_seq_len: int = 4096

    def __post_init__(self) -> None:
        check_sizes(self)
        _divides(self, "num_encoder_heads", "model_dim")
        _divides(self, "num_decoder_heads", "model_dim")


@dataclass(frozen=True)
class VocoderConfig:
    """Unit HiFi-GAN (arXiv 2010.05646) with language and speaker embeddings."""

    upsample_rates: tuple[int, ...] = (5, 4, 4, 2, 2)
    upsample_kernel_sizes: tuple[int, ...] = (11, 8, 8, 4, 4)
    upsample_initial_channel: int = 512
    resblock_kernel_sizes: tuple[int, ...] = (3, 7, 11)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = ((1, 3, 5),) * 3
    num_units: int = 10_000
    unit_embed_dim: int = 1280
    num_langs: int = 36
    lang_embed_dim: int = 256
    num_speakers: int = 200
    speaker_embed_dim: int = 256
    duration_hidden_dim: int = 1280
    duration_kernel_size: int = 3
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        check_sizes(self)
        check_upsampling(
            self, lambda rate, kernel: (kernel - rate) % 2 == 0, "exceed it by an even number"
        )

    @property
    def in_dim(self) -> int:
        """Channels of one input frame: language, unit and speaker."""
        return self.lang_embed_dim + self.unit_embed_dim + self.speaker_embed_dim

    @property
    def samples_per_unit(self) -> int:
        """Output samples for one unit (320 = 20 ms at 16 kHz in the published model)."""
        product = 1
        for rate in self.upsample_rates:
            product *= rate
        return product


@dataclass(frozen=True)
class ModelConfig:
    """A whole system: the four networks and the tables that name its languages.

    ``vocoder_langs`` maps a language to its embedding row, ``vocoder_speakers`` to its speakers'
    rows (the first is the default voice). Systems without speech output have ``t2u`` and
    ``vocoder`` None.
    """

    name: str = "full"
    encoder: SpeechEncoderConfig = field(default_factory=SpeechEncoderConfig)
    decoder: TextDecoderConfig = field(default_factory=TextDecoderConfig)
    t2u: T2UConfig | None = field(default_factory=T2UConfig)
    vocoder: VocoderConfig | None = field(default_factory=VocoderConfig)
    text_langs: tuple[str, ...] = ()
    default_lang: str = "eng"
    unit_langs: tuple[str, ...] = ()
    num_units: int = 10_000
    vocoder_langs: dict[str, int] = field(default_factory=dict)
    vocoder_speakers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    source_langs: tuple[str, ...] = ()
    sample_rate: int = 16_000

    def __post_init__(self) -> None:
        if self.encoder.model_dim != self.decoder.model_dim:
            raise ValueError("monotonic_decoder.model_dim must equal unity.model_dim")
        if self.t2u is not None and self.t2u.model_dim != self.decoder.model_dim:
            raise ValueError("t2u_config.model_dim must equal monotonic_decoder.model_dim")
        if (self.t2u is None) != (self.vocoder is None):
            raise ValueError("t2u_config and vocoder must be given together or not at all")

    @property
    def speech_langs(self) -> tuple[str, ...]:
        """Languages with speech output: those that units and vocoder both have."""
        if self.vocoder is None:
            return ()
        text = set(self.text_langs)
        return tuple(x for x in self.unit_langs if x in self.vocoder_langs and x in text)
