"""Online feature extraction: samples -> filterbanks, a push at a time."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment

from seamless_server.agents.base import SeamlessAgent, SessionStates
from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.samples import Samples, as_samples
from seamless_server.audio.fbank import SAMPLE_RATE, fbank
from seamless_server.engine import measured
from seamless_server.stream_options import add_option

DENORMALIZED = 2.0**15


def _nothing() -> Samples:
    return np.zeros(0, np.float32)


class FeatureStates(SessionStates):
    """New samples and what the last windows left over."""

    def reset(self) -> None:
        """Forget all audio."""
        super().reset()
        self.new: list[Samples] = []
        self.last: Samples | None = None
        self.residual = _nothing()

    def update_source(self, segment: Segment) -> None:
        """Take audio in."""
        self.source_finished = segment.finished
        self.note_language(segment)
        if not segment.is_empty:
            self.last = as_samples(segment)
            self.new.append(self.last)


class OnlineFeatureExtractorAgent(SeamlessAgent):
    """Samples -> filterbanks (T, 80). Features of all pushes together equal those of the whole."""

    source_type = "speech"
    target_type = "speech"

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        self.shift = int(args.shift_size * SAMPLE_RATE / 1000)
        self.window = int(args.window_size * SAMPLE_RATE / 1000)
        self.scale = DENORMALIZED if args.denormalize else 1.0
        super().__init__(args, system)

    def build_states(self) -> FeatureStates:
        """States of one session."""
        return FeatureStates()

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        add_option(parser, "shift_size", 10)
        add_option(parser, "window_size", 25)
        add_option(parser, "feature_dim", 80)
        add_option(parser, "denormalize", False)

    def policy(self, states: FeatureStates) -> Action:
        """WRITE the frames that the new audio completes."""
        if self.compat.refeed_last_chunk:
            return self._official(states)
        samples = np.concatenate([states.residual, *states.new])
        states.new = []
        if states.source_finished and len(samples) > self.window - self.shift:
            # The tail of a segment fills a last window with silence.
            count = -(-(len(samples) - (self.window - self.shift)) // self.shift)
            full = (count - 1) * self.shift + self.window
            samples = np.pad(samples, (0, full - len(samples)))
        frames = self._extract(states, samples)
        if frames is None:
            if states.source_finished:
                return WriteAction(EmptySegment(finished=True), True)
            return ReadAction()
        return self._write(states, frames)

    def _official(self, states: FeatureStates) -> Action:
        if states.last is None or len(states.last) == 0:
            if states.source_finished:
                return WriteAction({}, finished=True)
            return ReadAction()
        samples = np.concatenate([states.residual, states.last])
        frames = self._extract(states, samples)
        return ReadAction() if frames is None else self._write(states, frames)

    def _extract(self, states: FeatureStates, samples: Samples) -> Samples | None:
        if len(samples) < self.window:
            states.residual = samples
            return None
        count = (len(samples) - (self.window - self.shift)) // self.shift
        used = (count - 1) * self.shift + self.window
        states.residual = samples[count * self.shift :]
        with measured("features", states.caller):
            ms = 1000 / SAMPLE_RATE
            return fbank(samples[:used], self.scale, self.window * ms, self.shift * ms)

    @staticmethod
    def _write(states: FeatureStates, frames: Samples) -> Action:
        segment = SpeechSegment(
            content=frames, tgt_lang=states.tgt_lang, finished=states.source_finished
        )
        return WriteAction(segment, finished=states.source_finished)
