"""Vocoder agent: units -> speech."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import Segment

from seamless_server.agents.base import Ask, SeamlessAgent, SessionStates, Steps
from seamless_server.agents.loading import AgentSystem
from seamless_server.agents.samples import AudioSegment, Samples
from seamless_server.engine import VocodeRequest
from seamless_server.errors import LanguageError, NumericalError, UsageError
from seamless_server.stream_options import add_option

HOLD = 2
"""Units whose audio waits for what follows (40 ms)."""
FADE = 2
"""Part of a unit over which two syntheses of the same place are blended: a half (10 ms)."""


@dataclass
class SpokenSegment(AudioSegment):
    """Speech and the units that it was made of."""

    units: list[int] = field(default_factory=list)


def finite(samples: Samples) -> Samples:
    """The same samples.

    Raises:
        NumericalError: some are NaN or infinite.
    """
    if not np.isfinite(samples).all():
        raise NumericalError("the sound of the translated speech")
    return samples


class VocoderStates(SessionStates):
    """Units that wait to be spoken, and those spoken last."""

    def reset(self) -> None:
        """Begin a new sentence."""
        super().reset()
        self.context: list[int] = []
        self.held: list[int] = []
        self.tail: Samples | None = None

    def update_source(self, segment: Segment) -> None:
        """Take units in."""
        self.source_finished = segment.finished
        if segment.is_empty:
            return
        self.source.append(segment.content)
        self.tgt_lang = segment.tgt_lang


class VocoderAgent(SeamlessAgent):
    """Units -> samples at the vocoder's rate, each piece synthesized with its neighbours."""

    source_type = "text"
    target_type = "speech"

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        vocoder = system.checkpoint.vocoder
        assert vocoder is not None
        self.speaker: int = args.vocoder_speaker_id
        if not -1 <= self.speaker < vocoder.config.num_speakers:
            raise UsageError(
                f"--vocoder-speaker-id must be from 0 to {vocoder.config.num_speakers - 1}, "
                "or -1 for the language's first voice"
            )
        self.voice_number: int = args.voice_number
        self.reach = vocoder.receptive_units
        self.samples_per_unit = vocoder.config.samples_per_unit
        self.sample_rate = vocoder.config.sample_rate
        self.default_lang: str = args.tgt_lang
        self.speakers = system.checkpoint.config.vocoder_speakers
        super().__init__(args, system)

    def build_states(self) -> VocoderStates:
        """States of one session."""
        return VocoderStates()

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        add_option(parser, "vocoder_name", "vocoder_v2")
        add_option(parser, "vocoder_speaker_id", -1)
        add_option(parser, "voice_number", 1)

    def steps(self, states: VocoderStates) -> Steps[Action]:
        """WRITE whatever can be spoken without knowing more."""
        if self.compat.seams:
            return (yield from self._official(states))
        pending = states.held + [unit for units in states.source for unit in units]
        states.source = []
        if not pending:
            return self._write([], states) if states.source_finished else ReadAction()
        hold = 0 if states.source_finished else HOLD
        if len(pending) <= hold:
            states.held = pending
            return ReadAction()
        units = pending[: len(pending) - hold]
        states.held = pending[len(units) :]
        heard = len(states.context)
        wave = yield from self._vocode([*states.context, *pending], states.tgt_lang, heard)
        end = len(units) * self.samples_per_unit
        samples = wave[:end].copy()
        if states.tail is not None:
            rise = np.linspace(0, 1, len(states.tail), dtype=np.float32)
            head = samples[: len(rise)]
            samples[: len(rise)] = states.tail * (1 - rise) + head * rise
        states.tail = wave[end : end + self.samples_per_unit // FADE].copy() if hold else None
        states.context = [*states.context, *units][-self.reach :]
        return self._write(units, states, samples)

    def _official(self, states: VocoderStates) -> Steps[Action]:
        if not states.source or len(states.source[0]) == 0:
            return WriteAction([], finished=True) if states.source_finished else ReadAction()
        units = list(states.source[0])
        samples = yield from self._vocode(units, states.tgt_lang)
        states.source = []
        return self._write(units, states, samples)

    def _vocode(self, units: list[int], tgt_lang: Any, skip: int = 0) -> Steps[Samples]:
        lang = tgt_lang or self.default_lang
        rows = self.speakers.get(lang) if isinstance(lang, str) else None
        if not rows:
            raise LanguageError(
                f"the vocoder has no {lang!r}; it speaks: {', '.join(sorted(self.speakers))}"
            )
        speaker = self.speaker
        if speaker == -1:
            speaker = rows[min(self.voice_number, len(rows)) - 1]
        return finite((yield Ask("vocode", VocodeRequest(units, lang, speaker, skip))))

    def _write(
        self,
        units: list[int],
        states: VocoderStates,
        samples: Samples | None = None,
        rate: int | None = None,
    ) -> Action:
        segment = SpokenSegment(
            content=np.zeros(0, np.float32) if samples is None else samples,
            finished=states.source_finished,
            sample_rate=rate or self.sample_rate,
            tgt_lang=states.tgt_lang or self.default_lang,
            units=units,
        )
        return WriteAction(segment, finished=states.source_finished)
