"""What all agents have in common."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from typing import Any

from simuleval.agents import GenericAgent
from simuleval.agents.states import AgentStates
from simuleval.data.segments import Segment
from torch import Tensor
from typing_extensions import Self

from seamless_server.agents.compat import Compat, compat_from_name
from seamless_server.agents.loading import system_from_args
from seamless_server.agents.system import AgentSystem

SAMPLE_RATE = 16_000


class SessionStates(AgentStates):  # type: ignore[misc]
    """States of one agent in one session."""

    tgt_lang: Any
    source_finished: bool

    def note_language(self, segment: Segment) -> None:
        """The first language of a session counts, until its states are reset."""
        if self.tgt_lang is None:
            self.tgt_lang = segment.tgt_lang


class SeamlessAgent(GenericAgent):  # type: ignore[misc]
    """An agent that works with a loaded system."""

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        self.system = system
        self.compat: Compat = compat_from_name(getattr(args, "compat", None))
        super().__init__(args)

    @classmethod
    def from_args(cls, args: Namespace, system: AgentSystem | None = None) -> Self:
        """Build the agent from parsed options; loads the model that they name if none is given."""
        if system is None:
            system = system_from_args(args)
        return cls(args, system)


@dataclass
class DecoderOutput:
    """What the text decoder hands to its speech branch and detokenizer.

    tokens: pieces that are new. ids: the whole target, [</s>, language, token, ..., ","], and
    features (N, D) the decoder's states for them.
    """

    tokens: list[str]
    ids: list[int]
    features: Tensor


def language_of(segment: Segment) -> str | None:
    """Language of a segment; SimulEval's default for it is a type, which means none."""
    lang = segment.tgt_lang
    return lang if isinstance(lang, str) and lang else None
