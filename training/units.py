"""Speech units of the target voices, and the alignment of characters with them.

    python -m training.units --out WORK/units --sentences 1500 --more 4000

One SVOX Pico voice a language is analysed with WORLD (pyworld) and spoken again at a flat pitch of
200 Hz: four pitch periods then fall on exactly one unit of 20 ms, so that a small vocoder can learn
the waveform itself. Units are k-means clusters of the spectral envelope, each language its own.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyworld

from training import config
from training.speech import engines
from training.text import sample

HOP = 320
PITCH = 200.0
VOICES = {"eng": "en-US", "spa": "es-ES", "fra": "fr-FR", "deu": "de-DE"}
RATE = 0.95
Array = Any


def mel_matrix(bands: int, bins: int) -> Array:
    """Triangular mel bands from 0 to 8 kHz (bands, bins), each adding up to 1."""
    top = 2595 * np.log10(1 + 8000 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1) / 8000 * (bins - 1)
    grid = np.arange(bins)[None, :]
    rise = (grid - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - grid) / (edges[2:] - edges[1:-1])[:, None]
    weights = np.maximum(0, np.minimum(rise, fall))
    return weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)


_MEL = mel_matrix(40, 513)
_DCT = (
    np.cos(np.pi / 40 * np.arange(24)[:, None] * (np.arange(40)[None, :] + 0.5)) * (2 / 40) ** 0.5
)


def analyse(samples: Array) -> tuple[Array, Array]:
    """Samples of a target voice -> features (U, 50) and flat-pitch samples (U * 320,).

    A unit's features are those of its two halves: a plosive is not the mean of its 20 ms.
    """
    samples, times, f0, envelope = _spectrum(samples)
    aperiodicity = pyworld.d4c(samples, f0, times, 16_000)
    aperiodicity[f0 == 0] = 1.0
    flat = pyworld.synthesize(np.full_like(f0, PITCH), envelope, aperiodicity, 16_000, 5.0)
    features = _features(f0, envelope)[: len(flat) // HOP]
    return features, flat[: len(features) * HOP].astype(np.float32)


def _spectrum(samples: Array) -> tuple[Array, Array, Array, Array]:
    """Padded samples, and every 5 ms of them: times in s, pitch in Hz, spectral envelope."""
    samples = np.pad(samples.astype(np.float64), (HOP * 3, HOP * 4))
    coarse, times = pyworld.dio(samples, 16_000, f0_floor=80, f0_ceil=400, frame_period=5)
    f0 = pyworld.stonemask(samples, coarse, times, 16_000)
    return samples, times, f0, pyworld.cheaptrick(samples, f0, times, 16_000)


def _features(f0: Array, envelope: Array) -> Array:
    cepstrum = np.log(envelope @ _MEL.T + 1e-8) @ _DCT.T
    cepstrum[:, 0] *= 0.35  # loudness counts for less than the shape
    units = len(f0) // 4
    features = np.concatenate([cepstrum, 2.0 * (f0 > 0)[:, None]], 1)[: units * 4]
    return features.reshape(units, 2, 2, -1).mean(2).reshape(units, -1)


def kmeans(x: Array, clusters: int, seed: int, rounds: int = 20) -> Array:
    """Centres (clusters, D) of the rows of ``x``."""
    rng = np.random.default_rng(seed)
    centres = x[rng.choice(len(x), clusters, replace=False)]
    for _ in range(rounds):
        nearest = assign(x, centres)
        counts = np.bincount(nearest, minlength=clusters)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, x)
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
        empty = np.flatnonzero(counts == 0)
        centres[empty] = x[rng.choice(len(x), len(empty))]
    return centres


def assign(x: Array, centres: Array) -> Array:
    """Nearest centre of each row."""
    offset = 0.5 * (centres**2).sum(1)
    slices = (x[start : start + 20_000] for start in range(0, len(x), 20_000))
    return np.concatenate([(part @ centres.T - offset).argmax(1) for part in slices])


def spoken(text: str, lang: str) -> Array:
    """Samples of the target voice, without the half second of faint noise around some sentences.

    Hyphens make it stumble in English and French.
    """
    text = text.replace("-", " ") if lang in ("eng", "fra") else text
    return engines.trimmed(engines.speak(text, engines.Voice("pico", VOICES[lang], RATE)), 0.01)


def centre_file(out: Path, lang: str) -> Path:
    """Where the cluster centres (units of the language, 50) of a language are."""
    return out / f"{lang}.centres.npy"


def make(out: Path, sentences: int, seed: int = 31) -> None:
    """Write, for each language, waveforms with their units and texts, and the cluster centres.

    Centres that are there already (training.restore) stay: a trained vocoder knows them.
    """
    out.mkdir(parents=True, exist_ok=True)
    each = config.UNITS // len(config.LANGUAGES)
    for number, lang in enumerate(config.LANGUAGES):
        if (out / f"{lang}.npz").exists():
            continue
        print(lang, sentences, "sentences with their sound", flush=True)
        texts = list(
            dict.fromkeys(s.text(lang) for s in itertools.islice(sample.stream(seed), sentences))
        )
        features, waves = [], []
        for text in texts:
            x, wave = analyse(spoken(text, lang))
            features.append(x.astype(np.float32))
            waves.append(wave)
        stacked = np.concatenate(features)
        known = centre_file(out, lang)
        if not known.exists():
            some = stacked[np.random.default_rng(seed).permutation(len(stacked))[:100_000]]
            np.save(known, kmeans(some, each, seed).astype(np.float32))
        units = assign(stacked, np.load(known)) + number * each
        np.savez(
            out / f"{lang}.part.npz",
            units=units.astype(np.int16),
            lengths=np.array([len(x) for x in features]),
            waves=(np.clip(np.concatenate(waves), -1, 1) * 32767).astype(np.int16),
            texts=np.array(json.dumps(texts, ensure_ascii=False)),
        )
        (out / f"{lang}.part.npz").rename(out / f"{lang}.npz")
        print(lang, len(texts), "sentences,", len(stacked) / 50 / 60, "minutes", flush=True)


def make_more(out: Path, lang: str, sentences: int, known: int, seed: int = 31) -> None:
    """Units of further sentences, behind the ``known`` ones, for those who need no sound."""
    path = out / f"{lang}.more.npz"
    if path.exists() or not sentences:
        return
    each = config.UNITS // len(config.LANGUAGES)
    first = config.LANGUAGES.index(lang) * each
    centres = np.load(centre_file(out, lang))
    heard = {text for text, _, _ in read(out, lang)}
    drawn = itertools.islice(sample.stream(seed), known, known + sentences)
    texts = [text for text in dict.fromkeys(s.text(lang) for s in drawn) if text not in heard]
    units = []
    for number, text in enumerate(texts):
        if number % 500 == 0:
            print(lang, number, "of", len(texts), "more sentences", flush=True)
        _, _, f0, envelope = _spectrum(spoken(text, lang))
        units.append(assign(_features(f0, envelope).astype(np.float32), centres) + first)
    np.savez(
        path.with_suffix(".part.npz"),
        units=np.concatenate(units).astype(np.int16),
        lengths=np.array([len(x) for x in units]),
        texts=np.array(json.dumps(texts, ensure_ascii=False)),
    )
    path.with_suffix(".part.npz").rename(path)


def read_units(out: Path, lang: str) -> list[tuple[str, Array]]:
    """(text, units) of every sentence of a language, with and without sound."""
    rows = [(text, units) for text, units, _ in read(out, lang)]
    if (out / f"{lang}.more.npz").exists():
        with np.load(out / f"{lang}.more.npz", allow_pickle=False) as data:
            ends = data["lengths"].cumsum()
            pieces = np.split(data["units"].astype(int), ends[:-1])
            rows += zip(json.loads(str(data["texts"])), pieces, strict=True)
    return rows


def read(out: Path, lang: str) -> list[tuple[str, Array, Array]]:
    """(text, units, samples) of every sentence of a language."""
    with np.load(out / f"{lang}.npz", allow_pickle=False) as data:
        texts = json.loads(str(data["texts"]))
        ends = data["lengths"].cumsum()
        units, waves = data["units"], data["waves"]
    starts = ends - np.diff(ends, prepend=0)
    return [
        (text, units[a:b].astype(int), waves[a * HOP : b * HOP].astype(np.float32) / 32767)
        for text, a, b in zip(texts, starts, ends, strict=True)
    ]


def embeddings(out: Path, dim: int) -> Array:
    """(UNITS, dim) standardised cluster centres of all languages, padded with zeros."""
    centres = np.concatenate([np.load(centre_file(out, x)) for x in config.LANGUAGES])
    centres = (centres - centres.mean(0)) / centres.std(0)
    return np.pad(centres, ((0, 0), (0, dim - centres.shape[1]))).astype(np.float32)


def neighbours(out: Path, count: int) -> tuple[Array, Array]:
    """The ``count`` most alike units of every unit, itself first, and weights that add up to 1.

    Both (UNITS, count). The weight falls with the distance, on the scale of the nearest one.
    """
    each = config.UNITS // len(config.LANGUAGES)
    nearest, weights = [], []
    for number, lang in enumerate(config.LANGUAGES):
        c = np.load(centre_file(out, lang))
        squares = (c**2).sum(1)
        distances = squares[:, None] + squares[None] - 2 * c @ c.T
        np.fill_diagonal(distances, -1.0)
        order = np.argsort(distances, 1)[:, :count]
        d = np.take_along_axis(distances, order, 1).clip(0)
        weight = np.exp(-d / d[:, 1:2].clip(1e-6))
        nearest.append(order + number * each)
        weights.append(weight / weight.sum(1, keepdims=True))
    return np.concatenate(nearest), np.concatenate(weights).astype(np.float32)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=700)
    parser.add_argument(
        "--more", type=int, default=0, help="further sentences, of which no sound is kept"
    )
    parser.add_argument("--languages", nargs="+", default=config.LANGUAGES)
    args = parser.parse_args()
    make(args.out, args.sentences)
    for lang in args.languages:
        make_more(args.out, lang, args.more, args.sentences)


if __name__ == "__main__":
    main()
