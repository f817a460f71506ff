"""Which precision a server computes a large model in, by a trial on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from seamless_server.checkpoints import model_file
from seamless_server.nn.linears import Int8Linear, Int8Product, whole_products_are_exact
from seamless_server.nn.onednn import has_bf16

LARGE_BYTES = 2_000_000_000
"""Weights below it are fast enough as they are, and exact."""
WORTH = 1.2
"""How much faster another precision must be than the more exact one before it."""
_ROWS = (1, 16)
"""Rows of a step of one speaker, and of a chunk of speech."""
_DEPTH = 4
"""Layers of 1024 by 4096 that are multiplied with in turn: more than caches hold."""


def usual_dtype(folder: Path, device: torch.device) -> tuple[str, str]:
    """The precision that ``auto`` means for a server, and why, in a sentence.

    It is ``auto`` itself, without a word, but for a large model on a processor: that is as fast as
    its products, and which of them are fastest differs from one processor to the next.
    """
    sizes = [f.stat().st_size for f in folder.iterdir() if f.suffix in (".pt", ".safetensors")]
    if device.type != "cpu" or sum(sizes) < LARGE_BYTES or model_file.is_int8(folder):
        return "auto", ""
    took = trial()
    best = "fp32"
    for name in ("bf16", "int8"):
        if name in took and took[best] > WORTH * took[name]:
            best = name
    times = ", ".join(f"{1000 * seconds:.1f} ms in {name}" for name, seconds in took.items())
    return best, f"computing in {best}: {_DEPTH} layers took {times}"


def trial() -> dict[str, float]:
    """Seconds that layers of a large model take on this processor, by precision."""
    weights = [torch.ones(4096, 1024) for _ in range(_DEPTH)]
    forms: dict[str, list[Callable[[Tensor], Tensor]]] = {
        "fp32": [_product(weight) for weight in weights],
        "int8": [_whole(weight) for weight in weights],
    }
    if has_bf16():
        forms["bf16"] = [_product(weight.bfloat16()) for weight in weights]
    with torch.inference_mode():
        return {name: _seconds(layers, name) for name, layers in forms.items()}


def _whole(weight: Tensor) -> Callable[[Tensor], Tensor]:
    layer = Int8Linear(weight)
    return Int8Product([layer]) if whole_products_are_exact() else layer


def _product(weight: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: F.linear(x, weight)


def _seconds(layers: list[Callable[[Tensor], Tensor]], name: str) -> float:
    """The best of some, of all layers, with few rows and with more."""
    total = 0.0
    for rows in _ROWS:
        x = torch.ones(rows, 1024, dtype=torch.bfloat16 if name == "bf16" else torch.float32)
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            for layer in layers:
                layer(x)
            best = min(best, time.perf_counter() - began)
        total += best
    return total
