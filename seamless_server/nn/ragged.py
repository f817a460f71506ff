"""The speech encoder over several segments without padding: their frames are rows of one matrix.

What is computed frame by frame (most of the work) takes all rows at once; attention looks at each
segment by itself, and convolutions at a copy with silence between the segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from seamless_server.nn.conformer import ConformerBlock, ConvModule, ShawAttention, relative_index
from seamless_server.nn.layers import Attention
from seamless_server.nn.onednn import even
from seamless_server.nn.speech_encoder import AdaptorLayer, SpeechEncoder, additive


@dataclass(frozen=True)
class _Segments:
    """Where segments lie in a matrix of rows.

    sizes: rows of each. valid: how many of them may be seen by others (the last one may be half a
    frame). rows: of the matrix, at least the sum of the sizes.
    """

    sizes: Sequence[int]
    valid: Sequence[int]
    rows: int

    @property
    def starts(self) -> list[int]:
        """First row of each."""
        return [0, *accumulate(self.sizes)][:-1]

    def places(self, starts: Sequence[int]) -> Tensor:
        """Where rows go when segments begin at ``starts`` instead."""
        parts = [torch.arange(at, at + n) for at, n in zip(starts, self.sizes, strict=True)]
        return torch.cat(parts)

    @property
    def hidden(self) -> list[int]:
        """Rows that nobody else may see."""
        triples = zip(self.starts, self.sizes, self.valid, strict=True)
        return [row for at, n, seen in triples for row in range(at + seen, at + n)]


def encode_ragged(encoder: SpeechEncoder, features: Sequence[Tensor]) -> list[Tensor]:
    """Filterbanks (T, 80) of several segments -> states (S, D) of each, as if it were alone."""
    cfg = encoder.config
    stride = cfg.fbank_stride
    sizes = [-(-len(x) // stride) for x in features]
    used = sum(sizes)
    valid = [max(1, len(x) // stride) for x in features]
    segments = _Segments(sizes, valid, even(used))
    frames = [F.pad(x, (0, 0, 0, -len(x) % stride)) for x in features]
    stacked = torch.cat(frames).view(used, cfg.feature_dim)
    x = F.pad(stacked, (0, 0, 0, segments.rows - used))[None]
    x = encoder.model_dim_proj(encoder.post_extract_layer_norm(x))
    x = _conform(encoder, x, segments)
    x = x + 0.5 * encoder.proj2(F.relu(encoder.proj1(x)))
    for layer in encoder.adaptor_layers:
        assert isinstance(layer, AdaptorLayer)
        x, segments = _adapt(layer, x, segments)
    states = encoder.layer_norm(x)[0]
    # Copies, so that no states keep those of the whole batch alive.
    return [
        states[at : at + n].clone() for at, n in zip(segments.starts, segments.sizes, strict=True)
    ]


def _conform(encoder: SpeechEncoder, x: Tensor, segments: _Segments) -> Tensor:
    cfg = encoder.config
    biases: dict[int, tuple[Tensor, Tensor | None]] = {}
    for size in set(segments.sizes):
        index = relative_index(size, cfg.max_left_rel_pos, cfg.max_right_rel_pos, x.device)
        mask = None
        if cfg.attention_chunk_size:
            mask = additive(encoder.chunk_mask(size, x.device), x.dtype)
        biases[size] = index, mask
    left = cfg.depthwise_kernel_size - 1
    # Silence in front of each segment is all that a causal convolution sees besides it.
    starts = [at + left * (i + 1) for i, at in enumerate(segments.starts)]
    silence = x.new_zeros(even(segments.rows + left * len(starts)), cfg.model_dim)
    places = segments.places(starts)
    for layer in encoder.layers:
        assert isinstance(layer, ConformerBlock)
        x = x + 0.5 * layer.ffn1(layer.ffn1_layer_norm(x))
        x = x + _attend_relative(layer.self_attn, layer.self_attn_layer_norm(x), segments, biases)
        x = x + _convolve(layer.conv, layer.conv_layer_norm(x), segments, silence, places)
        x = x + 0.5 * layer.ffn2(layer.ffn2_layer_norm(x))
        x = layer.layer_norm(x)
    y: Tensor = encoder.inner_layer_norm(x)
    return y


def _attend_relative(
    attention: ShawAttention,
    x: Tensor,
    segments: _Segments,
    biases: dict[int, tuple[Tensor, Tensor | None]],
) -> Tensor:
    q, keys, values = attention.project(x)
    out = torch.zeros_like(x)
    for at, size, seen in zip(segments.starts, segments.sizes, segments.valid, strict=True):
        index, mask = biases[size]
        end = at + seen
        part = attention.attend_relative(
            q[:, :, at : at + size],
            keys[:, :, at:end],
            values[:, :, at:end],
            index[:, :seen],
            None if mask is None else mask[..., :seen],
        )
        out[:, at : at + size] = part.transpose(1, 2).flatten(2)
    y: Tensor = attention.output_proj(out)
    return y


def _convolve(
    module: ConvModule, x: Tensor, segments: _Segments, silence: Tensor, places: Tensor
) -> Tensor:
    """The convolution module; ``silence`` is (N, D), of which only the places are written."""
    gated = module.gate(x)[0]
    if segments.hidden:
        gated[segments.hidden] = 0
    silence[places] = gated[: len(places)]
    left = module.depthwise_conv.kernel_size[0] - 1
    heard = module.depthwise_conv(silence.t()[None])[0].t()
    out = torch.zeros_like(gated)
    out[: len(places)] = heard[places - left]
    return module.mix(out[None])


def _adapt(layer: AdaptorLayer, x: Tensor, segments: _Segments) -> tuple[Tensor, _Segments]:
    """One strided layer; the rows that it gives belong to shorter segments."""
    stride, reach = layer.stride, layer.kernel // 2
    shorter = [int(layer.out_length(torch.tensor(n))) for n in segments.sizes]
    # Each segment begins where a window does, behind as much silence as a window can see.
    spans = [-(-(n + reach) // stride) for n in segments.sizes]
    firsts = [0, *accumulate(spans)]
    places = segments.places([first * stride for first in firsts[:-1]])
    windows = torch.cat([torch.arange(f, f + n) for f, n in zip(firsts, shorter, strict=False)])
    rows = even(len(windows))
    seen = [int(layer.out_length(torch.tensor(n))) for n in segments.valid]
    made = _Segments(shorter, seen, rows)

    def shorten(x: Tensor, conv: torch.nn.Conv1d) -> Tensor:
        spread = x.new_zeros(firsts[-1] * stride, x.size(-1))
        spread[places] = x[0, : len(places)]
        out = F.glu(conv(spread.t()[None]), dim=1)[0].t()[windows]
        return F.pad(out, (0, 0, 0, rows - len(windows)))[None]

    residual = shorten(layer.residual_layer_norm(x), layer.residual_conv)
    x = shorten(layer.self_attn_layer_norm(x), layer.self_attn_conv)
    x = residual + _attend(layer.self_attn, x, made)
    return x + layer.ffn(layer.ffn_layer_norm(x)), made


def _attend(attention: Attention, x: Tensor, segments: _Segments) -> Tensor:
    q, keys, values = attention.project(x)
    out = torch.zeros_like(x)
    for at, size, seen in zip(segments.starts, segments.sizes, segments.valid, strict=True):
        part = F.scaled_dot_product_attention(
            q[:, :, at : at + size], keys[:, :, at : at + seen], values[:, :, at : at + seen]
        )
        out[:, at : at + size] = part.transpose(1, 2).flatten(2)
    y: Tensor = attention.output_proj(out)
    return y
