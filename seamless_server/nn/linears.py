"""Linear layers of int8 weights.

``quantize`` makes a copy of a network in which they stand in for ``nn.Linear``; the copy shares
every tensor that stays as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.onednn import available, filled, give_pages_back

N = TypeVar("N", bound=nn.Module)
MOST = 127
MIDDLE = 128
"""What oneDNN's fastest products, of uint8 by int8, take for an input of zero."""


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(N, K) -> int8 (N, K) and float32 scales (N,): the largest weight of a row becomes 127."""
    if weight.is_meta:  # for networks without memory: computing there means importing a compiler
        shape = weight.shape
        return torch.empty(shape, dtype=torch.int8, device="meta"), torch.empty(
            shape[0], device="meta"
        )
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


@cache
def whole_products_are_exact() -> bool:
    """Whether oneDNN multiplies int8 weights here as :class:`Int8Product` needs it.

    Without VNNI instructions, sums of two products overflow 16 bits.
    """
    if not available():
        return False
    try:
        weight = torch.full((32, 64), MOST, dtype=torch.int8)
        weight[::2] = -MOST
        ones = torch.ones(32)
        row = torch.full((1, 64), 2 * MIDDLE - 1, dtype=torch.uint8)
        got = _whole_product(row, _laid_out(weight), ones, torch.zeros(32, dtype=torch.long))
        return bool(torch.equal(got[0], weight.sum(1).float() * (MIDDLE - 1)))
    except (AttributeError, RuntimeError, TypeError):
        return False


def _laid_out(weight: Tensor) -> Tensor:
    made: Tensor = torch.ops.onednn.qlinear_prepack(weight, None)
    return made


def _whole_product(whole: Tensor, packed: Tensor, scales: Tensor, zeros: Tensor) -> Tensor:
    y: Tensor = torch.ops.onednn.qlinear_pointwise(
        whole, 1.0, MIDDLE, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return y


class Int8Product:
    """Int8 layers that take the same input as one product, laid out for oneDNN; a copy.

    Computes what :class:`Int8Linear` does: whole numbers throughout, inputs rounded row by row.
    """

    def __init__(self, layers: Sequence[Int8WeightLinear]) -> None:
        weights: list[Tensor] = [layer.weight for layer in layers]
        self._packed = _laid_out(weights[0] if len(layers) == 1 else torch.cat(weights))
        self._scales = torch.cat([layer.scales for layer in layers])
        self._zeros = torch.zeros(len(self._scales), dtype=torch.long)
        self._bias: Tensor | None = None
        if any(layer.bias is not None for layer in layers):
            parts = [
                torch.zeros(len(x.scales)) if x.bias is None else x.bias.float() for x in layers
            ]
            self._bias = torch.cat(parts)
        for weight in weights:
            give_pages_back(weight)

    def __call__(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., sum of all N)."""
        rows = x.reshape(-1, x.size(-1)).float()
        count = len(rows)
        scales = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(MOST)
        # Truncation rounds what is half above: no pass over the rows for rounding alone. By way of
        # int32, whose conversions PyTorch has vector instructions for.
        whole = rows.div(scales).add_(MIDDLE + 0.5).to(torch.int32).to(torch.uint8)
        if fill := filled(count) - count:
            whole = F.pad(whole, (0, 0, 0, fill))
        y = _whole_product(whole, self._packed, self._scales, self._zeros)[:count]
        y = y.mul_(scales) if self._bias is None else torch.addcmul(self._bias, y, scales)
        return y.to(x.dtype).view(*x.shape[:-1], -1)


class PackedInt8Linear(Int8Linear):
    """An int8 layer, laid out at its first call; ``activation`` is none, relu or swish."""

    activation = "none"
    _product: Int8Product | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        if self._product is None:
            self._product = Int8Product([self])
        y = self._product(x)
        if self.activation == "relu":
            return y.relu_()
        return F.silu(y, inplace=True) if self.activation == "swish" else y


def is_pointwise(module: nn.Module) -> bool:
    """Whether a module is a convolution that is a linear layer over channels."""
    return type(module) is nn.Conv1d and module.kernel_size == (1,) and module.groups == 1


def quantize(network: N, kind: str, keep: Callable[[str], bool] = lambda name: False) -> N:
    """A copy of a network with int8 weights.

    Args:
        kind: ``int8`` or ``int8-weights``.
        keep: says of a layer's name whether it stays as it is.
    """
    shared = {id(x): x for x in (*network.parameters(), *network.buffers())}
    made: N = copy.deepcopy(network, shared)
    for name, module in list(made.named_modules()):
        if not (type(module) is nn.Linear or is_pointwise(module)) or keep(name):
            continue
        assert isinstance(module, nn.Linear | nn.Conv1d)
        owner = made.get_submodule(name.rpartition(".")[0])
        layer = Int8Linear if kind == "int8" else Int8WeightLinear
        setattr(owner, name.rpartition(".")[2], layer(module.weight.flatten(1), module.bias))
    return made
