"""Filterbank features and what is done to them in training.

Noise, reverberation, band limits, gain, vocal-tract and speed changes all act on mel power
spectra, where they cost next to nothing: a stored utterance sounds different every time it is used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seamless_server.audio.fbank import fbank as fbank

FLOOR = -15.942385
"""Log power of digital silence."""

Array = NDArray[np.float32]


def silence(frames: int) -> Array:
    """(frames, 80) of digital silence."""
    return np.full((frames, 80), FLOOR, np.float32)


def _interpolate(x: Array, positions: NDArray[np.float64], axis: int) -> Array:
    low = np.clip(np.floor(positions).astype(int), 0, x.shape[axis] - 1)
    high = np.minimum(low + 1, x.shape[axis] - 1)
    part = (positions - low).astype(np.float32)
    part = part[:, None] if axis == 0 else part[None, :]
    result: Array = x.take(low, axis) * (1 - part) + x.take(high, axis) * part
    return result


def _smooth_curve(rng: np.random.Generator, size: int, spread: float) -> Array:
    knots = rng.normal(0, spread, 6)
    return np.interp(np.linspace(0, 5, size), np.arange(6), knots).astype(np.float32)


def coloured_noise(rng: np.random.Generator, frames: int) -> Array:
    """(frames, 80) log power of a random steady noise around 0."""
    tilt = np.linspace(rng.uniform(-1, 3), rng.uniform(-3, 1), 80).astype(np.float32)
    level = _smooth_curve(rng, 80, 0.7) + tilt
    # A band's power over 25 ms varies less the more FFT bins it gathers.
    shape = np.linspace(1.0, 5.0, 80)
    flicker = np.log(rng.gamma(shape, 1 / shape, (frames, 80)) + 1e-4).astype(np.float32)
    slow = np.interp(
        np.arange(frames),
        np.arange(0, frames + 60, 60),
        rng.normal(0, 0.4, frames // 60 + 1 + (frames % 60 > 0)),
    )
    return level + flicker + slow[:, None].astype(np.float32)


def _retimed(x: Array, rng: np.random.Generator) -> Array:
    """Spoken faster or slower as a whole, and unevenly, as people do and synthesizers do not."""
    knots = len(x) // 16 + 2
    uneven = rng.normal(0, rng.uniform(0, 0.22), knots)
    speed = rng.uniform(0.85, 1.18) * np.exp(
        np.interp(np.arange(len(x)), np.arange(knots) * 16, uneven)
    )
    reached = np.cumsum(speed)
    positions = np.arange(0, reached[-1] - 1)
    return _interpolate(x, np.interp(positions, reached, np.arange(len(x))), 0)


def _blurred(x: Array, axis: int, reach: int) -> Array:
    """The mean of ``reach`` neighbours on either side along ``axis``."""
    width = [(0, 0), (0, 0)]
    width[axis] = (reach, reach)
    padded = np.pad(x, width, mode="edge")
    total = np.zeros_like(x)
    for i in range(2 * reach + 1):
        total += padded.take(range(i, i + x.shape[axis]), axis)
    result: Array = total / np.float32(2 * reach + 1)
    return result


def augment(x: Array, rng: np.random.Generator, babble: Array | None = None) -> Array:
    """A changed copy of clean features (T, 80): another room, distance, microphone, speaker."""
    if rng.random() < 0.8:
        x = _retimed(x, rng)
    frames = len(x)
    if rng.random() < 0.8:
        warp = np.arange(80) * rng.uniform(0.85, 1.18) + _smooth_curve(rng, 80, 0.8)
        x = _interpolate(x, np.clip(warp, 0, 79), 1)
    if rng.random() < 0.6:
        # Between harmonics: a rougher, a smoother, a breathier voice.
        smooth = _blurred(x, 1, 2)
        x = smooth + (x - smooth) * np.float32(rng.uniform(0.2, 1.6))
    if rng.random() < 0.3:
        x = _blurred(x, 0, 1)
    power = np.exp(x)
    if rng.random() < 0.35:
        power = _reverberated(power, rng)
    loudness = np.log(np.percentile(power.mean(1), 85) + 1e-9)
    x = np.log(power + 1e-7)
    x = x + _smooth_curve(rng, 80, rng.uniform(0.2, 1.1))
    if rng.random() < 0.9:
        snr = rng.uniform(3, 45) / 4.343
        noise = coloured_noise(rng, frames)
        if babble is not None and rng.random() < 0.15:
            tiled = np.resize(babble, (frames, 80))
            noise = tiled - np.log(np.exp(tiled).mean() + 1e-9)
            snr = rng.uniform(8, 25) / 4.343
        x = np.logaddexp(x, noise + loudness - snr)
    if rng.random() < 0.12:
        top = int(rng.integers(52, 78))
        x[:, top:] -= np.minimum(np.arange(80 - top), 8) * np.float32(rng.uniform(0.3, 1.2))
        if rng.random() < 0.5:
            x[:, :6] -= np.float32(rng.uniform(1, 4))
    gain = rng.normal(0, 2.0)
    x = np.maximum(x + np.float32(gain), np.float32(FLOOR))
    return x.astype(np.float32)


def _reverberated(power: Array, rng: np.random.Generator) -> Array:
    decay = 10 ** (-6 * 0.01 / rng.uniform(0.15, 0.9))
    taps = decay ** np.arange(1, 50) * (1 - decay)
    mix = 10 ** rng.uniform(-1.5, 0.0)
    size = 1 << int(np.ceil(np.log2(len(power) + 50)))
    tail = np.fft.irfft(
        np.fft.rfft(power, size, axis=0) * np.fft.rfft(taps, size)[:, None], size, axis=0
    )[: len(power) - 1]
    wet = power.copy()
    wet[1:] += mix * np.maximum(tail, 0).astype(np.float32)
    return wet


def spec_augment(x: Array, rng: np.random.Generator) -> Array:
    """SpecAugment (arXiv 1904.08779) in place: bands and short stretches set to the mean."""
    mean = x.mean()
    for _ in range(2):
        width = int(rng.integers(0, 19))
        start = int(rng.integers(0, 80 - width))
        x[:, start : start + width] = mean
    for _ in range(1 + len(x) // 100):
        width = int(rng.integers(0, 19))
        start = int(rng.integers(0, max(1, len(x) - width)))
        x[start : start + width] = mean
    return x
