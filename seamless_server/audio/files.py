"""WAV files that are written piece by piece."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

_LARGEST = 0xFFFF_FFFF
"""The header's sizes have 32 bits; readers take this one as "until the end"."""


class WavWriter:
    """Writes 16-bit mono WAV piece by piece; the file is valid after every piece.

    Args:
        path: also of a pipe, whose header then leaves the length open.
        sample_rate: in Hz.

    Raises:
        OSError: from any method, when it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], sample_rate: int) -> None:
        self._file = Path(path).open("wb", buffering=0)  # noqa: SIM115
        self.rate = sample_rate
        self._bytes = 0
        self._file.write(self._header())

    def _header(self) -> bytes:
        known = self._file.seekable() and self._bytes + 36 <= _LARGEST
        size = self._bytes if known else _LARGEST
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", size + 36 if known else _LARGEST, b"WAVE"),
            *(b"fmt ", 16, 1, 1, self.rate, 2 * self.rate, 2, 16),
            *(b"data", size),
        )

    def write(self, samples: npt.NDArray[np.float32] | npt.NDArray[np.int16]) -> None:
        """Append samples: floats in [-1, 1], or 16-bit integers."""
        if samples.dtype != np.int16:
            samples = (np.clip(samples, -1.0, 1.0) * 32767).round().astype(np.int16)
        data = samples.astype("<i2").tobytes()
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        self._bytes += len(data)
        if self._file.seekable():
            self._file.seek(0)
            self._file.write(self._header())
            self._file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
