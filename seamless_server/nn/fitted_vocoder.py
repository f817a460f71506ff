"""The vocoder as oneDNN computes it fastest on processors.

Channels lie side by side in memory, weights are laid out beforehand, and what surrounds a
convolution (activation, residual sum) is part of its call. One item at a time.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.hifigan import LAST_SLOPE, SLOPE, ResBlock
from seamless_server.nn.onednn import stand_in
from seamless_server.nn.vocoder import Vocoder


class _Convolution:
    """A convolution of (1, C, 1, T) with its weights laid out; keeps T."""

    def __init__(self, conv: nn.Conv1d) -> None:
        self._rest: list[Any] = [[0, int(conv.padding[0])], [1, 1], [1, conv.dilation[0]], 1]
        shape = [1, conv.in_channels, 1, 640]
        weight = conv.weight.detach().unsqueeze(2)
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *self._rest, shape)
        self._bias = conv.bias

    def __call__(self, x: Tensor) -> Tensor:
        call = torch.ops.mkldnn._convolution_pointwise
        y: Tensor = call(x, self._weight, self._bias, *self._rest, "none", [], "")
        return y

    def activated(self, x: Tensor) -> Tensor:
        """Followed by the leaky ReLU that is between two convolutions."""
        call = torch.ops.mkldnn._convolution_pointwise
        y: Tensor = call(x, self._weight, self._bias, *self._rest, "leaky_relu", [SLOPE], "")
        return y

    def added(self, x: Tensor, to: Tensor) -> Tensor:
        """Its output and ``to``."""
        call = torch.ops.mkldnn._convolution_pointwise.binary
        more: tuple[Any, ...] = ("add", 1.0, None, [], None)
        y: Tensor = call(x, to, self._weight, self._bias, *self._rest, *more)
        return y


def _silence(x: Tensor, lengths: Tensor | None) -> Tensor:
    """Zeros behind the item's end, in place: what a convolution would find there alone."""
    if lengths is not None:
        x[..., max(0, int(lengths[0])) :].zero_()
    return x


class _Block:
    """A residual block; see :class:`ResBlock`."""

    def __init__(self, block: ResBlock) -> None:
        pairs = zip(block.convs1, block.convs2, strict=True)
        self._pairs = [(_convolution(a), _convolution(b)) for a, b in pairs]

    def __call__(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        for first, second in self._pairs:
            y = first.activated(_silence(F.leaky_relu(x, SLOPE), lengths))
            x = second.added(_silence(y, lengths), x)
        return x


def _convolution(module: nn.Module) -> _Convolution:
    assert isinstance(module, nn.Conv1d)
    return _Convolution(module)


class FittedVocoder(Vocoder):
    """See the module; batches and other types go the usual way."""

    _packed: tuple[_Convolution, list[_Block], _Convolution] | None = None

    def _layers(self) -> tuple[_Convolution, list[_Block], _Convolution]:
        if self._packed is None:
            blocks = [_Block(b) for b in self.resblocks if isinstance(b, ResBlock)]
            self._packed = _convolution(self.conv_pre), blocks, _convolution(self.conv_post)
        return self._packed

    def _first(self, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if len(x) > 1:
            return super()._first(x, lengths)
        return self._layers()[0](_silence(x.unsqueeze(2), lengths)), lengths

    def _stage(self, stage: int, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        if len(x) > 1:
            return super()._stage(stage, x, lengths)
        up = self.ups[stage]
        assert isinstance(up, nn.ConvTranspose1d)
        x = _upsampled(_silence(F.leaky_relu(x, SLOPE), lengths), up)
        lengths = None if lengths is None else lengths * self.config.upsample_rates[stage]
        width = len(self.config.resblock_kernel_sizes)
        first, *others = self._layers()[1][stage * width : (stage + 1) * width]
        total = first(x, lengths)
        for block in others:
            total += block(x, lengths)
        return total.div_(width), lengths

    def _last(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        if len(x) > 1:
            return super()._last(x, lengths)
        x = torch.tanh(self._layers()[2](_silence(F.leaky_relu(x, LAST_SLOPE), lengths)))
        return _silence(x, lengths).flatten(1)


def _upsampled(x: Tensor, up: nn.ConvTranspose1d) -> Tensor:
    """(1, C, 1, T) -> (1, C / 2, 1, T * rate)."""
    y = F.conv_transpose2d(
        x, up.weight.unsqueeze(2), up.bias, (1, up.stride[0]), (0, int(up.padding[0]))
    )
    return y.contiguous(memory_format=torch.channels_last)


def fit_vocoder(vocoder: Vocoder) -> Vocoder:
    """A copy in this form that shares all parameters."""
    shared = {id(x): x for x in (*vocoder.parameters(), *vocoder.buffers())}
    return stand_in(FittedVocoder, copy.deepcopy(vocoder, shared))
