"""Acoustic model: units, language and prosody -> mel frames.

FastSpeech 2 (arXiv 2006.04558) whose layers are conditioned by FiLM (arXiv 1709.07871), with
Gaussian upsampling (arXiv 2010.04301) and the postnet of Tacotron 2 (arXiv 1712.05884).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from seamless_server.nn.layers import (
    Attention,
    ConvBlock,
    DurationPredictor,
    length_mask,
    sinusoid,
)
from seamless_server.nn.pretssel.sizes import AcousticConfig

SHARPNESS = 0.1
"""Inverse width of the Gaussian around a unit's middle, in 1 / frames^2."""


class FiLM(nn.Module):
    """Scale and shift of every channel by a condition."""

    def __init__(self, dim: int, cond_dim: int) -> None:
        super().__init__()
        self.s_gamma = nn.Parameter(torch.ones(1))
        self.s_beta = nn.Parameter(torch.ones(1))
        self.proj = nn.Linear(cond_dim, 2 * dim)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        """(B, N, D), cond (B, 1, C) -> (B, N, D)."""
        gamma, beta = self.proj(cond).chunk(2, dim=-1)
        y: Tensor = (self.s_gamma * gamma + 1) * x + self.s_beta * beta
        return y


class FFTLayer(nn.Module):
    """Post-norm feed-forward transformer layer with convolutions, then FiLM."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        dim = config.model_dim
        self.self_attn = Attention(dim, config.num_heads)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.conv1d = ConvBlock(dim, config.conv_inner_dim, config.conv_kernel_size)
        self.conv1d_layer_norm = nn.LayerNorm(dim)
        self.film = FiLM(dim, config.cond_dim)

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D), cond (B, 1, C), mask (B, N) of real rows -> (B, N, D)."""
        keys = None if mask is None else mask[:, None, None]
        x = self.self_attn_layer_norm(x + self.self_attn(x, keys))
        x = self.conv1d_layer_norm(x + self.conv1d(x, None if mask is None else mask[..., None]))
        y: Tensor = self.film(x, cond)
        return y if mask is None else y * mask[..., None]


class VariancePredictor(DurationPredictor):
    """One number a unit (pitch, voicing, energy), conditioned."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__(config.model_dim, config.predictor_dim, config.predictor_kernel_size)
        self.film = FiLM(config.predictor_dim, config.cond_dim)

    def predict(self, x: Tensor, cond: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D), cond (B, 1, C), mask (B, N) -> (B, N)."""
        y: Tensor = self.proj(self.film(self.hidden(x, mask), cond)).squeeze(-1)
        return y


class VarianceAdaptor(nn.Module):
    """Adds pitch, 0 where the speech is unvoiced, and energy."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.pitch_predictor = VariancePredictor(config)
        self.vuv_predictor = VariancePredictor(config)
        self.energy_predictor = VariancePredictor(config)
        self.embed_pitch = nn.Conv1d(1, config.model_dim, 1)
        self.embed_energy = nn.Conv1d(1, config.model_dim, 1)

    def forward(self, x: Tensor, cond: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D), cond (B, 1, C), mask (B, N) -> (B, N, D)."""
        pitch = self.pitch_predictor.predict(x, cond, mask)
        voiced = self.vuv_predictor.predict(x, cond, mask) >= 0
        energy = self.energy_predictor.predict(x, cond, mask)
        added = self.embed_pitch((pitch * voiced)[:, None]) + self.embed_energy(energy[:, None])
        y: Tensor = x + added.transpose(1, 2)
        return y


def gaussian_upsample(
    x: Tensor, durations: Tensor, size: int, mask: Tensor | None = None
) -> Tensor:
    """Units that last ``durations`` frames each -> one row a frame.

    Args:
        x: (B, N, D).
        durations: (B, N) whole frames.
        size: F, frames of the longest item.
        mask: (B, N) of real units, None when all are.

    Returns:
        (B, F, D): each frame a mean of all units, weighted by how near their middles are.
    """
    lasting = durations.float()
    middles = lasting.cumsum(1) - lasting / 2
    frames = torch.arange(size, device=x.device, dtype=torch.float32)
    scores = -SHARPNESS * (frames[None, :, None] - middles[:, None]) ** 2
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None], -torch.inf)
    return scores.softmax(-1).to(x.dtype) @ x


class AcousticModel(nn.Module):
    """Units with durations -> normalised mel frames."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.config = config
        dim, mel = config.model_dim, config.mel_dim
        self.embed_unit = nn.Embedding(config.vocab_size, dim)
        self.pos_emb_alpha_unit = nn.Parameter(torch.ones(1))
        self.pos_emb_alpha = nn.Parameter(torch.ones(1))
        self.encoder_layers = nn.ModuleList(
            FFTLayer(config) for _ in range(config.num_encoder_layers)
        )
        self.variance_adaptor = VarianceAdaptor(config)
        self.decoder_layers = nn.ModuleList(
            FFTLayer(config) for _ in range(config.num_decoder_layers)
        )
        self.final_proj = nn.Linear(dim, mel)
        widths = [mel, *[config.postnet_dim] * (config.postnet_layers - 1), mel]
        self.postnet = nn.ModuleList(
            nn.Conv1d(a, b, config.postnet_kernel_size, padding=config.postnet_kernel_size // 2)
            for a, b in pairwise(widths)
        )

    def forward(
        self,
        ids: Tensor,
        durations: Tensor,
        cond: Tensor,
        lengths: Tensor | None = None,
        official_padding: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Every item as if it were alone.

        Args:
            ids: (B, N) rows of the unit table, padded at the end with any row.
            durations: (B, N) mel frames that each one lasts, 0 where padded.
            cond: (B, C) prosody and language.
            lengths: (B,) unit counts, None when no item is padded, neither in units nor in frames.
            official_padding: let the postnet reach into the padding, as the official code does.

        Returns:
            Mel frames (B, F, mel) and how many each item has (B,).

        Raises:
            ValueError: more frames than the network can position.
        """
        totals = durations.sum(1)
        size = int(totals.max())
        if max(size, ids.size(1)) > self.config.max_frames:
            raise ValueError(
                f"{size} frames of speech are more than the model's {self.config.max_frames}"
            )
        mask = frames = None
        if lengths is not None:
            mask, frames = length_mask(lengths, ids.size(1)), length_mask(totals, size)
        cond = cond[:, None]
        x = self._placed(self.embed_unit(ids), self.pos_emb_alpha_unit)
        for layer in self.encoder_layers:
            x = layer(x, cond, mask)
        x = self.variance_adaptor(x, cond, mask)
        x = self._placed(gaussian_upsample(x, durations, size, mask), self.pos_emb_alpha)
        for layer in self.decoder_layers:
            x = layer(x, cond, frames)
        return self._refine(self.final_proj(x), None if official_padding else frames), totals

    @staticmethod
    def _placed(x: Tensor, alpha: Tensor) -> Tensor:
        return x + alpha * sinusoid(torch.arange(x.size(1), device=x.device), x.size(2), x.dtype)

    def _refine(self, mel: Tensor, frames: Tensor | None) -> Tensor:
        """The postnet, whose batch norm is folded into its convolutions."""
        y = mel.transpose(1, 2)
        for i, conv in enumerate(self.postnet):
            y = conv(y if frames is None else y * frames[:, None])
            if i < len(self.postnet) - 1:
                y = torch.tanh(y)
        return mel + y.transpose(1, 2)
