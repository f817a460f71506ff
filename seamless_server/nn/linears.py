"""Linear layers of int8 weights.

``quantize`` makes a copy of a network in which they stand in for ``nn.Linear``; the copy shares
every tensor that stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

N = TypeVar("N", bound=nn.Module)
MOST = 127


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


def quantize(network: N, kind: str, keep: Callable[[str], bool] = lambda name: False) -> N:
    """A copy of a network with int8 weights.

    Args:
        kind: ``int8`` or ``int8-weights``.
        keep: says of a layer's name whether it stays as it is.
    """
    shared = {id(x): x for x in (*network.parameters(), *network.buffers())}
    made: N = copy.deepcopy(network, shared)
    for name, module in list(made.named_modules()):
        if type(module) is not nn.Linear or keep(name):
            continue
        owner = made.get_submodule(name.rpartition(".")[0])
        layer = Int8Linear(module) if kind == "int8" else Int8WeightLinear(module)
        setattr(owner, name.rpartition(".")[2], layer)
    return made
