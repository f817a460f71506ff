"""``config.json``: every mistake names its field."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from seamless_server.checkpoints.config_file import read_config
from seamless_server.errors import CheckpointError, ConfigError
from seamless_server.nn.config import ModelConfig
from tests.recorded import CHECKPOINT

GOOD = json.loads((CHECKPOINT / "config.json").read_text("utf-8"))
REMOVE = object()


def read(data: object) -> ModelConfig:
    """What a ``config.json`` with this content describes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(data), "utf-8")
        return read_config(path)


def changed(field: str, value: Any) -> Any:
    """The recorded configuration with one field changed or removed."""
    data = copy.deepcopy(GOOD)
    *path, last = field.split(".")
    section = data
    for name in path:
        section = section[name]
    if value is REMOVE:
        del section[last]
    else:
        section[last] = value
    return data


def test_the_recorded_configuration_is_read() -> None:
    config = read(GOOD)
    assert config.encoder.num_layers == 3
    assert config.decoder.vocab_size == 662
    assert config.t2u is not None
    assert config.t2u.unit_vocab_size == 143
    assert config.vocoder is not None
    assert config.vocoder.samples_per_unit == 320
    assert config.num_units == 100


@pytest.mark.parametrize(
    "field",
    [
        "colour",
        "unity.colour",
        "unity.w2v2_encoder_config.colour",
        "unity.w2v2_encoder_config.shaw_rel_pos_sdpa_config.colour",
        "unity.t2u_config.colour",
        "unity.t2u_config.nar_decoder_frontend_config.duration_predictor_config.colour",
        "monotonic_decoder.colour",
        "vocoder.colour",
        "vocoder.lang_spkr_idx_map.colour",
    ],
)
def test_an_unknown_field_is_named(field: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a known field$") as error:
        read(changed(field, 1))
    assert error.value.field == field


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("txt_langs", "text_langs"),
        ("unity.w2v2_encoder_config.num_encoder_layer", "num_encoder_layers"),
        ("vocoder.upsampling_rates", "upsample_rates"),
    ],
)
def test_a_misspelt_field_is_answered_with_the_one_that_was_meant(field: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=rf"did you mean {meant}\?$") as error:
        read(changed(field, 1))
    assert error.value.field == field


@pytest.mark.parametrize(
    "field",
    [
        "unity",
        "monotonic_decoder",
        "text_langs",
        "unity.model_dim",
        "unity.w2v2_encoder_config.ffn_inner_dim",
        "monotonic_decoder.num_decoder_layers",
        "monotonic_decoder.vocab_info.size",
        "unity.t2u_config.nar_decoder_config.conv1d_kernel_size",
        "vocoder.upsample_rates",
        "vocoder.num_langs",
    ],
)
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(ConfigError, match="is missing") as error:
        read(changed(field, REMOVE))
    assert error.value.field == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unity", []),
        ("unity.model_dim", "64"),
        ("unity.model_dim", 64.0),
        ("unity.model_dim", True),
        ("unity.model_dim", None),
        ("monotonic_decoder.monotonic_temperature", "warm"),
        ("text_langs", "eng"),
        ("text_langs", ["eng", "eng"]),
        ("unit_langs", [1]),
        ("name", 7),
        ("vocoder.upsample_rates", [5, "4"]),
        ("vocoder.resblock_dilation_sizes", [1, 3, 5]),
        ("vocoder.lang_spkr_idx_map.multilingual.eng", "8"),
    ],
)
def test_a_wrong_type_is_named(field: str, value: Any) -> None:
    with pytest.raises(ConfigError) as error:
        read(changed(field, value))
    assert field in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("unity.model_dim", 0, "unity.model_dim"),
        ("unity.model_dim", -64, "unity.model_dim"),
        ("unity.model_dim", 10**12, "unity.model_dim"),
        ("unity.model_dim", 66, "model_dim"),
        ("unity.w2v2_encoder_config.num_encoder_attn_heads", 5, "num_heads"),
        ("unity.w2v2_encoder_config.fbank_stride", 0, "fbank_stride"),
        ("unity.w2v2_encoder_config.norm_order", "PRE", "norm_order"),
        ("unity.use_gelu", True, "use_gelu"),
        ("monotonic_decoder.model_dim", 32, "model_dim"),
        ("monotonic_decoder.monotonic_temperature", 0, "monotonic_temperature"),
        ("monotonic_decoder.num_decoder_attn_heads", 3, "num_heads"),
        ("monotonic_decoder.vocab_info.pad_idx", 1, "pad_idx"),
        ("unity.t2u_config.target_vocab_info.size", 20, "target_vocab_info.size"),
        ("vocoder.num_embeddings", 50, "vocoder.num_embeddings"),
        ("vocoder.upsample_kernel_sizes", [11, 8, 8, 4, 5], "upsample_kernel_sizes"),
        ("vocoder.upsample_kernel_sizes", [11], "upsample_kernel_sizes"),
        ("vocoder.upsample_initial_channel", 33, "upsample_initial_channel"),
        ("vocoder.model_in_dim", 49, "vocoder.model_in_dim"),
        ("vocoder.lang_spkr_idx_map.multilingual.eng", 36, "multilingual.eng"),
        ("vocoder.lang_spkr_idx_map.multispkr.eng", [200], "multispkr.eng"),
        ("vocoder.lang_spkr_idx_map.multispkr.eng", [], "multispkr.eng"),
        ("vocoder", None, "vocoder"),
        ("text_langs", [], "text_langs"),
        ("text_default_lang", "xxx", "text_default_lang"),
        ("sample_rate", 8000, "sample_rate"),
    ],
)
def test_an_impossible_value_is_named(field: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(changed(field, value))
    message = str(error.value)
    assert named in message
    assert "\n" not in message


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for content in ("{", "", "[" * 100_000):
        path.write_text(content)
        with pytest.raises(CheckpointError, match=r"config\.json"):
            read_config(path)
    path.write_text("[1]")
    with pytest.raises(ConfigError, match="must be an object"):
        read_config(path)
