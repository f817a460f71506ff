"""What agents get of a stream's audio: segments of speech, or words that another model hears."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from simuleval.data.segments import EmptySegment, Segment, SpeechSegment, TextSegment

from seamless_server.agents.outputs import Samples, TextOutput
from seamless_server.agents.vad import VADStates
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.languages import lookup
from seamless_server.streaming.stream import Stream


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
    """Audio, cut into segments of speech by ``vad``; without it the whole stream is one.

    Args:
        tells_end: whether the end is told with a segment without audio, if there is none left.
    """

    def __init__(self, vad: VADStates | None, tells_end: bool = True) -> None:
        self._vad, self._tells_end = vad, tells_end
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
            if len(audio) or (last and self._tells_end):
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
