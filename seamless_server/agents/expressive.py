"""Expressive speech: translations in the voice, prosody and pace of the person who speaks.

The last stage of a pipeline is then two vocoders: the plain one and PRETSSEL, which listens to what
the speaker has said since the states were last reset. Which of them speaks may change with every
segment; so the sample rate may change too, and each piece of speech carries its own.
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import Segment

from seamless_server.agents.base import Ask, Steps
from seamless_server.agents.features import (
    DENORMALIZED,
    FeatureStates,
    OnlineFeatureExtractorAgent,
)
from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.samples import Samples
from seamless_server.agents.vocoder import VocoderAgent, VocoderStates, finite
from seamless_server.audio.fbank import SAMPLE_RATE, fbank
from seamless_server.engine import SpeakRequest
from seamless_server.errors import UsageError
from seamless_server.stream_options import add_option

logger = logging.getLogger(__name__)

NOTHING = np.zeros(0, np.float32)


@dataclass
class Heard:
    """What somebody has said since the last reset.

    most: samples that are kept, the latest; None keeps all.
    """

    most: int | None = None
    pieces: list[Samples] = field(default_factory=list)

    def add(self, samples: Samples) -> None:
        """Take more audio in: (N,) at 16 kHz."""
        self.pieces.append(samples)
        if self.most is not None:
            total = sum(map(len, self.pieces))
            while total - len(self.pieces[0]) >= self.most:
                total -= len(self.pieces.pop(0))

    def frames(self) -> Samples:
        """Its mel frames (T, 80), of 16-bit samples."""
        samples = np.concatenate([NOTHING, *self.pieces])
        if self.most is not None:
            samples = samples[max(0, len(samples) - self.most) :]
        return fbank(samples, DENORMALIZED)


class ListeningFeatureStates(FeatureStates):
    """Remembers the audio, too."""

    def __init__(self, most: int | None) -> None:
        self.heard = Heard(most)
        super().__init__()

    def reset(self) -> None:
        """Forget all audio."""
        super().reset()
        self.heard.pieces = []

    def update_source(self, segment: Segment) -> None:
        """Take audio in."""
        super().update_source(segment)
        if not segment.is_empty and self.last is not None:
            self.heard.add(self.last)


class ListeningFeatureExtractorAgent(OnlineFeatureExtractorAgent):
    """Samples -> filterbanks; what was said stays for the expressive voice to listen to."""

    def build_states(self) -> ListeningFeatureStates:
        """States of one session."""
        limit: float = getattr(self.args, "prosody_seconds", 0.0)
        unlimited = self.compat.seams or limit <= 0
        return ListeningFeatureStates(None if unlimited else int(limit * SAMPLE_RATE))


@dataclass
class Voice:
    """What the branches of a stream share: the speaker's sound, and whether it is wanted.

    expressive: None is as the agent's options say.
    """

    heard: Heard
    expressive: bool | None = None


class DualVocoderStates(VocoderStates):
    """States of both vocoders: what waits to be spoken waits for either."""

    voice: Voice | None = None


class DualVocoderAgent(VocoderAgent):
    """Units -> samples of the plain or of the expressive vocoder."""

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        network = system.checkpoint.voice
        assert network is not None
        self.own_voice = network.config
        self.expressive: bool = args.expressive
        self.upstream: int = args.upstream_idx
        self._noticed: set[str] = set()
        super().__init__(args, system)

    def build_states(self) -> DualVocoderStates:
        """States of one session."""
        return DualVocoderStates()

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        VocoderAgent.add_args(parser)
        add_voice_args(parser)
        add_option(parser, "expressive", False)

    def steps(self, states: DualVocoderStates) -> Steps[Action]:
        """As the plain vocoder's; an expressive packet is spoken whole, and nothing of it held."""
        if self.compat.seams:
            return (yield from self._official_dual(states))
        pending = states.held + [unit for units in states.source for unit in units]
        lang = self._lang(states)
        if not pending or not self._wants(states) or not self._speaks(lang):
            return (yield from super().steps(states))
        frames = self._frames(states)
        if not len(frames):
            return (yield from super().steps(states))
        states.source, states.held, states.context, states.tail = [], [], [], None
        size, made = self.own_voice.max_units, []
        for start in range(0, len(pending), size):
            piece = pending[start : start + size]
            made.append((yield from self._speak(piece, lang, frames)))
        return self._write(pending, states, np.concatenate(made), self.own_voice.sample_rate)

    def _official_dual(self, states: DualVocoderStates) -> Steps[Action]:
        if not self._wants(states):
            return (yield from self._official(states))
        if not states.source or len(states.source[0]) == 0:
            return WriteAction([], finished=True) if states.source_finished else ReadAction()
        units, lang = list(states.source[0]), self._lang(states)
        rate = self.own_voice.sample_rate
        if not self._speaks(lang):
            # The official code loses these units.
            states.source = []
            return self._write([], states, rate=rate)
        frames = self._frames(states)
        if not len(frames):
            raise UsageError(
                "the expressive voice has heard nobody; --upstream-idx must be 1 in pipelines "
                "with VAD and 0 in those without"
            )
        samples = yield from self._speak(units, lang, frames)
        states.source = []
        return self._write(units, states, samples, rate)

    def _speak(self, units: list[int], lang: str, frames: Samples) -> Steps[Samples]:
        return finite((yield Ask("speak", SpeakRequest(units, lang, frames))))

    def _wants(self, states: DualVocoderStates) -> bool:
        if states.voice is not None and states.voice.expressive is not None:
            return states.voice.expressive
        return bool(states.config.get("expressive", self.expressive))

    def _lang(self, states: DualVocoderStates) -> str:
        return states.tgt_lang if isinstance(states.tgt_lang, str) else self.default_lang

    def _speaks(self, lang: str) -> bool:
        if lang in self.own_voice.langs:
            return True
        if lang not in self._noticed:
            self._noticed.add(lang)
            logger.warning(
                "the expressive voice has no %r, only %s", lang, ", ".join(self.own_voice.langs)
            )
        return False

    def _frames(self, states: DualVocoderStates) -> Samples:
        """Mel frames (T, 80) of the speaker; T is 0 when there was no audio."""
        if states.voice is not None:
            return states.voice.heard.frames()
        upstream: Any = states.upstream_states
        known = upstream.get(self.upstream) if isinstance(upstream, dict) else None
        if isinstance(upstream, list) and self.upstream < len(upstream):
            known = upstream[self.upstream]
        if not isinstance(known, ListeningFeatureStates):
            return fbank(NOTHING)
        return known.heard.frames()


class PretsselVocoderAgent(DualVocoderAgent):
    """Units -> samples of the expressive vocoder alone, where it has the language."""

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        super().__init__(Namespace(**{**vars(args), "expressive": True}), system)

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        VocoderAgent.add_args(parser)
        add_voice_args(parser)


def add_voice_args(parser: ArgumentParser) -> None:
    """How expressive voices listen."""
    parser.add_argument(
        "--upstream-idx",
        type=int,
        default=0,
        help="place of the feature extractor in the pipeline (compat official only)",
    )
    add_option(parser, "prosody_seconds", 20.0)
