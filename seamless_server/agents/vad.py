"""Voice activity detection: cuts the stream into segments of speech."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment

from seamless_server.agents.base import SeamlessAgent, SessionStates, language_of
from seamless_server.agents.official_vad import OfficialVADStates
from seamless_server.agents.quiet import QuietSpeech
from seamless_server.agents.samples import as_samples
from seamless_server.agents.silero import Samples, SileroState, speech_probabilities
from seamless_server.agents.tracker import SpeechTracker
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.engine import measured
from seamless_server.stream_options import add_option


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
    held: a raised chunk that begins a segment unless the next one is loud, its probabilities, and
    what was ``unspoken`` before it.
    unspoken: the latest audio since the last window that counted as speech, at most ``pad``
    samples: how a first word begins is often too soft to count.
    """

    def __init__(self, args: Namespace) -> None:
        self.chunk_size: int = args.chunk_size_samples
        self.window: int = args.window_size_samples
        self.limit = round(args.max_segment_seconds * SAMPLE_RATE)
        self.pad = args.speech_pad_ms * SAMPLE_RATE // 1000
        self.raises: bool = args.raise_quiet_speech
        self.tracker = SpeechTracker(args)
        super().__init__()

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.silero = SileroState()
        self.quiet = QuietSpeech(self.window)
        self.held: tuple[Samples, list[float], Samples] | None = None
        self.tracker.restart()
        self.partial = np.zeros(0, np.float32)
        self.unspoken = np.zeros(0, np.float32)
        self.pieces: deque[_Piece] = deque()
        self.position = self.taken = self.begin = 0
        self.open = False
        self.levels: list[float] = []

    def snapshot(self) -> dict[str, Any] | None:
        """All that `resume` needs to go on in another process, as numbers and arrays; None while
        a segment may be about to begin. To be taken when everything kept has been taken."""
        if self.held is not None:
            return None
        tracker = self.tracker
        return {
            "silero": self.silero.snapshot(),
            "quiet": self.quiet.snapshot(),
            "tracker": (tracker.silence_ms, tracker.speech_ms, tracker.fresh, tracker.decays),
            "partial": self.partial.copy(),
            "unspoken": self.unspoken.copy(),
            "place": (self.position, self.taken, self.begin),
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from where `snapshot` was taken."""
        self.silero = SileroState.resumed(state["silero"])
        self.quiet.resume(state["quiet"])
        tracker = self.tracker
        tracker.silence_ms, tracker.speech_ms, tracker.fresh, tracker.decays = state["tracker"]
        self.partial = np.array(state["partial"], np.float32)
        self.unspoken = np.array(state["unspoken"], np.float32)
        self.position, self.taken, self.begin = state["place"]

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
            spoken = max(probabilities, default=0.0) > self.tracker.threshold
            raised = self.quiet.raised(chunk, scored, spoken) if self.raises else None
        before = self.position
        self.position += len(chunk)
        held, self.held = self.held, None
        if raised is None:
            self._judge(chunk, probabilities, self.position, lang)
            return
        if held is None and not self.open and not pad:
            # Nobody knows yet whether quiet speech begins or a loud word with a soft sound, of
            # which nothing may be raised.
            if spoken:
                self._judge(chunk, probabilities, self.position, lang)
            else:
                if max(raised[1]) > self.tracker.threshold:
                    self.held = (*raised, self.unspoken)
                self._note_unspoken(chunk, probabilities)
            return
        if held is not None:
            quiet, scores, self.unspoken = held
            self._judge(quiet, scores, before, lang)
        self._judge(*raised, self.position, lang)

    def _judge(
        self, chunk: Samples, probabilities: list[float], end: int, lang: str | None
    ) -> None:
        """Keep a chunk, end its segment, or drop it. ``end`` is its place in the stream."""
        chunk_ms = len(chunk) * 1000 / SAMPLE_RATE
        before = self.unspoken
        self._note_unspoken(chunk, probabilities)
        verdicts = self.tracker.hear(probabilities, chunk_ms, ended=False)
        for verdict in verdicts:
            if verdict == "speech":
                if not self.open:
                    self.open = True
                    chunk = np.concatenate([before, chunk])
                    self.begin = end - len(chunk)
                    self.levels = []
                self._keep(chunk, end, lang)
            else:
                self.pieces.append(_Piece(None, end, lang))
                self.open = False
        if verdicts and verdicts[-1] == "end":
            self.tracker.restart()
            self.silero = SileroState()
            self.quiet.silero = SileroState()

    def _note_unspoken(self, chunk: Samples, probabilities: list[float]) -> None:
        threshold = self.tracker.threshold
        spoken = [number for number, p in enumerate(probabilities, 1) if p > threshold]
        since = chunk[spoken[-1] * self.window :] if spoken else np.append(self.unspoken, chunk)
        self.unspoken = since[max(0, len(since) - self.pad) :]

    def _keep(self, chunk: Samples, end: int, lang: str | None) -> None:
        """A chunk of speech; a segment that has grown too long is cut within it."""
        levels = [float(np.square(x).mean()) for x in _windows(chunk, self.window)]
        if self.limit and (cut := self._quiet_place(levels)) is not None:
            first, chunk = chunk[: cut * self.window], chunk[cut * self.window :]
            at = end - len(chunk)
            if len(first):
                self.pieces.append(_Piece(first, at, lang))
            self.pieces.append(_Piece(None, at, lang))
            self.begin, levels, self.levels = at, levels[cut:], []
            self.tracker.speech_ms = 0
        self.levels += levels
        self.pieces.append(_Piece(chunk, end, lang))

    def _quiet_place(self, levels: list[float]) -> int | None:
        """The window before which to cut a segment without pauses; None goes on.

        What was kept is on its way already, so only this chunk can be cut: in the last fifth of the
        limit at a place that is quiet for this segment, at the limit at its quietest one.
        """
        room = self.limit // self.window - len(self.levels)
        quietest = min(range(len(levels)), key=levels.__getitem__)
        if len(levels) >= room:
            within = levels[: max(1, room)]
            return within.index(min(within))
        late = len(self.levels) * self.window > 0.8 * self.limit
        if late and levels[quietest] <= np.quantile(self.levels, 0.1):
            return quietest
        return None

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


def _windows(chunk: Samples, window: int) -> list[Samples]:
    return [chunk[start : start + window] for start in range(0, len(chunk), window)]


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
        add_option(parser, "window_size_samples", 512)
        add_option(parser, "chunk_size_samples", 5_120)
        add_option(parser, "silence_limit_ms", 700)
        add_option(parser, "speech_soft_limit_ms", 12_000)
        add_option(parser, "init_speech_prob", 0.15)
        add_option(parser, "vad_threshold", 0.6)
        add_option(parser, "max_segment_seconds", 0.0)
        add_option(parser, "raise_quiet_speech", False)
        add_option(parser, "speech_pad_ms", 0)
        parser.add_argument("--debug", type=bool, default=False, help="log the VAD's decisions")

    def policy(self, states: SessionStates) -> Action:
        """WRITE what was kept."""
        if isinstance(states, OfficialVADStates):
            return states.act()
        assert isinstance(states, VADStates)
        segment = states.take()
        return ReadAction() if segment is None else WriteAction(segment, segment.finished)
