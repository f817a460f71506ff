"""A stream: one speaker's audio, translated into any number of languages while it comes in.

VAD, features and encoder run once; every language has its own branch. A language gets exactly what
it would get alone: where a sentence ends earlier in one language than in another (an early stop),
that language goes on with an encoder state of its own until the segment ends.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from simuleval.data.segments import Segment, SpeechSegment

from seamless_server.agents.base import SAMPLE_RATE, SeamlessAgent, SessionStates
from seamless_server.agents.encoder import EncoderStates, OfflineWav2VecBertEncoderAgent
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.samples import as_samples
from seamless_server.agents.text_decoder import DecoderStates, MMASpeechToTextDecoderAgent
from seamless_server.agents.vad import SileroVADAgent, VADStates
from seamless_server.engine import Cancellation, Cancelled, Meter, cancellable, metered
from seamless_server.errors import UsageError
from seamless_server.streaming.branch import Branch, BranchAgents, end_marker
from seamless_server.streaming.outputs import Output, Samples, Target
from seamless_server.streaming.side_by_side import SideBySide
from seamless_server.streaming.trace import Decision, Trace, decision


@dataclass(frozen=True)
class StreamAgents:
    """Agents of a stream; ``vad`` is None when the whole stream is one segment."""

    vad: SileroVADAgent | None
    features: OnlineFeatureExtractorAgent
    encoder: OfflineWav2VecBertEncoderAgent
    text: BranchAgents
    speech: BranchAgents | None


@dataclass
class _Group:
    """Branches that share one encoder state."""

    encoder: EncoderStates
    branches: list[Branch]


class LiveStream:
    """One speaker. Not for two threads at once; different streams may run in different threads."""

    def __init__(
        self,
        agents: StreamAgents,
        targets: Mapping[str, Target],
        check: Callable[[Mapping[str, Target]], None],
        side_by_side: bool = False,
    ) -> None:
        self._agents = agents
        self._threads: SideBySide[Output | Decision] | None = SideBySide() if side_by_side else None
        self._check = check
        self.meter = Meter()
        self._cancellation = Cancellation()
        self._vad: VADStates | None = None
        if agents.vad is not None:
            states = agents.vad.build_states()
            assert isinstance(states, VADStates)
            self._vad = states
        self._features = agents.features.build_states()
        self._targets = dict(targets)
        self._new_targets: dict[str, Target] | None = None
        self._groups: list[_Group] = []
        self._open = False
        self._segment_id = 0
        self._heard = 0
        self._now = 0
        self._closed = False
        self._began = 0
        self.trace: Trace | None = None
        """Told of every READ, WRITE and segment."""

    @property
    def state(self) -> str:
        """``speech`` while a segment is open, else ``listening``."""
        return "speech" if self._open else "listening"

    @property
    def position_ms(self) -> float:
        """Audio received so far."""
        return self._heard * 1000 / SAMPLE_RATE

    @property
    def stats(self) -> dict[str, tuple[float, int]]:
        """Seconds and calls by stage."""
        return {k: (v, self.meter.calls[k]) for k, v in self.meter.seconds.items()}

    @property
    def targets(self) -> dict[str, Target]:
        """The languages wanted."""
        return dict(self._targets if self._new_targets is None else self._new_targets)

    def set_targets(self, targets: Mapping[str, Target]) -> None:
        """Change the languages from the next push on.

        A language that goes is finished first. One that comes begins with the next segment; at once
        when no segment is open or all of the segment's languages go.

        Raises:
            LanguageError: the model does not offer one of them; nothing changes.
        """
        self._check(targets)
        self._new_targets = dict(targets)

    def push(self, samples: Samples) -> Iterator[Output]:
        """Translate the next audio: (N,) at 16 kHz in [-1, 1], any N. Computes while iterated.

        Raises:
            UsageError: the stream is closed, or the audio is not mono or not finite.
        """
        if self._closed:
            raise UsageError("the stream is closed")
        with suppress(Cancelled):
            yield from self._push(as_samples(SpeechSegment(content=samples)))

    def _push(self, audio: Samples) -> Iterator[Output]:
        self._heard += len(audio)
        yield from self._switch()
        segment = SpeechSegment(content=audio, sample_rate=SAMPLE_RATE, tgt_lang=None)
        if self._vad is None:
            self._now = self._heard
            if len(audio):
                yield from self._hear(segment)
            return
        with metered(self.meter):
            self._vad.update_source(segment)
        yield from self._drain(self._vad)

    def finish(self) -> Iterator[Output]:
        """Translate what is still open and close the stream."""
        if self._closed:
            return
        with suppress(Cancelled):
            yield from self._finish()
        self.close()

    def _finish(self) -> Iterator[Output]:
        yield from self._switch()
        if self._vad is None:
            if self._open:
                yield from self._hear(end_marker())
        else:
            with metered(self.meter):
                self._vad.update_source(end_marker())
            yield from self._drain(self._vad)

    def cancel(self) -> None:
        """End from another thread: what the stream waits for in the engine is given up at once."""
        self._cancellation.cancel()

    def close(self) -> None:
        """Drop everything at once."""
        self.cancel()
        self._closed = True
        self._groups = []

    def _drain(self, vad: VADStates) -> Iterator[Output]:
        while (segment := vad.take()) is not None:
            self._now = vad.taken
            if self._open or not segment.is_empty:
                yield from self._hear(segment)

    def _hear(self, segment: Segment) -> Iterator[Output]:
        """Audio of one segment, on its way to all branches."""
        if not self._open:
            self._begin(len(segment.content))
        features = self._call(self._agents.features, segment, self._features)
        if not features.is_empty or features.finished:
            for group in list(self._groups):
                yield from self._encode(group, features)
        if segment.finished:
            self._end()

    def _encode(self, group: _Group, features: Segment) -> Iterator[Output]:
        encoded = self._call(self._agents.encoder, features, group.encoder)
        if encoded.is_empty and not encoded.finished:
            return
        early: list[Branch] = []
        yield from self._decode_all(group.branches, encoded)
        if not features.finished:
            early = [branch for branch in group.branches if branch.ended]
        if early:
            self._restart(group, early)

    def _decode_all(self, branches: Sequence[Branch], encoded: Segment) -> Iterator[Output]:
        """Every language's output, language by language."""
        if self._threads is None or len(branches) < 2:
            for branch in branches:
                yield from self._decode(branch, encoded)
            return
        for item in self._threads.run([self._decode(x, encoded) for x in branches]):
            if not isinstance(item, dict):
                yield item
            elif self.trace is not None:
                self.trace(item)

    def _decode(self, branch: Branch, encoded: Segment) -> Iterator[Output]:
        yield from branch.push(copy.copy(encoded), self._segment_id, self._ms(self._now))

    def _restart(self, group: _Group, early: list[Branch]) -> None:
        """Branches whose sentence ended early begin the next one with the audio to come."""
        group.branches = [x for x in group.branches if x not in early]
        if not group.branches:
            self._groups.remove(group)
        for branch in early:
            branch.begin(self._ms(self._now))
        self._groups.append(_Group(self._agents.encoder.build_states(), early))

    def _begin(self, samples: int) -> None:
        start = self._now - samples if self._vad is None else self._vad.begin
        self._open, self._began = True, start
        self._features.reset()
        branches = []
        for lang, target in self._targets.items():
            agents = self._agents.text
            if target.speech and self._agents.speech is not None:
                agents = self._agents.speech
            branch = Branch(lang, target, agents, self._call)
            branch.begin(self._ms(start))
            branches.append(branch)
        self._groups = [_Group(self._agents.encoder.build_states(), branches)]

    def _end(self) -> None:
        if self.trace is not None:
            span = {"start_ms": self._ms(self._began), "end_ms": self._ms(self._now)}
            self.trace({"type": "segment", "segment": self._segment_id, **span})
        self._open = False
        self._groups = []
        self._segment_id += 1

    def _switch(self) -> Iterator[Output]:
        """Apply a change of languages."""
        targets, self._new_targets = self._new_targets, None
        if targets is None:
            return
        self._targets = targets
        if not self._open:
            return
        active = [x for group in self._groups for x in group.branches]
        if not any(branch.lang in targets for branch in active):
            features = self._call(self._agents.features, end_marker(), self._features)
            for group in list(self._groups):
                yield from self._encode(group, features)
            self._end()
            return
        for group in list(self._groups):
            going = [x for x in group.branches if x.lang not in targets]
            if not going:
                continue
            group.branches = [x for x in group.branches if x.lang in targets]
            if not group.branches:
                self._groups.remove(group)
            # The shared states go on; the language that goes is ended on a copy of them.
            last = copy.copy(group.encoder)
            last.pieces = list(last.pieces)
            encoded = self._call(self._agents.encoder, end_marker(), last)
            yield from self._decode_all(going, encoded)

    def _call(self, agent: SeamlessAgent, segment: Segment, states: SessionStates) -> Segment:
        with metered(self.meter), cancellable(self._cancellation):
            out: Segment = agent.pushpop(segment, states)
        if self.trace is not None and isinstance(states, DecoderStates):
            assert isinstance(agent, MMASpeechToTextDecoderAgent)
            made = decision(agent, states, self._segment_id, self._ms(self._now))
            # From a language's own thread it goes the way of its outputs.
            if made is not None and not (self._threads and self._threads.say(made)):
                self.trace(made)
        return out

    @staticmethod
    def _ms(samples: int) -> float:
        return samples * 1000 / SAMPLE_RATE
