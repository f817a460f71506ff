"""Linear layers and convolutions by oneDNN, with weights laid out for it beforehand.

PyTorch's own way multiplies with the BLAS that it was built with and hands weights to oneDNN as
they are, so that each call lays them out anew: small products then mostly move memory.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# oneDNN makes a kernel for each shape, which takes as long as many calls of it, and keeps 1024 of
# them. The engine meets about as many; it reads this when it makes the first one.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "2048")


def filled(rows: int) -> int:
    """Rows in which so many are computed: the next of few numbers, so that few kernels are made."""
    if rows <= 16:
        return rows
    step = 8 if rows <= 64 else 16 if rows <= 128 else 32 if rows <= 512 else 64
    return -(-rows // step) * step


def even(rows: int) -> int:
    """As :func:`filled`, of fewer numbers: for whole networks, where each has its kernels."""
    return filled(-(-rows // 16) * 16)


M = TypeVar("M", bound=nn.Module)
LARGE = 1 << 20
"""Bytes of a tensor whose pages are worth giving back."""


def stand_in(kind: type[M], module: nn.Module) -> M:
    """A module of ``kind`` with the parameters, children and settings of another one.

    ``kind`` inherits from that one's class and adds nothing that its constructor would make.
    """
    made = kind.__new__(kind)
    made.__dict__.update(module.__dict__)
    return made


def give_pages_back(tensor: Tensor) -> None:
    """Let the process forget what it has read of a large tensor that is mapped from a file (Linux).

    For tensors of which a copy in another form was made; they are read again if they are needed.
    """
    start, size = tensor.data_ptr(), tensor.numel() * tensor.element_size()
    if size < LARGE or not _is_mapped(start):
        return
    first, last = -(-start // mmap.PAGESIZE), (start + size) // mmap.PAGESIZE
    # Not a method of Python's: the mapping is safetensors'.
    ctypes.CDLL(None).madvise(
        ctypes.c_void_p(first * mmap.PAGESIZE),
        ctypes.c_size_t((last - first) * mmap.PAGESIZE),
        mmap.MADV_DONTNEED,
    )


def _is_mapped(address: int) -> bool:
    """Whether a file is mapped at an address; anonymous memory would be lost."""
    try:
        lines = Path("/proc/self/maps").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    for line in lines:
        place, _, _, _, inode, *_ = line.split(maxsplit=5)
        low, high = (int(end, 16) for end in place.split("-"))
        if low <= address < high:
            return inode != "0"
    return False


def packed_weight(weight: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Weights (N, K) as :func:`packed_product` takes them; a copy, in ``dtype`` if one is given."""
    plain = weight.detach().to(dtype or weight.dtype).contiguous()
    made: Tensor = torch.ops.mkldnn._reorder_linear_weight(plain, None)
    give_pages_back(weight)
    return made


def packed_product(
    x: Tensor, packed: Tensor, bias: Tensor | None, activation: str = "none"
) -> Tensor:
    """(..., K) -> (..., N), followed by ``none``, ``relu`` or ``swish`` (SiLU)."""
    rows = x.numel() // x.size(-1)
    fill = filled(rows) - rows
    if not fill:
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, activation, [], "")
        return y
    flat = F.pad(x.reshape(rows, x.size(-1)), (0, 0, 0, fill))
    y = torch.ops.mkldnn._linear_pointwise(flat, packed, bias, activation, [], "")
    return y[:rows].view(*x.shape[:-1], y.size(-1))


class PackedLinear(nn.Linear):
    """A linear layer, laid out at its first call. ``activation`` as in :func:`packed_product`."""

    activation = "none"
    packed: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., N)."""
        if self.packed is None:
            self.packed = packed_weight(self.weight)
        return packed_product(x, self.packed, self.bias, self.activation)


class WindowConv(nn.Conv1d):
    """A convolution as one product of all its windows; without groups and dilation."""

    packed: Tensor | None = None
    short: torch.dtype | None = None
    """The precision of its product, where that is another than its input's."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', T'); fastest when it is the transpose of (B, T, C)."""
        size, dtype = self.kernel_size[0], x.dtype
        if self.packed is None:
            self.packed = packed_weight(self.weight.transpose(1, 2).flatten(1), self.short)
            give_pages_back(self.weight)
        x = x.to(self.short or dtype)
        if self.padding == "same":
            left, right = (size - 1) // 2, size - 1 - (size - 1) // 2
        else:
            left = right = int(self.padding[0])
        windows = F.pad(x.transpose(1, 2), (0, 0, left, right)).unfold(1, size, self.stride[0])
        # (B, T', C, K) in memory order (K, C): windows that do not overlap are not copied.
        rows = windows.transpose(2, 3).flatten(2)
        bias = None if self.bias is None else self.bias.to(rows.dtype)
        return packed_product(rows, self.packed, bias).transpose(1, 2).to(dtype)


class DepthwiseConv(nn.Conv1d):
    """A convolution of each channel by itself, over channels that lie side by side in memory."""

    packed: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T'); fastest when it is the transpose of (B, T, C)."""
        if self.packed is None:
            shape = [1, self.in_channels, 1, 64]
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight.detach().unsqueeze(2), [0, 0], [1, 1], [1, 1], self.groups, shape
            )
        # Two-dimensional, since only there "channels last" is known.
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x.unsqueeze(2), self.packed, self.bias, [0, 0], [1, 1], [1, 1], self.groups,
            "none", [], "",
        )  # fmt: skip
        return y.squeeze(2)


def packed_convolution(conv: nn.Conv1d, short: torch.dtype | None = None) -> nn.Conv1d:
    """The convolution in the form that suits it; shares its weights, or is it itself.

    Args:
        short: precision of products of windows; None is that of their input.
    """
    if conv.dilation != (1,) or conv.padding_mode != "zeros":
        return conv
    if conv.groups == 1:
        made = stand_in(WindowConv, conv)
        made.short = short
        return made
    if conv.groups == conv.in_channels and conv.stride == (1,) and conv.padding == (0,):
        return stand_in(DepthwiseConv, conv)
    return conv


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 by itself; else it is slower than fp32."""
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def available() -> bool:
    """Whether this build of PyTorch has oneDNN with the calls used here."""
    names = ("_linear_pointwise", "_reorder_linear_weight", "_reorder_convolution_weight")
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in names
    )


@cache
def onednn_is_faster(dtype: torch.dtype = torch.float32) -> bool:
    """Try both on a product of a few rows; takes some milliseconds, once.

    MKL, which PyTorch's builds for x86-64 use, runs on some processors of other makers at half of
    their speed.
    """
    if not available():
        return False
    x, weight, bias = (torch.ones(*s, dtype=dtype) for s in ((24, 256), (1024, 256), (1024,)))

    def seconds(multiply: Callable[[], Tensor]) -> float:
        best = float("inf")
        for _ in range(8):
            start = time.thread_time()
            multiply()
            best = min(best, time.thread_time() - start)
        return best

    with torch.inference_mode():
        try:
            packed = packed_weight(weight)
            ours = seconds(lambda: packed_product(x, packed, bias))
        except RuntimeError:  # a type that oneDNN has no kernels for on this processor
            return False
        # In half precision PyTorch calls oneDNN itself; fewer and larger calls remain to be gained.
        share = 0.8 if dtype == torch.float32 else 1.2
        return ours < share * seconds(lambda: F.linear(x, weight, bias))
