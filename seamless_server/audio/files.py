"""Sound files: anything that libsndfile reads, and WAV out."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from typing_extensions import Self

from seamless_server.errors import AudioError

Samples = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
SHORTEST = 400
"""Samples at 16 kHz below which there is not one frame of features (25 ms)."""


def read_audio(path: str | os.PathLike[str]) -> Samples:
    """Read a sound file of any rate and channel count as mono at 16 kHz, (N,) in [-1, 1].

    Raises:
        AudioError: no such file, no audio, damaged, empty, too short, or with NaN samples.
    """
    if not Path(path).is_file():
        raise AudioError(path, "there is no such file")
    try:
        data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, OSError):
        raise AudioError(path, "is not a sound file that can be read") from None
    if not len(data):
        raise AudioError(path, "holds no audio")
    if not np.isfinite(data).all():
        raise AudioError(path, "holds samples that are not numbers (NaN or infinite)")
    mono: Samples = data.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE).astype(np.float32)
    if len(mono) < SHORTEST:
        raise AudioError(path, f"is too short: {len(mono) / 16:.0f} ms of at least 25 ms")
    return mono


class WavWriter:
    """Writes 16-bit mono WAV piece by piece; the file is valid after every piece."""

    def __init__(self, path: str | os.PathLike[str], sample_rate: int = SAMPLE_RATE) -> None:
        try:
            self._file = soundfile.SoundFile(
                path, "w", samplerate=sample_rate, channels=1, format="WAV", subtype="PCM_16"
            )
        except (soundfile.SoundFileError, RuntimeError, OSError):
            raise AudioError(path, "cannot be written") from None

    def write(self, samples: Samples) -> None:
        """Append samples in [-1, 1]."""
        self._file.write(np.clip(samples, -1.0, 1.0))
        self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
