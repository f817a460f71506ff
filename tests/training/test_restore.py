"""The repository holds what is needed to go on training the embedded model."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from training import checkpoint, config, plots, restore, units
from training.export import export

ROOT = Path(__file__).parents[2]
MODEL, STATE = ROOT / "models" / "SeamlessStreaming-mini", ROOT / "training" / "state"


def test_training_goes_on_from_the_shipped_model(tmp_path: Path) -> None:
    work, out, kept = tmp_path / "work", tmp_path / "model", tmp_path / "state"
    restore.restore(MODEL, STATE, work)
    export(work, out)
    shipped, again = (load_file(x / "model.safetensors") for x in (MODEL, out))
    assert shipped.keys() == again.keys()
    assert all(torch.equal(shipped[name], again[name]) for name in shipped)
    assert (out / "config.json").read_text() == (MODEL / "config.json").read_text()

    state = torch.load(work / "t2u" / "state.pt", weights_only=True)
    assert state["step"] == plots.last_step(work / "t2u" / "log.jsonl") > 0
    assert units.embeddings(work / "units", 64).shape == (config.UNITS, 64)

    restore.keep(work, kept)
    assert {x.name: x.read_bytes() for x in STATE.iterdir()} == {
        x.name: x.read_bytes() for x in kept.iterdir()
    }


def test_an_encoder_on_its_way_is_kept_small_and_goes_on(tmp_path: Path) -> None:
    work, again, state = (tmp_path / name for name in ("work", "again", "state"))
    shutil.copytree(STATE, state)
    restore.restore(MODEL, STATE, work)
    path, log = work / "encoder" / "state.pt", work / "encoder" / "log.jsonl"
    saved = torch.load(path, weights_only=True)
    for name, tensor in saved["model"].items():
        saved["model"][name] = (
            tensor + 0.01 * tensor.std().nan_to_num(0) if tensor.dim() else tensor
        )
    torch.save(saved, path)
    with log.open("a") as lines:
        lines.write('{"step": 99000, "loss": 0.1}\n')
    assert restore.keep_encoder(work, state) == 99_000
    assert (state / restore.AHEAD).stat().st_size < 0.3 * sum(
        4 * tensor.numel() for tensor in saved["model"].values()
    )
    restore.restore(MODEL, state, again)
    found = torch.load(again / "encoder" / "state.pt", weights_only=True)
    assert found["step"] == 99_000
    for name, tensor in saved["model"].items():
        if tensor.dim() > 1:
            error = (found["model"][name] - tensor).abs().flatten(1)
            assert bool((error <= tensor.abs().flatten(1).amax(1, True) / 250 + 1e-6).all()), name
    assert plots.last_step(again / "encoder" / "log.jsonl") == 99_000


def test_what_is_restored_warms_up_and_is_averaged_slowly(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.manual_seed(1)
    model = torch.nn.Linear(2, 1)
    shipped = model.weight.detach().clone()
    checkpoint.save(path, 10_000, model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    average = checkpoint.averaged_model(model, 0.998)
    assert checkpoint.load(path, model, optimizer, average) == 10_000
    rates = []
    for _ in range(5):
        rates.append(checkpoint.warmth(optimizer, 4))
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        average.update_parameters(model)
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]
    averaged = next(average.module.parameters())
    moved = (model.weight - shipped).abs().max()
    assert (averaged - shipped).abs().max() < 0.01 * moved

    # A run that was stopped goes on warm.
    checkpoint.save(path, 10_005, model, optimizer, average)
    again = torch.optim.AdamW(model.parameters(), lr=0.1)
    assert checkpoint.load(path, model, again, average) == 10_005
    assert checkpoint.warmth(again, 4) == 1.0
