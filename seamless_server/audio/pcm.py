"""Float samples as 16-bit integers, the way they go over every wire."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def to_pcm16(samples: npt.NDArray[np.float32]) -> bytes:
    """Samples in [-1, 1], shape (n,), as 16-bit little-endian, clipped."""
    return (np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes()
