"""Non-autoregressive text-to-unit network of UnitY2 (arXiv 2312.05187, section 3.3.2).

Text features -> one per character -> durations -> one per unit -> unit logits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seamless_server.nn.config import T2UConfig
from seamless_server.nn.layers import (
    Attention,
    ConvBlock,
    DurationPredictor,
    FeedForward,
    durations_from_log,
    length_mask,
    sinusoid,
    upsample,
)

ROWS = 64
"""Units whose logits are computed at a time on processors."""


@dataclass
class T2UOutput:
    """logits (B, U, V) over the unit vocabulary, units' lengths (B,), durations (B, C) in units."""

    logits: Tensor
    lengths: Tensor
    durations: Tensor
    log_durations: Tensor


class T2UEncoderLayer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, config: T2UConfig) -> None:
        super().__init__()
        dim = config.model_dim
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.self_attn = Attention(dim, config.num_encoder_heads)
        self.ffn_layer_norm = nn.LayerNorm(dim)
        self.ffn = FeedForward(dim, config.ffn_dim)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.self_attn(self.self_attn_layer_norm(x), mask)
        y: Tensor = x + self.ffn(self.ffn_layer_norm(x))
        return y


class T2UDecoderLayer(nn.Module):
    """Post-norm feed-forward transformer layer with convolutions (FastSpeech)."""

    def __init__(self, config: T2UConfig) -> None:
        super().__init__()
        dim = config.model_dim
        self.self_attn = Attention(dim, config.num_decoder_heads)
        self.self_attn_layer_norm = nn.LayerNorm(dim)
        self.conv1d = ConvBlock(dim, config.conv_inner_dim, config.conv_kernel_size)
        self.conv1d_layer_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None, mask: Tensor | None) -> Tensor:
        """(B, U, D) -> (B, U, D)."""
        x = self.self_attn_layer_norm(x + self.self_attn(x, attn_mask))
        y: Tensor = self.conv1d_layer_norm(x + self.conv1d(x, mask))
        return y


class T2U(nn.Module):
    """Features of the text decoder and the text's characters -> unit logits and durations."""

    def __init__(self, config: T2UConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.model_dim
        self.encoder_layers = nn.ModuleList(
            T2UEncoderLayer(config) for _ in range(config.num_encoder_layers)
        )
        self.encoder_layer_norm = nn.LayerNorm(dim)
        self.embed_char = nn.Embedding(config.char_vocab_size, dim)
        self.pos_emb_alpha_char = nn.Parameter(torch.ones(1))
        self.pos_emb_alpha = nn.Parameter(torch.ones(1))
        self.duration_predictor = DurationPredictor(
            dim, config.duration_hidden_dim, config.duration_kernel_size
        )
        self.decoder_layers = nn.ModuleList(
            T2UDecoderLayer(config) for _ in range(config.num_decoder_layers)
        )
        self.decoder_layer_norm = nn.LayerNorm(dim)
        self.final_proj = nn.Linear(dim, config.unit_vocab_size, bias=False)

    def encode(self, features: Tensor, lengths: Tensor | None) -> Tensor:
        """Text-decoder features (B, N, D) -> (B, N, D)."""
        mask = None
        if lengths is not None:
            mask = length_mask(lengths, features.size(1))[:, None, None, :]
        for layer in self.encoder_layers:
            features = layer(features, mask)
        y: Tensor = self.encoder_layer_norm(features)
        return y

    def characters(self, encoded: Tensor, char_ids: Tensor, char_lens: Tensor) -> Tensor:
        """Repeat text states over their characters and add what the characters are.

        encoded (B, N, D), char_ids (B, C), char_lens (B, N) -> (B, C, D).
        """
        dim, size = self.config.model_dim, char_ids.size(1)
        x = upsample(encoded, char_lens, size)
        position = sinusoid(torch.arange(size, device=x.device), dim, x.dtype)
        y: Tensor = x + self.pos_emb_alpha_char * position + self.embed_char(char_ids) * dim**0.5
        return y

    def decode(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Unit-rate states (B, U, D) -> states behind the final layer norm."""
        attn_mask = mask = None
        if lengths is not None:
            real = length_mask(lengths, x.size(1))
            attn_mask, mask = real[:, None, None, :], real[..., None]
        for layer in self.decoder_layers:
            x = layer(x, attn_mask, mask)
        y: Tensor = self.decoder_layer_norm(x)
        return y

    def forward(
        self,
        features: Tensor,
        char_ids: Tensor,
        char_lens: Tensor,
        lengths: Tensor | None = None,
        d_factor: float = 1.0,
    ) -> T2UOutput:
        """Predict the units of a whole target text; every item as if it were alone.

        Args:
            features: (B, N, D) text decoder features.
            char_ids: (B, C) characters, padded at the end.
            char_lens: (B, N) how many characters each feature stands for; its sum is the item's C.
            lengths: (B,) feature counts, None when all have N.
            d_factor: scale of the durations; above 1 is slower speech.

        Raises:
            ValueError: more units than ``max_seq_len``, or no characters at all.
        """
        x, log_durations, durations = self.predict_durations(
            features, char_ids, char_lens, lengths, d_factor
        )
        x, totals = self.unit_states(x, durations, padded=lengths is not None)
        return T2UOutput(self.final_proj(x), totals, durations, log_durations)

    def predict_durations(
        self,
        features: Tensor,
        char_ids: Tensor,
        char_lens: Tensor,
        lengths: Tensor | None = None,
        d_factor: float = 1.0,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """First half: states of the characters (B, C, D), their log durations and durations."""
        mask = None
        if lengths is not None:
            mask = length_mask(char_lens.sum(1), char_ids.size(1))
        x = self.characters(self.encode(features, lengths), char_ids, char_lens)
        log_durations = self.duration_predictor(x, mask)
        return x, log_durations, durations_from_log(log_durations, d_factor, mask)

    def unit_states(
        self, x: Tensor, durations: Tensor, padded: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Second half: states of characters (B, C, D) that last ``durations`` (B, C).

        padded: items differ in length.

        Returns:
            States (B, U, D) of the units, and how many each item has (B,).

        Raises:
            ValueError: as :meth:`forward`.
        """
        totals = durations.sum(1)
        size = int(totals.max()) if totals.numel() else 0
        if size > self.config.max_seq_len:
            raise ValueError(
                f"the text needs {size} units, more than the model's limit of "
                f"{self.config.max_seq_len}"
            )
        if size == 0:
            raise ValueError("there are no characters to speak")
        x = upsample(x, durations, size)
        position = sinusoid(torch.arange(size, device=x.device), self.config.model_dim, x.dtype)
        return self.decode(x + self.pos_emb_alpha * position, totals if padded else None), totals

    def best_units(self, states: Tensor, allowed: slice) -> tuple[Tensor, Tensor]:
        """The most probable of the allowed ids for states (U, D), and their logits: (U,) each.

        On processors some rows at a time: thousands of logits for each unit are soon more memory
        than the rest of the network takes.
        """
        if not len(states):
            return torch.zeros(0, dtype=torch.long, device=states.device), states.new_zeros(0)
        rows = ROWS if states.device.type == "cpu" else len(states)
        pairs = [self.final_proj(x)[:, allowed].max(-1) for x in states.split(rows)]
        best = torch.cat([x.indices for x in pairs]) + allowed.start
        return best, torch.cat([x.values for x in pairs])
