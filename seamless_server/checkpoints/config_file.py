"""``config.json``: the description of a model that is not the published one.

The file has the field names of the official configuration. Every field is checked: an unknown one,
a wrong type, an impossible size, or an option that the networks here do not implement is an error
that names the field.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seamless_server.errors import CheckpointError, ConfigError
from seamless_server.nn.config import (
    ModelConfig,
    SpeechEncoderConfig,
    T2UConfig,
    TextDecoderConfig,
    VocoderConfig,
)

LARGEST = 10_000_000
"""No size of a network is above this; a larger number is a mistake, or meant to eat the memory."""

NOTES = ("build_config", "versions", "conversion_proof", "model_arch", "description", "licence")
"""Fields that say how a model was made; they do not change it."""


class _Section:
    """One JSON object, read field by field; what remains unread is an error."""

    def __init__(self, data: object, name: str) -> None:
        if not isinstance(data, dict):
            raise ConfigError(name or "config.json", "must be an object")
        self.data: dict[str, Any] = dict(data)
        self.name = name

    def path(self, field: str) -> str:
        return f"{self.name}.{field}" if self.name else field

    def take(self, field: str, *default: Any) -> Any:
        if field in self.data:
            return self.data.pop(field)
        if default:
            return default[0]
        raise ConfigError(self.path(field), "is missing")

    def integer(self, field: str, *default: int, low: int = 1, high: int = LARGEST) -> int:
        value = self.take(field, *default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(self.path(field), f"must be a whole number, not {value!r}")
        if not low <= value <= high:
            raise ConfigError(self.path(field), f"must be from {low} to {high}, not {value}")
        return value

    def number(self, field: str, *default: float) -> float:
        value = self.take(field, *default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(self.path(field), f"must be a number, not {value!r}")
        return float(value)

    def text(self, field: str, *default: str) -> str:
        value = self.take(field, *default)
        if not isinstance(value, str):
            raise ConfigError(self.path(field), f"must be a string, not {value!r}")
        return value

    def names(self, field: str, *default: list[str]) -> tuple[str, ...]:
        value = self.take(field, *default)
        if not isinstance(value, list) or not all(isinstance(x, str) and x for x in value):
            raise ConfigError(self.path(field), "must be a list of names")
        if len(set(value)) != len(value):
            raise ConfigError(self.path(field), "names something twice")
        return tuple(value)

    def integers(self, field: str) -> tuple[int, ...]:
        return self._whole_numbers(self.take(field), self.path(field))

    @staticmethod
    def _whole_numbers(value: object, path: str) -> tuple[int, ...]:
        if not isinstance(value, list) or not all(
            isinstance(x, int) and not isinstance(x, bool) and 0 <= x <= LARGEST for x in value
        ):
            raise ConfigError(path, "must be a list of whole numbers")
        return tuple(value)

    def integer_lists(self, field: str) -> tuple[tuple[int, ...], ...]:
        value = self.take(field)
        if not isinstance(value, list):
            raise ConfigError(self.path(field), "must be a list of lists")
        return tuple(
            self._whole_numbers(row, f"{self.path(field)}[{i}]") for i, row in enumerate(value)
        )

    def section(self, field: str) -> _Section:
        return _Section(self.take(field), self.path(field))

    def fixed(self, values: Mapping[str, object]) -> None:
        """Options of the official code that have one value in this architecture."""
        for field, wanted in values.items():
            value = self.take(field, wanted)
            if value != wanted:
                raise ConfigError(self.path(field), f"only {wanted!r} is supported, not {value!r}")

    def ignore(self, *fields: str) -> None:
        for field in fields:
            self.data.pop(field, None)

    def done(self) -> None:
        for field in self.data:
            raise ConfigError(self.path(field), "is not a known field")

    def build(self, make: Callable[..., Any], **values: Any) -> Any:
        self.done()
        try:
            return make(**values)
        except ValueError as error:
            raise ConfigError(self.name, str(error)) from None


def read_config(path: Path) -> ModelConfig:
    """Read ``config.json``.

    Raises:
        CheckpointError: the file cannot be read or is no JSON.
        ConfigError: a field is missing, unknown, of a wrong type, or impossible.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CheckpointError(path, error.strerror or "cannot be read") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(path, f"is not valid JSON ({error})") from None
    return parse_config(data)


def parse_config(data: object) -> ModelConfig:
    """As :func:`read_config`, for JSON that was already parsed."""
    root = _Section(data, "")
    root.ignore(*NOTES)
    name = root.text("name", "unnamed")
    unity = root.section("unity")
    t2u_data = unity.take("t2u_config", None)
    encoder = _encoder(unity)
    decoder = _decoder(root.section("monotonic_decoder"))
    text_langs = root.names("text_langs")
    unit_langs = root.names("unit_langs", [])
    t2u = None if t2u_data is None else _t2u(_Section(t2u_data, "unity.t2u_config"), encoder)
    vocoder: VocoderConfig | None = None
    langs: dict[str, int] = {}
    speakers: dict[str, tuple[int, ...]] = {}
    vocoder_data = root.take("vocoder", None)
    if vocoder_data is not None:
        vocoder, langs, speakers = _vocoder(_Section(vocoder_data, "vocoder"))
    root.ignore("lang_spkr_idx_map", "text_vocab_info", "char_vocab_info")
    config: ModelConfig = root.build(
        ModelConfig,
        name=name,
        encoder=encoder,
        decoder=decoder,
        t2u=t2u,
        vocoder=vocoder,
        text_langs=text_langs,
        default_lang=root.text("text_default_lang", text_langs[0] if text_langs else "eng"),
        unit_langs=unit_langs,
        num_units=root.integer("num_units", 10_000),
        vocoder_langs=langs,
        vocoder_speakers=speakers,
        source_langs=root.names("source_langs", []),
        sample_rate=root.integer("sample_rate", 16_000, low=16_000, high=16_000),
    )
    if not text_langs:
        raise ConfigError("text_langs", "names no language")
    if config.default_lang not in text_langs:
        raise ConfigError("text_default_lang", f"{config.default_lang!r} is not in text_langs")
    if config.vocoder is not None and config.vocoder.num_units < config.num_units:
        raise ConfigError("vocoder.num_embeddings", "is smaller than num_units")
    if config.t2u is not None and config.t2u.unit_vocab_size < config.num_units + 4:
        raise ConfigError(
            "unity.t2u_config.target_vocab_info.size", "is smaller than num_units + 4"
        )
    return config


def _encoder(unity: _Section) -> SpeechEncoderConfig:
    model_dim = unity.integer("model_dim")
    w2v = unity.section("w2v2_encoder_config")
    w2v.fixed(
        {
            "use_fbank": True,
            "layer_norm_features": False,
            "feature_extractor_layer_descs": [],
            "feature_extractor_bias": False,
            "feature_extractor_layer_norm_convs": False,
            "sample_fbank_every_k": 1,
            "pos_encoder_type": "shaw_relative",
            "pos_encoder_depth": 0,
            "pos_conv_kernel_size": 0,
            "num_pos_conv_groups": 0,
            "use_conformer": True,
            "norm_order": "POST",
            "model_dim": model_dim,
        }
    )
    w2v.ignore(
        "max_seq_len",
        "first_pass_dropout_p",
        "feature_grad_scale",
        "dropout_p",
        "attn_dropout_p",
        "layer_drop_p",
    )
    shaw = w2v.section("shaw_rel_pos_sdpa_config")
    shaw.fixed({"use_rel_pos_values": False})
    values = {
        "model_dim": model_dim,
        "num_fbank_channels": w2v.integer("num_fbank_channels", 80, low=80, high=80),
        "fbank_stride": w2v.integer("fbank_stride", high=64),
        "num_layers": w2v.integer("num_encoder_layers", high=1000),
        "num_heads": w2v.integer("num_encoder_attn_heads"),
        "ffn_dim": w2v.integer("ffn_inner_dim"),
        "depthwise_kernel_size": w2v.integer("depthwise_conv_kernel_size", high=10_000),
        "max_left_rel_pos": shaw.integer("max_left_rel_pos", low=0),
        "max_right_rel_pos": shaw.integer("max_right_rel_pos", low=0),
        "num_adaptor_layers": unity.integer("num_adaptor_layers", high=1000),
        "adaptor_kernel_size": unity.integer("adaptor_kernel_size", high=10_000),
        "adaptor_stride": unity.integer("adaptor_stride", high=1000),
        "attention_chunk_size": w2v.integer("attention_chunk_size", 0, low=0),
        "attention_left_chunks": w2v.integer("attention_left_chunks", -1, low=-1),
    }
    shaw.done()
    stacked = values["num_fbank_channels"] * values["fbank_stride"]
    if w2v.integer("feature_dim", stacked) != stacked:
        raise ConfigError(
            w2v.path("feature_dim"), f"must be num_fbank_channels * fbank_stride = {stacked}"
        )
    w2v.done()
    unity.fixed(
        {
            "prosody_encoder_config": None,
            "use_text_encoder": False,
            "use_text_decoder": False,
            "use_conformer_adaptor": False,
            "use_gelu": False,
            "adaptor_layer_norm": True,
        }
    )
    unity.ignore("mt_model_config", "adaptor_dropout_p")
    config: SpeechEncoderConfig = unity.build(SpeechEncoderConfig, **values)
    return config


def _decoder(section: _Section) -> TextDecoderConfig:
    vocabulary = section.section("vocab_info")
    vocabulary.fixed({"unk_idx": 1, "bos_idx": 2, "eos_idx": 3, "pad_idx": 0})
    size = vocabulary.integer("size")
    vocabulary.done()
    section.ignore("dropout_p")
    config: TextDecoderConfig = section.build(
        TextDecoderConfig,
        vocab_size=size,
        model_dim=section.integer("model_dim"),
        max_seq_len=section.integer("max_seq_len", 4096),
        num_layers=section.integer("num_decoder_layers", high=1000),
        num_heads=section.integer("num_decoder_attn_heads"),
        ffn_dim=section.integer("ffn_inner_dim"),
        energy_bias_value=section.number("energy_bias_value", -0.5),
        monotonic_temperature=section.number("monotonic_temperature", 0.2),
        num_monotonic_energy_layers=section.integer("num_monotonic_energy_layers", 4, high=1000),
        pre_decision_ratio=section.integer("pre_decision_ratio", 2, high=1000),
    )
    return config


def _t2u(section: _Section, encoder: SpeechEncoderConfig) -> T2UConfig:
    vocabulary = section.section("target_vocab_info")
    vocabulary.fixed({"unk_idx": 3, "bos_idx": 0, "eos_idx": 2, "pad_idx": 1})
    size = vocabulary.integer("size")
    vocabulary.done()
    front = section.section("nar_decoder_frontend_config")
    front.fixed(
        {
            "subword_to_unit_upsampling_type": "hard",
            "pitch_predictor_config": None,
            "energy_predictor_config": None,
        }
    )
    duration = front.section("duration_predictor_config")
    duration.fixed({"use_film": False, "film_cond_dim": 0})
    duration.ignore("var_pred_dropout")
    decoder = section.section("nar_decoder_config")
    decoder.fixed({"use_film": False, "film_cond_dim": 0})
    decoder.ignore("model_name_or_card", "char_max_seq_len", "conv1d_dropout_p")
    section.fixed(
        {"use_gelu": False, "char_pad_idx": 1, "use_prosody_proj": False, "prosody_encoder_dim": 0}
    )
    section.ignore("dropout_p")
    values = {
        "unit_vocab_size": size,
        "model_dim": section.integer("model_dim", encoder.model_dim),
        "char_vocab_size": decoder.integer("char_vocabulary_size"),
        "num_encoder_layers": section.integer("num_encoder_layers", high=1000),
        "num_decoder_layers": section.integer("num_decoder_layers", high=1000),
        "num_encoder_heads": section.integer("num_encoder_attn_heads"),
        "num_decoder_heads": section.integer("num_decoder_attn_heads"),
        "ffn_dim": section.integer("ffn_inner_dim"),
        "conv_kernel_size": decoder.integer("conv1d_kernel_size", high=10_000),
        "conv_inner_dim": decoder.integer("conv1d_inner_dim"),
        "duration_hidden_dim": duration.integer("var_pred_hidden_dim"),
        "duration_kernel_size": duration.integer("var_pred_kernel_size", high=10_000),
        "max_seq_len": section.integer("unit_max_seq_len", 4096),
    }
    duration.done()
    front.done()
    decoder.done()
    config: T2UConfig = section.build(T2UConfig, **values)
    return config


def _vocoder(section: _Section) -> tuple[VocoderConfig, dict[str, int], dict[str, tuple[int, ...]]]:
    duration = section.section("dur_predictor_params")
    duration.ignore("var_pred_dropout")
    table = section.section("lang_spkr_idx_map")
    langs = _Section(table.take("multilingual"), table.path("multilingual"))
    speakers = _Section(table.take("multispkr"), table.path("multispkr"))
    table.done()
    num_langs = section.integer("num_langs")
    num_speakers = section.integer("num_spkrs")
    lang_rows = {x: langs.integer(x, low=0, high=num_langs - 1) for x in list(langs.data)}
    speaker_rows = {x: speakers.integers(x) for x in list(speakers.data)}
    for lang in lang_rows:
        rows = speaker_rows.get(lang)
        if not rows:
            raise ConfigError(speakers.path(lang), "names no speaker")
        if max(rows) >= num_speakers:
            raise ConfigError(speakers.path(lang), f"row {max(rows)} is beyond num_spkrs")
    unit_dim = section.integer("embedding_dim")
    values = {
        "upsample_rates": section.integers("upsample_rates"),
        "upsample_kernel_sizes": section.integers("upsample_kernel_sizes"),
        "upsample_initial_channel": section.integer("upsample_initial_channel"),
        "resblock_kernel_sizes": section.integers("resblock_kernel_sizes"),
        "resblock_dilation_sizes": section.integer_lists("resblock_dilation_sizes"),
        "num_units": section.integer("num_embeddings"),
        "unit_embed_dim": unit_dim,
        "num_langs": num_langs,
        "lang_embed_dim": section.integer("lang_embedding_dim"),
        "num_speakers": num_speakers,
        "speaker_embed_dim": section.integer("spkr_embedding_dim"),
        "duration_hidden_dim": duration.integer("var_pred_hidden_dim"),
        "duration_kernel_size": duration.integer("var_pred_kernel_size", high=10_000),
    }
    duration.fixed({"encoder_embed_dim": unit_dim})
    duration.done()
    in_dim = section.integer("model_in_dim", 0, low=0)
    config: VocoderConfig = section.build(VocoderConfig, **values)
    if in_dim not in (0, config.in_dim):
        raise ConfigError(
            section.path("model_in_dim"), f"must be the sum of the embeddings, {config.in_dim}"
        )
    return config, lang_rows, speaker_rows
