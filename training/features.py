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

LOUD = np.float32(0.8)
"""``loudness`` of speech whose peaks reach full scale."""

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


def retimed(x: Array, rng: np.random.Generator) -> tuple[Array, NDArray[np.float64]]:
    """Spoken faster or slower as a whole, and unevenly, as people do and synthesizers do not.

    Also gives the place in ``x`` that each new frame comes from.
    """
    knots = len(x) // 16 + 2
    uneven = rng.normal(0, rng.uniform(0, 0.22), knots)
    speed = rng.uniform(0.85, 1.18) * np.exp(
        np.interp(np.arange(len(x)), np.arange(knots) * 16, uneven)
    )
    reached = np.cumsum(speed)
    positions = np.arange(0, reached[-1] - 1)
    places = np.interp(positions, reached, np.arange(len(x)))
    return _interpolate(x, places, 0), places


def levelled(x: Array, dbfs: float) -> Array:
    """At another level: as loud as speech whose peaks reach ``dbfs`` (0 is full scale)."""
    return (x + (LOUD + np.float32(dbfs / 4.343) - loudness(x))).astype(np.float32)


def loudness(x: Array) -> np.float32:
    """Log power of the louder parts."""
    return np.float32(np.log(np.percentile(np.exp(x).mean(1), 85) + 1e-9))


def music(rng: np.random.Generator, frames: int) -> Array:
    """(frames, 80) log power of chords: steady harmonics that change with the beat."""
    beat = int(rng.integers(12, 60))
    x = np.full((frames, 80), -8.0, np.float32)
    centres = 700 * (10 ** (np.linspace(31.7, 2840, 80) / 2595) - 1)
    for start in range(0, frames, beat):
        size = min(beat, frames - start)
        decay = np.linspace(0, -float(rng.uniform(0, 4)), size, dtype=np.float32)
        for _ in range(int(rng.integers(1, 5))):
            pitch = 55 * 2 ** (int(rng.integers(0, 48)) / 12)
            for harmonic in range(1, int(rng.integers(2, 12))):
                near = np.abs(centres - pitch * harmonic) / (0.5 * pitch + 30)
                line = 2 - 1.2 * np.log(harmonic) - near[None, :] ** 2 + decay[:, None]
                piece = x[start : start + size]
                np.logaddexp(piece, line.astype(np.float32), out=piece)
        if rng.random() < 0.5:
            hit = coloured_noise(rng, 1)[0] - np.linspace(0, 8, min(8, size))[:, None]
            piece = x[start : start + len(hit)]
            np.logaddexp(piece, hit.astype(np.float32), out=piece)
    return x


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
    """A changed copy of clean features (T, 80): another room, distance, microphone, speaker.

    ``babble`` (T, 80) is what others say; without it noise is steady.
    """
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
    x = np.log(power + 1e-7)
    loud = loudness(x)
    x = x + _smooth_curve(rng, 80, rng.uniform(0.2, 1.1))
    if rng.random() < 0.9:
        snr = rng.uniform(3, 45) / 4.343
        noise = coloured_noise(rng, frames)
        if babble is not None:
            tiled = np.resize(babble, (frames, 80))
            noise = tiled - np.log(np.exp(tiled).mean() + 1e-9)
            snr = rng.uniform(5, 28) / 4.343
        x = np.logaddexp(x, noise + loud - snr)
    if rng.random() < 0.12:
        top = int(rng.integers(52, 78))
        x[:, top:] -= np.minimum(np.arange(80 - top), 8) * np.float32(rng.uniform(0.3, 1.2))
        if rng.random() < 0.5:
            x[:, :6] -= np.float32(rng.uniform(1, 4))
    level = rng.normal(-14, 8) if rng.random() < 0.7 else rng.uniform(-52, -3)
    return np.maximum(levelled(x, level), np.float32(FLOOR))


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
