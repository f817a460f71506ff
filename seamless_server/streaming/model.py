"""Models: what they can do, and how streams are opened on them."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.agents.outputs import Snapshot, Target
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.caller import Caller
from seamless_server.errors import LanguageError, UsageError
from seamless_server.stream_options import StreamOptions, read_options
from seamless_server.streaming.stream import Stream, Walk

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class ModelInfo:
    """What a model can do; known before it is loaded.

    folder: where its description is. source_languages: that it hears. text_languages: that it
    writes. speech_languages: that it speaks. captions: those of the languages written that it
    writes only when they are the ones spoken. expressive_languages: that it speaks in the speaker's
    own voice. voices: how many it has of its own for each language spoken, where there are several.
    sample_rate, output_rate: Hz, of the audio that streams take and of the speech that
    comes out. demonstration: it understands a list of phrases and little else.
    sure_from: confidence below which its words are more often wrong than right.
    """

    name: str
    description: str
    folder: Path
    source_languages: tuple[str, ...]
    text_languages: tuple[str, ...]
    speech_languages: tuple[str, ...] = ()
    captions: frozenset[str] = frozenset()
    expressive_languages: tuple[str, ...] = ()
    voices: Mapping[str, int] = field(default_factory=dict)
    default_language: str = "eng"
    sample_rate: int = SAMPLE_RATE
    output_rate: int = SAMPLE_RATE
    demonstration: bool = False
    sure_from: float = 0.5

    def narrow(self, langs: Collection[str] | None = None, speech: bool = True) -> None:
        """Offer less than the model can do from now on.

        Args:
            langs: target languages to offer, all that it has when None.
            speech: False offers text only.

        Raises:
            LanguageError: it has none of these languages.
        """
        if langs is not None:
            known = tuple(lang for lang in self.text_languages if lang in langs)
            if not known:
                raise LanguageError(f"{self.name} writes none of the languages {', '.join(langs)}")
            unknown = [lang for lang in langs if lang not in known]
            if unknown:
                logger.warning("%s does not write %s: left out", self.name, ", ".join(unknown))
            self.text_languages = known
        spoken = self.speech_languages if speech else ()
        self.speech_languages = tuple(lang for lang in spoken if lang in self.text_languages)
        self.expressive_languages = tuple(
            lang for lang in self.expressive_languages if lang in self.speech_languages
        )
        self.voices = {lang: n for lang, n in self.voices.items() if lang in self.speech_languages}

    def described(self) -> ModelInfo:
        """What it can do, without the model itself."""
        return ModelInfo(**{each.name: getattr(self, each.name) for each in fields(ModelInfo)})

    def translates(self, source: str | None, target: str, speech: bool = False) -> bool:
        """Whether it makes ``target``, as text or as speech, of what is said in ``source``.

        Args:
            source: None if nobody knows what is spoken.
        """
        if source is not None and source not in self.source_languages:
            return False
        if target in self.captions and source != target:
            return False
        return target in (self.speech_languages if speech else self.text_languages)

    def check_targets(self, targets: Mapping[str, Target]) -> None:
        """Raise LanguageError for a language that the model does not offer."""
        for lang, target in targets.items():
            if lang not in self.text_languages:
                raise LanguageError(
                    f"{lang!r} is not a target language of {self.name}; it writes: "
                    f"{', '.join(self.text_languages)}"
                )
            if target.speech and lang not in self.speech_languages:
                spoken = ", ".join(self.speech_languages) or "none"
                raise LanguageError(
                    f"{self.name} has no speech output in {lang!r}; it speaks: {spoken}"
                )
            if not target.text and not target.speech:
                raise UsageError(f"neither text nor speech is wanted in {lang!r}")


@dataclass(frozen=True)
class Opening:
    """What a stream is opened with; see `Model.open`."""

    targets: Mapping[str, Target]
    options: StreamOptions
    vad: bool
    caller: Caller
    resume: Snapshot | None


class Model(ModelInfo, ABC):
    """A loaded model. Its streams may run in different threads at once."""

    @property
    def engine(self) -> Any:
        """What computes for all of its streams together, where there is such a thing."""
        return None

    def engines(self) -> list[dict[str, Any]]:
        """What engines elsewhere say of themselves, if its streams run there."""
        return []

    def open(
        self,
        targets: Mapping[str, Target],
        options: StreamOptions | Mapping[str, Any] | None = None,
        *,
        vad: bool = True,
        caller: Caller | None = None,
        resume: Snapshot | None = None,
    ) -> Stream:
        """Open a stream with its own states.

        Args:
            targets: what is wanted in which language.
            options: what the stream is asked for, also by name (``{"decision_threshold": 0.7}``);
                what is not given is the model's own value, else the official agents' default.
            vad: cut the audio into segments of speech; without it the whole stream is one.
            caller: who the engine's calls are made for; the stream's own by default.
            resume: where another stream with the same options stood, to go on from there; streams
                that give a snapshot can be resumed.

        Raises:
            LanguageError: the model does not offer a language.
            ConfigError: an option is unknown or out of its range.
            NoPlaceError: no engine elsewhere has a place.
            NoEngine: no engine elsewhere answers.
        """
        self.check_targets(targets)
        if not isinstance(options, StreamOptions):
            options = read_options(options or {})
        asked = Opening(targets, options, vad, caller or Caller(), resume)
        return Stream(*self._walk(asked), self.check_targets)

    @abstractmethod
    def _walk(self, asked: Opening) -> tuple[Walk, Caller]:
        """What computes a stream, and who its calls are then made for; see `open`."""

    def warm_up(self) -> float:
        """Pay for first calls now, so that the first speaker does not.

        Returns the seconds that a second of audio then takes.
        """
        lang = (self.speech_languages or self.text_languages)[0]
        target = Target(text=True, speech=lang in self.speech_languages)
        # Without voice detection, which would let none of the noise through.
        stream = self.open({lang: target}, vad=False)
        try:
            noise = 0.05 * np.random.default_rng(0).standard_normal(self.sample_rate * 3)
            first, again = np.split(noise.astype(np.float32), [self.sample_rate * 2])
            for _ in stream.push(first):
                pass
            started = time.perf_counter()
            for _ in stream.push(again):
                pass
            took = time.perf_counter() - started
            for _ in stream.finish():
                pass
        finally:
            stream.close()
        return took

    def close(self) -> None:
        """Give its memory back; it has no streams any more."""
