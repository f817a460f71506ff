"""Conformer block of w2v-BERT 2.0 (arXiv 2312.05187, section 3.2.1).

Attention has Shaw relative positions on the keys (arXiv 1803.02155); the depthwise convolution is
causal and followed by layer norm instead of batch norm, which makes the block streamable.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.config import SpeechEncoderConfig
from seamless_server.nn.layers import Attention, FeedForward


def relative_index(size: int, left: int, right: int, device: torch.device) -> Tensor:
    """(size, size) rows of the relative table for query i and key j: clamp(j - i) + left."""
    steps = torch.arange(size, device=device)
    return (steps[None, :] - steps[:, None]).clamp(-left, right) + left


class ShawAttention(Attention):
    """Self-attention with relative keys: logits are q.(k + r[clamp(j - i)]) / sqrt(d)."""

    def __init__(self, dim: int, num_heads: int, max_left: int, max_right: int) -> None:
        super().__init__(dim, num_heads)
        self.rel_k_embed = nn.Embedding(max_left + 1 + max_right, dim // num_heads)

    def forward_relative(self, x: Tensor, index: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, S, D), index from :func:`relative_index`, additive mask (B|1, 1, S|1, S)."""
        out = self.attend_relative(*self.project(x), index, mask)
        y: Tensor = self.output_proj(out.transpose(1, 2).flatten(2))
        return y

    def attend_relative(
        self, q: Tensor, keys: Tensor, values: Tensor, index: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Attention alone, on queries, keys and values (B, H, S, D/H), whose shape it has."""
        table = self.rel_k_embed.weight * (q.size(-1) ** -0.5)
        bias = torch.matmul(q, table.transpose(0, 1))
        bias = bias.gather(-1, index.expand(q.size(0), q.size(1), -1, -1))
        if mask is not None:
            bias = bias + mask
        return F.scaled_dot_product_attention(q, keys, values, attn_mask=bias)


def _pointwise(layer: nn.Module, x: Tensor) -> Tensor:
    """A pointwise convolution, or the linear layer that took its place: (..., D) -> (..., D')."""
    # Computed as a linear layer: this way no transpose is needed.
    y: Tensor = F.linear(x, layer.weight[..., 0]) if isinstance(layer, nn.Conv1d) else layer(x)
    return y


class ConvModule(nn.Module):
    """Pointwise GLU, causal depthwise convolution, layer norm, SiLU, pointwise."""

    def __init__(self, dim: int, kernel_size: int) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(dim, 2 * dim, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(dim, dim, kernel_size, groups=dim, bias=False)
        self.layer_norm = nn.LayerNorm(dim)
        self.pointwise_conv2 = nn.Conv1d(dim, dim, 1, bias=False)
        self._left = kernel_size - 1

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, S, D), mask (B, S, 1) of real frames -> (B, S, D)."""
        if mask is not None:
            x = x * mask
        x = F.pad(self.gate(x), (0, 0, self._left, 0))
        return self.mix(self.depthwise_conv(x.transpose(1, 2)).transpose(1, 2))

    def gate(self, x: Tensor) -> Tensor:
        """First half, frame by frame: (B, S, D) -> (B, S, D), which the convolution takes."""
        return F.glu(_pointwise(self.pointwise_conv1, x), dim=-1)

    def mix(self, x: Tensor) -> Tensor:
        """Second half, frame by frame, behind the convolution: (B, S, D) -> (B, S, D)."""
        return _pointwise(self.pointwise_conv2, F.silu(self.layer_norm(x)))


class ConformerBlock(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, layer norm."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        dim = config.model_dim
        self.ffn1_layer_norm = nn.LayerNorm(dim)
        self.ffn1 = FeedForward(dim, config.ffn_dim, "silu")
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = ShawAttention(
            dim, config.num_heads, config.max_left_rel_pos, config.max_right_rel_pos
        )
        self.conv_layer_norm = nn.LayerNorm(dim)
        self.conv = ConvModule(dim, config.depthwise_kernel_size)
        self.ffn2_layer_norm = nn.LayerNorm(dim)
        self.ffn2 = FeedForward(dim, config.ffn_dim, "silu")
        self.layer_norm = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, index: Tensor, attn_mask: Tensor | None, conv_mask: Tensor | None
    ) -> Tensor:
        """(B, S, D) -> (B, S, D); masks as in the two modules."""
        x = x + 0.5 * self.ffn1(self.ffn1_layer_norm(x))
        x = x + self.self_attn.forward_relative(self.self_attn_layer_norm(x), index, attn_mask)
        x = x + self.conv(self.conv_layer_norm(x), conv_mask)
        x = x + 0.5 * self.ffn2(self.ffn2_layer_norm(x))
        y: Tensor = self.layer_norm(x)
        return y
