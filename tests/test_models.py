"""`seamless-server models` as its users run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seamless_server.agents.loading import load_system
from seamless_server.checkpoints.cards import find_model
from seamless_server.checkpoints.fitting import quantized
from seamless_server.checkpoints.loader import load_checkpoint, read_tensors
from seamless_server.errors import CheckpointError, ConfigError
from tests.recorded import CHECKPOINT, RECORDINGS


def models(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seamless_server", "models", *args]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


def test_list_tells_what_is_there_and_how_to_get_the_rest(tmp_path: Path) -> None:
    done = models("list", "--json", SEAMLESS_CHECKPOINT_DIR=str(tmp_path))
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["SeamlessStreaming-mini"]["embedded"]
    assert not rows["SeamlessStreaming"]["present"]
    assert "seamless_streaming_unity.pt" in rows["SeamlessStreaming"]["missing"]
    text = models("list", SEAMLESS_CHECKPOINT_DIR=str(tmp_path)).stdout
    assert "seamless-server models download SeamlessStreaming" in text
    assert "CC-BY-NC" in text


@pytest.mark.parametrize("dtype", ["as-is", "fp16"])
def test_a_converted_model_verifies_and_is_the_same(tmp_path: Path, dtype: str) -> None:
    target = tmp_path / "converted"
    done = models("convert", str(CHECKPOINT), "--output", str(target), "--dtype", dtype)
    assert done.returncode == 0, done.stderr
    assert "all tensors fit" in models("verify", str(target)).stdout
    before, after = load_checkpoint(CHECKPOINT), load_checkpoint(target)
    tolerance = 0.0 if dtype == "as-is" else 1e-2
    for part in ("encoder", "decoder", "t2u", "vocoder"):
        old, new = getattr(before, part).state_dict(), getattr(after, part).state_dict()
        assert old.keys() == new.keys()
        for key in old:
            torch.testing.assert_close(new[key], old[key], atol=tolerance, rtol=tolerance)


def test_a_model_converted_to_int8_is_mapped_and_decides_as_one_quantized_at_its_start(
    tmp_path: Path,
) -> None:
    target = tmp_path / "whole"
    done = models("convert", str(CHECKPOINT), "--output", str(target), "--dtype", "int8")
    assert done.returncode == 0, done.stderr
    assert "all tensors fit" in models("verify", str(target)).stdout
    made = load_system(target, "cpu").checkpoint
    wanted = quantized(load_checkpoint(CHECKPOINT), "int8")
    for part in ("encoder", "decoder", "t2u", "vocoder"):
        old, new = getattr(wanted, part).state_dict(), getattr(made, part).state_dict()
        assert old.keys() == new.keys()
        assert all(torch.equal(new[key], old[key]) for key in old)
    weight = made.decoder.state_dict()["layers.0.ffn.inner_proj.weight"]
    assert weight.dtype == torch.int8
    assert str(target / "model.safetensors") in mapping_of(weight.data_ptr())
    # On a GPU the same file is widened in each call.
    elsewhere = read_tensors(target, whole="int8-weights")
    assert elsewhere.problems == []
    again = models("convert", str(target), "--output", str(tmp_path / "again"))
    assert "convert the published files" in again.stderr
    with pytest.raises(ConfigError, match="int8 weights"):
        load_system(target, "cpu", "fp32")


def mapping_of(address: int) -> str:
    """The line of this process's memory map in which an address lies."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        low, high = (int(end, 16) for end in line.split()[0].split("-"))
        if low <= address < high:
            return line
    raise AssertionError(hex(address))


def test_verify_names_every_tensor_that_does_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(CHECKPOINT, folder)
    path = folder / "seamless_streaming_monotonic_decoder.pt"
    state = torch.load(path, weights_only=True)["model"]
    state["text_decoder.layer_norm.extra"] = torch.zeros(3)
    state["text_decoder.layer_norm.weight"] = torch.zeros(65)
    del state["text_decoder.layer_norm.bias"]
    torch.save({"model": state}, path)
    done = models("verify", str(folder))
    assert done.returncode == 2
    assert "decoder.layer_norm.bias: missing, [64]" in done.stdout
    assert "decoder.layer_norm.extra: extra, [3]" in done.stdout
    assert "decoder.layer_norm.weight: shape [65] instead of [64]" in done.stdout


def test_verify_of_a_broken_model_is_one_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(CHECKPOINT, folder)
    (folder / "vocoder_v2.pt").write_bytes((folder / "vocoder_v2.pt").read_bytes()[:5000])
    done = models("verify", str(folder))
    assert done.returncode == 2
    assert "vocoder_v2.pt: is truncated" in done.stderr
    assert "Traceback" not in done.stderr


def test_download_without_a_network_says_what_to_fetch_by_hand(tmp_path: Path) -> None:
    done = models("download", "--output", str(tmp_path / "m"), HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "CC-BY-NC" in done.stdout
    for name in ("seamless_streaming_unity.pt", "vocoder_v2.pt", "tokenizer.model", str(tmp_path)):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_the_embedded_model_is_not_downloaded() -> None:
    done = models("download", "SeamlessStreaming-mini")
    assert done.returncode == 2
    assert "needs no download" in done.stderr


def test_a_checkpoint_folder_may_hold_the_published_files_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in CHECKPOINT.iterdir():
        if path.suffix in (".pt", ".model"):
            shutil.copy(path, tmp_path)
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path))
    assert find_model("facebook/seamless-streaming") == tmp_path
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(RECORDINGS))
    with pytest.raises(CheckpointError, match="models download SeamlessStreaming"):
        find_model("SeamlessStreaming")
