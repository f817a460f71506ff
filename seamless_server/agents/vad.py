"""Voice activity detection: cuts the stream into segments of speech."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import deque
from dataclasses import dataclass

import numpy as np
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment

from seamless_server.agents.base import SeamlessAgent, SessionStates, language_of
from seamless_server.agents.official_vad import OfficialVADStates
from seamless_server.agents.samples import as_samples
from seamless_server.agents.silero import Samples, SileroState, speech_probabilities
from seamless_server.agents.tracker import SpeechTracker
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.engine import measured


@dataclass
class _Piece:
    """A kept chunk, or the end of a segment (no samples). ``end`` is its place in the stream."""

    samples: Samples | None
    end: int
    lang: str | None


class VADStates(SessionStates):
    """Audio of one session between the microphone and the cutting.

    position: samples heard so far; taken: where the audio handed on so far ends (both from the
    start of the stream).
    """

    def __init__(self, args: Namespace) -> None:
        self.chunk_size: int = args.chunk_size_samples
        self.window: int = args.window_size_samples
        self.tracker = SpeechTracker(args)
        super().__init__()

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.silero = SileroState()
        self.tracker.restart()
        self.partial = np.zeros(0, np.float32)
        self.pieces: deque[_Piece] = deque()
        self.position = self.taken = self.begin = 0
        self.open = False

    def update_source(self, segment: Segment) -> None:
        """Take audio in; the end of the stream closes the open segment."""
        lang = language_of(segment)
        if not segment.is_empty and not self.source_finished:
            self.partial = np.concatenate([self.partial, as_samples(segment)])
            while len(self.partial) >= self.chunk_size:
                self._hear(self.partial[: self.chunk_size], lang)
                self.partial = self.partial[self.chunk_size :]
        if segment.finished and not self.source_finished:
            self.source_finished = True
            if len(self.partial):
                self._hear(self.partial, lang, pad=True)
                self.partial = self.partial[:0]
            self.pieces.append(_Piece(None, self.position, lang))

    def _hear(self, chunk: Samples, lang: str | None, pad: bool = False) -> None:
        scored = np.pad(chunk, (0, -len(chunk) % self.window)) if pad else chunk
        with measured("vad", self.caller):
            probabilities = speech_probabilities(scored, self.silero, self.window)
        self.position += len(chunk)
        chunk_ms = len(chunk) * 1000 / SAMPLE_RATE
        verdicts = self.tracker.hear(probabilities, chunk_ms, ended=False)
        for verdict in verdicts:
            if verdict == "speech":
                if not self.open:
                    self.open = True
                    self.begin = self.position - len(chunk)
                self.pieces.append(_Piece(chunk, self.position, lang))
            else:
                self.pieces.append(_Piece(None, self.position, lang))
                self.open = False
        if verdicts and verdicts[-1] == "end":
            self.tracker.restart()
            self.silero = SileroState()

    def take(self) -> SpeechSegment | EmptySegment | None:
        """What was kept, up to the end of the first segment; None if there is nothing."""
        kept: list[Samples] = []
        lang = None
        while self.pieces:
            piece = self.pieces.popleft()
            self.taken = piece.end
            lang = lang or piece.lang
            if piece.samples is not None:
                kept.append(piece.samples)
                continue
            if not kept:
                return EmptySegment(finished=True)
            return self._speech(kept, True, lang)
        return self._speech(kept, False, lang) if kept else None

    @staticmethod
    def _speech(kept: list[Samples], finished: bool, lang: str | None) -> SpeechSegment:
        return SpeechSegment(
            content=np.concatenate(kept),
            finished=finished,
            sample_rate=SAMPLE_RATE,
            tgt_lang=lang,
        )


class SileroVADAgent(SeamlessAgent):
    """Samples -> samples of speech, finished where a segment ends."""

    source_type = "speech"
    target_type = "speech"

    def build_states(self) -> SessionStates:
        """States of one session."""
        if self.compat.ignore_stream_end:
            return OfficialVADStates(self.args)
        return VADStates(self.args)

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        parser.add_argument(
            "--window-size-samples",
            type=int,
            default=512,
            help="samples that the VAD scores at once",
        )
        parser.add_argument(
            "--chunk-size-samples", type=int, default=5120, help="samples that are kept or dropped"
        )
        parser.add_argument(
            "--silence-limit-ms", type=int, default=700, help="silence that ends a segment"
        )
        parser.add_argument(
            "--speech-soft-limit-ms",
            type=int,
            default=12_000,
            help="speech after which half of that silence ends it",
        )
        parser.add_argument(
            "--init-speech-prob",
            type=float,
            default=0.15,
            help="how much surer the VAD must be at the start of a segment",
        )
        parser.add_argument(
            "--vad-threshold",
            type=float,
            default=0.6,
            help="probability from which a window counts as speech: higher in noisy rooms",
        )
        parser.add_argument("--debug", type=bool, default=False, help="log the VAD's decisions")

    def policy(self, states: SessionStates) -> Action:
        """WRITE what was kept."""
        if isinstance(states, OfficialVADStates):
            return states.act()
        assert isinstance(states, VADStates)
        segment = states.take()
        return ReadAction() if segment is None else WriteAction(segment, segment.finished)
