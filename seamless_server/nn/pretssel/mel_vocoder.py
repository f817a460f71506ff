"""Mel vocoder: HiFi-GAN (arXiv 2010.05646) whose samples pass through an audio autoencoder.

The autoencoder has SEANet's form (arXiv 2009.02095, as in arXiv 2210.13438); it marks the speech
as synthetic. Its output is most of the sound, so speech without it does not exist.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.hifigan import HiFiGAN
from seamless_server.nn.layers import length_mask
from seamless_server.nn.pretssel.sizes import MelVocoderConfig, WatermarkConfig

WATERMARK_GAIN = 0.8


def _silent(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Zeros behind an item's end, which is what a convolution would find there alone."""
    return x if lengths is None else x * length_mask(lengths, x.size(2))[:, None]


class Down(nn.Conv1d):
    """Convolution of T steps to ceil(T / stride), padded with zeros."""

    def forward(  # type: ignore[override]
        self, x: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, C, T) and the items' lengths -> (B, D, T') and theirs."""
        stride, total = self.stride[0], self.kernel_size[0] - self.stride[0]
        right = total // 2
        steps = -(-x.size(2) // stride)
        fill = steps * stride - x.size(2)
        x = F.pad(_silent(x, lengths), (total - right, right + fill))
        return super().forward(x), None if lengths is None else -(-lengths // stride)


class Up(nn.ConvTranspose1d):
    """Transposed convolution of T steps to T * stride."""

    def forward(  # type: ignore[override]
        self, x: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, C, T) and the items' lengths -> (B, D, T') and theirs."""
        stride, total = self.stride[0], self.kernel_size[0] - self.stride[0]
        right = total // 2
        y = super().forward(_silent(x, lengths))
        y = y[..., total - right : y.size(2) - right]
        return y, None if lengths is None else lengths * stride


class Residual(nn.Module):
    """A narrow convolution and one back to the width, with a residual."""

    def __init__(self, dim: int, inner_dim: int, kernel: int) -> None:
        super().__init__()
        self.conv1 = Down(dim, inner_dim, kernel)
        self.conv2 = Down(inner_dim, dim, 1)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, C, T) -> (B, C, T)."""
        y, _ = self.conv1(F.elu(x), lengths)
        y, _ = self.conv2(F.elu(y), lengths)
        return x + y, lengths


class Recurrent(nn.Module):
    """LSTM over all steps, forwards, with a residual."""

    def __init__(self, dim: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, layers, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, C, T) -> (B, C, T); what is behind an item's end changes nothing before it."""
        y, _ = self.lstm(x.transpose(1, 2))
        return x + y.transpose(1, 2), lengths


class Activation(nn.ELU):
    """ELU between two layers."""

    def forward(  # type: ignore[override]
        self, x: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """(B, C, T) -> (B, C, T)."""
        return super().forward(x), lengths


class Watermark(nn.Module):
    """Samples -> samples of the same length, through ever fewer steps and back."""

    def __init__(self, config: WatermarkConfig) -> None:
        super().__init__()
        width = config.num_filters
        layers: list[nn.Module] = [Down(1, width, config.kernel_size)]
        for ratio in reversed(config.ratios):
            layers += [
                Residual(width, width // config.compress, config.residual_kernel_size),
                Activation(),
                Down(width, 2 * width, 2 * ratio, ratio),
            ]
            width *= 2
        layers += [
            Recurrent(width, config.lstm_layers),
            Activation(),
            Down(width, config.dim, config.last_kernel_size),
            Down(config.dim, width, config.kernel_size),
            Recurrent(width, config.lstm_layers),
        ]
        for ratio in config.ratios:
            layers += [Activation(), Up(width, width // 2, 2 * ratio, ratio)]
            width //= 2
            layers.append(Residual(width, width // config.compress, config.residual_kernel_size))
        layers += [Activation(), Down(width, 1, config.last_kernel_size)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, S), lengths (B,) -> (B, S)."""
        y = torch.tanh(x)[:, None]
        for layer in self.layers:
            y, lengths = layer(y, lengths)
        return y[:, 0, : x.size(1)]


class MelVocoder(HiFiGAN):
    """Mel frames -> samples, 240 a frame at 24 kHz."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: MelVocoderConfig) -> None:
        super().__init__(config.mel_dim, config, squash=False)
        self.register_buffer("mean", torch.zeros(config.mel_dim))
        self.register_buffer("scale", torch.ones(config.mel_dim))
        self.watermark = Watermark(config.watermark)

    def forward(self, mel: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Every item as if it were alone.

        Args:
            mel: (B, F, mel) log mel energies.
            lengths: (B,) frames of each item, None when all have F.

        Returns:
            (B, F * samples_per_frame) samples. They may exceed 1; behind an item's end they are
            of no meaning.
        """
        speech = self.generate((mel - self.mean) / self.scale, lengths)
        samples = None if lengths is None else lengths * self.samples_per_frame
        marked: Tensor = self.watermark(speech, samples)
        return WATERMARK_GAIN * marked + torch.tanh(speech)
