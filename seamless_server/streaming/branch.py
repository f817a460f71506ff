"""One target language of a stream: everything behind the encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from simuleval.data.segments import EmptySegment, Segment

from seamless_server.agents.base import SeamlessAgent, SessionStates
from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.text_decoder import MMASpeechToTextDecoderAgent
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vocoder import VocoderAgent
from seamless_server.streaming.outputs import Output, SpeechOutput, Target, TextOutput

Call = Callable[[SeamlessAgent, Segment, SessionStates], Segment]


@dataclass(frozen=True)
class BranchAgents:
    """Agents that all branches of one kind share; those of speech may be missing."""

    decoder: MMASpeechToTextDecoderAgent
    detokenizer: DetokenizerAgent
    units: NARUnitYUnitDecoderAgent | None = None
    vocoder: VocoderAgent | None = None


class Branch:
    """States of one language and the walk from encoder states to outputs."""

    def __init__(self, lang: str, target: Target, agents: BranchAgents, call: Call) -> None:
        self.lang, self.target = lang, target
        self._agents, self._call = agents, call
        self._decoder = agents.decoder.build_states()
        self._detokenizer = agents.detokenizer.build_states()
        self._units = agents.units.build_states() if agents.units else None
        self._vocoder = agents.vocoder.build_states() if agents.vocoder else None
        self._text_from = self._speech_from = 0.0
        self._wrote = self._spoke = False
        self.ended = False

    def begin(self, start_ms: float) -> None:
        """A new sentence starts at ``start_ms`` of the stream."""
        for states in (self._decoder, self._detokenizer, self._units, self._vocoder):
            if states is not None:
                states.reset()
        self._text_from = self._speech_from = start_ms
        self._wrote = self._spoke = False

    def push(self, encoded: Segment, segment_id: int, now_ms: float) -> Iterator[Output]:
        """Decode the newest encoder states; sets :attr:`ended` when the sentence is complete."""
        self.ended = False
        encoded.tgt_lang = self.lang
        decoded = self._call(self._agents.decoder, encoded, self._decoder)
        if decoded.is_empty and not decoded.finished:
            return
        self.ended = decoded.finished
        if self.target.text:
            yield from self._write(decoded, segment_id, now_ms)
        yield from self._speak(decoded, segment_id, now_ms)

    def _write(self, decoded: Segment, segment_id: int, now_ms: float) -> Iterator[Output]:
        text = self._call(self._agents.detokenizer, decoded, self._detokenizer)
        content = "" if text.is_empty else text.content
        # A sentence of which nothing was said needs no end.
        if content or (text.finished and self._wrote):
            self._wrote = True
            start, self._text_from = self._text_from, now_ms
            yield TextOutput(self.lang, content, segment_id, start, now_ms, text.finished)

    def _speak(self, decoded: Segment, segment_id: int, now_ms: float) -> Iterator[Output]:
        if self._units is None or self._vocoder is None:
            return
        assert self._agents.units is not None
        assert self._agents.vocoder is not None
        units = self._call(self._agents.units, decoded, self._units)
        if units.is_empty and not units.finished:
            return
        speech = self._call(self._agents.vocoder, units, self._vocoder)
        if speech.is_empty or not (len(speech.content) or (speech.finished and self._spoke)):
            return
        self._spoke = True
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


def end_marker() -> Segment:
    """The end of a segment without new content."""
    return EmptySegment(finished=True)
