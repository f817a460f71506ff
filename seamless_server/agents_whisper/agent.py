"""Whisper as a SimulEval agent: it hears a segment again and again as it grows, and writes what
will not change any more.

Two policies: LocalAgreement-2 (Macháček et al. 2023, arXiv 2307.14743) writes the words in which
two hypotheses agree that follow each other; AlignAtt (Papi et al. 2023, arXiv 2305.11408) those
whose cross-attention does not reach into the last frames heard. What has been written is the prefix
of every later hypothesis, so that nothing is ever taken back.
"""

from __future__ import annotations

import math
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
from simuleval.agents import SpeechToTextAgent
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.agents.states import AgentStates
from simuleval.data.segments import Segment, TextSegment

from seamless_server.agents_whisper.engine import (
    SAMPLE_RATE,
    WINDOW_SECONDS,
    EncodedWindow,
    WhisperEngine,
)
from seamless_server.agents_whisper.spoken import SpokenLanguage, our_codes
from seamless_server.agents_whisper.words import (
    NO_SPEECH,
    POOR,
    Word,
    agreement,
    believable,
    is_repetitive,
    split_words,
)
from seamless_server.caller import Caller
from seamless_server.languages import lookup

_MOST_SECONDS = WINDOW_SECONDS - 1.0
"""A segment that grows longer goes on in a new window."""
_TOKENS_A_SECOND, _TOKENS_MORE = 10, 16
"""More than these are invented: people say some four tokens a second."""


class WhisperStates(AgentStates):  # type: ignore[misc]
    """One segment of one speaker in one language. ``spoken`` outlives the segment."""

    caller: Caller | None = None

    def __init__(self, spoken: SpokenLanguage) -> None:
        self.spoken = spoken
        super().__init__()

    def reset(self) -> None:
        """Forget the segment."""
        super().reset()
        self.audio = np.zeros(0, np.float32)
        self.source_lang: str | None = None
        self.clear()

    def clear(self) -> None:
        """Begin a new window."""
        self.decoded = 0
        self.prefix: list[int] = []
        self.words: list[Word] = []
        self.before: list[Word] = []
        self.log_probability = 0.0
        self.scores: list[tuple[float, int]] = []
        self.glued = False

    def update_source(self, segment: Segment) -> None:
        """Take audio in."""
        self.source_finished = segment.finished
        if segment.is_empty:
            return
        self.source_sample_rate = segment.sample_rate
        if isinstance(segment.tgt_lang, str):
            self.tgt_lang = segment.tgt_lang
        self.audio = np.concatenate([self.audio, np.asarray(segment.content, np.float32)])


class WhisperAgent(SpeechToTextAgent):  # type: ignore[misc]
    """See the module. Writes what it hears in the language spoken, or in English."""

    def __init__(self, args: Namespace) -> None:
        super().__init__(args)
        self._engine: WhisperEngine | None = None
        self._step = round(args.step_ms * SAMPLE_RATE / 1000)
        self._least = round(args.first_ms * SAMPLE_RATE / 1000)
        self._margin = round(args.margin_ms / 20)

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, of the command line and of the system file."""
        add = parser.add_argument
        add("--weights", type=Path, required=True, help="folder of a model for CTranslate2")
        add("--policy", choices=["local-agreement", "alignatt"], default="local-agreement")
        add("--step-ms", type=int, default=640, help="audio between two hypotheses")
        add("--first-ms", type=int, default=960, help="audio before the first one")
        add("--margin-ms", type=int, default=400, help="AlignAtt: audio that is not trusted yet")
        add("--compute-type", default="auto", help="CTranslate2's arithmetic: int8, float16, ...")
        add("--threads", type=int, default=0, help="of one computation on a CPU; 0: the cores")
        add("--source-lang", default=None, help="language spoken; recognised if absent")

    def to(self, device: str, *args: Any, **kwargs: Any) -> None:
        """Load the model there."""
        if self._engine is None:
            given = self.args
            self._engine = WhisperEngine(
                Path(given.weights), device, given.compute_type, given.threads
            )

    @property
    def engine(self) -> WhisperEngine:
        """What computes for all streams."""
        if self._engine is None:
            self.to("cpu")
        assert self._engine is not None
        return self._engine

    def close(self) -> None:
        """Give the model's memory back."""
        if self._engine is not None:
            self._engine.close()

    def build_states(self) -> WhisperStates:
        """States of one speaker and language."""
        return WhisperStates(SpokenLanguage(our_codes()))

    def policy(self, states: WhisperStates) -> Action:
        """READ until there is a step's worth of new audio; then WRITE what is certain."""
        heard = len(states.audio)
        full = heard > _MOST_SECONDS * SAMPLE_RATE
        last = states.source_finished or full
        if not last and (heard < self._least or heard - states.decoded < self._step):
            return ReadAction()
        text = self._hear(states, last) if heard >= 0.1 * SAMPLE_RATE else ""
        if full:
            states.audio = states.audio[:0]
            states.clear()
        if not text and not states.source_finished:
            return ReadAction()
        spoken = self._said(states) or states.spoken.code
        config: dict[str, Any] = {"source_lang": spoken, "glued": states.glued}
        if states.scores:
            total = sum(count for _, count in states.scores)
            config["confidence"] = math.exp(sum(x * n for x, n in states.scores) / total)
        segment = TextSegment(
            content=text, finished=states.source_finished, tgt_lang=states.tgt_lang, config=config
        )
        return WriteAction(segment, finished=states.source_finished)

    def _hear(self, states: WhisperStates, last: bool) -> str:
        """What can be written now of the window."""
        window = self.engine.encode(states.audio, states.caller)
        start, new = self._start(states, window), len(states.audio) > states.decoded
        states.decoded = len(states.audio)
        if start is None:
            return ""
        if new:
            states.words = self._hypothesis(states, window, start)
        if last and not self._said(states):
            # The whole segment tells best, for those to come.
            states.spoken.hear(self.engine.languages(window, states.caller), window.seconds)
        words, prefix = states.words, states.prefix
        if last:
            count = len(words)
        elif self.args.policy == "alignatt":
            count = self._aligned(states, window, start, words)
        else:
            count = agreement(states.before, words)
        written = words[:count]
        states.words = states.before = words[count:]
        if not written:
            return ""
        states.prefix = [*prefix, *(token for word in written for token in word.tokens)]
        states.scores.append((states.log_probability, count))
        text = "".join(word.text for word in written)
        # What begins without a space goes on with the last word (a comma).
        states.glued = bool(prefix) and not text.startswith(" ")
        return text.strip()

    def _hypothesis(
        self, states: WhisperStates, window: EncodedWindow, start: list[int]
    ) -> list[Word]:
        """The likeliest words behind what was written; none if nobody seems to speak."""
        engine, prefix = self.engine, states.prefix
        most = round(_TOKENS_A_SECOND * window.seconds) + _TOKENS_MORE
        found = engine.decode(window, start, prefix, max(1, most - len(prefix)), states.caller)
        states.log_probability = found.log_probability
        lang = states.tgt_lang if isinstance(states.tgt_lang, str) else "eng"
        words = split_words(found.tokens, engine.text, engine.times, lookup(lang).spaced)
        sure = believable(words, window.seconds)
        doubtful = found.log_probability < POOR or len(sure) < len(words)
        if (found.no_speech > NO_SPEECH and doubtful) or found.log_probability < 1.5 * POOR:
            return []
        return [] if is_repetitive("".join(word.text for word in sure)) else sure

    def _start(self, states: WhisperStates, window: EncodedWindow) -> list[int] | None:
        """Control tokens for what is wanted; None if Whisper cannot do it."""
        lang = self._spoken(states, window)
        target = states.tgt_lang if isinstance(states.tgt_lang, str) else lang
        theirs = our_codes()[lang]
        if our_codes().get(target) != theirs and target != "eng":
            return None
        task = "transcribe" if our_codes().get(target) == theirs else "translate"
        names = ("startoftranscript", theirs, task)
        return [self.engine.token(f"<|{name}|>") for name in names]

    def _spoken(self, states: WhisperStates, window: EncodedWindow) -> str:
        """The language spoken: said, else recognised; a segment that was begun keeps it."""
        if said := self._said(states):
            states.source_lang = said
        elif states.source_lang is None or not states.prefix:
            shares = self.engine.languages(window, states.caller)
            states.source_lang = states.spoken.hear(shares, window.seconds)
        assert states.source_lang is not None
        return states.source_lang

    def _said(self, states: WhisperStates) -> str | None:
        """The language that somebody said is spoken, if Whisper knows it."""
        said = states.config.get("source_lang") or self.args.source_lang
        return said if said in our_codes() else None

    def _aligned(
        self, states: WhisperStates, window: EncodedWindow, start: list[int], words: list[Word]
    ) -> int:
        """How many words end before the last frames."""
        times = self.engine.times
        written = [token for token in states.prefix if token < times]
        new = [[token for token in word.tokens if token < times] for word in words]
        if not new:
            return 0
        tokens = [*written, *(token for word in new for token in word)]
        start = [*start, times - 1]  # alignment is of text without times
        ends = self.engine.align(window, start, tokens, states.caller)
        limit = round(window.seconds * 50) - self._margin
        count, at = 0, len(written)
        for word in new:
            at += len(word)
            if ends[at - 1] > limit:
                break
            count += 1
        return count
