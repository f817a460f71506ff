"""Kaldi filterbanks: 80 log mel energies of 25 ms windows each 10 ms (kaldi-native-fbank)."""

from __future__ import annotations

from functools import lru_cache

import kaldi_native_fbank
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000
WINDOW = 400
CHANNELS = 80


@lru_cache(maxsize=8)
def _options(window_ms: float, shift_ms: float) -> kaldi_native_fbank.FbankOptions:
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = SAMPLE_RATE
    options.frame_opts.frame_length_ms = window_ms
    options.frame_opts.frame_shift_ms = shift_ms
    options.frame_opts.dither = 0.0
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = CHANNELS
    return options


def fbank(
    samples: Samples, scale: float = 1.0, window_ms: float = 25, shift_ms: float = 10
) -> Samples:
    """Filterbanks of whole windows: (N,) samples at 16 kHz -> (floor((N - 240) / 160), 80).

    Each frame depends on its own window only, so pieces that overlap by 240 samples give the
    frames of the whole. ``scale`` is 1, or 2**15 for features of 16-bit integers.
    """
    extractor = kaldi_native_fbank.OnlineFbank(_options(window_ms, shift_ms))
    extractor.accept_waveform(SAMPLE_RATE, samples if scale == 1.0 else samples * scale)
    count = extractor.num_frames_ready
    frames = np.empty((count, CHANNELS), np.float32)
    for i in range(count):
        frames[i] = extractor.get_frame(i)
    return frames


# pybind11 prepares its NumPy interface in the first call, in a way that deadlocks when two threads
# make that call at once: one waits for the GIL, the other for the first. So it is made here, where
# the import lock lets one thread in.
fbank(np.zeros(WINDOW, np.float32))
