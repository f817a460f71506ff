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

    Args:
        weight: (N, K), of any precision.
        bias: (N,).
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        whole, scales = quantize_rows(weight)
        self.weight = nn.Buffer(whole)
        self.scales = nn.Buffer(scales)
        self.bias = None if bias is None else nn.Buffer(bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        # The scale comes after the sum, in float32: what is left of it to round is the sum itself.
        y = F.linear(x, self.weight.to(x.dtype)).float() * self.scales
        if self.bias is not None:
            y = y + self.bias.float()
        return y.to(x.dtype)


class Int8Linear(Int8WeightLinear):
    """Int8 weights and, anew for every row of the input, int8 inputs: whole numbers throughout.

    For processors: products of int8 are several times as fast there as those of float32. Weights
    stay as they lie in a file; their transpose is a view, which is also what oneDNN is fastest
    with.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        rows = x.reshape(-1, x.size(-1)).float()
        scales = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(MOST)
        whole = (rows / scales).round_().to(torch.int8)
        y = torch._int_mm(whole, self.weight.t()).float().mul_(scales).mul_(self.scales)
        if self.bias is not None:
            y += self.bias.float()
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
        layer = Int8Linear if kind == "int8" else Int8WeightLinear
        setattr(owner, name.rpartition(".")[2], layer(module.weight, module.bias))
    return made
