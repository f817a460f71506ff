"""Unit decoder agent: text -> speech units, without autoregression."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

import torch
from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import Segment, TextSegment
from torch import Tensor

from seamless_server.agents.base import Ask, DecoderOutput, SeamlessAgent, SessionStates, Steps
from seamless_server.agents.loading import AgentSystem
from seamless_server.checkpoints.tokenizers import UnitTokenizer
from seamless_server.engine import UnitsRequest, UnitsResult
from seamless_server.errors import UsageError
from seamless_server.stream_options import add_option

PREFIX = 2
"""[</s>, language] in front of every target."""


class UnitStates(SessionStates):
    """The whole target text so far and how much of it was spoken."""

    def reset(self) -> None:
        """Begin a new sentence."""
        super().reset()
        self.features: Tensor | None = None
        self.ids: list[int] = []
        self.tokens = 0
        self.spoken_chars = 0
        self.spoken_tokens = 0

    def update_source(self, segment: Segment) -> None:
        """Take the text decoder's newest output."""
        self.source_finished = segment.finished
        self.note_language(segment)
        if segment.is_empty or not isinstance(segment.content, DecoderOutput):
            return
        output: DecoderOutput = segment.content
        self.tokens += len(output.tokens)
        if output.ids:
            self.ids, self.features = output.ids, output.features


class NARUnitYUnitDecoderAgent(SeamlessAgent):
    """Text decoder output -> units (a list of numbers) that were not spoken yet.

    The network sees the whole target every time; characters spoken before are skipped.
    """

    source_type = "text"
    target_type = "text"

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        self.min_unit_chunk_size: int = args.min_unit_chunk_size
        self.d_factor: float = args.d_factor
        tokenizer = system.checkpoint.unit_tokenizer
        assert tokenizer is not None
        self.tokenizer: UnitTokenizer = tokenizer
        super().__init__(args, system)

    def build_states(self) -> UnitStates:
        """States of one session."""
        return UnitStates()

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        add_option(parser, "min_unit_chunk_size", 50)
        add_option(parser, "d_factor", 1.0)

    def steps(self, states: UnitStates) -> Steps[Action]:
        """WRITE once there are enough units, or all at the end."""
        if states.target_finished:
            return WriteAction("", finished=True)
        if self.compat.short_and_repeated_speech:
            return (yield from self._official(states))
        if states.features is None or states.tokens == states.spoken_tokens:
            return self._write([], states) if states.source_finished else ReadAction()
        if states.tokens < 2 and not states.source_finished:
            return ReadAction()
        at_least = 0 if states.source_finished else self.min_unit_chunk_size
        units, durations = yield from self._speak(states, at_least)
        if len(units) < at_least:
            return ReadAction()
        # The last character is the comma, which the next text will replace.
        states.spoken_chars = max(durations - 1, 0)
        states.spoken_tokens = states.tokens
        return self._write(units, states)

    def _speak(self, states: UnitStates, at_least: int) -> Steps[tuple[list[int], int]]:
        """Units that were not spoken yet, and the number of characters of the target."""
        assert states.features is not None
        result = yield self._ask(states.ids, states.features, states.spoken_chars, at_least)
        if result.too_long:
            # The sentence is longer than the network can position: speak the new part alone.
            first = PREFIX + states.spoken_tokens
            units = yield from self._in_parts(states.ids, states.features, first, len(states.ids))
            return units, states.spoken_chars + 1
        return self.tokenizer.decode(result.ids), len(result.durations)

    def _in_parts(
        self, ids: Sequence[int], features: Tensor, first: int, last: int
    ) -> Steps[list[int]]:
        part = [*ids[:PREFIX], *ids[first:last]]
        result: UnitsResult = yield self._ask(
            part, torch.cat([features[:PREFIX], features[first:last]])
        )
        if not result.too_long:
            return self.tokenizer.decode(result.ids)
        if last - first < 2:
            raise UsageError("a single piece of text lasts longer than the model can speak")
        middle = (first + last) // 2
        left = yield from self._in_parts(ids, features, first, middle)
        right = yield from self._in_parts(ids, features, middle, last)
        return left + right

    def _ask(self, ids: Sequence[int], features: Tensor, skip: int = 0, at_least: int = 0) -> Ask:
        any_id = self.compat.any_unit
        return Ask("units", UnitsRequest(features, ids, self.d_factor, any_id, at_least, skip))

    def _official(self, states: UnitStates) -> Steps[Action]:
        if states.tokens < 2:
            return WriteAction("", finished=True) if states.source_finished else ReadAction()
        assert states.features is not None
        result: UnitsResult = yield self._ask(states.ids, states.features)
        if result.too_long:
            raise UsageError("the sentence lasts longer than the model can speak")
        ids, durations = result.ids, result.durations
        if states.source_finished and states.spoken_chars > 0:
            if sum(durations[states.spoken_chars :]) == 0:
                return WriteAction("", finished=True)
            states.spoken_chars -= 1
        current = sum(durations[states.spoken_chars :])
        if current < self.min_unit_chunk_size:
            if not states.source_finished:
                return ReadAction()
            if current == 0:
                return WriteAction("", finished=True)
        units = self.tokenizer.decode(ids[sum(durations[: states.spoken_chars]) :])
        states.spoken_chars = len(durations) - 1
        return self._write(units, states)

    @staticmethod
    def _write(units: list[int], states: UnitStates) -> Action:
        segment = TextSegment(
            content=units, finished=states.source_finished, tgt_lang=states.tgt_lang
        )
        return WriteAction(segment, finished=states.source_finished)
