"""The one check of audio, whatever door it comes through."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seamless_server.errors import UsageError

Samples = npt.NDArray[np.float32]

LOUDEST = 2.0**31
"""Largest sample that is taken: that of any integer format, and far below the 2e18 of which the
energies of features overflow (2**15 times that in features of 16-bit integers)."""


def checked(samples: object) -> Samples:
    """Any flat sequence of numbers as audio: (N,) float32, usually in [-1, 1].

    An array of float32 is handed back as it is.

    Raises:
        UsageError: it is not a flat sequence of numbers, or one of them is NaN, infinite or beyond
            2**31 (features would overflow).
    """
    try:
        with np.errstate(over="ignore"):
            audio: Samples = np.asarray(samples, dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        raise UsageError("audio must be a flat list or array of numbers") from None
    if audio.ndim != 1:
        raise UsageError(f"audio must be mono: one dimension, not {audio.ndim}")
    if not len(audio):
        return audio
    low, high = float(audio.min()), float(audio.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UsageError("audio must not contain NaN or infinite samples")
    if max(-low, high) > LOUDEST:
        raise UsageError(f"audio must be in [-1, 1]: a sample of {max(-low, high):.3g} is no sound")
    return audio
