"""The description of an expressive voice: the published one, or ``pretssel.json``.

The file has the field names of the official configuration and is checked as ``config.json`` is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from seamless_server.checkpoints.config_file import (
    Kernel,
    Layers,
    Names,
    Size,
    Sizes,
    UnitVocabulary,
    Unused,
    names_section,
    namesakes,
    read_record,
)
from seamless_server.errors import ConfigError
from seamless_server.nn.pretssel import (
    AcousticConfig,
    MelVocoderConfig,
    PretsselConfig,
    ProsodyConfig,
    WatermarkConfig,
)
from seamless_server.validation import CheckedRecord

FILE = "pretssel.json"

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and deviation of each mel channel, over the speech that the network learned from."""

Channels = Annotated[tuple[float, ...], Field(min_length=80, max_length=80)]
_part = partial(names_section, FILE)


class _Prosody(CheckedRecord):
    channels: Sizes
    kernel_sizes: Sizes
    dilations: Sizes
    attention_channels: Size
    res2net_scale: Size
    se_channels: Size
    embed_dim: Size
    input_dim: Literal[80] = 80
    global_context: Literal[True] = True
    groups: tuple[Literal[1], ...] = ()

    def config(self) -> ProsodyConfig:
        with _part():
            return ProsodyConfig(mel_dim=self.input_dim, **namesakes(self, ProsodyConfig))


class _EncoderFrontend(CheckedRecord):
    prosody_encoder_config: _Prosody
    lang_embed_dim: Size
    dropout: Unused = None


class _Layer(CheckedRecord):
    attention_heads: Size
    hidden_dim: Size
    kernel_size: Kernel
    film_cond_dim: Size
    use_film: Literal[True] = True
    dropout: Unused = None
    conv1d_dropout: Unused = None


class _VariancePredictor(CheckedRecord):
    var_pred_hidden_dim: Size
    var_pred_kernel_size: Kernel
    film_cond_dim: Size
    use_film: Literal[True] = True
    var_pred_dropout: Unused = None


class _DecoderFrontend(CheckedRecord):
    variance_predictor_config: _VariancePredictor
    upsampling_type: Literal["gaussian"] = "gaussian"
    add_variance_parallel: Literal[True] = True


class _Normalisation(CheckedRecord):
    mean: Channels
    std: Channels


class _PretsselFile(CheckedRecord):
    name: str = "expressive voice"
    sample_rate: Size = 24_000
    langs: Names
    encoder_frontend_config: _EncoderFrontend
    fft_layer_config: _Layer
    decoder_frontend_config: _DecoderFrontend
    vocab_info: UnitVocabulary
    model_dim: Size
    max_seq_len: Size = 10_000
    encoder_layers: Layers
    decoder_layers: Layers
    mel_dim: Literal[80] = 80
    pn_conv_dim: Size
    pn_layers: Layers
    pn_conv_kernel_size: Kernel
    gcmvn_stats: _Normalisation

    upsample_rates: Sizes
    upsample_kernel_sizes: Sizes
    upsample_initial_channel: Size
    resblock_kernel_sizes: Sizes
    resblock_dilation_sizes: tuple[Sizes, ...]

    dimension: Size
    n_filters: Size
    ratios: Sizes
    kernel_size: Kernel
    last_kernel_size: Kernel
    residual_kernel_size: Kernel
    compress: Size
    lstm: Layers
    channels: Literal[1] = 1
    norm: Literal["weight_norm"] = "weight_norm"
    norm_params: Annotated[dict[str, Any], Field(max_length=0, default_factory=dict)]
    causal: Literal[False] = False
    pad_mode: Literal["constant"] = "constant"
    true_skip: Literal[True] = True
    disable_norm_outer_blocks: Literal[0] = 0
    trim_right_ratio: Annotated[float, Field(ge=1, le=1)] = 1.0

    pn_dropout: Unused = None

    def config(self) -> PretsselConfig:
        front = self.encoder_frontend_config
        with _part():
            return PretsselConfig(
                lang_embed_dim=front.lang_embed_dim,
                prosody=front.prosody_encoder_config.config(),
                acoustic=self._acoustic(),
                vocoder=self._vocoder(),
                **namesakes(self, PretsselConfig),
            )

    def _acoustic(self) -> AcousticConfig:
        layer = self.fft_layer_config
        predictor = self.decoder_frontend_config.variance_predictor_config
        if predictor.film_cond_dim != layer.film_cond_dim:
            raise ValueError("film_cond_dim must be one number")
        return AcousticConfig(
            cond_dim=layer.film_cond_dim,
            vocab_size=self.vocab_info.size,
            num_encoder_layers=self.encoder_layers,
            num_decoder_layers=self.decoder_layers,
            num_heads=layer.attention_heads,
            conv_inner_dim=layer.hidden_dim,
            conv_kernel_size=layer.kernel_size,
            predictor_dim=predictor.var_pred_hidden_dim,
            predictor_kernel_size=predictor.var_pred_kernel_size,
            postnet_dim=self.pn_conv_dim,
            postnet_layers=self.pn_layers,
            postnet_kernel_size=self.pn_conv_kernel_size,
            max_frames=self.max_seq_len,
            **namesakes(self, AcousticConfig),
        )

    def _vocoder(self) -> MelVocoderConfig:
        watermark = WatermarkConfig(
            dim=self.dimension,
            num_filters=self.n_filters,
            lstm_layers=self.lstm,
            **namesakes(self, WatermarkConfig),
        )
        return MelVocoderConfig(watermark=watermark, **namesakes(self, MelVocoderConfig))


def published_voice(sample_rate: int) -> tuple[PretsselConfig, Normalisation]:
    """The published voice of 24,000 or 16,000 Hz."""
    data = json.loads(
        (resources.files("seamless_server") / "data" / "pretssel.json").read_text("utf-8")
    )
    config = PretsselConfig(langs=tuple(data["langs"]))
    if sample_rate == 16_000:
        vocoder = MelVocoderConfig(upsample_rates=(5, 4, 4, 2), upsample_kernel_sizes=(10, 8, 8, 4))
        name = f"{config.name}-16khz"
        config = replace(config, name=name, sample_rate=sample_rate, vocoder=vocoder)
    stats = data["gcmvn_stats"]
    return config, (tuple(stats["mean"]), tuple(stats["std"]))


def read_voice(path: Path) -> tuple[PretsselConfig, Normalisation]:
    """Read ``pretssel.json``.

    Raises:
        CheckpointError: the file cannot be read or is no JSON.
        ConfigError: a field is missing, unknown, of a wrong type, or impossible.
    """
    file = read_record(path, _PretsselFile)
    if min(file.gcmvn_stats.std) <= 0:
        raise ConfigError("gcmvn_stats.std", "must be above 0")
    return file.config(), (file.gcmvn_stats.mean, file.gcmvn_stats.std)
