"""Expressive voices: the published file, its description, and files that do not fit."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from seamless_server.checkpoints.pretssel import (
    VOICES,
    find_voice,
    fit_voice,
    load_voice,
    verify_voice,
)
from seamless_server.checkpoints.pretssel_config import published_voice
from seamless_server.cli import app
from seamless_server.errors import CheckpointError, ConfigError
from tests.recorded import RECORDINGS

EXPRESSIVE = RECORDINGS / "expressive"
FILE = "pretssel_melhifigan_wm.pt"


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A copy of the recorded 24 kHz voice."""
    shutil.copytree(EXPRESSIVE / "24khz", tmp_path / "voice")
    return tmp_path / "voice" / FILE


def published_tensors(sample_rate: int) -> dict[str, Tensor]:
    """Names and shapes of the published file, without memory."""
    shapes: dict[str, list[int]] = json.loads((EXPRESSIVE / "fullsize_keys.json").read_text())
    if sample_rate == 16_000:
        shapes["layers.25.weight_v"] = [64, 32, 4]
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


@pytest.mark.parametrize("sample_rate", [24_000, 16_000])
def test_every_published_name_and_shape_fits_and_no_other(sample_rate: int) -> None:
    tensors = published_tensors(sample_rate)
    assert len(tensors) == 721
    found = fit_voice(tensors, *published_voice(sample_rate))
    assert found.problems == []
    wanted = found.network.state_dict()
    assert {k: v.shape for k, v in found.state.items()} == {k: v.shape for k, v in wanted.items()}
    fewer = {k: v for k, v in tensors.items() if k != "layers.45.convs2.2.bias"}
    missing = fit_voice(fewer, *published_voice(sample_rate))
    assert missing.problems == ["layers.45.convs2.2.bias: missing, [32]"]
    more = fit_voice({**tensors, "layers.99.bias": torch.zeros(2)}, *published_voice(sample_rate))
    assert more.problems == ["layers.99.bias: extra, [2]"]


def test_the_other_rate_does_not_fit() -> None:
    problems = fit_voice(published_tensors(16_000), *published_voice(24_000)).problems
    assert problems == ["layers.25.weight: shape [64, 32, 4] instead of [64, 32, 6]"]


def test_a_voice_is_found_by_name_file_and_folder(
    voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path / "cache"))
    with pytest.raises(CheckpointError, match="accept the licence at"):
        find_voice("vocoder_pretssel")
    assert find_voice("vocoder_pretssel", [voice.parent]) == voice
    assert find_voice(str(voice)) == find_voice(str(voice.parent)) == voice
    with pytest.raises(CheckpointError, match="vocoder_pretssel_16khz"):
        find_voice("vocoder_v2")
    VOICES[0].folder.mkdir(parents=True)
    shutil.copy(voice, VOICES[0].folder)
    assert find_voice("vocoder_pretssel") == VOICES[0].folder / FILE


def test_the_originals_folder_serves_as_well(
    voice: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr("seamless_server.checkpoints.pretssel.SYSTEM_DIRS", tmp_path)
    assert VOICES[0].folder == tmp_path / "cache" / "SeamlessExpressive"
    (tmp_path / "Seamless").mkdir()
    shutil.copy(voice, tmp_path / "Seamless")
    assert VOICES[0].present
    assert find_voice("vocoder_pretssel") == tmp_path / "Seamless" / FILE


def test_verify_names_what_does_not_fit_as_the_file_does(voice: Path) -> None:
    state = torch.load(voice, weights_only=True)["model"]
    del state["encoder.layers.0.film.s_beta"]
    del state["layers.2.1.running_var"]
    state["layers.13.weight_g"] = torch.zeros(31, 1, 1)
    state["scale"] = state["scale"][:-1]
    torch.save({"model": state}, voice)
    done = CliRunner().invoke(app, ["models", "verify", str(voice.parent)])
    assert done.exit_code == 2
    assert "encoder.layers.0.film.s_beta: missing, [1]" in done.output
    assert "layers.2.1.running_mean: extra, [24]" in done.output
    assert "scale: shape [79] instead of [80]" in done.output
    assert "layers.13.weight: missing, [32, 80, 7]" in done.output
    assert "layers.13.weight_g: extra, [31, 1, 1]" in done.output
    with pytest.raises(CheckpointError, match=r"does not fit its configuration: .* more"):
        load_voice(voice)


def test_a_voice_that_fits_verifies(voice: Path) -> None:
    done = CliRunner().invoke(app, ["models", "verify", str(voice)])
    assert done.exit_code == 0
    assert "all tensors fit" in done.output


def test_a_deep_check_of_a_voice_says_what_every_network_did(voice: Path) -> None:
    done = CliRunner().invoke(app, ["models", "verify", "--deep", str(voice), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    for part in ("prosody", "acoustic", "vocoder"):
        assert f"\n{part}: " in done.output
    assert "speech: 2.00 s, RMS 0." in done.output
    assert done.output.rstrip().endswith("every network works")
    state = torch.load(voice, weights_only=True)["model"]
    state["encoder.layers.0.film.s_beta"].fill_(float("nan"))
    torch.save({"model": state}, voice)
    done = CliRunner().invoke(app, ["models", "verify", "--deep", str(voice), "--device", "cpu"])
    assert done.exit_code == 2
    assert "acoustic: encoder_layers." in done.output
    assert "gives infinite or undefined values" in done.output


def test_models_list_says_how_one_gets_the_gated_voices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path))
    text = CliRunner().invoke(app, ["models", "list"]).output
    assert "vocoder_pretssel (expressive voice, 24 kHz; lacks pretssel_melhifigan_wm.pt)" in text
    assert "accept the licence at" in text
    rows = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).output)
    row = next(x for x in rows if x["name"] == "vocoder_pretssel_16khz")
    assert row["missing"] == ["pretssel_melhifigan_wm-16khz.pt"]
    assert not row["present"]


@pytest.mark.parametrize("name", ["vocoder_pretssel", "SeamlessExpressive"])
def test_gated_voices_are_not_downloaded_without_a_token(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    done = CliRunner().invoke(app, ["models", "download", name])
    assert done.exit_code != 0
    assert "token" in str(done.exception)
    assert "accept the licence" in str(done.exception)


def test_a_file_with_code_in_it_is_refused(voice: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, ("raise SystemExit",))

    torch.save({"model": {"mean": Bomb()}}, voice, pickle_module=pickle)
    with pytest.raises(CheckpointError, match="refused"):
        verify_voice(voice)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("sample_rate", 22_050, "10 ms, which is not 22050 Hz"),
        ("langs", [], "names no language"),
        ("causal", True, "causal: must be False"),
        ("lstmm", 2, "did you mean lstm"),
        ("upsample_kernel_sizes", [10, 8, 8, 2], "does not fit rate 3"),
        ("gcmvn_stats", {"mean": [0.0] * 80, "std": [0.0] * 80}, "must be above 0"),
        ("model_dim", None, "model_dim"),
    ],
)
def test_a_wrong_description_names_the_field(
    voice: Path, field: str, value: object, error: str
) -> None:
    path = voice.parent / "pretssel.json"
    data = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**data, field: value}), "utf-8")
    with pytest.raises(ConfigError, match=error):
        load_voice(voice)


def test_half_precision_speaks_about_the_same(voice: Path) -> None:
    frames = 10 + 4 * torch.randn(50, 80, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        (full,) = load_voice(voice)([[5, 5, 7]], torch.tensor([0]), [frames])
        half = load_voice(voice, dtype=torch.bfloat16)
        (rough,) = half([[5, 5, 7]], torch.tensor([0]), [frames.bfloat16()])
    assert full.shape == rough.shape
    assert float(torch.corrcoef(torch.stack([full, rough.float()]))[0, 1]) > 0.5
