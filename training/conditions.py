"""What the model is measured on: sentences that were never trained on, in many conditions.

Every set is made from a seed: another seed gives other sentences and voices. Recordings of people
come from Debian's ``asterisk-core-sounds-*-g722``: the English ``digits`` and the prompts whose
names begin with n to z, which training never hears.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from training import unlabelled
from training.speech import engines
from training.text import numbers, sample

Samples = Any
RATE = engines.RATE
SOUNDS = Path("/usr/share/asterisk/sounds")
ENGLISH = SOUNDS / "en_US_f_Allison"
FOREIGN = tuple(SOUNDS / name for name in ("es_MX_f_Allison", "fr_CA_f_June", "it_IT_m_Carlo"))
MUSIC = Path("/usr/share/asterisk/moh")
PACKAGES = "asterisk-core-sounds-{en,es,fr,it}-g722 asterisk-moh-opsound-g722"
KNOWN = sample.known_words()
"""The sets' words: those that the shipped weights were trained with."""
SPOKEN_NUMBERS = (*range(21), *range(30, 100, 10))
"""The 28 numbers that ``digits`` has one recording each of."""


@dataclass
class Talk:
    """Sentences and the sound of all of them, mono at 16 kHz."""

    sentences: list[sample.Sentence]
    samples: Samples

    def text(self, lang: str) -> str:
        """All that is said, in ``lang``."""
        return " ".join(sentence.text(lang) for sentence in self.sentences)


def silence(seconds: float) -> Samples:
    """Digital silence."""
    return np.zeros(round(seconds * RATE), np.float32)


def at_level(x: Samples, dbfs: float) -> Samples:
    """With its peak at ``dbfs``."""
    peak: Samples = x * np.float32(10 ** (dbfs / 20) / max(1e-6, float(np.abs(x).max())))
    return peak


def talks(
    engine: str,
    count: int,
    seed: int,
    sentences: int = 1,
    pause: float = 0.0,
    around: float = 0.1,
    dbfs: float | None = None,
    babble: float | None = None,
    known: frozenset[str] | None = KNOWN,
) -> list[Talk]:
    """``count`` talks of held-out sentences, each by one voice.

    ``engine`` restricts the voices ("" is those of training); ``pause`` seconds lie between
    sentences and ``around`` before the first and after the last. The peak is at ``dbfs``, else
    anywhere from -14 to -2; ``babble`` is the signal-to-noise ratio in dB to six others at once.
    ``known`` are the words of the sentences; None is all of the phrasebook.
    """
    rng = random.Random(seed)
    noise = np.random.default_rng(seed)
    stream = sample.stream(seed, held_out=True, known=known)
    found = []
    for _ in range(count):
        said = [next(stream) for _ in range(sentences)]
        voice = engines.draw_voice(rng, engine)
        pieces = [silence(around)]
        for number, sentence in enumerate(said):
            if number:
                pieces.append(silence(pause))
            pieces.append(engines.speak(sentence.text("eng"), voice))
        x = np.concatenate([*pieces, silence(around)])
        x = at_level(x, rng.uniform(-14, -2) if dbfs is None else dbfs)
        if babble is not None:
            x = x + at_power(others(len(x), rng), x, -babble)
        found.append(Talk(said, (x + noise.normal(0, 1e-5, len(x))).astype(np.float32)))
    return found


def at_power(x: Samples, beside: Samples, db: float) -> Samples:
    """With a mean power ``db`` above that of ``beside``."""
    power: Samples = x * np.float32(
        np.sqrt(np.mean(beside**2) / max(1e-12, float(np.mean(x**2)))) * 10 ** (db / 20)
    )
    return power


def others(size: int, rng: random.Random, count: int = 6) -> Samples:
    """``size`` samples of ``count`` people who speak at once, none louder than another."""
    stream = sample.stream(rng.randrange(1 << 30))
    total = np.zeros(size, np.float32)
    for _ in range(count):
        voice = engines.draw_voice(rng)
        pieces: list[Samples] = []
        while sum(len(p) for p in pieces) < 2 * size:
            pieces.append(engines.speak(next(stream).text("eng"), voice))
        x = np.concatenate(pieces)
        start = rng.randrange(len(x) - size)
        total += at_level(x[start : start + size], -12)
    return total


def spoken_numbers() -> list[tuple[str, Samples]]:
    """Each of the 28 numbers with its recording, half a second of silence around."""
    rows = []
    for number in SPOKEN_NUMBERS:
        x = unlabelled.read_g722(ENGLISH / "digits" / f"{number}.g722")
        rows.append((numbers.english(number), np.concatenate([silence(0.5), x, silence(0.5)])))
    return rows


def prompts(folders: tuple[Path, ...], seconds: float, seed: int) -> Samples:
    """Recorded prompts for testing, one after the other, 0.6 s between, about ``seconds`` long."""
    files = [path for folder in folders for path in unlabelled.prompts(folder, trained=False)]
    files = [path for path in files if not {"digits", "silence"} & set(path.parts)]
    random.Random(seed).shuffle(files)
    pieces: list[Samples] = []
    while files and sum(len(p) for p in pieces) < seconds * RATE:
        pieces += [unlabelled.read_g722(files.pop()), silence(0.6)]
    return np.concatenate(pieces)


def nothing(seconds: float, seed: int = 5) -> dict[str, Samples]:
    """Sounds in which nobody speaks: silence, noise, hum, chords, and babble."""
    rng = np.random.default_rng(seed)
    size = int(seconds * RATE)
    t = np.arange(size) / RATE
    chords = np.zeros(size)
    for start in range(0, size, 8000):
        for pitch in rng.choice([220, 247, 262, 294, 330, 349, 392, 440], 3, replace=False):
            part = slice(start, min(size, start + 8000))
            tone = t[part] - t[start]
            for harmonic in (1, 2, 3):
                chords[part] += np.sin(2 * np.pi * pitch * harmonic * tone) * np.exp(-3 * tone)
    return {
        "silence": silence(seconds),
        "white noise": rng.normal(0, 0.05, size).astype(np.float32),
        "brown noise": (0.02 * np.cumsum(rng.normal(0, 0.1, size)) % 0.3).astype(np.float32),
        "mains hum": (0.1 * np.sin(2 * np.pi * 50 * t)).astype(np.float32),
        "chords": (0.05 * chords).astype(np.float32),
    }


def strangers(seconds: float, seed: int) -> dict[str, Samples]:
    """What is outside the model's world, ``seconds`` of each; recordings only where they are."""
    rng = random.Random(seed)
    size = int(seconds * RATE)
    found = {"babble": at_level(others(size, rng), -6)}
    if MUSIC.is_dir():
        files = sorted(MUSIC.glob("*.g722"))
        start = rng.randrange(60) * RATE
        x = unlabelled.read_g722(files[rng.randrange(len(files))])
        found["music"] = x[start : start + size]
    if all(folder.is_dir() for folder in FOREIGN):
        found["foreign people"] = prompts(FOREIGN, seconds, seed)
    if ENGLISH.is_dir():
        found["other English, people"] = prompts((ENGLISH,), seconds, seed)
    return found


SETS: dict[str, Callable[[int, int], list[Talk]]] = {
    "seen": lambda n, seed: talks("", n, seed),
    "held-out Kokoro": lambda n, seed: talks("kokoro-held-out", n, seed),
    "unseen engine": lambda n, seed: talks("rhvoice", n, seed),
    "larger phrasebook": lambda n, seed: talks("", n, seed, known=None),
    "2 sentences, no pause": lambda n, seed: talks("", max(1, n // 2), seed, 2),
    "5 sentences, 0.3 s": lambda n, seed: talks("", max(1, n // 5), seed, 5, 0.3),
    "onset at 0 ms": lambda n, seed: talks("", n, seed, around=0.0),
    "-40 dBFS": lambda n, seed: talks("", n, seed, around=0.5, dbfs=-40.0),
    "babble at 20 dB": lambda n, seed: talks("", n, seed, babble=20.0),
}
"""The sets by name; each gives ``n`` sentences or about as many for a seed."""
VAD = frozenset({"-40 dBFS"})
"""Sets that are measured with voice activity detection."""
