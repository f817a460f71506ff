"""Other ways to compute linear layers: oneDNN on processors where it is faster, int8 weights.

``refit`` makes a copy of a network in which they stand in for ``nn.Linear``; the copy shares every
tensor that stays as it is.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

N = TypeVar("N", bound=nn.Module)
Multiply = Callable[[Tensor, Tensor, Tensor | None], Tensor]

FEW_ROWS, MANY_COLUMNS = 16, 4096
MOST = 127


def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` by oneDNN instead of the BLAS that PyTorch was built with, in float32.

    Its overhead is larger, so that the smallest products stay where they are.
    """
    columns, size = weight.shape
    if x.numel() < FEW_ROWS * size and columns < MANY_COLUMNS:
        return F.linear(x, weight, bias)
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return y


@cache
def onednn_is_faster() -> bool:
    """Try both on a product of usual size; takes some milliseconds, once.

    MKL, which PyTorch's builds for x86-64 use, runs on some processors of other makers at half of
    their speed.
    """
    if not torch.backends.mkldnn.is_available() or not hasattr(
        torch.ops.mkldnn, "_linear_pointwise"
    ):
        return False
    x, weight, bias = torch.ones(128, 256), torch.ones(1024, 256), torch.ones(1024)

    def seconds(multiply: Multiply) -> float:
        best = float("inf")
        for _ in range(8):
            start = time.thread_time()
            multiply(x, weight, bias)
            best = min(best, time.thread_time() - start)
        return best

    with torch.inference_mode():
        return seconds(onednn_linear) < 0.8 * seconds(F.linear)


class OnednnLinear(nn.Linear):
    """A linear layer by oneDNN."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        return onednn_linear(x, self.weight, self.bias)


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) -> int8 (N, K) and float32 scales (N,): the largest weight of a row becomes 127."""
    weight = weight.float()
    scales = weight.abs().amax(1).clamp(min=1e-12) / MOST
    return torch.round(weight / scales[:, None]).clamp(-MOST, MOST).to(torch.int8), scales


class Int8WeightLinear(nn.Module):
    """Linear layer whose weights are stored as int8, one scale an output; computes in x's type.

    Half the memory of half precision. Weights are widened for every call.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight, scales = quantize_rows(linear.weight)
        self.weight = nn.Buffer(weight)
        self.scales = nn.Buffer(scales)
        self.bias = None if linear.bias is None else nn.Buffer(linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        # The scale comes after the sum, in float32: what is left of it to round is the sum itself.
        y = F.linear(x, self.weight.to(x.dtype)).float() * self.scales
        if self.bias is not None:
            y = y + self.bias.float()
        return y.to(x.dtype)


class Int8Linear(Int8WeightLinear):
    """Int8 weights and, anew for every row of the input, int8 inputs: whole numbers throughout.

    For processors: products of int8 are several times as fast there as those of float32.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__(linear)
        self.weight = nn.Buffer(self.weight.t().contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        rows = x.reshape(-1, x.size(-1)).float()
        scales = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / MOST
        whole = torch.round(rows / scales).to(torch.int8)
        y = torch._int_mm(whole, self.weight).float() * scales * self.scales
        if self.bias is not None:
            y = y + self.bias.float()
        return y.to(x.dtype).view(*x.shape[:-1], -1)


def refit(network: N, kind: str, keep: Callable[[str], bool] = lambda name: False) -> N:
    """A copy of a network with other linear layers.

    Args:
        kind: ``onednn``, ``int8`` or ``int8-weights``.
        keep: says of a layer's name whether it stays as it is.
    """
    shared = {id(x): x for x in (*network.parameters(), *network.buffers())}
    made: N = copy.deepcopy(network, shared)
    for name, module in list(made.named_modules()):
        if kind == "onednn" and hasattr(module, "multiply"):
            module.multiply = onednn_linear
        if type(module) is not nn.Linear or keep(name):
            continue
        owner = made.get_submodule(name.rpartition(".")[0])
        setattr(owner, name.rpartition(".")[2], _replacement(module, kind))
    return made


def _replacement(linear: nn.Linear, kind: str) -> nn.Module:
    if kind == "int8":
        return Int8Linear(linear)
    if kind == "int8-weights":
        return Int8WeightLinear(linear)
    linear.__class__ = OnednnLinear
    return linear
