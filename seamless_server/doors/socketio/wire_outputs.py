"""What goes over the wire to those who listen, and what is gathered before it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import orjson

from seamless_server.audio.resample import at_rate
from seamless_server.languages import all_languages

if TYPE_CHECKING:
    from seamless_server.streaming import SpeechOutput, TextOutput

Samples = npt.NDArray[np.float32]
_UNSPACED = frozenset(language.code for language in all_languages() if not language.spaced)


@dataclass(frozen=True, slots=True)
class PackedText:
    """A piece of text, ready to be sent."""

    said: TextOutput
    words: str
    """Whole words since the last piece, for clients that join payloads with spaces."""
    seq: int
    main: bool
    """In the language that the speaker chose."""
    coming: bool
    """In the language that the speaker chose meanwhile: its followers get it from the next
    sentence on."""
    offset: int = 0
    """Characters of the segment before it."""


@dataclass(frozen=True, slots=True)
class PackedAgain:
    """Text that went out already, by another replica."""

    said: TextOutput


@dataclass(frozen=True, slots=True)
class PackedSpeech:
    """A piece of speech, ready to be sent."""

    said: SpeechOutput
    pcm16: bytes
    """Mono 16-bit little-endian."""
    floats: tuple[bytes, ...]
    """The same as JSON arrays of numbers, at most a second each; empty if nobody wants that."""
    seq: int
    main: bool
    offset: int = 0
    """Samples of the segment before it."""


def to_json_floats(samples: Samples, sample_rate: int) -> tuple[bytes, ...]:
    """The samples as JSON arrays. Cut into seconds, so that no single message is large."""
    rounded = np.round(np.asarray(samples, dtype=np.float32), 5)
    starts = range(0, max(1, len(rounded)), sample_rate)
    return tuple(
        orjson.dumps(
            np.ascontiguousarray(rounded[start : start + sample_rate]),
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
        for start in starts
    )


class WordKeeper:
    """Holds a word back until the next one begins, language by language.

    The original's clients put a space between all payloads, so half a word must not go out alone.
    Scripts that are written without spaces have nothing to wait for.
    """

    def __init__(self) -> None:
        self._held: dict[str, str] = {}

    def add(self, lang: str, text: str, *, finished: bool) -> str:
        """The words that are complete now; may be empty."""
        whole = self._held.pop(lang, "") + text
        if finished or lang in _UNSPACED:
            return whole.strip()
        cut = whole.rstrip().rfind(" ")
        if whole != whole.rstrip():
            return whole.strip()
        if cut <= 0:
            self._held[lang] = whole
            return ""
        self._held[lang] = whole[cut:]
        return whole[:cut].strip()


class TextGatherer:
    """Gathers text of a sentence until it has `phonemes` of them or the sentence ends.

    Phonemes are counted as letters: near enough to say how much to gather, in any language.
    """

    def __init__(self, phonemes: float) -> None:
        self._phonemes = phonemes
        self._held: dict[str, tuple[str, float]] = {}

    def add(
        self, lang: str, text: str, start_ms: float, *, finished: bool
    ) -> tuple[str, float] | None:
        """The text to send now and where in the stream it starts, or `None` to wait."""
        before, start = self._held.pop(lang, ("", start_ms))
        whole = before + text
        if finished or sum(character.isalpha() for character in whole) >= self._phonemes:
            return whole, start
        self._held[lang] = (whole, start)
        return None


class SpeechGatherer:
    """Gathers speech of a segment until it is `seconds` long or the segment ends.

    What is gathered has one rate: that of the newest piece, when a stream changes its voice.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held: dict[str, tuple[Samples, int]] = {}
        self._start_ms: dict[str, float] = {}

    def add(
        self, lang: str, samples: Samples, rate: int, start_ms: float, *, finished: bool
    ) -> tuple[Samples, int, float] | None:
        """The speech to send now, its rate and where in the source it starts; `None` to wait."""
        if lang in self._held:
            before, old_rate = self._held.pop(lang)
            rate = rate if len(samples) else old_rate
            samples = np.concatenate([at_rate(before, old_rate, rate), samples])
        start = self._start_ms.pop(lang, start_ms)
        if not finished and len(samples) < self._seconds * rate:
            self._held[lang], self._start_ms[lang] = (samples, rate), start
            return None
        return samples, rate, start
