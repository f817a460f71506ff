"""``config.json``: the description of a model that is not the published one.

The file has the field names of the official configuration. Every field is checked: an unknown one,
a wrong type, an impossible size, or an option that the networks here do not implement is an error
that names the field.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from seamless_server.errors import CheckpointError, ConfigError
from seamless_server.nn.config import (
    ModelConfig,
    SpeechEncoderConfig,
    T2UConfig,
    TextDecoderConfig,
    VocoderConfig,
)
from seamless_server.validation import CheckedRecord, config_error

AnyRecord = TypeVar("AnyRecord", bound=CheckedRecord)

LARGEST = 10_000_000
"""No size of a network is above this; a larger number is a mistake, or meant to eat the memory."""


def _no_name_twice(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("names something twice")
    return names


Size = Annotated[int, Field(ge=1, le=LARGEST)]
SizeOrNone = Annotated[int, Field(ge=0, le=LARGEST)]
Kernel = Annotated[int, Field(ge=1, le=10_000)]
Layers = Annotated[int, Field(ge=1, le=1_000)]
Names = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    AfterValidator(_no_name_twice),
]
Sizes = tuple[SizeOrNone, ...]
Nothing = Annotated[tuple[Any, ...], Field(max_length=0)]
Unused = Any
"""Fields that concern the training of a model, or how it was made; they do not change it."""


class _ShawPositions(CheckedRecord):
    max_left_rel_pos: SizeOrNone
    max_right_rel_pos: SizeOrNone
    use_rel_pos_values: Literal[False] = False


class _W2VBert(CheckedRecord):
    model_dim: Size | None = None
    num_fbank_channels: Literal[80] = 80
    fbank_stride: Annotated[int, Field(ge=1, le=64)]
    feature_dim: Size | None = None
    num_encoder_layers: Layers
    num_encoder_attn_heads: Size
    ffn_inner_dim: Size
    depthwise_conv_kernel_size: Kernel
    shaw_rel_pos_sdpa_config: _ShawPositions
    attention_chunk_size: SizeOrNone = 0
    attention_left_chunks: Annotated[int, Field(ge=-1, le=LARGEST)] = -1

    use_fbank: Literal[True] = True
    layer_norm_features: Literal[False] = False
    feature_extractor_layer_descs: Nothing = ()
    feature_extractor_bias: Literal[False] = False
    feature_extractor_layer_norm_convs: Literal[False] = False
    sample_fbank_every_k: Literal[1] = 1
    pos_encoder_type: Literal["shaw_relative"] = "shaw_relative"
    pos_encoder_depth: Literal[0] = 0
    pos_conv_kernel_size: Literal[0] = 0
    num_pos_conv_groups: Literal[0] = 0
    use_conformer: Literal[True] = True
    norm_order: Literal["POST"] = "POST"

    max_seq_len: Unused = None
    first_pass_dropout_p: Unused = None
    feature_grad_scale: Unused = None
    dropout_p: Unused = None
    attn_dropout_p: Unused = None
    layer_drop_p: Unused = None


class _Vocabulary(CheckedRecord):
    size: Size
    unk_idx: Literal[1] = 1
    bos_idx: Literal[2] = 2
    eos_idx: Literal[3] = 3
    pad_idx: Literal[0] = 0


class UnitVocabulary(CheckedRecord):
    size: Size
    unk_idx: Literal[3] = 3
    bos_idx: Literal[0] = 0
    eos_idx: Literal[2] = 2
    pad_idx: Literal[1] = 1


class _DurationPredictor(CheckedRecord):
    var_pred_hidden_dim: Size
    var_pred_kernel_size: Kernel
    use_film: Literal[False] = False
    film_cond_dim: Literal[0] = 0
    var_pred_dropout: Unused = None


class _T2UFrontend(CheckedRecord):
    duration_predictor_config: _DurationPredictor
    subword_to_unit_upsampling_type: Literal["hard"] = "hard"
    pitch_predictor_config: None = None
    energy_predictor_config: None = None


class _T2UDecoder(CheckedRecord):
    char_vocabulary_size: Size
    conv1d_kernel_size: Kernel
    conv1d_inner_dim: Size
    use_film: Literal[False] = False
    film_cond_dim: Literal[0] = 0
    model_name_or_card: Unused = None
    char_max_seq_len: Unused = None
    conv1d_dropout_p: Unused = None


class _T2U(CheckedRecord):
    model_dim: Size | None = None
    unit_max_seq_len: Size = 4096
    target_vocab_info: UnitVocabulary
    num_encoder_layers: Layers
    num_decoder_layers: Layers
    num_encoder_attn_heads: Size
    num_decoder_attn_heads: Size
    ffn_inner_dim: Size
    nar_decoder_frontend_config: _T2UFrontend
    nar_decoder_config: _T2UDecoder

    use_gelu: Literal[False] = False
    char_pad_idx: Literal[1] = 1
    use_prosody_proj: Literal[False] = False
    prosody_encoder_dim: Literal[0] = 0

    dropout_p: Unused = None

    def config(self, model_dim: int) -> T2UConfig:
        duration = self.nar_decoder_frontend_config.duration_predictor_config
        decoder = self.nar_decoder_config
        with names_section("unity.t2u_config"):
            return T2UConfig(
                model_dim=self.model_dim or model_dim,
                unit_vocab_size=self.target_vocab_info.size,
                char_vocab_size=decoder.char_vocabulary_size,
                num_encoder_heads=self.num_encoder_attn_heads,
                num_decoder_heads=self.num_decoder_attn_heads,
                ffn_dim=self.ffn_inner_dim,
                conv_kernel_size=decoder.conv1d_kernel_size,
                conv_inner_dim=decoder.conv1d_inner_dim,
                duration_hidden_dim=duration.var_pred_hidden_dim,
                duration_kernel_size=duration.var_pred_kernel_size,
                max_seq_len=self.unit_max_seq_len,
                **namesakes(self, T2UConfig, "model_dim"),
            )


class _Unity(CheckedRecord):
    model_dim: Size
    w2v2_encoder_config: _W2VBert
    num_adaptor_layers: Layers
    adaptor_kernel_size: Kernel
    adaptor_stride: Annotated[int, Field(ge=1, le=1_000)]
    t2u_config: _T2U | None = None

    prosody_encoder_config: None = None
    use_text_encoder: Literal[False] = False
    use_text_decoder: Literal[False] = False
    use_conformer_adaptor: Literal[False] = False
    use_gelu: Literal[False] = False
    adaptor_layer_norm: Literal[True] = True

    mt_model_config: Unused = None
    adaptor_dropout_p: Unused = None

    def encoder(self) -> SpeechEncoderConfig:
        w2v = self.w2v2_encoder_config
        shaw = w2v.shaw_rel_pos_sdpa_config
        if w2v.model_dim not in (None, self.model_dim):
            raise ConfigError(
                "unity.w2v2_encoder_config.model_dim",
                f"must be unity.model_dim, {self.model_dim}, not {w2v.model_dim}",
            )
        stacked = w2v.num_fbank_channels * w2v.fbank_stride
        if w2v.feature_dim not in (None, stacked):
            raise ConfigError(
                "unity.w2v2_encoder_config.feature_dim",
                f"must be num_fbank_channels * fbank_stride = {stacked}",
            )
        with names_section("unity"):
            return SpeechEncoderConfig(
                num_layers=w2v.num_encoder_layers,
                num_heads=w2v.num_encoder_attn_heads,
                ffn_dim=w2v.ffn_inner_dim,
                depthwise_kernel_size=w2v.depthwise_conv_kernel_size,
                **namesakes(self, SpeechEncoderConfig),
                **namesakes(w2v, SpeechEncoderConfig, "model_dim"),
                **namesakes(shaw, SpeechEncoderConfig),
            )


class _MonotonicDecoder(CheckedRecord):
    model_dim: Size
    max_seq_len: Size = 4096
    vocab_info: _Vocabulary
    num_decoder_layers: Layers
    num_decoder_attn_heads: Size
    ffn_inner_dim: Size
    energy_bias_value: float = -0.5
    monotonic_temperature: float = 0.2
    num_monotonic_energy_layers: Layers = 4
    pre_decision_ratio: Annotated[int, Field(ge=1, le=1_000)] = 2

    dropout_p: Unused = None

    def config(self) -> TextDecoderConfig:
        with names_section("monotonic_decoder"):
            return TextDecoderConfig(
                vocab_size=self.vocab_info.size,
                num_layers=self.num_decoder_layers,
                num_heads=self.num_decoder_attn_heads,
                ffn_dim=self.ffn_inner_dim,
                **namesakes(self, TextDecoderConfig),
            )


class _UnitDuration(CheckedRecord):
    encoder_embed_dim: Size | None = None
    var_pred_hidden_dim: Size
    var_pred_kernel_size: Kernel
    var_pred_dropout: Unused = None


class _Voices(CheckedRecord):
    multilingual: dict[str, SizeOrNone]
    multispkr: dict[str, Sizes]


class _Vocoder(CheckedRecord):
    upsample_rates: Sizes
    upsample_kernel_sizes: Sizes
    upsample_initial_channel: Size
    resblock_kernel_sizes: Sizes
    resblock_dilation_sizes: tuple[Sizes, ...]
    num_embeddings: Size
    embedding_dim: Size
    num_langs: Size
    lang_embedding_dim: Size
    num_spkrs: Size
    spkr_embedding_dim: Size
    dur_predictor_params: _UnitDuration
    lang_spkr_idx_map: _Voices
    model_in_dim: SizeOrNone = 0
    sample_rate: Annotated[int, Field(ge=8_000, le=96_000)] | None = None
    """Hz of its sound; by default units last 20 ms, as in all published models."""

    def config(self) -> VocoderConfig:
        duration = self.dur_predictor_params
        if duration.encoder_embed_dim not in (None, self.embedding_dim):
            raise ConfigError(
                "vocoder.dur_predictor_params.encoder_embed_dim",
                f"must be vocoder.embedding_dim, {self.embedding_dim}",
            )
        self._check_voices()
        with names_section("vocoder"):
            config = VocoderConfig(
                num_units=self.num_embeddings,
                unit_embed_dim=self.embedding_dim,
                lang_embed_dim=self.lang_embedding_dim,
                num_speakers=self.num_spkrs,
                speaker_embed_dim=self.spkr_embedding_dim,
                duration_hidden_dim=duration.var_pred_hidden_dim,
                duration_kernel_size=duration.var_pred_kernel_size,
                sample_rate=self.sample_rate or 50 * math.prod(self.upsample_rates) or 16_000,
                **namesakes(self, VocoderConfig, "sample_rate"),
            )
        if self.model_in_dim not in (0, config.in_dim):
            raise ConfigError(
                "vocoder.model_in_dim", f"must be the sum of the embeddings, {config.in_dim}"
            )
        return config

    def _check_voices(self) -> None:
        table = "vocoder.lang_spkr_idx_map"
        for lang, row in self.lang_spkr_idx_map.multilingual.items():
            if row >= self.num_langs:
                raise ConfigError(f"{table}.multilingual.{lang}", f"{row} is beyond num_langs")
            speakers = self.lang_spkr_idx_map.multispkr.get(lang)
            if not speakers:
                raise ConfigError(f"{table}.multispkr.{lang}", "names no speaker")
            if max(speakers) >= self.num_spkrs:
                raise ConfigError(
                    f"{table}.multispkr.{lang}", f"row {max(speakers)} is beyond num_spkrs"
                )


class _ConfigFile(CheckedRecord):
    name: str = "unnamed"
    unity: _Unity
    monotonic_decoder: _MonotonicDecoder
    text_langs: Names
    text_default_lang: str | None = None
    unit_langs: Names = ()
    source_langs: Names = ()
    num_units: Size = 10_000
    sample_rate: Literal[16_000] = 16_000
    vocoder: _Vocoder | None = None

    build_config: Unused = None
    versions: Unused = None
    conversion_proof: Unused = None
    model_arch: Unused = None
    description: Unused = None
    licence: Unused = None
    lang_spkr_idx_map: Unused = None
    text_vocab_info: Unused = None
    char_vocab_info: Unused = None

    def config(self) -> ModelConfig:
        if not self.text_langs:
            raise ConfigError("text_langs", "names no language")
        default_lang = self.text_default_lang or self.text_langs[0]
        if default_lang not in self.text_langs:
            raise ConfigError("text_default_lang", f"{default_lang!r} is not in text_langs")
        t2u, vocoder = self.unity.t2u_config, self.vocoder
        with names_section("config.json"):
            config = ModelConfig(
                encoder=self.unity.encoder(),
                decoder=self.monotonic_decoder.config(),
                t2u=None if t2u is None else t2u.config(self.unity.model_dim),
                vocoder=None if vocoder is None else vocoder.config(),
                default_lang=default_lang,
                vocoder_langs={} if vocoder is None else vocoder.lang_spkr_idx_map.multilingual,
                vocoder_speakers={} if vocoder is None else vocoder.lang_spkr_idx_map.multispkr,
                **namesakes(self, ModelConfig, "vocoder"),
            )
        if config.vocoder is not None and config.vocoder.num_units < config.num_units:
            raise ConfigError("vocoder.num_embeddings", "is smaller than num_units")
        if config.t2u is not None and config.t2u.unit_vocab_size < config.num_units + 4:
            raise ConfigError(
                "unity.t2u_config.target_vocab_info.size", "is smaller than num_units + 4"
            )
        return config


def namesakes(record: CheckedRecord, kind: type[Any], *others: str) -> dict[str, Any]:
    """What a record says of the fields of a network's sizes that have the same names there.

    Args:
        others: fields that mean something else, or are made of more.
    """
    names = {each.name for each in fields(kind)} & set(type(record).model_fields) - set(others)
    return {name: getattr(record, name) for name in names}


@contextmanager
def names_section(section: str) -> Iterator[None]:
    """What a network's own check says is an error in the part of the file that describes it."""
    try:
        yield
    except ValueError as error:
        raise ConfigError(section, str(error)) from None


def read_config(path: Path) -> ModelConfig:
    """Read ``config.json``.

    Raises:
        CheckpointError: the file cannot be read or is no JSON.
        ConfigError: a field is missing, unknown, of a wrong type, or impossible.
    """
    return read_record(path, _ConfigFile).config()


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """A JSON file as a record.

    Raises:
        CheckpointError: the file cannot be read or is no JSON.
        ConfigError: a field is missing, unknown or of a wrong type.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise CheckpointError(path, error.strerror or "cannot be read") from None
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise CheckpointError(path, f"is not valid JSON ({first['ctx']['error']})") from None
        raise config_error(error, kind, path.name) from None
