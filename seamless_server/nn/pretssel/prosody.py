"""Prosody encoder: how somebody sounds, as one vector.

ECAPA-TDNN (arXiv 2005.07143) with layer norm in place of batch norm, as PRETSSEL has it
(arXiv 2312.05187, section 4.2).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.layers import length_mask
from seamless_server.nn.pretssel.sizes import ProsodyConfig

EPS = 1e-12


class TDNN(nn.Module):
    """Convolution of the same length, ReLU, layer norm over channels."""

    def __init__(self, in_dim: int, dim: int, kernel: int, dilation: int = 1) -> None:
        super().__init__()
        pad = dilation * (kernel - 1) // 2
        self.conv = nn.Conv1d(in_dim, dim, kernel, dilation=dilation, padding=pad)
        self.norm = nn.LayerNorm(dim, eps=EPS)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T), mask (B, 1, T) of real frames -> (B, D, T)."""
        x = F.relu(self.conv(x if mask is None else x * mask))
        y: Tensor = self.norm(x.transpose(1, 2)).transpose(1, 2)
        return y


class Res2Net(nn.Module):
    """Groups of channels, each convolved with the group before it (arXiv 1904.01169)."""

    def __init__(self, dim: int, scale: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.scale = scale
        width = dim // scale
        self.blocks = nn.ModuleList(TDNN(width, width, kernel, dilation) for _ in range(scale - 1))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        first, *groups = x.chunk(self.scale, 1)
        made = [first]
        for i, (block, group) in enumerate(zip(self.blocks, groups, strict=True)):
            made.append(block(group if i == 0 else group + made[-1], mask))
        return torch.cat(made, 1)


class SqueezeExcitation(nn.Module):
    """Scales each channel by what all frames have in it (arXiv 1709.01507)."""

    def __init__(self, dim: int, inner_dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(dim, inner_dim, 1)
        self.conv2 = nn.Conv1d(inner_dim, dim, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        if mask is None:
            mean = x.mean(2, keepdim=True)
        else:
            mean = (x * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True)
        y: Tensor = torch.sigmoid(self.conv2(F.relu(self.conv1(mean)))) * x
        return y


class SERes2Net(nn.Module):
    """TDNN, Res2Net, TDNN and squeeze-excitation, with a residual."""

    def __init__(
        self, in_dim: int, dim: int, scale: int, se_dim: int, kernel: int, dilation: int
    ) -> None:
        super().__init__()
        self.tdnn1 = TDNN(in_dim, dim, 1)
        self.res2net_block = Res2Net(dim, scale, kernel, dilation)
        self.tdnn2 = TDNN(dim, dim, 1)
        self.se_block = SqueezeExcitation(dim, se_dim)
        self.shortcut = None if in_dim == dim else nn.Conv1d(in_dim, dim, 1)

    def forward(self, x: Tensor, mask: Tensor | None, heard: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, D, T); heard: what convolutions mask, see :class:`ProsodyEncoder`."""
        y = self.tdnn2(self.res2net_block(self.tdnn1(x, heard), heard), heard)
        residual = x if self.shortcut is None else self.shortcut(x)
        out: Tensor = self.se_block(y, mask) + residual
        return out


class AttentiveStatistics(nn.Module):
    """Mean and deviation over time, weighted by attention (arXiv 1803.10963)."""

    def __init__(self, dim: int, attention_dim: int) -> None:
        super().__init__()
        self.tdnn = TDNN(3 * dim, attention_dim, 1)
        self.conv = nn.Conv1d(attention_dim, dim, 1)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> (B, 2 C, 1)."""
        if mask is None:
            weights = torch.full_like(x[:, :1], 1 / x.size(2))
        else:
            weights = mask / mask.sum(2, keepdim=True)
        known = [x, *(s.expand_as(x) for s in _statistics(x, weights))]
        scores = self.conv(torch.tanh(self.tdnn(torch.cat(known, 1), None)))
        if mask is not None:
            scores = scores.masked_fill(mask == 0, -torch.inf)
        return torch.cat(_statistics(x, scores.softmax(2)), 1)


def _statistics(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and deviation over time, each (B, C, 1)."""
    mean = (weights * x).sum(2, keepdim=True)
    variance = (weights * (x - mean) ** 2).sum(2, keepdim=True)
    return mean, variance.clamp(min=EPS).sqrt()


class ProsodyEncoder(nn.Module):
    """Normalised mel frames of a speaker -> a unit vector of prosody and voice."""

    def __init__(self, config: ProsodyConfig) -> None:
        super().__init__()
        widths, kernels, dilations = config.channels, config.kernel_sizes, config.dilations
        self.blocks = nn.ModuleList([TDNN(config.mel_dim, widths[0], kernels[0], dilations[0])])
        for i in range(1, len(widths) - 1):
            self.blocks.append(
                SERes2Net(
                    widths[i - 1],
                    widths[i],
                    config.res2net_scale,
                    config.se_channels,
                    kernels[i],
                    dilations[i],
                )
            )
        width = widths[-1]
        self.mfa = TDNN(sum(widths[1:-1]), width, kernels[-1], dilations[-1])
        self.asp = AttentiveStatistics(width, config.attention_channels)
        self.asp_norm = nn.LayerNorm(2 * width, eps=EPS)
        self.fc = nn.Conv1d(2 * width, config.embed_dim, 1)

    def forward(
        self, frames: Tensor, lengths: Tensor | None = None, official_padding: bool = False
    ) -> Tensor:
        """Every item as if it were alone.

        Args:
            frames: (B, T, mel), T at least 1.
            lengths: (B,) frames of each item, None when all have T.
            official_padding: let convolutions reach into the padding, as the official code does.

        Returns:
            (B, E) of length 1.
        """
        mask = None
        if lengths is not None:
            mask = length_mask(lengths, frames.size(1))[:, None].to(frames.dtype)
        heard = None if official_padding else mask
        x = self.blocks[0](frames.transpose(1, 2), heard)
        made = []
        for block in self.blocks[1:]:
            x = block(x, mask, heard)
            made.append(x)
        x = self.asp(self.mfa(torch.cat(made, 1), heard), mask)
        x = self.fc(self.asp_norm(x.transpose(1, 2)).transpose(1, 2)).squeeze(2)
        return F.normalize(x, dim=1, eps=EPS)
