"""Copies of the recorded checkpoint, to be changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from seamless_server.checkpoints import published as files
from tests.recorded import CHECKPOINT, RECORDINGS

FAIRSEQ = RECORDINGS / "checkpoint_fairseq"
WEIGHTS = (files.UNITY, files.DECODER, files.VOCODER)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the recorded checkpoint (fairseq2 names)."""
    return shutil.copytree(CHECKPOINT, tmp_path / "model")


@pytest.fixture
def fairseq_folder(folder: Path) -> Path:
    """The same tensors under their original names."""
    for name in WEIGHTS:
        shutil.copy(FAIRSEQ / name, folder)
    return folder
