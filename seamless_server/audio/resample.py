"""Resampling of a stream that arrives in chunks.

soxr keeps its filter's state between chunks, so chunk borders leave no clicks and no drift: what
comes out of many chunks is what comes out of the whole recording.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.float32]
"""Mono audio, float32 in [-1, 1], shape (n,)."""
Integers = npt.NDArray[np.int16]

MIN_RATE = 4_000
MAX_RATE = 384_000


def at_rate(samples: Samples | Integers, rate: int, wanted: int) -> Samples:
    """A whole piece of sound of `rate` Hz, floats or 16-bit integers, at `wanted` Hz.

    A piece without samples may have any rate: agents' ends of sentences have none.
    """
    if samples.dtype == np.int16:
        samples = samples.astype(np.float32) / np.float32(32768)
    floats: Samples = samples.astype(np.float32, copy=False)
    if rate == wanted or not len(floats):
        return floats
    return StreamResampler(rate, wanted).process(floats, last=True)


class StreamResampler:
    """Converts one mono stream from `source_rate` to `target_rate` (both in Hz).

    Raises:
        ValueError: a rate outside of 4,000-384,000 Hz.
    """

    def __init__(self, source_rate: int, target_rate: int, *, quality: str = "HQ") -> None:
        for rate in (source_rate, target_rate):
            if not MIN_RATE <= rate <= MAX_RATE:
                raise ValueError(f"a sample rate of {rate} Hz is outside of 4,000-384,000 Hz")
        self.source_rate = source_rate
        self.target_rate = target_rate
        self._closed = False
        self._stream = (
            None
            if source_rate == target_rate
            else soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality=quality)
        )

    def process(self, samples: Samples, *, last: bool = False) -> Samples:
        """Takes the next samples of the stream and returns what can be said of the output so far.

        The filter looks a few milliseconds ahead, so a short chunk may give nothing yet; `last`
        brings out the rest and ends the stream.
        """
        if self._closed:
            raise ValueError("the resampler is closed")
        if self._stream is None:
            return samples
        resampled: Samples = self._stream.resample_chunk(
            np.ascontiguousarray(samples, dtype=np.float32), last=last
        )
        return resampled

    def close(self) -> None:
        """Lets go of the filter at once, not when the collector finds it."""
        self._closed, self._stream = True, None
