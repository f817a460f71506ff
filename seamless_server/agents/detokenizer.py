"""Detokenizers: pieces -> plain text."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import Segment, TextSegment

from seamless_server.agents.base import DecoderOutput, SeamlessAgent, SessionStates
from seamless_server.agents.loading import AgentSystem
from seamless_server.checkpoints.tokenizers import SPACE
from seamless_server.stream_options import add_option


class DetokenizerStates(SessionStates):
    """Pieces that were not written yet."""

    def update_source(self, segment: Segment) -> None:
        """Take pieces in."""
        self.source_finished = segment.finished
        if segment.is_empty:
            return
        self.tgt_lang = segment.tgt_lang
        content = segment.content
        self.source += content.tokens if isinstance(content, DecoderOutput) else [content]


class DetokenizerAgent(SeamlessAgent):
    """Text pieces -> text. A word that goes on from the text before has no space in front."""

    source_type = "text"
    target_type = "text"

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        self.detokenize_only: bool = args.detokenize_only
        self.tokenizer = system.checkpoint.text_tokenizer
        super().__init__(args, system)

    def build_states(self) -> DetokenizerStates:
        """States of one session."""
        return DetokenizerStates()

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        add_option(parser, "detokenize_only", True)

    def decode(self, pieces: list[str]) -> str:
        """Pieces -> text."""
        if not self.compat.written_symbols:
            pieces = self.tokenizer.text(pieces)
        text = " ".join(pieces).replace(" ", "").replace(SPACE, " ")
        return text.strip() if self.compat.stripped_text else text

    def policy(self, states: DetokenizerStates) -> Action:
        """WRITE whatever has come."""
        text = self.decode(states.source)
        if not self.compat.stripped_text:
            states.source = []
            if not text and not states.source_finished:
                return ReadAction()
            return self._write(text, states)
        if self.detokenize_only and states.source:
            states.source = []
            if not text and not states.source_finished:
                return ReadAction()
            return WriteAction(text, states.source_finished)
        if states.source_finished:
            return WriteAction(text, finished=True)
        if len(text.split()) > 1:
            states.source = states.source[-1:]
            return WriteAction(text.split()[0], finished=False)
        return ReadAction()

    @staticmethod
    def _write(text: str, states: DetokenizerStates) -> Action:
        segment = TextSegment(
            content=text, finished=states.source_finished, tgt_lang=states.tgt_lang
        )
        return WriteAction(segment, finished=states.source_finished)


class UnitYDetokenizerAgent(DetokenizerAgent):
    """The same, behind the decoder of a speech pipeline."""
