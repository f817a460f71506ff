"""One target language of a stream: everything behind the encoder."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from simuleval.data.segments import Segment

from seamless_server.agents.base import Ask, DecoderOutput, SeamlessAgent
from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.expressive import DualVocoderStates, Voice
from seamless_server.agents.outputs import Decision, Output, SpeechOutput, Target, TextOutput
from seamless_server.agents.text_decoder import DecoderStates, MMASpeechToTextDecoderAgent
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vocoder import VocoderAgent
from seamless_server.engine import DecodeResult

StatesOf = Callable[[SeamlessAgent], Any]
Work = Generator[Ask | Output | Decision, Any, None]
"""What a branch says and decides, and in between what it asks of the engine."""


@dataclass(frozen=True)
class BranchAgents:
    """Agents that all branches of one kind share; any but the decoder may be missing."""

    decoder: MMASpeechToTextDecoderAgent
    detokenizer: DetokenizerAgent | None = None
    units: NARUnitYUnitDecoderAgent | None = None
    vocoder: VocoderAgent | None = None


class _Sureness:
    """What the model's head says of a sentence; without one, the geometric mean of the
    probabilities of its tokens."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0
        self._told: float | None = None

    def add(self, result: DecodeResult) -> None:
        """The decoder was asked, and may have written more tokens."""
        self._sum += sum(math.log(max(p, 1e-9)) for p in result.probabilities)
        self._count += len(result.tokens)
        self._told = result.confidence

    @property
    def value(self) -> float:
        """From 0 to 1; 1 while nothing is written."""
        if self._told is not None:
            return self._told
        return round(math.exp(self._sum / self._count), 4) if self._count else 1.0


def _joined(held: Sequence[Segment]) -> Segment:
    """What the decoder wrote in several calls, as if in one."""
    if len(held) == 1:
        return held[0]
    full = [x for x in held if not x.is_empty and x.content]
    spoken = [x.content for x in full if isinstance(x.content, DecoderOutput)]
    if not full:
        return held[-1]
    joined = copy.copy(full[-1])
    joined.finished = held[-1].finished
    if spoken:
        whole = next((x for x in reversed(spoken) if x.ids), spoken[-1])
        joined.content = replace(whole, tokens=[token for x in spoken for token in x.tokens])
    else:
        joined.content = " ".join(x.content for x in full)
    return joined


class Branch:
    """States of one language and the walk from encoder states to outputs.

    Args:
        states_of: makes, or has, an agent's states.
        voice: the speaker's, for an expressive vocoder.
    """

    def __init__(
        self,
        lang: str,
        target: Target,
        agents: BranchAgents,
        states_of: StatesOf,
        voice: Voice | None = None,
    ) -> None:
        self.lang, self.target, self._agents = lang, target, agents
        self.decoder: DecoderStates = states_of(agents.decoder)
        self._detokenizer = states_of(agents.detokenizer) if agents.detokenizer else None
        self._units = states_of(agents.units) if agents.units else None
        self._vocoder = states_of(agents.vocoder) if agents.vocoder else None
        if isinstance(self._vocoder, DualVocoderStates):
            self._vocoder.voice = voice
        self._text_from = self._speech_from = 0.0
        self._wrote = self._spoke = False
        self._sureness = _Sureness()
        self._held: list[Segment] = []
        self._rate = 0
        self.ended = False

    def begin(self, start_ms: float) -> None:
        """A new sentence starts at ``start_ms`` of the stream."""
        for states in (self.decoder, self._detokenizer, self._units, self._vocoder):
            if states is not None:
                states.reset()
        self._text_from = self._speech_from = start_ms
        self._wrote = self._spoke = False
        self._sureness = _Sureness()
        self._held = []

    def decode(self, encoded: Segment, segment_id: int, now_ms: float) -> Work:
        """Decode the newest encoder states; sets :attr:`ended` when the sentence is complete."""
        self.ended = False
        decoded: Segment = yield from self._agents.decoder.run(encoded, self.decoder)
        if self.decoder.last is not None:
            self._sureness.add(self.decoder.last)
        if (made := self._decision(segment_id, now_ms)) is not None:
            yield made
        if not decoded.is_empty or decoded.finished:
            self._held.append(decoded)
        if not self._held:
            return
        self.ended = decoded.finished
        if self._sureness.value < self._agents.decoder.min_confidence:
            # What comes next may make it surer; at the sentence's end nothing does.
            if self.ended:
                yield from self._give_up(segment_id, now_ms)
            return
        decoded, self._held = _joined(self._held), []
        if self.target.text:
            yield from self._write(decoded, segment_id, now_ms)
        yield from self._speak(decoded, segment_id, now_ms)

    def hesitates(self, share: float) -> bool:
        """Whether it just decided to READ with a p_choose below this share of its threshold."""
        last = self.decoder.last
        if last is None or last.tokens or not last.steps:
            return False
        return last.steps[-1].prob < share * self._agents.decoder.options.decision_threshold

    def _give_up(self, segment_id: int, now_ms: float) -> Work:
        """The decoder is not sure enough: what is held back is worse than nothing."""
        if self.target.text:
            yield TextOutput(
                self.lang,
                "",
                segment_id,
                self._text_from,
                now_ms,
                True,
                confidence=self._sureness.value,
                understood=False,
            )
        if self._spoke:
            rate = self._rate
            nothing = np.zeros(0, np.float32)
            where = (segment_id, self._speech_from, now_ms, True)
            yield SpeechOutput(self.lang, nothing, rate, [], *where)

    def _write(self, decoded: Segment, segment_id: int, now_ms: float) -> Work:
        text = decoded
        if self._agents.detokenizer is not None:
            text = yield from self._agents.detokenizer.run(decoded, self._detokenizer)
        content = "" if text.is_empty else text.content
        # A sentence of which nothing was said needs no end.
        if content or (text.finished and self._wrote):
            self._wrote = True
            start, self._text_from = self._text_from, now_ms
            yield TextOutput(
                self.lang,
                content,
                segment_id,
                start,
                now_ms,
                text.finished,
                confidence=self._sureness.value,
            )

    def _speak(self, decoded: Segment, segment_id: int, now_ms: float) -> Work:
        if self._agents.units is None or self._agents.vocoder is None:
            return
        units: Segment = yield from self._agents.units.run(decoded, self._units)
        if units.is_empty and not units.finished:
            return
        speech: Segment = yield from self._agents.vocoder.run(units, self._vocoder)
        if speech.is_empty or not (len(speech.content) or (speech.finished and self._spoke)):
            return
        self._spoke, self._rate = True, speech.sample_rate
        start, self._speech_from = self._speech_from, now_ms
        yield SpeechOutput(
            self.lang,
            speech.content,
            speech.sample_rate,
            speech.units,
            segment_id,
            start,
            now_ms,
            speech.finished,
        )

    def _decision(self, segment_id: int, now_ms: float) -> Decision | None:
        """The policy's newest decision; None if it was not asked."""
        result = self.decoder.last
        if result is None:
            return None
        probabilities = [round(step.prob, 4) for step in result.steps]
        tokenizer = self._agents.decoder.tokenizer
        return Decision(
            type="write" if result.write else "read",
            lang=self.lang,
            segment=segment_id,
            position_ms=now_ms,
            p_choose_min=min(probabilities, default=None),
            p_choose=probabilities,
            tokens=[tokenizer.index_to_token(token) for token in result.tokens],
            finished=result.finished,
            confidence=self._sureness.value,
        )
