"""Arrays of other libraries as sound: any numeric type, byte order and order of channels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from seamless_server.errors import UsageError

ArrayLike: TypeAlias = Any
"""A NumPy array, a PyTorch tensor, or a list of floats."""

MOST_CHANNELS = 64
_LOUDEST = 64.0
"""Floats beyond this are integers that somebody forgot to scale."""


def as_frames(array: ArrayLike) -> npt.NDArray[np.float32]:
    """Sound as (n, c) float32 in [-1, 1].

    Integers are scaled by their type (``uint8`` is centred at 128, as in WAV). (n,), (n, c) and
    (c, n) are understood; the shorter side are the channels.

    Raises:
        UsageError: it cannot be meant as sound; says what is expected.
    """
    if hasattr(array, "detach"):  # a tensor of PyTorch, on whatever device
        array = array.detach().cpu()
        array = array.float() if str(array.dtype) == "torch.bfloat16" else array
    try:
        data = np.asarray(array)
    except (TypeError, ValueError):
        raise UsageError(f"audio: {_EXPECTED}, not {type(array).__name__}") from None
    if data.dtype.kind not in "iuf" and data.size:
        raise UsageError(f"audio: {_EXPECTED}, not {data.dtype}")
    return _scaled(_by_channels(data))


_EXPECTED = (
    "expected an array of floats in [-1, 1] or of integers, (n,), (n, channels) or (channels, n)"
)


def _by_channels(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    while data.ndim > 2 and 1 in data.shape[:-1]:
        data = data.squeeze(axis=data.shape.index(1))
    if data.ndim == 1:
        return data[:, None]
    if data.ndim != 2:
        raise UsageError(f"audio: {_EXPECTED}, not of shape {data.shape}")
    first, second = data.shape
    if min(first, second) > MOST_CHANNELS or (first == second and first > 1):
        raise UsageError(f"audio: which side of shape {data.shape} are the channels? {_EXPECTED}")
    return data if second <= first or not data.size else data.T


def _scaled(data: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    kind, width = data.dtype.kind, 8 * data.dtype.itemsize
    if kind not in "iu":
        with np.errstate(over="ignore"):
            floats = data.astype(np.float32)
        if data.size:
            low, high = float(floats.min()), float(floats.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                raise UsageError("audio: holds samples that are not numbers (NaN or infinite)")
            if max(high, -low) > _LOUDEST:
                raise UsageError(
                    f"audio: floats must be in [-1, 1], but there is a {max(high, -low):g}: divide "
                    "16-bit values by 32768, or convert them to int16"
                )
        return floats
    full = 2.0 ** (width - 1)
    values = data.astype(np.float64) - (full if kind == "u" else 0.0)
    peak = float(np.abs(values).max()) if data.size else 0.0
    if width > 16 and 0 < peak <= full * 2.0**-16:
        raise UsageError(
            f"audio: values up to {peak:.0f} are nothing in {data.dtype}, which is scaled by its "
            "type: convert to int16 if they are 16-bit samples"
        )
    return (values / full).astype(np.float32)
