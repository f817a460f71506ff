"""Turns a stream's outputs into events for the wire: numbered, placed in the source, converted.

Runs in the thread that computes, so that no conversion ever holds up the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from seamless_server.service.outputs import (
    SpeechEvent,
    SpeechGatherer,
    TextEvent,
    TextGatherer,
    WordKeeper,
    to_json_floats,
    to_pcm16,
)
from seamless_server.service.positions import Positions
from seamless_server.service.system import SpeechOut, TextOut


class OutputPacker:
    """Makes the events of one session.

    Args:
        positions: the session's clock.
        main: the language that the speaker chose.
        segment_base: added to segment numbers, so that they stay unique over a speaker's streams.
        buffer_limit: output to gather before it is sent: seconds of speech, phonemes of text.
    """

    def __init__(
        self, positions: Positions, main: str, segment_base: int, buffer_limit: float
    ) -> None:
        self.wants_floats = False
        """Whether anybody listens who needs speech as numbers."""
        self.next_segment = segment_base
        self._positions = positions
        self._main = main
        self._leaving: str | None = None
        self._open: dict[str, tuple[int, float]] = {}
        self._base = segment_base
        self._seq = 0
        self._words = WordKeeper()
        self._gather = SpeechGatherer(buffer_limit)
        self._gather_text = TextGatherer(buffer_limit)

    def set_main(self, main: str) -> None:
        """The speaker chose another language; takes effect with the step that follows."""
        if main != self._main:
            self._leaving, self._main = self._main, main

    def pack(self, output: TextOut | SpeechOut) -> Iterator[TextEvent | SpeechEvent]:
        """The events for one output; none while it is held back."""
        if isinstance(getattr(output, "text", None), str):
            yield from self._text(output)  # type: ignore[arg-type]
        else:
            yield from self._speech(output)  # type: ignore[arg-type]

    def switched(self) -> Iterator[TextEvent]:
        """At the end of a step: closes the sentence that a language switch left open.

        The stream itself closes it if nobody else wants the language; otherwise it goes on for
        those, and only the speaker's followers are told that it ended for them.
        """
        leaving, self._leaving = self._leaving, None
        if leaving is not None and leaving in self._open:
            segment, end_ms = self._open[leaving]
            text = self._gather_text.rest(leaving)
            yield TextEvent(
                lang=leaving,
                text=text,
                words=self._words.add(leaving, text, finished=True),
                segment_id=segment,
                seq=self._next_seq(),
                start_ms=end_ms,
                end_ms=end_ms,
                latency_ms=0.0,
                finished=True,
                main=True,
            )

    def _text(self, output: TextOut) -> Iterator[TextEvent]:
        segment, main = self._segment(output), self._is_main(output.lang)
        if output.finished:
            self._open.pop(output.lang, None)
        elif main:
            self._open[output.lang] = (segment, self._times(output.start_ms, output.end_ms)[1])
        gathered = self._gather_text.add(
            output.lang, output.text, output.start_ms, finished=output.finished
        )
        if gathered is None:
            return
        text, stream_start = gathered
        words = self._words.add(output.lang, text, finished=output.finished)
        start_ms, end_ms, latency_ms = self._times(stream_start, output.end_ms)
        yield TextEvent(
            lang=output.lang,
            text=text,
            words=words,
            segment_id=segment,
            seq=self._next_seq(),
            start_ms=start_ms,
            end_ms=end_ms,
            latency_ms=latency_ms,
            finished=output.finished,
            main=main,
        )

    def _speech(self, output: SpeechOut) -> Iterator[SpeechEvent]:
        gathered = self._gather.add(
            output.lang,
            output.samples,
            output.sample_rate,
            output.start_ms,
            finished=output.finished,
        )
        if gathered is None:
            return
        samples, stream_start = gathered
        start_ms, end_ms, latency_ms = self._times(stream_start, output.end_ms)
        main = self._is_main(output.lang)
        yield SpeechEvent(
            lang=output.lang,
            pcm16=to_pcm16(samples),
            floats=(
                to_json_floats(samples, output.sample_rate) if main and self.wants_floats else ()
            ),
            sample_rate=output.sample_rate,
            segment_id=self._segment(output),
            seq=self._next_seq(),
            start_ms=start_ms,
            end_ms=end_ms,
            latency_ms=latency_ms,
            finished=output.finished,
            main=main,
        )

    def _is_main(self, lang: str) -> bool:
        return lang in (self._main, self._leaving)

    def _segment(self, output: TextOut | SpeechOut) -> int:
        segment = self._base + output.segment_id
        self.next_segment = max(self.next_segment, segment + 1)
        return segment

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1

    def _times(self, start: float, end: float) -> tuple[float, float, float]:
        start_ms = self._positions.to_source(start)
        end_ms = max(start_ms, self._positions.to_source(end))
        arrived = self._positions.arrival(end_ms)
        latency = 0.0 if arrived is None else max(0.0, time.monotonic() - arrived)
        return round(start_ms, 1), round(end_ms, 1), round(latency * 1000, 1)
