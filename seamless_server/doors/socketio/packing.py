"""Makes a session's outputs ready for the wire: gathered, numbered, converted.

Runs in the thread that computes, so that no conversion ever holds up the event loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from seamless_server.agents.outputs import TextOutput
from seamless_server.agents.said import Part, Said
from seamless_server.audio.pcm import to_pcm16
from seamless_server.doors.socketio.wire_outputs import (
    PackedAgain,
    PackedSpeech,
    PackedText,
    SpeechGatherer,
    TextGatherer,
    WordKeeper,
    to_json_floats,
)

if TYPE_CHECKING:
    from seamless_server.streaming import Output, SpeechOutput


_OPEN_SEGMENTS = 8
"""More than are spoken at once."""


class OutputPacker:
    """Makes the events of one session.

    Args:
        main: the language that the speaker chose.
        buffer_limit: output to gather before it is sent: seconds of speech, phonemes of text.
        given: what another replica sent of the sentences that come first.
        seq: number of the first event.
    """

    def __init__(
        self,
        main: str,
        buffer_limit: float,
        given: Mapping[Part, int] | None = None,
        seq: int = 0,
    ) -> None:
        self.wants_floats = False
        """Whether anybody listens who needs speech as numbers."""
        self._main = main
        self._leaving: tuple[str, int] | None = None
        """The language before, and the segment whose sentence it still ends."""
        self._open: dict[str, int] = {}
        """Languages with a sentence that is not complete, and its segment."""
        self._seq = seq
        self._said = Said(given) if given else None
        self._told_until = max((segment for _, _, segment in given or ()), default=-1)
        self._sent = Counter(given or {})
        self._words = WordKeeper()
        self._gather = SpeechGatherer(buffer_limit)
        self._gather_text = TextGatherer(buffer_limit)

    def set_main(self, main: str) -> None:
        """The speaker chose another language; takes effect with the sentence that follows."""
        if main == self._main:
            return
        before, self._main = self._main, main
        if self._leaving is None and before in self._open:
            self._leaving = before, self._open[before]

    def pack(self, output: Output) -> Iterator[PackedText | PackedSpeech | PackedAgain]:
        """The events for one output; none while it is held back."""
        new: Output | None = output
        if self._said is not None and output.segment_id <= self._told_until:
            again, new = self._said.split(output)
            if isinstance(again, TextOutput):
                yield PackedAgain(again)
        if isinstance(new, TextOutput):
            yield from self._text(new)
        elif new is not None:
            yield from self._speech(new)

    def _offset(self, kind: str, said: Output, length: int) -> int:
        """How much of a segment went before its next piece of that length."""
        part = (kind, said.lang, said.segment_id)
        if part not in self._sent:
            for old in [x for x in self._sent if x[2] < said.segment_id - _OPEN_SEGMENTS]:
                del self._sent[old]
        self._sent[part] += length
        return self._sent[part] - length

    def _text(self, output: TextOutput) -> Iterator[PackedText]:
        self._settle(output)
        gathered = self._gather_text.add(
            output.lang, output.text, output.start_ms, finished=output.finished
        )
        if gathered is not None:
            text, start_ms = gathered
            main = self._is_main(output.lang, output.segment_id)
            yield PackedText(
                replace(output, text=text, start_ms=start_ms),
                words=self._words.add(output.lang, text, finished=output.finished),
                seq=self._next_seq(),
                main=main,
                coming=output.lang == self._main and not main,
                offset=self._offset("text", output, len(text)),
            )
        if output.finished:
            self._open.pop(output.lang, None)
        else:
            self._open[output.lang] = output.segment_id

    def _settle(self, output: TextOutput) -> None:
        """Ends the change of languages with the first sentence after that which the old one kept.

        Speech needs no such look: it comes behind its text.
        """
        if self._leaving is None or output.lang != self._main:
            return
        before, segment = self._leaving
        over = before not in self._open and self._main not in self._open
        if output.segment_id > segment or over:
            self._leaving = None

    def _speech(self, output: SpeechOutput) -> Iterator[PackedSpeech]:
        rate = output.sample_rate
        gathered = self._gather.add(
            output.lang, output.samples, rate, output.start_ms, finished=output.finished
        )
        if gathered is None:
            return
        samples, rate, start_ms = gathered
        main = self._is_main(output.lang, output.segment_id)
        yield PackedSpeech(
            replace(output, samples=samples, sample_rate=rate, start_ms=start_ms),
            pcm16=to_pcm16(samples),
            floats=to_json_floats(samples, rate) if main and self.wants_floats else (),
            seq=self._next_seq(),
            main=main,
            offset=self._offset("speech", output, len(samples)),
        )

    def _is_main(self, lang: str, segment: int) -> bool:
        if self._leaving is None or segment > self._leaving[1]:
            return lang == self._main
        return lang == self._leaving[0]

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1
