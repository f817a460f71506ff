"""The walk of any SimulEval agent: segments of speech, or words that another model heard, go in.

A push, a pop, as SimulEval's evaluator drives it. Every language has states of its own, made by the
agent's ``build_states``; when a segment has ended they are reset. Used for agents of other people,
for ``compat: official`` and for evaluation.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from simuleval.data.segments import EmptySegment, Segment

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
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.caller import Caller
from seamless_server.engine import measured
from seamless_server.errors import UsageError
from seamless_server.languages import lookup
from seamless_server.streaming.agent_sources import AgentSource, SourcePiece

_MOST_POPS = 2_000
"""Outputs that an agent may give after its source has ended."""


class AgentInstance:
    """An agent with the states of one stream and language.

    Args:
        own_states: the agent keeps its states itself, and gets none.
    """

    def __init__(self, agent: Any, caller: Caller, own_states: bool) -> None:
        self.agent, self._caller = agent, caller
        # Ours reset themselves where a sentence ends, and keep the audio that is the next one's.
        compat = getattr(agent, "compat", None)
        self._resets_itself = compat is not None and not compat.rerun_on_read
        self.states: Any = None
        if own_states:
            agent.reset()
            return
        self.states = agent.build_states()
        for states in all_states(self.states):
            if hasattr(states, "caller"):
                states.caller = caller

    def pushpop(self, segment: Segment) -> list[Segment]:
        """One push and one pop; of a tree of agents everything that came out."""
        with measured("agent", self._caller):
            out = self.agent.pushpop(segment, self.states)
        return list(out) if isinstance(out, list) else [out]

    def reset(self) -> None:
        """Forget the segment."""
        if self._resets_itself:
            return
        if self.states is None:
            self.agent.reset()
        else:
            reset_states(self.states)


class _Branch:
    """One language, from the beginning of a segment on."""

    def __init__(
        self,
        lang: str,
        target: Target,
        instance: AgentInstance,
        config: Mapping[str, Any],
        exact: bool,
    ) -> None:
        self.lang, self.target, self._instance, self._config = lang, target, instance, config
        self._exact = exact
        self._joint = " " if not exact and lookup(lang).spaced else ""
        self.source_lang: str | None = None
        self._open: dict[type, bool] = {}
        self.segment_id, self._start_ms = 0, 0.0
        self._over = False

    def begin(self, segment_id: int, start_ms: float) -> None:
        self.segment_id, self._start_ms = segment_id, start_ms

    def hear(self, heard: SourcePiece) -> Iterator[Output]:
        segment = copy.copy(heard.segment)
        segment.tgt_lang, segment.config = self.lang, dict(self._config)
        out = self._instance.pushpop(segment)
        yield from self._said(out, heard.now_ms)
        done = all(item.finished for item in out)
        if segment.finished and not self._exact:
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
            yield from self.close(heard.now_ms)

    def _said(self, out: list[Segment], now_ms: float) -> Iterator[Output]:
        for item in out:
            config = item.config if isinstance(item.config, Mapping) else {}
            self.source_lang = config.get("source_lang") or self.source_lang
            if item.is_empty:
                continue
            if self._over:  # the agent ended a sentence of its own; this is the next one
                self._over = False
                self.segment_id += 1
            where = (self.segment_id, self._start_ms, now_ms, bool(item.finished))
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

    def close(self, now_ms: float) -> Iterator[Output]:
        """End the sentence, also one that the agent left open."""
        where = (self.segment_id, now_ms, now_ms, True)
        if self._open.pop(TextOutput, False):
            yield TextOutput(self.lang, "", *where)
        if self._open.pop(SpeechOutput, False):
            yield SpeechOutput(self.lang, np.zeros(0, np.float32), SAMPLE_RATE, [], *where)
        self._instance.reset()
        self._over = True


class PipelineWalk:
    """See the module.

    Args:
        source: what the agent gets.
        make: an agent with states for one more language.
        config: handed to the agent with every segment (SimulEval's ``config``).
        exact: nothing but one push and one pop for each piece of the source, and the text as the
            agent writes it. Otherwise the agent is popped until it has finished where its source
            has ended, and what it writes is joined as SimulEval joins it: words with spaces.
    """

    trace: Trace | None = None

    def __init__(
        self,
        source: AgentSource,
        targets: Mapping[str, Target],
        make: Callable[[str], AgentInstance],
        config: Mapping[str, Any],
        exact: bool = False,
    ) -> None:
        self._source, self._make, self._config, self._exact = source, make, dict(config), exact
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
                self._instances[lang] = self._make(lang)
            branch = _Branch(lang, target, self._instances[lang], self._config, self._exact)
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
        self._segment_id = 1 + max([self._segment_id, *(x.segment_id for x in self._branches)])
        self._branches = []

    def _switch(self) -> Iterator[Output]:
        targets, self._new_targets = self._new_targets, None
        if targets is None:
            return
        self._targets = targets
        if not self._open:
            return
        going = [branch for branch in self._branches if branch.lang not in targets]
        self._branches = [branch for branch in self._branches if branch.lang in targets]
        for branch in self._branches:
            branch.target = targets[branch.lang]
        if self._exact:
            for branch in going:
                yield from branch.close(self._now_ms)
        else:
            end = SourcePiece(EmptySegment(finished=True), self._began_ms, self._now_ms)
            yield from self._give(going, end)
        if not self._branches:
            self._branches = going
            self._end()
