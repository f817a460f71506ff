"""The networks as oneDNN computes them fastest on processors: fewer, larger products.

Each class stands in for the one it inherits from, in a copy that shares all parameters; results
differ by rounding only. ``fit`` makes the copy.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.conformer import ConvModule, ShawAttention
from seamless_server.nn.layers import Attention, FeedForward
from seamless_server.nn.onednn import (
    PackedLinear,
    packed_convolution,
    packed_product,
    packed_weight,
    stand_in,
)
from seamless_server.nn.text_decoder import (
    PChooseLayer,
    SourceMemory,
    TextDecoder,
    TextDecoderLayer,
    source_mask,
)

N = TypeVar("N", bound=nn.Module)


def _stacked(linears: Sequence[nn.Module]) -> tuple[Tensor, Tensor]:
    """Packed weights and biases of layers that take the same input."""
    parts = [x for x in linears if isinstance(x, nn.Linear)]
    weight = torch.cat([x.weight.detach() for x in parts])
    return packed_weight(weight), torch.cat([x.bias.detach() for x in parts])


class _FusedProjections(Attention):
    """Queries, keys and values by one product."""

    _stack: tuple[Tensor, Tensor] | None = None

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As in :class:`Attention`."""
        if self._stack is None:
            self._stack = _stacked([self.q_proj, self.k_proj, self.v_proj])
        q, k, v = packed_product(x, *self._stack).chunk(3, -1)
        return self.split(q), self.split(k), self.split(v)


class FusedAttention(_FusedProjections):
    """See :class:`Attention`."""


class FusedShawAttention(_FusedProjections, ShawAttention):
    """See :class:`ShawAttention`."""


class FusedFeedForward(FeedForward):
    """The activation is part of the first product."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        y: Tensor = self.output_proj(self.inner_proj(x))
        return y


class PackedConvModule(ConvModule):
    """Pointwise convolutions as packed products."""

    _weights: tuple[Tensor, Tensor] | None = None

    def _packed(self) -> tuple[Tensor, Tensor]:
        if self._weights is None:
            first, second = self.pointwise_conv1.weight, self.pointwise_conv2.weight
            self._weights = packed_weight(first.squeeze(-1)), packed_weight(second.squeeze(-1))
        return self._weights

    def gate(self, x: Tensor) -> Tensor:
        """As in :class:`ConvModule`."""
        return F.glu(packed_product(x, self._packed()[0], None), dim=-1)

    def mix(self, x: Tensor) -> Tensor:
        """As in :class:`ConvModule`."""
        return packed_product(F.silu(self.layer_norm(x)), self._packed()[1], None)


class _EnergyStack:
    """The energy projections of all layers, computed side by side."""

    def __init__(self, layers: Sequence[PChooseLayer], name: str) -> None:
        chains = [[m for m in getattr(x, name).layers if isinstance(m, nn.Linear)] for x in layers]
        self.products = [
            (
                torch.stack([x.weight.detach().t() for x in depth]).contiguous(),
                torch.stack([x.bias.detach() for x in depth])[:, None],
            )
            for depth in zip(*chains, strict=True)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """(L, R, D) -> (L, R, D)."""
        for weight, bias in self.products:
            x = torch.baddbmm(bias, x, weight).relu_()
        return x


class FusedTextDecoder(TextDecoder):
    """All layers' projections of a source by one product; energies of all layers side by side."""

    _logits: Tensor | None = None
    _source: tuple[Tensor, Tensor] | None = None
    _queries: _EnergyStack | None = None
    _keys: _EnergyStack | None = None

    def _steps(self) -> list[PChooseLayer]:
        return [x.p_choose_layer for x in self.layers if isinstance(x, TextDecoderLayer)]

    def project_source(
        self, source: Tensor, lengths: Tensor | None = None, last_only: bool = True
    ) -> SourceMemory:
        """As in :class:`TextDecoder`."""
        first = self.layers[0]
        assert isinstance(first, TextDecoderLayer)
        if not isinstance(first.encoder_decoder_attn.k_proj, PackedLinear):  # int8
            return super().project_source(source, lengths, last_only)
        if self._source is None or self._keys is None:
            attentions = [
                x.encoder_decoder_attn for x in self.layers if isinstance(x, TextDecoderLayer)
            ]
            self._keys = _EnergyStack(self._steps(), "k_energy_proj")
            self._source = _stacked([p for x in attentions for p in (x.k_proj, x.v_proj)])
        steps = self._steps()
        depth, heads = len(steps), self.config.num_heads
        kv = packed_product(source, *self._source).unflatten(-1, (depth, 2, heads, -1))
        kv = kv.permute(2, 3, 0, 4, 1, 5)  # (L, 2, B, H, S, D/H)
        pooled = steps[0].pooled(source, lengths, last_only)
        energy = self._keys(pooled.flatten(0, 1).expand(depth, -1, -1))
        energy = energy.unflatten(1, (len(source), -1)).unflatten(-1, (heads, -1)).transpose(2, 3)
        mask = source_mask(lengths, source.size(1))
        return SourceMemory(list(kv[:, 0]), list(kv[:, 1]), list(energy), mask)

    def choose(self, queries: Sequence[Tensor], keys: Sequence[Tensor]) -> Tensor:
        """As in :class:`TextDecoder`."""
        steps = self._steps()
        if self._queries is None:
            self._queries = _EnergyStack(steps, "q_energy_proj")
        batch, size, _ = queries[0].shape
        x = self._queries(torch.stack([q.flatten(0, 1) for q in queries]))
        x = x.view(len(steps), batch, size, self.config.num_heads, -1).transpose(2, 3)
        return torch.stack(
            [step.probability(q, k) for step, q, k in zip(steps, x, keys, strict=True)], 1
        )

    def logits(self, features: Tensor) -> Tensor:
        """As in :class:`TextDecoder`."""
        if self.output is not None:
            return super().logits(features)
        if self._logits is None:
            self._logits = packed_weight(self.embed.weight)
        return packed_product(features, self._logits, None)


def fit(network: N) -> N:
    """A copy of a network in which these classes, and packed layers, stand in for the plain ones.

    Layers that are not plain any more (int8) stay. Weights are laid out a second time, so that a
    network takes up to twice its memory.
    """
    shared = {id(x): x for x in (*network.parameters(), *network.buffers())}
    made = _fitted(copy.deepcopy(network, shared))
    assert isinstance(made, type(network))
    return made


def _fitted(module: nn.Module) -> nn.Module:
    """What stands in for a module, whose children are replaced first."""
    for name, child in module.named_children():
        module.add_module(name, _fitted(child))
    if type(module) is nn.Conv1d:
        return packed_convolution(module)
    if type(module) is nn.Linear:
        return stand_in(PackedLinear, module)
    if type(module) is FeedForward and isinstance(module.inner_proj, PackedLinear):
        module.inner_proj.activation = "swish" if module.silu else "relu"
        return stand_in(FusedFeedForward, module)
    if type(module) is ShawAttention and isinstance(module.q_proj, PackedLinear):
        return stand_in(FusedShawAttention, module)
    if type(module) is Attention and isinstance(module.q_proj, PackedLinear):
        return stand_in(FusedAttention, module)
    if type(module) is ConvModule:
        return stand_in(PackedConvModule, module)
    if type(module) is TextDecoder:
        return stand_in(FusedTextDecoder, module)
    return module
