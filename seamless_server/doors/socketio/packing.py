"""Turns a session's outputs into events for the wire: gathered, numbered, converted.

Runs in the thread that computes, so that no conversion ever holds up the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seamless_server.audio.pcm import to_pcm16
from seamless_server.doors.socketio.wire_outputs import (
    SpeechEvent,
    SpeechGatherer,
    TextEvent,
    TextGatherer,
    WordKeeper,
    to_json_floats,
)

if TYPE_CHECKING:
    from seamless_server.streaming import Output, SpeechOutput, TextOutput


class OutputPacker:
    """Makes the events of one session.

    Args:
        main: the language that the speaker chose.
        buffer_limit: output to gather before it is sent: seconds of speech, phonemes of text.
    """

    def __init__(self, main: str, buffer_limit: float) -> None:
        self.wants_floats = False
        """Whether anybody listens who needs speech as numbers."""
        self._main = main
        self._leaving: str | None = None
        self._open: dict[str, tuple[int, float]] = {}
        self._seq = 0
        self._words = WordKeeper()
        self._gather = SpeechGatherer(buffer_limit)
        self._gather_text = TextGatherer(buffer_limit)

    def set_main(self, main: str) -> None:
        """The speaker chose another language; takes effect with the step that follows."""
        if main != self._main:
            self._leaving, self._main = self._main, main

    def pack(self, output: Output) -> Iterator[TextEvent | SpeechEvent]:
        """The events for one output; none while it is held back."""
        from seamless_server.streaming import TextOutput

        if isinstance(output, TextOutput):
            yield from self._text(output)
        else:
            yield from self._speech(output)

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

    def _text(self, output: TextOutput) -> Iterator[TextEvent]:
        main = self._is_main(output.lang)
        if output.finished:
            self._open.pop(output.lang, None)
        elif main:
            self._open[output.lang] = (output.segment_id, output.end_ms)
        gathered = self._gather_text.add(
            output.lang, output.text, output.start_ms, finished=output.finished
        )
        if gathered is None:
            return
        text, start_ms = gathered
        yield TextEvent(
            lang=output.lang,
            text=text,
            words=self._words.add(output.lang, text, finished=output.finished),
            segment_id=output.segment_id,
            seq=self._next_seq(),
            start_ms=start_ms,
            end_ms=output.end_ms,
            latency_ms=output.latency_ms,
            finished=output.finished,
            main=main,
            confidence=output.confidence,
        )

    def _speech(self, output: SpeechOutput) -> Iterator[SpeechEvent]:
        rate = output.sample_rate
        gathered = self._gather.add(
            output.lang, output.samples, rate, output.start_ms, finished=output.finished
        )
        if gathered is None:
            return
        samples, rate, start_ms = gathered
        main = self._is_main(output.lang)
        yield SpeechEvent(
            lang=output.lang,
            pcm16=to_pcm16(samples),
            floats=to_json_floats(samples, rate) if main and self.wants_floats else (),
            sample_rate=rate,
            segment_id=output.segment_id,
            seq=self._next_seq(),
            start_ms=start_ms,
            end_ms=output.end_ms,
            latency_ms=output.latency_ms,
            finished=output.finished,
            main=main,
        )

    def _is_main(self, lang: str) -> bool:
        return lang in (self._main, self._leaving)

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1
