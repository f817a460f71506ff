"""The repository holds what is needed to go on training the embedded model."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from training import config, plots, restore, units
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
