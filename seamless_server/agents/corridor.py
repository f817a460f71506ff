"""The walk of our own agents: one speaker's audio into any number of languages.

VAD, features and encoder run once; every language has its own branch. A language gets exactly what
it would get alone: where a sentence ends earlier in one language than in another (an early stop),
that language goes on with an encoder state of its own until the segment ends.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment

from seamless_server.agents.base import SeamlessAgent, SessionStates, Steps, together
from seamless_server.agents.branch import Branch, BranchAgents, Work
from seamless_server.agents.encoder import EncoderStates, OfflineWav2VecBertEncoderAgent
from seamless_server.agents.expressive import ListeningFeatureStates, Voice
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.outputs import Decision, Output, Samples, Snapshot, Target, Trace
from seamless_server.agents.vad import SileroVADAgent, VADStates
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.caller import Caller
from seamless_server.engine import Engine
from seamless_server.errors import UsageError

NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True)
class CorridorAgents:
    """Agents of a corridor; ``vad`` is None when the whole stream is one segment.

    text: of languages that are only written. speech: of those that are spoken too; None when the
    model has no voice.
    """

    vad: SileroVADAgent | None
    features: OnlineFeatureExtractorAgent
    encoder: OfflineWav2VecBertEncoderAgent
    text: BranchAgents | None
    speech: BranchAgents | None

    @property
    def engine(self) -> Engine:
        """What computes for them."""
        return self.encoder.system.engine


@dataclass
class _Group:
    """Branches that share one encoder state. began: where in the stream its audio starts, in ms."""

    encoder: EncoderStates
    branches: list[Branch]
    began: float


class Corridor:
    """One speaker.

    Args:
        caller: who the engine's calls are made for.
        states: of agents, to be used instead of new ones; for one language at a time.
    """

    def __init__(
        self,
        agents: CorridorAgents,
        targets: Mapping[str, Target],
        caller: Caller,
        states: Mapping[SeamlessAgent, SessionStates] | None = None,
    ) -> None:
        self._agents, self._caller, self._given = agents, caller, dict(states or {})
        self.source_lang: str | None = None
        self._vad: VADStates | None = None
        if agents.vad is not None:
            vad = self._states_of(agents.vad)
            assert isinstance(vad, VADStates)
            self._vad = vad
        self._features = self._states_of(agents.features)
        self._voice: Voice | None = None
        if isinstance(self._features, ListeningFeatureStates):
            self._voice = Voice(self._features.heard)
        self._targets = dict(targets)
        self._new_targets: tuple[dict[str, Target], bool] | None = None
        self._groups: list[_Group] = []
        self._open = False
        self.segment_id = 0
        """Number of the segment that is open, or comes next."""
        self._heard = self._now = self._began = 0
        self.trace: Trace | None = None

    def _states_of(self, agent: SeamlessAgent) -> Any:
        states = self._given.get(agent) or agent.build_states()
        states.caller = self._caller
        return states

    @property
    def state(self) -> str:
        """``speech`` while a segment is open, else ``listening``."""
        return "speech" if self._open else "listening"

    @property
    def targets(self) -> dict[str, Target]:
        """The languages wanted."""
        return dict(self._targets if self._new_targets is None else self._new_targets[0])

    @property
    def expressive(self) -> bool | None:
        """Whether translations are spoken in the speaker's voice from the next packet on; None is
        as the agents' options say. Without effect where there is no expressive voice."""
        return None if self._voice is None else self._voice.expressive

    @expressive.setter
    def expressive(self, wanted: bool | None) -> None:
        if self._voice is not None:
            self._voice.expressive = wanted

    def set_targets(self, targets: Mapping[str, Target], whole: bool = True) -> None:
        """Change the languages from the next push on: see ``Stream.set_targets``."""
        self._new_targets = dict(targets), whole

    def snapshot(self) -> Snapshot | None:
        """Where another corridor can go on (`resume`); None while a segment is open."""
        vad = None if self._open or self._vad is None else self._vad.snapshot()
        if vad is None:
            return None
        return {"place": (self._heard, self._now, self._began, self.segment_id), "vad": vad}

    def resume(self, state: Snapshot) -> None:
        """Go on, before the first push, from where another corridor's `snapshot` was taken."""
        if self._vad is None:
            raise UsageError("a stream without voice detection cannot be resumed")
        self._heard, self._now, self._began, self.segment_id = state["place"]
        self._vad.resume(state["vad"])

    def push(self, audio: Samples, last: bool = False) -> Iterator[Output]:
        """Translate the next audio (N,), any N; ``last`` ends the stream."""
        self._heard += len(audio)
        yield from self._switch()
        if self._vad is None:
            self._now = self._heard
            if len(audio) or (last and self._open):
                yield from self._hear(_segment(audio, last))
            return
        self._vad.update_source(_segment(audio, last))
        while (segment := self._vad.take()) is not None:
            self._now = self._vad.taken
            if self._open or not segment.is_empty:
                yield from self._hear(segment)

    def _hear(self, segment: Segment) -> Iterator[Output]:
        """Audio of one segment, on its way to all branches."""
        if not self._open:
            self._begin(len(segment.content))
        features = self._agents.features.pushpop(segment, self._features)
        if not features.is_empty or features.finished:
            yield from self._encode(self._groups, features)
        if segment.finished:
            self._end()

    def _encode(self, groups: Sequence[_Group], features: Segment) -> Iterator[Output]:
        groups = list(groups)
        encoded: dict[int, Segment] = {}

        def encode(number: int) -> Steps[None]:
            states = groups[number].encoder
            encoded[number] = yield from self._agents.encoder.run(features, states)

        list(together(self._agents.engine, [encode(i) for i in range(len(groups))], self._caller))
        ready = {i: x for i, x in encoded.items() if not x.is_empty or x.finished}
        tasks: list[Work] = []
        for number, states in ready.items():
            for branch in groups[number].branches:
                source = copy.copy(states)
                source.tgt_lang = branch.lang
                tasks.append(branch.decode(source, self.segment_id, self._ms(self._now)))
        items: Iterator[Output | Decision] = together(self._agents.engine, tasks, self._caller)
        for item in items:
            if not isinstance(item, Decision):
                yield item
            elif self.trace is not None:
                self.trace(item)
        for number in () if features.finished else ready:
            share = self._agents.encoder.patience
            groups[number].encoder.resting = all(
                branch.hesitates(share) for branch in groups[number].branches
            )
            early = [branch for branch in groups[number].branches if branch.ended]
            if early:
                self._restart(groups[number], early)

    def _restart(self, group: _Group, early: list[Branch]) -> None:
        """Branches whose sentence ended early begin the next one with the audio to come.

        Those of languages that nobody wants any more give way to those that are wanted instead.
        """
        now = self._ms(self._now)
        group.branches = [x for x in group.branches if x not in early]
        stay = [branch for branch in early if branch.lang in self._targets]
        for branch in stay:
            branch.begin(now)
        if len(stay) < len(early):
            stay += self._coming(now)
        if group.branches and stay:
            self._groups.append(_Group(self._new_encoder(), stay, now))
        elif stay:
            group.branches, group.began = stay, now
            group.encoder.reset()
        elif not group.branches:
            self._groups.remove(group)

    def _new_encoder(self) -> EncoderStates:
        states = self._agents.encoder.build_states()
        states.caller = self._caller
        return states

    def _begin(self, samples: int) -> None:
        start = self._now - samples
        if self._vad is not None:
            # A segment that another one has begun (a change of languages) goes on behind it.
            start = max(self._vad.begin, self._began)
        self._open, self._began = True, start
        self._features.reset()
        self._groups = []
        branches = self._coming(self._ms(start))
        encoder = self._states_of(self._agents.encoder)
        encoder.reset()
        self._groups = [_Group(encoder, branches, self._ms(start))]

    def _coming(self, start_ms: float) -> list[Branch]:
        """Branches of the languages that are wanted and have none, from ``start_ms`` on."""
        active = {branch.lang for group in self._groups for branch in group.branches}
        branches = []
        for lang, target in self._targets.items():
            if lang in active:
                continue
            agents = self._agents.text
            if (target.speech and self._agents.speech is not None) or agents is None:
                agents = self._agents.speech
            assert agents is not None
            branch = Branch(lang, target, agents, self._states_of, self._voice)
            branch.begin(start_ms)
            branches.append(branch)
        return branches

    def _end(self) -> None:
        if self.trace is not None:
            span = {"start_ms": self._ms(self._began), "end_ms": self._ms(self._now)}
            self.trace(Decision(type="segment", segment=self.segment_id, **span))
        self._open, self._began = False, self._now
        self._groups = []
        self.segment_id += 1

    def _switch(self) -> Iterator[Output]:
        """Apply a change of languages."""
        change, self._new_targets = self._new_targets, None
        if change is None:
            return
        self._targets, whole = change
        if not self._open:
            return
        if self._given:
            # States for one language: the old one ends here, and another segment begins.
            features = self._agents.features.pushpop(EmptySegment(finished=True), self._features)
            yield from self._encode(self._groups, features)
            self._end()
        elif not self._groups:
            # The sentence of the last language that went has ended within this segment.
            if coming := self._coming(self._ms(self._now)):
                self._groups = [_Group(self._new_encoder(), coming, self._ms(self._now))]
        elif whole:
            # The longest audio that is there: the sentence that is spoken now, from its start.
            group = min(self._groups, key=lambda group: group.began)
            group.branches += self._coming(group.began)

    @staticmethod
    def _ms(samples: int) -> float:
        return samples * 1000 / SAMPLE_RATE


def _segment(audio: Samples, last: bool) -> Segment:
    if not len(audio):
        return EmptySegment(finished=last)
    return SpeechSegment(content=audio, sample_rate=SAMPLE_RATE, finished=last, tgt_lang=None)
