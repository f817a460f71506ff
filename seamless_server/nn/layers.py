"""Small pieces that several networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

FIRST_POSITION = 2
"""fairseq2 numbers sinusoidal positions from its padding index + 1."""


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """(B,) lengths -> (B, size) bool, True where an element is real."""
    return torch.arange(size, device=lengths.device)[None, :] < lengths[:, None]


def zeros_when_needed(
    shape: Sequence[int], device: torch.device | None, dtype: torch.dtype | None
) -> Tensor:
    """Zeros; on processors in memory that the system gives when it is first written to."""
    dtype = dtype or torch.get_default_dtype()
    if device is not None and device.type != "cpu":
        return torch.zeros(shape, device=device, dtype=dtype)
    # PyTorch writes its zeros one by one; numpy asks the system for memory that has them.
    memory = np.zeros(math.prod(shape) * dtype.itemsize, np.uint8)
    return torch.from_numpy(memory).view(dtype).view(tuple(shape))


def sinusoid(positions: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
    """Sinusoidal encoding of integer positions counted from 0: (...,) -> (..., dim).

    Sines fill the first half of the channels, cosines the second (Vaswani et al. 2017,
    arXiv 1706.03762, in tensor2tensor's layout).
    """
    half = dim // 2
    step = -math.log(10_000.0) / max(half - 1, 1)
    freq = torch.exp(torch.arange(half, device=positions.device, dtype=torch.float32) * step)
    angle = (positions + FIRST_POSITION).to(torch.float32)[..., None] * freq
    encoding = torch.cat([angle.sin(), angle.cos()], dim=-1)
    if dim % 2:
        encoding = F.pad(encoding, (0, 1))
    return encoding.to(dtype)


class FeedForward(nn.Module):
    """Two linear layers with an activation between them: (..., D) -> (..., D)."""

    def __init__(self, dim: int, inner_dim: int, activation: str = "relu") -> None:
        super().__init__()
        self.inner_proj = nn.Linear(dim, inner_dim)
        self.output_proj = nn.Linear(inner_dim, dim)
        self.silu = activation == "silu"

    def forward(self, x: Tensor) -> Tensor:
        x = self.inner_proj(x)
        y: Tensor = self.output_proj(F.silu(x) if self.silu else F.relu(x))
        return y


class Attention(nn.Module):
    """Projections of multi-head attention; the products run in fused SDPA kernels."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_proj = nn.Linear(dim, dim)
        self.k_proj = nn.Linear(dim, dim)
        self.v_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)

    def split(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, H, N, D/H)."""
        y: Tensor = x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        return y

    def project_kv(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory, each (B, H, N, D/H)."""
        return self.split(self.k_proj(x)), self.split(self.v_proj(x))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of a sequence that attends to itself, each (B, H, N, D/H)."""
        return self.split(self.q_proj(x)), *self.project_kv(x)

    def attend(
        self, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool = False
    ) -> Tensor:
        """Attend from queries (B, H, N, D/H) to keys and values, all projected -> (B, N, D)."""
        out = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask, is_causal=causal)
        y: Tensor = self.output_proj(out.transpose(1, 2).flatten(2))
        return y

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Self-attention, (B, N, D) -> (B, N, D); mask is True where a key may be seen."""
        return self.attend(*self.project(x), mask)


class ConvBlock(nn.Module):
    """Convolution, ReLU, convolution, both of "same" length."""

    def __init__(self, dim: int, inner_dim: int, kernel_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(dim, inner_dim, kernel_size, padding="same")
        self.conv2 = nn.Conv1d(inner_dim, dim, kernel_size, padding="same")

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, U, D), mask (B, U, 1) of real frames -> (B, U, D)."""
        if mask is not None:
            x = x * mask
        x = F.relu(self.conv1(x.transpose(1, 2))).transpose(1, 2)
        if mask is not None:
            x = x * mask
        y: Tensor = self.conv2(x.transpose(1, 2)).transpose(1, 2)
        return y


class DurationPredictor(nn.Module):
    """Log durations of a sequence: two convolutions with layer norm (FastSpeech 2)."""

    def __init__(self, dim: int, hidden_dim: int, kernel_size: int) -> None:
        super().__init__()
        pad = (kernel_size - 1) // 2
        self.conv1 = nn.Sequential(nn.Conv1d(dim, hidden_dim, kernel_size, padding=pad), nn.ReLU())
        self.ln1 = nn.LayerNorm(hidden_dim)
        self.conv2 = nn.Sequential(
            nn.Conv1d(hidden_dim, hidden_dim, kernel_size, padding=pad), nn.ReLU()
        )
        self.ln2 = nn.LayerNorm(hidden_dim)
        self.proj = nn.Linear(hidden_dim, 1)

    def hidden(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D), mask (B, N) -> states in front of the projection, (B, N, H)."""
        for conv, norm in ((self.conv1, self.ln1), (self.conv2, self.ln2)):
            if mask is not None:
                x = x * mask[..., None]
            x = norm(conv(x.transpose(1, 2)).transpose(1, 2))
        return x

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D), mask (B, N) -> log(duration + 1), (B, N)."""
        y: Tensor = self.proj(self.hidden(x, mask)).squeeze(-1)
        return y


def durations_from_log(log_durations: Tensor, factor: float, mask: Tensor | None) -> Tensor:
    """(B, N) log durations -> whole units or frames, at least 1 each, 0 where masked.

    Rounds half to even, as the official code does.
    """
    scaled = torch.round((torch.exp(log_durations.float()) - 1.0) * factor)
    durations = scaled.clamp(min=1).long()
    return durations if mask is None else durations * mask


def upsample(x: Tensor, counts: Tensor, size: int) -> Tensor:
    """Repeat row i of x (B, N, D) counts[b, i] times -> (B, size, D); tails repeat the last row."""
    ends = counts.cumsum(1)
    slots = torch.arange(size, device=x.device).expand(x.size(0), size).contiguous()
    index = torch.searchsorted(ends, slots, right=True).clamp(max=x.size(1) - 1)
    return x.gather(1, index[..., None].expand(-1, -1, x.size(2)))
