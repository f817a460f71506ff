"""The networks as oneDNN computes them fastest on processors: fewer, larger products.

Each class stands in for the one it inherits from, in a copy that shares all parameters; results
differ by rounding only. ``fit`` makes the copy.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.conformer import ConvModule, ShawAttention
from seamless_server.nn.layers import Attention, DurationPredictor, FeedForward
from seamless_server.nn.linears import (
    Int8Linear,
    Int8Product,
    PackedInt8Linear,
    whole_products_are_exact,
)
from seamless_server.nn.onednn import (
    PackedLinear,
    give_pages_back,
    has_bf16,
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
Product = Callable[[Tensor], Tensor]
PACKED = (PackedLinear, PackedInt8Linear)


def _stacked(linears: Sequence[nn.Module]) -> Product:
    """One product for layers that take the same input; their outputs lie side by side."""
    whole = [x for x in linears if isinstance(x, Int8Linear)]
    if len(whole) == len(linears):
        return Int8Product(whole)
    parts = [x for x in linears if isinstance(x, nn.Linear)]
    weight = packed_weight(torch.cat([x.weight.detach() for x in parts]))
    return partial(packed_product, packed=weight, bias=torch.cat([x.bias.detach() for x in parts]))


class _FusedProjections(Attention):
    """Queries, keys and values by one product."""

    _stack: Product | None = None

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As in :class:`Attention`."""
        if self._stack is None:
            self._stack = _stacked([self.q_proj, self.k_proj, self.v_proj])
        q, k, v = self._stack(x).chunk(3, -1)
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

    _products: tuple[Product, Product] | None = None

    def _packed(self) -> tuple[Product, Product]:
        if self._products is None:
            self._products = _linear(self.pointwise_conv1), _linear(self.pointwise_conv2)
        return self._products

    def gate(self, x: Tensor) -> Tensor:
        """As in :class:`ConvModule`."""
        return F.glu(self._packed()[0](x), dim=-1)

    def mix(self, x: Tensor) -> Tensor:
        """As in :class:`ConvModule`."""
        return self._packed()[1](F.silu(self.layer_norm(x)))


def _linear(layer: nn.Module) -> Product:
    """The product of a pointwise convolution, or of the int8 layer that took its place."""
    if not isinstance(layer, nn.Conv1d):
        return layer
    return partial(packed_product, packed=packed_weight(layer.weight[..., 0]), bias=None)


def _chains(layers: Sequence[PChooseLayer], name: str) -> list[list[nn.Linear]]:
    """The energy projections of each layer, one behind the other."""
    return [[m for m in getattr(x, name).layers if isinstance(m, nn.Linear)] for x in layers]


class _EnergyStack:
    """The energy projections of all layers, computed side by side: few calls for small networks."""

    def __init__(self, layers: Sequence[PChooseLayer], name: str) -> None:
        self.products = []
        for depth in zip(*_chains(layers, name), strict=True):
            weight = torch.stack([x.weight.detach().t() for x in depth])
            bias = torch.stack([x.bias.detach() for x in depth])[:, None]
            self.products.append((weight.contiguous(), bias))
            for layer in depth:
                give_pages_back(layer.weight)

    def __call__(self, x: Tensor) -> Tensor:
        """(L, R, D) -> (L, R, D)."""
        for weight, bias in self.products:
            x = torch.baddbmm(bias, x, weight).relu_()
        return x


class _PackedEnergies:
    """The same, layer by layer in ``dtype``: large ones are read faster when they are packed."""

    def __init__(self, layers: Sequence[PChooseLayer], name: str, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._chains = [
            [(packed_weight(x.weight, dtype), x.bias.detach().to(dtype)) for x in chain]
            for chain in _chains(layers, name)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """(L, R, D) -> (L, R, D)."""
        made = []
        for row, chain in zip(x.to(self._dtype), self._chains, strict=True):
            for weight, bias in chain:
                row = packed_product(row, weight, bias, "relu")
            made.append(row)
        return torch.stack(made).to(x.dtype)


class FusedTextDecoder(TextDecoder):
    """All layers' projections of a source by one product; energies of all layers side by side."""

    short: torch.dtype | None = None
    """Precision of the energy projections, where that is not the network's."""
    _logits: Tensor | None = None
    _source: Product | None = None
    _queries: Product | None = None
    _keys: Product | None = None

    def _steps(self) -> list[PChooseLayer]:
        return [x.p_choose_layer for x in self.layers if isinstance(x, TextDecoderLayer)]

    def _energies(self, name: str) -> Product:
        if self.short is None:
            return _EnergyStack(self._steps(), name)
        return _PackedEnergies(self._steps(), name, self.short)

    def project_source(
        self, source: Tensor, lengths: Tensor | None = None, last_only: bool = True
    ) -> SourceMemory:
        """As in :class:`TextDecoder`."""
        first = self.layers[0]
        assert isinstance(first, TextDecoderLayer)
        if not isinstance(first.encoder_decoder_attn.k_proj, PACKED):  # int8-weights
            return super().project_source(source, lengths, last_only)
        if self._source is None or self._keys is None:
            attentions = [
                x.encoder_decoder_attn for x in self.layers if isinstance(x, TextDecoderLayer)
            ]
            self._keys = self._energies("k_energy_proj")
            self._source = _stacked([p for x in attentions for p in (x.k_proj, x.v_proj)])
        steps = self._steps()
        depth, heads = len(steps), self.config.num_heads
        kv = self._source(source).unflatten(-1, (depth, 2, heads, -1))
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
            self._queries = self._energies("q_energy_proj")
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

    Layers whose weights alone are int8 stay. Weights are laid out a second time, so that a network
    takes up to twice its memory, but for what is mapped from a file.
    """
    shared = {id(x): x for x in (*network.parameters(), *network.buffers())}
    # What an int8 network keeps in full precision is rounded less in bf16 than the rest is.
    whole = any(type(x) is Int8Linear for x in network.modules())
    short = torch.bfloat16 if whole and has_bf16() and whole_products_are_exact() else None
    made = _fitted(copy.deepcopy(network, shared), short)
    assert isinstance(made, type(network))
    return made


def _fitted(module: nn.Module, short: torch.dtype | None) -> nn.Module:
    """What stands in for a module, whose children are replaced first."""
    if isinstance(module, DurationPredictor):  # behind it everything is rounded
        short = None
    for name, child in module.named_children():
        module.add_module(name, _fitted(child, short))
    if type(module) is nn.Conv1d:
        return packed_convolution(module, short)
    if type(module) is nn.Linear:
        return stand_in(PackedLinear, module)
    if type(module) is Int8Linear and whole_products_are_exact():
        return stand_in(PackedInt8Linear, module)
    if type(module) is FeedForward and isinstance(module.inner_proj, PACKED):
        module.inner_proj.activation = "swish" if module.silu else "relu"
        return stand_in(FusedFeedForward, module)
    if type(module) is ShawAttention and isinstance(module.q_proj, PACKED):
        return stand_in(FusedShawAttention, module)
    if type(module) is Attention and isinstance(module.q_proj, PACKED):
        return stand_in(FusedAttention, module)
    if type(module) is ConvModule:
        return stand_in(PackedConvModule, module)
    if type(module) is TextDecoder:
        decoder = stand_in(FusedTextDecoder, module)
        decoder.short = short
        return decoder
    return module
