"""Source audio of an evaluation: any format, as the model hears it (mono, 16 kHz, float32)."""

from __future__ import annotations

import io
import logging
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from seamless_server.audio.reader import AudioReader, open_audio
from seamless_server.errors import AudioError

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
"""What the models expect, in Hz."""

Samples = npt.NDArray[np.float32]

_SLICE = re.compile(r"^(?P<path>.+):(?P<offset>\d+):(?P<size>\d+)$")


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
        whole = Path(text) if root is None else root / text
        match = _SLICE.match(text)
        if match is None or whole.is_file():  # a name may have colons
            return cls(whole)
        path = Path(match["path"]) if root is None else root / match["path"]
        return cls(path, int(match["offset"]), int(match["size"]))

    def __str__(self) -> str:
        return str(self.path) if self.size is None else f"{self.path}:{self.offset}:{self.size}"

    def open(self) -> io.BytesIO | Path:
        """What a decoder can read from."""
        if self.size is None:
            return self.path
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(self.size))


def _opened(ref: AudioRef) -> AudioReader:
    if not ref.path.exists():
        raise AudioError(str(ref), "no such file")
    try:
        return open_audio(ref.open(), rate=SAMPLE_RATE, name=str(ref.path))
    except OSError as error:
        raise AudioError(str(ref), f"cannot be read: {error.strerror}") from None


def probe(ref: AudioRef) -> str | None:
    """Why this audio cannot be used, without decoding all of it; `None` if it seems fine."""
    try:
        with _opened(ref) as sound:
            next(iter(sound), None)
    except AudioError as error:
        return error.reason
    return None


def load(ref: AudioRef) -> Samples:
    """Decode, mix down to mono and resample to `SAMPLE_RATE`.

    Raises:
        AudioError: the file is missing, unreadable, damaged, empty or not finite.
    """
    with _opened(ref) as sound:
        samples = sound.read()
        if sound.is_damaged:  # half a sentence must not be held against the whole reference
            raise AudioError(str(ref), sound.notices[0])
        for notice in sound.notices:
            logger.warning("%s: %s", ref, notice)
    return samples


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
