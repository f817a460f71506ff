"""EMMA monotonic text decoder (arXiv 2312.04515).

A pre-norm transformer decoder whose layers also estimate p_choose: the probability that the source
heard so far suffices to write the next token. Cross-attention itself sees the whole source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.config import TextDecoderConfig
from seamless_server.nn.layers import (
    Attention,
    FeedForward,
    length_mask,
    sinusoid,
    zeros_when_needed,
)


@dataclass
class SourceMemory:
    """Projections of one batch of encoder outputs, made once and reused by every decoder step.

    keys, values: per layer (B, H, S, D/H). energy_keys: per layer (B, H, P, D/H), where P is 1
    (the last pooled frame only, all that the policy looks at) or the pooled length.
    mask: (B, 1, 1, S) bool, None when every item has S frames.
    """

    keys: list[Tensor]
    values: list[Tensor]
    energy_keys: list[Tensor]
    mask: Tensor | None

    def take(self, rows: list[int]) -> SourceMemory:
        """A batch of some of its rows, each as often as it is named."""
        index = torch.tensor(rows, device=self.keys[0].device)
        return SourceMemory(
            [x[index] for x in self.keys],
            [x[index] for x in self.values],
            [x[index] for x in self.energy_keys],
            None if self.mask is None else self.mask[index],
        )


def source_mask(lengths: Tensor | None, size: int) -> Tensor | None:
    """(B, 1, 1, S) bool: which of ``size`` frames are real; None when all are."""
    return None if lengths is None else length_mask(lengths, size)[:, None, None, :]


class DecoderCache:
    """Self-attention keys and values of ``batch`` rows with room for ``capacity`` positions."""

    def __init__(
        self,
        config: TextDecoderConfig,
        batch: int,
        capacity: int,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        head_dim = config.model_dim // config.num_heads
        shape = (config.num_layers, batch, config.num_heads, capacity, head_dim)
        self.keys = zeros_when_needed(shape, device, dtype)
        self.values = zeros_when_needed(shape, device, dtype)
        self.capacity = capacity

    def rows(self, count: int) -> DecoderCache:
        """The first ``count`` rows as a cache that shares this one's memory."""
        view = object.__new__(DecoderCache)
        view.keys, view.values = self.keys[:, :count], self.values[:, :count]
        view.capacity = self.capacity
        return view

    def grow(self, capacity: int, used: int | None = None) -> None:
        """Make room for at least ``capacity`` positions; of the first ``used`` rows all is kept."""
        if capacity > self.capacity:
            self.keys = longer(self.keys, capacity, used)
            self.values = longer(self.values, capacity, used)
            self.capacity = capacity


def longer(tensor: Tensor, size: int, rows: int | None) -> Tensor:
    """(L, B, H, N, D) -> (L, B, H, size, D), zero but for what the first rows have."""
    shape = (*tensor.shape[:3], size, tensor.size(4))
    made = zeros_when_needed(shape, tensor.device, tensor.dtype)
    made[:, :rows, :, : tensor.size(3)] = tensor[:, :rows]
    return made


class EnergyProjection(nn.Module):
    """``num_layers`` times linear and ReLU."""

    def __init__(self, dim: int, num_layers: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(num_layers):
            layers += [nn.Linear(dim, dim), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class PChooseLayer(nn.Module):
    """Monotonic energies between target positions and pooled source frames."""

    def __init__(self, config: TextDecoderConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.ratio = config.pre_decision_ratio
        self.temperature = config.monotonic_temperature
        dim, depth = config.model_dim, config.num_monotonic_energy_layers
        self.q_energy_proj = EnergyProjection(dim, depth)
        self.k_energy_proj = EnergyProjection(dim, depth)
        if config.energy_bias_value != 0.0:
            self.energy_bias: nn.Parameter | None = nn.Parameter(
                torch.full((1,), config.energy_bias_value)
            )
        else:
            self.register_parameter("energy_bias", None)

    def split(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, H, N, D/H)."""
        y: Tensor = x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        return y

    def pooled(self, source: Tensor, lengths: Tensor | None, last_only: bool) -> Tensor:
        """Average frames by ``pre_decision_ratio``; an incomplete last window averages its own.

        (B, S, D) -> (B, ceil(S / ratio), D), or (B, 1, D) with the last window of each item.
        """
        size = source.size(1)
        if lengths is None and not last_only:
            x = source.transpose(1, 2)
            return F.avg_pool1d(x, self.ratio, self.ratio, ceil_mode=True).transpose(1, 2)
        if lengths is None:
            start = (size - 1) // self.ratio * self.ratio
            return source[:, start:].mean(1, keepdim=True)
        frame = torch.arange(size, device=source.device)
        real = frame[None, :] < lengths[:, None]
        if last_only:
            first = torch.div(lengths - 1, self.ratio, rounding_mode="floor") * self.ratio
            weight = (real & (frame[None, :] >= first[:, None])).to(source.dtype)
            weight = weight / weight.sum(1, keepdim=True)
            return torch.bmm(weight[:, None, :], source)
        fill = -size % self.ratio
        count = F.pad(real, (0, fill)).unflatten(1, (-1, self.ratio)).sum(2).clamp(min=1)
        total = F.pad(source * real[..., None], (0, 0, 0, fill)).unflatten(1, (-1, self.ratio))
        y: Tensor = total.sum(2) / count[..., None].to(source.dtype)
        return y

    def project_keys(self, source: Tensor, lengths: Tensor | None, last_only: bool) -> Tensor:
        """Energy keys of a source: (B, S, D) -> (B, H, P, D/H)."""
        return self.split(self.k_energy_proj(self.pooled(source, lengths, last_only)))

    def forward(self, query: Tensor, keys: Tensor) -> Tensor:
        """(B, N, D) queries and projected keys -> p_choose (B, H, N, P), in float32."""
        return self.probability(self.split(self.q_energy_proj(query)), keys)

    def probability(self, q: Tensor, keys: Tensor) -> Tensor:
        """p_choose of projected queries (B, H, N, D/H), in float32."""
        q = q.float()
        energy = torch.matmul(q, keys.float().transpose(-1, -2)) * (q.size(-1) ** -0.5)
        if self.energy_bias is not None:
            energy = energy + self.energy_bias.float()
        return torch.sigmoid(energy / self.temperature)


class TextDecoderLayer(nn.Module):
    """Pre-norm self-attention, cross-attention with p_choose beside it, feed-forward."""

    def __init__(self, config: TextDecoderConfig) -> None:
        super().__init__()
        dim = config.model_dim
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = Attention(dim, config.num_heads)
        self.encoder_decoder_attn_layer_norm = nn.LayerNorm(dim)
        self.encoder_decoder_attn = Attention(dim, config.num_heads)
        self.p_choose_layer = PChooseLayer(config)
        self.ffn_layer_norm = nn.LayerNorm(dim)
        self.ffn = FeedForward(dim, config.ffn_dim)


class TextDecoder(nn.Module):
    """Token ids and projected source -> features, logits and p_choose."""

    def __init__(self, config: TextDecoderConfig) -> None:
        super().__init__()
        self.output: nn.Module | None = None
        """The embedding table as output projection in another form (int8)."""
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.model_dim)
        self.layers = nn.ModuleList(TextDecoderLayer(config) for _ in range(config.num_layers))
        self.layer_norm = nn.LayerNorm(config.model_dim)

    def project_source(
        self, source: Tensor, lengths: Tensor | None = None, last_only: bool = True
    ) -> SourceMemory:
        """Project encoder states (B, S, D) for all layers; see :class:`SourceMemory`."""
        memory = SourceMemory([], [], [], source_mask(lengths, source.size(1)))
        for layer in self.layers:
            assert isinstance(layer, TextDecoderLayer)
            keys, values = layer.encoder_decoder_attn.project_kv(source)
            memory.keys.append(keys)
            memory.values.append(values)
            memory.energy_keys.append(layer.p_choose_layer.project_keys(source, lengths, last_only))
        return memory

    def forward(
        self,
        tokens: Tensor,
        memory: SourceMemory,
        positions: Tensor | None = None,
        cache: DecoderCache | None = None,
        used: int | None = None,
        last: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Run the decoder over new tokens.

        Args:
            tokens: (B, N) ids.
            positions: (B, N) place of each token in its row, 0, 1, ... when None. With a cache,
                also where its key and value go; padding at a row's end may point behind the row.
            cache: keys and values of the tokens before; without one the call stands alone.
            used: how many cache positions to attend to at most (> every position; a bucket). When
                it is N, the tokens are the whole of each row so far, and attention is plainly
                causal.
            last: (B,) index of each row's last real token; p_choose is then estimated there only.

        Returns:
            features (B, N, D) behind the last layer norm, and p_choose (B, L, H, N, P), or
            (B, L, H, 1, P) with ``last``.
        """
        batch, size = tokens.shape
        if positions is None:
            positions = torch.arange(size, device=tokens.device).expand(batch, size)
        mask = None
        if cache is not None:
            used = cache.capacity if used is None else used
            if used != size:
                slots = torch.arange(used, device=tokens.device)
                mask = (slots[None, None, :] <= positions[:, :, None])[:, None]
        dim = self.config.model_dim
        x = self.embed(tokens) * dim**0.5
        x = x + sinusoid(positions, dim, x.dtype)
        asking = []
        rows = torch.arange(batch, device=tokens.device)
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, TextDecoderLayer)
            x = self._self_attend(layer, number, x, positions, cache, mask, used)
            query = layer.encoder_decoder_attn_layer_norm(x)
            asking.append(query if last is None else query[rows, last][:, None])
            attention = layer.encoder_decoder_attn
            x = x + attention.attend(
                attention.split(attention.q_proj(query)),
                memory.keys[number],
                memory.values[number],
                memory.mask,
            )
            x = x + layer.ffn(layer.ffn_layer_norm(x))
        return self.layer_norm(x), self.choose(asking, memory.energy_keys)

    def choose(self, queries: Sequence[Tensor], keys: Sequence[Tensor]) -> Tensor:
        """p_choose (B, L, H, N, P) from every layer's queries (B, N, D) and energy keys."""
        choices = []
        for layer, query, key in zip(self.layers, queries, keys, strict=True):
            assert isinstance(layer, TextDecoderLayer)
            choices.append(layer.p_choose_layer(query, key))
        return torch.stack(choices, 1)

    @staticmethod
    def _self_attend(
        layer: TextDecoderLayer,
        number: int,
        x: Tensor,
        positions: Tensor,
        cache: DecoderCache | None,
        mask: Tensor | None,
        used: int | None,
    ) -> Tensor:
        normed = layer.self_attn_layer_norm(x)
        q, keys, values = layer.self_attn.project(normed)
        if cache is None:
            return x + layer.self_attn.attend(q, keys, values, None, causal=True)
        rows = torch.arange(x.size(0), device=x.device)[:, None]
        cached_keys, cached_values = cache.keys[number], cache.values[number]
        cached_keys[rows, :, positions] = keys.transpose(1, 2)
        cached_values[rows, :, positions] = values.transpose(1, 2)
        return x + layer.self_attn.attend(
            q,
            cached_keys[:, :, :used],
            cached_values[:, :, :used],
            mask,
            causal=mask is None and x.size(1) > 1,
        )

    def logits(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., V); the output projection is the embedding table, or a form of it."""
        if self.output is not None:
            made: Tensor = self.output(features)
            return made
        return F.linear(features, self.embed.weight)
