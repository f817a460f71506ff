"""Source audio of an evaluation: any format, as the model hears it (mono, 16 kHz, float32)."""

from __future__ import annotations

import importlib
import io
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from seamless_server.errors import AudioError

SAMPLE_RATE = 16_000
"""What the models expect, in Hz."""

Samples = npt.NDArray[np.float32]

_SLICE = re.compile(r"^(?P<path>.+):(?P<offset>\d+):(?P<size>\d+)$")
_PROBE_FRAMES = 1600


@dataclass(frozen=True, slots=True)
class AudioRef:
    """Where audio lies: a file, or a stretch of bytes of a file.

    The latter is how manifests address members of uncompressed zip archives:
    ``audio.zip:OFFSET:SIZE``.
    """

    path: Path
    offset: int = 0
    size: int | None = None

    @classmethod
    def parse(cls, text: str, root: Path | None = None) -> AudioRef:
        """Read a manifest's ``audio`` field; relative paths are below `root`."""
        match = _SLICE.match(text)
        path = Path(match["path"] if match else text)
        if root is not None:
            path = root / path
        if match:
            return cls(path, int(match["offset"]), int(match["size"]))
        return cls(path)

    def __str__(self) -> str:
        return str(self.path) if self.size is None else f"{self.path}:{self.offset}:{self.size}"

    def open(self) -> io.BytesIO | Path:
        """What a decoder can read from."""
        if self.size is None:
            return self.path
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(self.size))


def probe(ref: AudioRef) -> str | None:
    """Why this audio cannot be used, without decoding all of it; `None` if it seems fine."""
    if not ref.path.is_file():
        return "no such file" if not ref.path.exists() else "not a file"
    import soundfile

    try:
        with soundfile.SoundFile(ref.open()) as file:
            if len(file.read(_PROBE_FRAMES)) == 0:
                return "holds no audio"
    except (soundfile.SoundFileError, OSError):
        return _probe_with_av(ref)
    return None


def _probe_with_av(ref: AudioRef) -> str | None:
    try:
        for _ in _av_blocks(ref):
            return None
    except AudioError as error:
        return error.reason
    return "holds no audio"


def load(ref: AudioRef) -> Samples:
    """Decode, mix down to mono and resample to `SAMPLE_RATE`.

    Raises:
        AudioError: the file is missing, unreadable, empty or not finite.
    """
    if not ref.path.is_file():
        raise AudioError(str(ref), "no such file")
    samples, rate = _decode(ref)
    if samples.size == 0:
        raise AudioError(str(ref), "holds no audio")
    mono = samples.mean(axis=1, dtype=np.float32) if samples.ndim == 2 else samples
    if not np.isfinite(mono).all():
        raise AudioError(str(ref), "holds samples that are not numbers")
    if rate != SAMPLE_RATE:
        import soxr

        mono = soxr.resample(mono, rate, SAMPLE_RATE)
    return np.ascontiguousarray(mono, dtype=np.float32)


def _decode(ref: AudioRef) -> tuple[Samples, int]:
    import soundfile

    try:
        samples, rate = soundfile.read(ref.open(), dtype="float32")
        return cast(Samples, samples), int(rate)
    except (soundfile.SoundFileError, OSError):
        pass  # libsndfile does not know it; FFmpeg may
    blocks = list(_av_blocks(ref))
    if not blocks:
        raise AudioError(str(ref), "holds no audio")
    return np.concatenate([block for block, _ in blocks]), blocks[0][1]


def _av_blocks(ref: AudioRef) -> Any:
    """Yield ``(mono samples, rate)`` through FFmpeg's decoders (PyAV)."""
    av: Any = importlib.import_module("av")
    source = ref.open()
    try:
        with av.open(str(source) if isinstance(source, Path) else source) as container:
            if not container.streams.audio:
                raise AudioError(str(ref), "holds no audio")
            resampler = av.AudioResampler(format="flt", layout="mono")
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    yield part.to_ndarray().reshape(-1).astype(np.float32), part.sample_rate
    except av.FFmpegError as error:
        raise AudioError(str(ref), f"cannot be read as audio ({error})") from None


def standardize(samples: Samples) -> Samples:
    """Shift and scale to mean 0 and variance 1 over the whole file, as a layer norm does."""
    wide = samples.astype(np.float64)
    return cast(Samples, ((wide - wide.mean()) / np.sqrt(wide.var() + 1e-5)).astype(np.float32))


class SilenceStripper:
    """Cuts what lies before the first and after the last speech that silero-vad finds.

    The detector looks at standardized audio, as that of the public evaluation does; audio in which
    it finds no speech is left as it is. Each thread has its own detector, because it has a state.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def bounds(self, samples: Samples) -> tuple[int, int]:
        """First sample of speech, and the one after the last."""
        import silero_vad
        import torch

        model = getattr(self._local, "model", None)
        if model is None:
            model = self._local.model = silero_vad.load_silero_vad()
        stretches = silero_vad.get_speech_timestamps(
            torch.from_numpy(standardize(samples)), model, sampling_rate=SAMPLE_RATE
        )
        if not stretches:
            return 0, len(samples)
        return int(stretches[0]["start"]), int(stretches[-1]["end"])


@dataclass(frozen=True, slots=True)
class Source:
    """One sentence's audio, ready for the model."""

    samples: Samples
    trimmed_ms: float
    """How much was cut from the beginning."""


@dataclass(frozen=True)
class Preparation:
    """What is done to source audio before the model hears it."""

    strip_silence: bool = True
    standardize: bool = False

    def __call__(self, ref: AudioRef, stripper: SilenceStripper) -> Source:
        """Load and prepare.

        Raises:
            AudioError: see `load`.
        """
        samples = load(ref)
        start, end = stripper.bounds(samples) if self.strip_silence else (0, len(samples))
        if self.standardize:
            samples = standardize(samples)
        return Source(samples[start:end], trimmed_ms=1000.0 * start / SAMPLE_RATE)
