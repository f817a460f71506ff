"""Sound files of many formats, made by FFmpeg's encoders."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

CLIP = Path(__file__).parents[1] / "recordings" / "audio" / "human_short.flac"
Samples = npt.NDArray[Any]


def clip(rate: int = 16_000, seconds: float = 2.0) -> Samples:
    """The loudest part of a recording, (n,) float32."""
    samples, own = soundfile.read(CLIP, dtype="float32")
    begin = max(0, int(np.abs(samples).argmax()) - own // 2)
    samples = np.resize(samples[begin:], int(own * seconds))
    found: Samples = soxr.resample(samples, own, rate).astype(np.float32)
    return found


def encode(
    samples: Samples, rate: int, container: str, codec: str, *, bit_rate: int | None = None
) -> bytes:
    """Samples (n,) or (n, c) as the bytes of a file."""
    frames = samples[:, None] if samples.ndim == 1 else samples
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[frames.shape[1]]
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream: Any = out.add_stream(codec, rate=rate, layout=layout)
        if bit_rate:
            stream.bit_rate = bit_rate
        stream.open()
        pcm = (np.clip(frames, -1, 1) * 32767).round().astype(np.int16)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm.reshape(1, -1)), format="s16", layout=layout
        )
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            format=stream.format, layout=layout, rate=rate, frame_size=stream.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()


def wav(samples: Samples, rate: int = 16_000, *, size: int | None = None, riff: int = -1) -> bytes:
    """16-bit WAV whose header may lie about its length."""
    data = (np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()
    size = len(data) if size is None else size
    riff = size + 36 if riff < 0 else riff
    head = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    whole = (b"RIFF", struct.pack("<I", riff), b"WAVEfmt ", head, b"data", struct.pack("<I", size))
    return b"".join(whole) + data
