"""Speech encoder agent: encodes the segment so far, anew with every piece of it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

import numpy as np
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment
from torch import Tensor

from seamless_server.agents.base import Ask, SeamlessAgent, SessionStates, Steps
from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.samples import Samples
from seamless_server.errors import NumericalError
from seamless_server.stream_options import add_option


class EncoderStates(SessionStates):
    """Filterbanks of the segment so far."""

    def reset(self) -> None:
        """Begin a new segment."""
        super().reset()
        self.pieces: list[Samples] = []
        self.frames = 0
        self.encoded: Tensor | None = None
        self.encoded_frames = 0
        self.resting = False
        """The next piece of the segment is only taken in: nothing would be written of it."""

    def update_source(self, segment: Segment) -> None:
        """Append frames; unlike elsewhere the language is always the last segment's."""
        self.source_finished = segment.finished
        if segment.is_empty:
            return
        self.tgt_lang = segment.tgt_lang
        if len(segment.content):
            self.pieces.append(segment.content)
            self.frames += len(segment.content)

    def features(self) -> Samples:
        """All frames, (T, 80)."""
        if len(self.pieces) > 1:
            self.pieces = [np.concatenate(self.pieces)]
        return self.pieces[0]


class OfflineWav2VecBertEncoderAgent(SeamlessAgent):
    """Filterbanks -> encoder states (S, D) of the whole segment so far."""

    source_type = "speech"
    target_type = "speech"

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        self.min_starting_wait: int | None = args.min_starting_wait_w2vbert
        self.patience: float = args.patience
        self.min_input_length = system.checkpoint.config.encoder.fbank_stride
        super().__init__(args, system)

    def build_states(self) -> EncoderStates:
        """States of one session."""
        return EncoderStates()

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        add_option(parser, "min_starting_wait_w2vbert", None)
        add_option(parser, "patience", 0.0)

    def steps(self, states: EncoderStates) -> Steps[Action]:
        """WRITE the states once enough has been heard."""
        wait = self.min_starting_wait
        if wait is not None and states.frames < wait and not states.source_finished:
            return ReadAction()
        if states.resting and not states.source_finished:
            states.resting = False
            return ReadAction()
        if states.frames < self.min_input_length:
            if not states.source_finished:
                return ReadAction()
            if self.compat.unfinished_ends:
                return WriteAction({}, finished=True)
            return WriteAction(EmptySegment(finished=True), True)
        if states.encoded is None or states.encoded_frames != states.frames:
            features = states.features()
            if not np.isfinite(features).all():
                raise NumericalError("the features of the audio")
            states.encoded = yield Ask("encode", features)
            states.encoded_frames = states.frames
        segment = SpeechSegment(
            content=states.encoded, tgt_lang=states.tgt_lang, finished=states.source_finished
        )
        return WriteAction(segment, finished=states.source_finished)
