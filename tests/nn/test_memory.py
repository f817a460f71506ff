"""Memory that is not needed is not taken: pages of files that were copied, zeros not yet used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from seamless_server.nn.layers import zeros_when_needed
from seamless_server.nn.onednn import give_pages_back, packed_product, packed_weight

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel says it in /proc")


def resident(kind: str) -> int:
    """Bytes of this process in memory, of a kind: RssFile, RssAnon."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{kind}:"))


def test_what_was_read_of_a_file_is_forgotten_and_can_be_read_again(tmp_path: Path) -> None:
    path, size = tmp_path / "w.safetensors", 64 << 20
    save_file({"small": torch.ones(5), "w": torch.ones(4096, size // 4096 // 4)}, path)
    with safe_open(path, "pt") as file:
        weight = file.get_tensor("w")
    before = resident("RssFile")
    total = weight.sum()
    assert resident("RssFile") - before > 0.9 * size
    x = torch.ones(2, weight.size(1))
    made = packed_product(x, packed_weight(weight), None)
    assert resident("RssFile") - before < 0.2 * size
    torch.testing.assert_close(made, x @ weight.t())
    assert weight.sum() == total


def test_memory_of_no_file_is_left_alone() -> None:
    weight = torch.ones(1024, 1024)
    give_pages_back(weight)
    assert weight.sum() == 1024 * 1024


def test_zeros_take_no_memory_before_they_are_written_to() -> None:
    before, shape = resident("RssAnon"), (64, 1024, 1024)
    made = zeros_when_needed(shape, torch.device("cpu"), torch.bfloat16)
    assert made.shape == shape
    assert made.dtype == torch.bfloat16
    assert resident("RssAnon") - before < 32 << 20
    made[3] = 1
    assert made.sum(dtype=torch.float32) == 1024 * 1024
