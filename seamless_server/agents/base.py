"""What all agents have in common."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from simuleval.agents import GenericAgent
from simuleval.agents.actions import Action
from simuleval.agents.agent import SEGMENT_TYPE_DICT
from simuleval.agents.states import AgentStates
from simuleval.data.segments import EmptySegment, Segment
from torch import Tensor
from typing_extensions import Self

from seamless_server.agents.compat import Compat, compat_from_name
from seamless_server.agents.loading import AgentSystem, system_from_args
from seamless_server.caller import Caller
from seamless_server.engine import Engine

T = TypeVar("T")

Stage = Literal["encode", "decode", "units", "vocode", "speak"]


@dataclass(frozen=True)
class Ask:
    """A request that an agent has for a stage of the engine."""

    stage: Stage
    request: Any


Steps = Generator[Ask, Any, T]
"""Yields what is asked of the engine, is sent the answers, and returns its result."""


def together(
    engine: Engine, tasks: Sequence[Generator[Ask | T, Any, Any]], caller: Caller | None = None
) -> Iterator[T]:
    """Run tasks side by side, and give what they yield besides their requests.

    The engine gets the requests of all tasks that are at the same stage as one list.
    """
    asking: list[tuple[Generator[Ask | T, Any, Any], Ask]] = []

    def advance(task: Generator[Ask | T, Any, Any], answer: Any) -> Iterator[T]:
        try:
            while not isinstance(item := task.send(answer), Ask):
                yield item
                answer = None
        except StopIteration:
            return
        asking.append((task, item))

    for task in tasks:
        yield from advance(task, None)
    while asking:
        # Text before speech: what people read comes first.
        stage = min((ask.stage for _, ask in asking), key=_ORDER.index)
        now = [(task, ask.request) for task, ask in asking if ask.stage == stage]
        asking = [(task, ask) for task, ask in asking if ask.stage != stage]
        answers = getattr(engine, stage)([request for _, request in now], caller)
        for (task, _), answer in zip(now, answers, strict=True):
            yield from advance(task, answer)


_ORDER: tuple[Stage, ...] = ("encode", "decode", "units", "vocode", "speak")


class SessionStates(AgentStates):  # type: ignore[misc]
    """States of one agent in one session. ``caller`` is who its engine calls are made for."""

    tgt_lang: Any
    source_finished: bool
    target_finished: bool
    caller: Caller | None = None

    def note_language(self, segment: Segment) -> None:
        """The first language of a session counts, until its states are reset."""
        if self.tgt_lang is None:
            self.tgt_lang = segment.tgt_lang


class SeamlessAgent(GenericAgent):  # type: ignore[misc]
    """An agent that works with a loaded system.

    Its policy is either :meth:`policy`, or :meth:`steps` when it asks the engine for something.
    """

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

    def policy(self, states: Any) -> Action:
        """READ or WRITE, as SimulEval asks for it: one session by itself."""
        actions: list[Action] = []

        def task() -> Steps[None]:
            actions.append((yield from self.steps(states)))

        list(together(self.system.engine, [task()], states.caller))
        return actions[0]

    def steps(self, states: Any) -> Steps[Action]:
        """The policy in steps between which the engine is asked."""
        yield from ()
        return self.policy(states)

    def run(self, segment: Segment, states: Any) -> Steps[Segment]:
        """SimulEval's ``pushpop``, in steps."""
        states.update_source(segment)
        if states.target_finished:
            return EmptySegment(finished=True)
        action = yield from self.steps(states)
        if action.is_read():
            return EmptySegment()
        if isinstance(action.content, Segment):
            return action.content
        made = SEGMENT_TYPE_DICT[self.target_type](content=action.content, finished=action.finished)
        states.update_target(made)
        return made


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
