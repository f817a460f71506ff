"""The walk of any SimulEval agent: segments of speech, or words that another model heard, go in.

Driven as SimulEval's evaluator drives it: a push, a pop; when a segment has ended the agent is
popped until it has finished, and its states are reset. Every language has states of its own. What
an agent writes is joined as SimulEval joins it: words with spaces between them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment, TextSegment

from seamless_server.agents.building import all_states, reset_states
from seamless_server.agents.outputs import (
    Decision,
    Output,
    Samples,
    Snapshot,
    SpeechOutput,
    Target,
    TextOutput,
    Trace,
)
from seamless_server.agents.vad import VADStates
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.engine import Caller, measured
from seamless_server.errors import UsageError
from seamless_server.languages import lookup
from seamless_server.streaming.stream import Stream

_MOST_POPS = 2_000
"""Outputs that an agent may give after its source has ended."""


@dataclass(frozen=True)
class SourcePiece:
    """Source of one segment. The times, in ms of the stream: where the segment began, and where
    what was heard of it ends."""

    segment: Segment
    begin_ms: float
    now_ms: float


class AgentSource(Protocol):
    """Makes an agent's source of a stream's audio."""

    @property
    def state(self) -> str: ...

    def take(self, audio: Samples, last: bool) -> Iterator[SourcePiece]: ...


class SpeechSource:
    """Audio, cut into segments of speech by ``vad``; without it the whole stream is one."""

    def __init__(self, vad: VADStates | None) -> None:
        self._vad = vad
        self._heard = 0
        self._open = False

    @property
    def state(self) -> str:
        """``speech`` while a segment is open; an agent that hears everything does not tell."""
        return "speech" if self._open and self._vad is not None else "listening"

    def take(self, audio: Samples, last: bool) -> Iterator[SourcePiece]:
        """Segments as SimulEval's agents take them: lists of floats."""
        self._heard += len(audio)
        pushed: Segment = EmptySegment(finished=last)
        if len(audio):
            pushed = SpeechSegment(
                content=audio, sample_rate=SAMPLE_RATE, finished=last, tgt_lang=None
            )
        if self._vad is None:
            if len(audio) or last:
                yield self._listed(pushed, 0, self._heard)
            return
        self._vad.update_source(pushed)
        while (segment := self._vad.take()) is not None:
            if self._open or not segment.is_empty:
                yield self._listed(segment, self._vad.begin, self._vad.taken)

    def _listed(self, segment: Segment, begin: int, end: int) -> SourcePiece:
        self._open = not segment.finished
        if not segment.is_empty:
            segment.content = segment.content.tolist()
        return SourcePiece(segment, begin * 1000 / SAMPLE_RATE, end * 1000 / SAMPLE_RATE)


class WordSource:
    """Words that another model hears, one a segment, as SimulEval's text source has them."""

    def __init__(self, stream: Stream, lang: str) -> None:
        self._stream, self._spaced = stream, lookup(lang).spaced
        self._word = ""
        self._open = False

    @property
    def state(self) -> str:
        """That of the stream that hears."""
        return self._stream.state

    def take(self, audio: Samples, last: bool) -> Iterator[SourcePiece]:
        """Whole words; the last one of a sentence ends the segment."""
        for output in self._stream.push(audio, last):
            if not isinstance(output, TextOutput):
                continue
            *whole, self._word = self._split(self._word + output.text)
            if output.finished and self._word.strip():
                whole, self._word = [*whole, self._word], ""
            words = [word.strip() for word in whole if word.strip()]
            for number, word in enumerate(words, 1):
                ends = output.finished and number == len(words)
                segment = TextSegment(content=word, finished=ends, tgt_lang=None)
                yield self._located(segment, output)
            if output.finished and not words and self._open:
                yield self._located(EmptySegment(finished=True), output)

    def _split(self, text: str) -> list[str]:
        """Words; the last one may go on."""
        if not self._spaced:
            return [*text, ""]
        parts = text.split(" ")
        return [part for part in parts[:-1] if part] + parts[-1:]

    def _located(self, segment: Segment, output: TextOutput) -> SourcePiece:
        self._open = not segment.finished
        return SourcePiece(segment, output.start_ms, output.end_ms)


class AgentInstance:
    """An agent with the states of one stream and language.

    Args:
        own_states: the agent keeps its states itself, and gets none.
    """

    def __init__(self, agent: Any, caller: Caller, own_states: bool) -> None:
        self.agent = agent
        self._states = None if own_states else agent.build_states()
        for states in [] if self._states is None else all_states(self._states):
            if hasattr(states, "caller"):
                states.caller = caller
        self._caller = caller

    def pushpop(self, segment: Segment) -> list[Segment]:
        """One push and one pop; of a tree of agents everything that came out."""
        with measured("agent", self._caller):
            out = self.agent.pushpop(segment, self._states)
        return list(out) if isinstance(out, list) else [out]

    def reset(self) -> None:
        """Forget the segment."""
        if self._states is None:
            self.agent.reset()
        else:
            reset_states(self._states)


class _Branch:
    """One language."""

    def __init__(
        self, lang: str, target: Target, instance: AgentInstance, config: Mapping[str, Any]
    ):
        self.lang, self.target, self._instance, self._config = lang, target, instance, dict(config)
        self._joint = " " if lookup(lang).spaced else ""
        self.source_lang: str | None = None
        self._open: dict[type, bool] = {}
        self._segment_id, self._start_ms = 0, 0.0

    def begin(self, segment_id: int, start_ms: float) -> None:
        self._segment_id, self._start_ms = segment_id, start_ms

    def hear(self, heard: SourcePiece) -> Iterator[Output]:
        segment = copy.copy(heard.segment)
        segment.tgt_lang, segment.config = self.lang, dict(self._config)
        out = self._instance.pushpop(segment)
        yield from self._said(out, heard.now_ms)
        done = all(item.finished for item in out)
        if segment.finished:
            for _ in range(_MOST_POPS):
                if done or all(item.is_empty and not item.finished for item in out):
                    break
                out = self._instance.pushpop(EmptySegment(finished=True))
                yield from self._said(out, heard.now_ms)
                done = all(item.finished for item in out)
            else:
                name = type(self._instance.agent).__name__
                raise UsageError(f"{name} does not come to an end after its source has ended")
        if done or segment.finished:
            yield from self._close(heard.now_ms)
            self._instance.reset()

    def _said(self, out: list[Segment], now_ms: float) -> Iterator[Output]:
        for item in out:
            config = item.config if isinstance(item.config, Mapping) else {}
            self.source_lang = config.get("source_lang") or self.source_lang
            if item.is_empty:
                continue
            where = (self._segment_id, self._start_ms, now_ms, bool(item.finished))
            if isinstance(item.content, str):
                open_before = self._open.get(TextOutput, False)
                if self.target.text and (item.content or (item.finished and open_before)):
                    self._open[TextOutput] = not item.finished
                    self._start_ms = now_ms
                    confidence = config.get("confidence")
                    yield TextOutput(
                        self.lang,
                        self._joined(item.content, config.get("glued")),
                        *where,
                        0.0,
                        confidence,
                    )
            elif self.target.speech and (len(item.content) or item.finished):
                self._open[SpeechOutput] = not item.finished
                samples = np.asarray(item.content, np.float32)
                rate = int(getattr(item, "sample_rate", 0))
                if len(samples) and rate <= 0:
                    name = type(self._instance.agent).__name__
                    raise UsageError(f"{name} gives speech without its sample_rate")
                units = list(getattr(item, "units", []))
                yield SpeechOutput(
                    self.lang, samples, max(rate, 1) if len(samples) else SAMPLE_RATE, units, *where
                )

    def _joined(self, text: str, glued: object) -> str:
        return text if glued or not text or text[0].isspace() else self._joint + text

    def _close(self, now_ms: float) -> Iterator[Output]:
        """Ends what an agent left open."""
        where = (self._segment_id, now_ms, now_ms, True)
        if self._open.pop(TextOutput, False):
            yield TextOutput(self.lang, "", *where)
        if self._open.pop(SpeechOutput, False):
            yield SpeechOutput(self.lang, np.zeros(0, np.float32), SAMPLE_RATE, [], *where)


class AgentWalk:
    """See the module.

    Args:
        source: what the agent gets.
        make: an agent with states for one more language.
        config: handed to the agent with every segment (SimulEval's ``config``).
    """

    trace: Trace | None = None

    def __init__(
        self,
        source: AgentSource,
        targets: Mapping[str, Target],
        make: Callable[[], AgentInstance],
        config: Mapping[str, Any],
    ) -> None:
        self._source, self._make, self._config = source, make, dict(config)
        self._targets = dict(targets)
        self._new_targets: dict[str, Target] | None = None
        self._instances: dict[str, AgentInstance] = {}
        self._branches: list[_Branch] = []
        self._segment_id = 0
        self._now_ms = self._began_ms = 0.0
        self._open = False
        self.source_lang: str | None = None

    @property
    def state(self) -> str:
        """``speech`` while a segment is open, else ``listening``."""
        return self._source.state

    @property
    def targets(self) -> dict[str, Target]:
        """The languages wanted."""
        return dict(self._targets if self._new_targets is None else self._new_targets)

    def set_targets(self, targets: Mapping[str, Target], whole: bool = True) -> None:
        """Change the languages, always by segments (whatever ``whole``).

        Those that go are finished, those that come begin with the next segment; at once when none
        is open or all of its languages go.
        """
        self._new_targets = dict(targets)

    @property
    def expressive(self) -> bool | None:
        """Goes with every segment, when it is not None, as the original's server sends it."""
        return self._config.get("expressive")

    @expressive.setter
    def expressive(self, wanted: bool | None) -> None:
        self._config.pop("expressive", None)
        if wanted is not None:
            self._config["expressive"] = wanted

    def snapshot(self) -> Snapshot | None:
        """None: nobody knows what states of other people's agents hold."""
        return None

    def push(self, audio: Samples, last: bool = False) -> Iterator[Output]:
        """Translate the next audio (N,), any N; ``last`` ends the stream."""
        yield from self._switch()
        for heard in self._source.take(audio, last):
            self._now_ms = heard.now_ms
            if not self._open:
                if heard.segment.is_empty:
                    continue
                self._begin(heard)
            yield from self._give(self._branches, heard)
            if heard.segment.finished:
                self._end()

    def _give(self, branches: list[_Branch], heard: SourcePiece) -> Iterator[Output]:
        for branch in branches:
            yield from branch.hear(heard)
            self.source_lang = branch.source_lang or self.source_lang

    def _begin(self, heard: SourcePiece) -> None:
        self._open, self._began_ms = True, max(heard.begin_ms, self._began_ms)
        self._branches = []
        for lang, target in self._targets.items():
            if lang not in self._instances:
                self._instances[lang] = self._make()
            branch = _Branch(lang, target, self._instances[lang], self._config)
            branch.begin(self._segment_id, self._began_ms)
            self._branches.append(branch)

    def _end(self) -> None:
        if self.trace is not None:
            self.trace(
                Decision(
                    type="segment",
                    segment=self._segment_id,
                    start_ms=self._began_ms,
                    end_ms=self._now_ms,
                )
            )
        self._open, self._began_ms = False, self._now_ms
        self._branches = []
        self._segment_id += 1

    def _switch(self) -> Iterator[Output]:
        targets, self._new_targets = self._new_targets, None
        if targets is None:
            return
        self._targets = targets
        if not self._open:
            return
        end = SourcePiece(EmptySegment(finished=True), self._began_ms, self._now_ms)
        going = [branch for branch in self._branches if branch.lang not in targets]
        self._branches = [branch for branch in self._branches if branch.lang in targets]
        for branch in self._branches:
            branch.target = targets[branch.lang]
        yield from self._give(going, end)
        if not self._branches:
            self._end()
