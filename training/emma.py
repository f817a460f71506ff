"""EMMA's own training objective, as an alternative to the supervised policy.

Expected alignment, latency and variance of efficient monotonic multihead attention
(arXiv 2312.04515): p_choose learns from the likelihood of the text under the alignment that it
implies, and from how late and how uncertain that alignment is. From random weights it learnt
nothing here in 300 steps; from the supervised policy it trains.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seamless_server.nn.layers import sinusoid
from seamless_server.nn.text_decoder import SourceMemory, TextDecoder, TextDecoderLayer


def expected_alignment(p_choose: Tensor, lengths: Tensor) -> Tensor:
    """Probability that each target token is written after each source window.

    alpha[i, j] = p[i, j] * sum over k <= j of alpha[i - 1, k] * prod over k <= l < j of
    (1 - p[i, l]), arXiv 2312.04515. What has not been written by the last window is written there.

    Args:
        p_choose: (B, L, H, N, P), for N target tokens and P source windows.
        lengths: (B,) windows of each row, at least 1.

    Returns:
        (B, L, H, N, P); each target token's probabilities add up to 1.
    """
    window = torch.arange(p_choose.size(-1), device=p_choose.device)
    ends = lengths[:, None, None, None, None] - 1
    p = p_choose.float().masked_fill(window > ends, 0.0).masked_fill(window == ends, 1.0)
    stay = torch.log1p(-p.clamp(max=1 - 1e-6))
    passed = stay.cumsum(-1) - stay
    # (.., k, j): waiting from window k until window j.
    waiting = passed[..., None, :] - passed[..., :, None]
    waiting = waiting.masked_fill(window[:, None] > window[None, :], -torch.inf).exp()
    alpha = F.one_hot(torch.zeros_like(p[..., 0, 0], dtype=torch.long), p.size(-1)).to(p.dtype)
    rows = []
    for token in range(p.size(-2)):
        reached = torch.matmul(alpha[..., None, :], waiting[..., token, :, :]).squeeze(-2)
        alpha = p[..., token, :] * reached
        rows.append(alpha)
    return torch.stack(rows, -2)


def infinite_lookback(alpha: Tensor, energies: Tensor) -> Tensor:
    """Expected attention over all frames up to the one after which a token is written.

    beta[i, j] = exp(u[i, j]) * sum over k >= j of alpha[i, k] / sum over l <= k of exp(u[i, l]).

    Args:
        alpha: (B, H, N, S) alignment on frames.
        energies: (B, H, N, S) attention energies u, -inf behind the source's end.

    Returns:
        (B, H, N, S) attention weights.
    """
    weights = (energies - energies.amax(-1, keepdim=True)).exp()
    shares = alpha / weights.cumsum(-1).clamp(min=1e-8)
    return weights * shares.flip(-1).cumsum(-1).flip(-1)


def on_frames(alpha: Tensor, lengths: Tensor, size: int, ratio: int) -> Tensor:
    """Alignment on windows (.., P) -> on frames (.., size): the last frame of each window."""
    window = torch.arange(alpha.size(-1), device=alpha.device)
    last = torch.minimum((window[None] + 1) * ratio, lengths[:, None]).clamp(max=size) - 1
    index = last[:, None, None, :].expand_as(alpha)
    return torch.zeros(*alpha.shape[:-1], size, device=alpha.device).scatter_add(-1, index, alpha)


def forward(
    decoder: TextDecoder, tokens: Tensor, memory: SourceMemory, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """The decoder with each head's attention in expectation over its alignment.

    Args:
        tokens: (B, N) ids.
        memory: the source projected with ``last_only=False``.
        lengths: (B,) source frames.

    Returns:
        features (B, N, D), and the alignment (B, L, H, N, P).
    """
    positions = torch.arange(tokens.size(1)).expand(tokens.shape)
    dim, ratio = decoder.config.model_dim, decoder.config.pre_decision_ratio
    windows = torch.div(lengths + ratio - 1, ratio, rounding_mode="floor")
    x = decoder.embed(tokens) * dim**0.5
    x = x + sinusoid(positions, dim, x.dtype)
    alignments = []
    for number, layer in enumerate(decoder.layers):
        assert isinstance(layer, TextDecoderLayer)
        normed = layer.self_attn_layer_norm(x)
        x = x + layer.self_attn.attend(*layer.self_attn.project(normed), None, causal=True)
        query = layer.encoder_decoder_attn_layer_norm(x)
        chosen = layer.p_choose_layer(query, memory.energy_keys[number])
        alpha = expected_alignment(chosen[:, None], windows)[:, 0]
        alignments.append(alpha)
        attention = layer.encoder_decoder_attn
        q = attention.split(attention.q_proj(query)).float()
        keys, values = memory.keys[number].float(), memory.values[number].float()
        energies = q @ keys.transpose(-1, -2) * q.size(-1) ** -0.5
        if memory.mask is not None:
            energies = energies.masked_fill(~memory.mask, -torch.inf)
        placed = on_frames(alpha, lengths, energies.size(-1), ratio)
        out = infinite_lookback(placed, energies) @ values
        x = x + attention.output_proj(out.transpose(1, 2).flatten(2))
        x = x + layer.ffn(layer.ffn_layer_norm(x))
    return decoder.layer_norm(x), torch.stack(alignments, 1)


def latency_and_variance(alignment: Tensor, real: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Mean expected delay and its variance, in shares of the source.

    Args:
        alignment: (B, L, H, N, P).
        real: (B, N) which target tokens count.
        lengths: (B,) windows of each row.
    """
    place = (torch.arange(alignment.size(-1)) + 1.0) / lengths[:, None]
    place = place[:, None, None, None, :]
    delay = (alignment * place).sum(-1)
    variance = (alignment * place**2).sum(-1) - delay**2
    counted = real[:, None, None, :].expand_as(delay)
    return delay[counted].mean(), variance[counted].mean()
