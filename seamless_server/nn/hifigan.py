"""HiFi-GAN generator (arXiv 2010.05646): frames of channels -> samples.

Weight normalisation is folded into the weights when a checkpoint is read.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.layers import length_mask

SLOPE = 0.1
LAST_SLOPE = 0.01
EARLY = 2
"""Stages that compute all frames together."""
PIECE = 48
"""Frames at a time in the later stages, on processors."""


class HiFiGANConfig(Protocol):
    """What the generator needs to know of its network."""

    @property
    def upsample_rates(self) -> tuple[int, ...]: ...
    @property
    def upsample_kernel_sizes(self) -> tuple[int, ...]: ...
    @property
    def upsample_initial_channel(self) -> int: ...
    @property
    def resblock_kernel_sizes(self) -> tuple[int, ...]: ...
    @property
    def resblock_dilation_sizes(self) -> tuple[tuple[int, ...], ...]: ...


class ResBlock(nn.Module):
    """Three pairs of dilated and plain convolutions with residuals."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=(kernel * d - d) // 2)
            for d in dilations
        )
        self.convs2 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T), mask (B, 1, T) of real samples -> (B, C, T)."""
        for conv1, conv2 in zip(self.convs1, self.convs2, strict=True):
            y = F.leaky_relu(x, SLOPE)
            y = conv1(y if mask is None else y * mask)
            y = F.leaky_relu(y, SLOPE, inplace=True)
            x = conv2(y if mask is None else y * mask).add_(x)
        return x


class HiFiGAN(nn.Module):
    """Frames -> samples, as many a frame as the product of the stages' rates.

    Args:
        in_dim: channels of a frame.
        squash: end with the tanh that keeps samples in [-1, 1].
    """

    def __init__(self, in_dim: int, shape: HiFiGANConfig, squash: bool = True) -> None:
        super().__init__()
        self.shape, self.squash = shape, squash
        width = shape.upsample_initial_channel
        self.conv_pre = nn.Conv1d(in_dim, width, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(shape.upsample_rates, shape.upsample_kernel_sizes, strict=True):
            odd = (kernel - rate) % 2
            pad = (kernel - rate + odd) // 2
            self.ups.append(
                nn.ConvTranspose1d(width, width // 2, kernel, rate, pad, output_padding=odd)
            )
            width //= 2
            for size, dilations in zip(
                shape.resblock_kernel_sizes, shape.resblock_dilation_sizes, strict=True
            ):
                self.resblocks.append(ResBlock(width, size, dilations))
        self.conv_post = nn.Conv1d(width, 1, 7, padding=3)

    @cached_property
    def samples_per_frame(self) -> int:
        """Samples that a frame becomes."""
        return math.prod(self.shape.upsample_rates)

    @cached_property
    def margins(self) -> list[int]:
        """Frames to either side that a sample depends on: from the frames themselves, and from
        what is there behind each stage."""
        rate, cfg = 1, self.shape
        reaches = [3.0]
        for factor, kernel in zip(cfg.upsample_rates, cfg.upsample_kernel_sizes, strict=True):
            reach = (kernel - factor + 1) // 2 / (rate * factor) + 1 / rate
            rate *= factor
            reach += max(
                sum((size - 1) // 2 * (d + 1) for d in dilations) / rate
                for size, dilations in zip(
                    cfg.resblock_kernel_sizes, cfg.resblock_dilation_sizes, strict=True
                )
            )
            reaches.append(reach)
        reaches[-1] += 3 / rate
        # conv_pre and the first stage are one step: nothing is left out between them.
        left = [sum(reaches), *(sum(reaches[i:]) for i in range(2, len(reaches))), 3 / rate]
        return [int(x) + 1 for x in left]

    def crops(self, skip: int) -> list[int]:
        """Frames to leave out behind each stage, when the first ``skip`` are not wanted."""
        left_out = [max(0, skip - margin) for margin in self.margins[1:]]
        return [now - before for before, now in zip([0, *left_out], left_out, strict=False)]

    def generate(self, x: Tensor, lengths: Tensor | None, skip: int = 0) -> Tensor:
        """Frames (B, U, C) -> samples (B, (U - skip) * samples_per_frame), zero behind an end.

        The late stages have many samples of few channels: on processors they go over some frames
        at a time, with the neighbours that these need, and so in memory that long speech does not
        add to.
        """
        x, lengths = self._first(x.transpose(1, 2), lengths)
        early, rate = min(EARLY, len(self.ups)), 1
        for stage, crop in enumerate(self.crops(skip)[:early]):
            x, lengths = self._stage(stage, x, lengths)
            rate *= self.shape.upsample_rates[stage]
            x = x[..., crop * rate :]
            lengths = None if lengths is None else lengths - crop * rate
        margin, total = self.margins[early], x.size(-1) // rate
        size = PIECE if x.device.type == "cpu" and total > PIECE else max(1, total)
        made = [x.new_empty(len(x), 0)]
        for start in range(min(skip, margin), total, size):
            low = max(0, start - margin)
            part = x[..., low * rate : (start + size + margin) * rate]
            left = None if lengths is None else lengths - low * rate
            if total > size:
                # All pieces are of one size, so that few kernels are made.
                missing = (size + 2 * margin) * rate - part.size(-1)
                if left is None and missing:
                    left = torch.tensor([part.size(-1)] * len(x))
                part = F.pad(part, (0, missing))
            for stage in range(early, len(self.ups)):
                part, left = self._stage(stage, part, left)
            wave, samples = self._last(part, left), self.samples_per_frame
            end = min(start + size, total)
            made.append(wave[:, (start - low) * samples : (end - low) * samples])
        return torch.cat(made, 1)

    def _first(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Frames (B, C, U) -> channels of the first stage, and the items' lengths in them."""
        if lengths is not None:
            x = x * length_mask(lengths, x.size(2))[:, None]
        return self.conv_pre(x), lengths

    def _stage(self, stage: int, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Upsampling and residual blocks; (B, C, T) -> (B, C / 2, T * rate)."""
        x = F.leaky_relu(x, SLOPE)
        if lengths is not None:
            x = x * length_mask(lengths, x.size(2))[:, None]
            lengths = lengths * self.shape.upsample_rates[stage]
        x = self.ups[stage](x)
        mask = None if lengths is None else length_mask(lengths, x.size(2))[:, None]
        width = len(self.shape.resblock_kernel_sizes)
        first, *others = self.resblocks[stage * width : (stage + 1) * width]
        total = first(x, mask)
        for block in others:
            total += block(x, mask)
        return total.div_(width), lengths

    def _last(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, C, T) -> samples (B, T), zero behind an item's end."""
        mask = None if lengths is None else length_mask(lengths, x.size(2))[:, None]
        x = F.leaky_relu(x, LAST_SLOPE)
        x = self.conv_post(x if mask is None else x * mask)
        x = torch.tanh(x) if self.squash else x
        return (x if mask is None else x * mask).squeeze(1)
