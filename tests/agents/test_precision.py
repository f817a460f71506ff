"""The precision that a server chooses by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seamless_server.agents import precision
from tests.recorded import CHECKPOINT

CPU = torch.device("cpu")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A folder with a file that takes no room and looks large."""
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(precision.LARGE_BYTES)
    return tmp_path


def test_small_models_and_gpus_are_left_as_they_are(large: Path) -> None:
    assert precision.usual_dtype(CHECKPOINT, CPU) == ("auto", "")
    assert precision.usual_dtype(large, torch.device("cuda")) == ("auto", "")


@pytest.mark.parametrize(
    ("took", "best"),
    [
        ({"fp32": 3.0, "int8": 1.0, "bf16": 2.0}, "int8"),
        ({"fp32": 3.0, "int8": 1.9, "bf16": 2.0}, "bf16"),
        ({"fp32": 1.0, "int8": 0.9}, "fp32"),
    ],
)
def test_what_is_less_exact_must_be_worth_it(
    large: Path, monkeypatch: pytest.MonkeyPatch, took: dict[str, float], best: str
) -> None:
    monkeypatch.setattr(precision, "trial", lambda: took)
    dtype, why = precision.usual_dtype(large, CPU)
    assert dtype == best
    assert why.startswith(f"computing in {best}: ")
    assert all(name in why for name in took)


def test_the_trial_multiplies_in_every_precision_that_there_is() -> None:
    took = precision.trial()
    assert {"fp32", "int8"} <= set(took) <= {"fp32", "bf16", "int8"}
    assert all(seconds > 0 for seconds in took.values())
