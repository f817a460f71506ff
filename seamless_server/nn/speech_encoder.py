"""Speech encoder: stacked filterbanks -> conformer -> strided adaptor.

w2v-BERT 2.0 and the UnitY adaptor (arXiv 2312.05187; UnitY: arXiv 2212.08055).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.config import SpeechEncoderConfig
from seamless_server.nn.conformer import ConformerBlock, relative_index
from seamless_server.nn.layers import Attention, FeedForward, length_mask


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A bool mask (True = may be seen) as a bias of 0 and a large negative number."""
    low = torch.finfo(dtype).min / 2
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, low)


class AdaptorLayer(nn.Module):
    """Transformer layer whose attention and residual both shorten the sequence by ``stride``."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        dim, kernel, stride = config.model_dim, config.adaptor_kernel_size, config.adaptor_stride
        self.kernel, self.stride = kernel, stride

        def conv() -> nn.Conv1d:
            return nn.Conv1d(dim, 2 * dim, kernel, stride=stride, padding=kernel // 2)

        self.residual_layer_norm = nn.LayerNorm(dim)
        self.residual_conv = conv()
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn_conv = conv()
        self.self_attn = Attention(dim, config.num_heads)
        self.ffn_layer_norm = nn.LayerNorm(dim)
        self.ffn = FeedForward(dim, config.ffn_dim)

    def out_length(self, length: Tensor) -> Tensor:
        """Frames that ``length`` frames become: length // 8 + 1 in the published model."""
        padded = length + 2 * (self.kernel // 2) - self.kernel
        return torch.div(padded, self.stride, rounding_mode="floor") + 1

    def forward(self, x: Tensor, real: Tensor | None, key_mask: Tensor | None) -> Tensor:
        """(B, S, D) -> (B, S', D).

        ``real`` (B, S, 1) marks the frames that exist for the item alone; all others are zeroed
        before the strided convolutions, as the convolutions' own padding would be.
        """
        residual = self._shorten(self.residual_layer_norm(x), self.residual_conv, real)
        x = self._shorten(self.self_attn_layer_norm(x), self.self_attn_conv, real)
        x = residual + self.self_attn(x, key_mask)
        y: Tensor = x + self.ffn(self.ffn_layer_norm(x))
        return y

    @staticmethod
    def _shorten(x: Tensor, conv: nn.Conv1d, real: Tensor | None) -> Tensor:
        if real is not None:
            x = x * real
        return F.glu(conv(x.transpose(1, 2)), dim=1).transpose(1, 2)


class SpeechEncoder(nn.Module):
    """Filterbank features of speech -> states for the text decoder, one each 160 ms."""

    def __init__(self, config: SpeechEncoderConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.model_dim
        self.post_extract_layer_norm = nn.LayerNorm(config.feature_dim)
        self.model_dim_proj = nn.Linear(config.feature_dim, dim)
        self.layers = nn.ModuleList(ConformerBlock(config) for _ in range(config.num_layers))
        self.inner_layer_norm = nn.LayerNorm(dim)
        self.proj1 = nn.Linear(dim, 4 * dim)
        self.proj2 = nn.Linear(4 * dim, dim)
        self.adaptor_layers = nn.ModuleList(
            AdaptorLayer(config) for _ in range(config.num_adaptor_layers)
        )
        self.layer_norm = nn.LayerNorm(dim)

    def out_lengths(self, lengths: Tensor) -> Tensor:
        """(B,) lengths in 10 ms frames -> (B,) lengths of the output."""
        out = torch.div(
            lengths + self.config.fbank_stride - 1, self.config.fbank_stride, rounding_mode="floor"
        )
        for layer in self.adaptor_layers:
            assert isinstance(layer, AdaptorLayer)
            out = layer.out_length(out)
        return out

    def forward(self, features: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode a batch; every item gets the result that it has alone.

        Args:
            features: (B, T, 80) filterbanks of 10 ms, padded at the end with anything.
            lengths: (B,) frames of each item, None when all have T.

        Returns:
            states (B, S, D), zero behind an item's end, and their lengths (B,).
        """
        x, real, valid = self.stack(features, lengths)
        x = self.conform(x, valid)
        out, out_lengths = self.adapt(x, real, valid)
        return out, out_lengths

    def stack(
        self, features: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Stack neighbouring frames and project them -> (B, S, D), real and valid lengths.

        A last frame that had to be filled up with zeros is real (it flows on) but not valid (it is
        no attention key and no input of a convolution module), as in the official pipeline.
        """
        stride = self.config.fbank_stride
        batch, size, _ = features.shape
        masked = lengths is not None or size % stride != 0
        if lengths is None:
            lengths = torch.full((batch,), size, device=features.device)
        else:
            features = features * length_mask(lengths, size)[..., None]
        features = F.pad(features, (0, 0, 0, -size % stride))
        x = self.model_dim_proj(
            self.post_extract_layer_norm(features.reshape(batch, -1, self.config.feature_dim))
        )
        real = torch.div(lengths + stride - 1, stride, rounding_mode="floor")
        valid = torch.div(lengths, stride, rounding_mode="floor").clamp(min=1) if masked else None
        return x, real, valid

    def conform(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """The conformer layers and the layer norm behind them: (B, S, D) -> (B, S, D)."""
        size = x.size(1)
        cfg = self.config
        index = relative_index(size, cfg.max_left_rel_pos, cfg.max_right_rel_pos, x.device)
        seen, conv_mask = None, None
        if valid is not None:
            keys = length_mask(valid, size)
            seen, conv_mask = keys[:, None, None, :], keys[..., None]
        if cfg.attention_chunk_size:
            chunks = self.chunk_mask(size, x.device)
            seen = chunks if seen is None else seen & chunks
        bias = None if seen is None else additive(seen, x.dtype)
        for layer in self.layers:
            x = layer(x, index, bias, conv_mask)
        y: Tensor = self.inner_layer_norm(x)
        return y

    def chunk_mask(self, size: int, device: torch.device) -> Tensor:
        """(1, 1, S, S) bool: which frames each frame may see, where attention is in chunks."""
        chunk = torch.arange(size, device=device) // self.config.attention_chunk_size
        ahead = chunk[:, None] - chunk[None, :]
        mask = ahead >= 0
        if self.config.attention_left_chunks >= 0:
            mask &= ahead <= self.config.attention_left_chunks
        return mask[None, None]

    def adapt(self, x: Tensor, real: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
        """Projection and strided adaptor: (B, S, D) -> (B, S', D) and lengths (B,)."""
        x = x + 0.5 * self.proj2(F.relu(self.proj1(x)))
        for layer in self.adaptor_layers:
            assert isinstance(layer, AdaptorLayer)
            real_mask = None if valid is None else length_mask(real, x.size(1))[..., None]
            real = layer.out_length(real)
            key_mask = None
            if valid is not None:
                valid = layer.out_length(valid)
                size = (x.size(1) + 2 * (layer.kernel // 2) - layer.kernel) // layer.stride + 1
                key_mask = length_mask(valid, size)[:, None, None, :]
            x = layer(x, real_mask, key_mask)
        x = self.layer_norm(x)
        if valid is not None:
            x = x * length_mask(real, x.size(1))[..., None]
        return x, real
