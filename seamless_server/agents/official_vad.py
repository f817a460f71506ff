"""The VAD's states as the official agent keeps them (``compat: official``).

It works on whatever is pushed instead of on fixed chunks, does not look at the stream's end, and
loses what does not fill a chunk at a reset. Every quirk follows ``docs/fidelity.md``.
"""

from __future__ import annotations

from argparse import Namespace

import numpy as np
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment

from seamless_server.agents.base import SessionStates
from seamless_server.agents.samples import Samples, as_samples
from seamless_server.agents.silero import SileroState, speech_probabilities
from seamless_server.agents.tracker import SpeechTracker
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.engine import measured


class OfficialVADStates(SessionStates):
    """Queue of full chunks, and a second one for speech after an end that nobody has taken."""

    def __init__(self, args: Namespace) -> None:
        self.chunk_size: int = args.chunk_size_samples
        self.window: int = args.window_size_samples
        self.tracker = SpeechTracker(args)
        self.queue: list[SpeechSegment | EmptySegment] = []
        self.next_queue: list[SpeechSegment | EmptySegment] = []
        super().__init__()

    def reset(self) -> None:
        """Start over; the speech that came after the end becomes the new segment."""
        super().reset()
        self.silero = SileroState()
        self.tracker.restart()
        self.chunk = np.zeros(0, np.float32)
        self.queue, self.next_queue = self.next_queue, []

    def update_source(self, segment: Segment) -> None:
        """Hear one push of any length; ``segment.finished`` is not looked at."""
        if segment.is_empty:
            raise ValueError("the official VAD cannot take an empty segment")
        samples = as_samples(segment)
        with measured("vad", self.caller):
            probabilities = speech_probabilities(samples, self.silero, self.window)
        chunk_ms = len(samples) * 1000 / SAMPLE_RATE
        for verdict in self.tracker.hear(probabilities, chunk_ms, self.source_finished):
            if verdict == "speech":
                self._keep(samples, segment.tgt_lang)
            else:
                self._end(segment.tgt_lang)

    def _keep(self, samples: Samples, lang: str | None) -> None:
        queue = self.next_queue if self.source_finished else self.queue
        self.chunk = np.concatenate([self.chunk, samples])
        while len(self.chunk) >= self.chunk_size:
            queue.append(SpeechSegment(content=self.chunk[: self.chunk_size], tgt_lang=lang))
            self.chunk = self.chunk[self.chunk_size :]

    def _end(self, lang: str | None) -> None:
        if len(self.chunk):
            self.queue.append(SpeechSegment(content=self.chunk, tgt_lang=lang, finished=True))
            self.chunk = self.chunk[:0]
        self.queue.append(EmptySegment(finished=True))
        self.source_finished = True

    def act(self) -> Action:
        """The agent's policy: everything in the queue, as one segment."""
        finished, queue = self.source_finished, self.queue
        self.queue = []
        kept = [s for s in queue if len(s.content)]
        if not kept:
            return WriteAction(EmptySegment(finished=True), True) if finished else ReadAction()
        segment = SpeechSegment(
            content=np.concatenate([s.content for s in kept]),
            finished=finished,
            tgt_lang=queue[0].tgt_lang if queue[0].tgt_lang is not None else kept[0].tgt_lang,
        )
        return WriteAction(segment, finished)
