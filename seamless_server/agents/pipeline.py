"""How agents are put together: chains and trees that run on SimulEval's interface.

By default a push goes down only as far as something new comes out, several languages and sessions
never meet, and a segment that ends resets exactly its own states. ``compat: official`` leaves the
walk to SimulEval's own pipelines and repeats the official early stop.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from simuleval.agents import AgentPipeline, GenericAgent, TreeAgentPipeline
from simuleval.data.segments import EmptySegment, Segment

from seamless_server.agents.base import SeamlessAgent, SessionStates, language_of
from seamless_server.agents.compat import Compat, compat_from_name
from seamless_server.agents.features import FeatureStates
from seamless_server.agents.loading import add_model_args, system_from_args
from seamless_server.agents.official_vad import OfficialVADStates
from seamless_server.agents.samples import with_lists
from seamless_server.agents.system import AgentSystem
from seamless_server.agents.vad import VADStates


class SegmentWalk:
    """One session on its way through a pipeline: the mended walk.

    Args:
        children: every agent and the agents behind it, the first one being the root.
        states: states of every agent.
    """

    def __init__(
        self,
        children: Mapping[SeamlessAgent, Sequence[SeamlessAgent]],
        states: Mapping[SeamlessAgent, SessionStates],
    ) -> None:
        self.children = children
        self.states = states
        self.root = next(iter(children))
        self.leaves = [agent for agent, below in children.items() if not below]
        self.waiting: list[Segment] = []
        self.lang: str | None = None

    def push(self, segment: Segment) -> list[Segment]:
        """Run one segment; returns what each leaf gives."""
        lang = language_of(segment)
        if lang is not None and self.lang not in (None, lang):
            # The words spoken before the switch still belong to the language before it.
            self.waiting.append(segment)
            self.lang = lang
            return self._run(EmptySegment(finished=True))
        self.lang = lang or self.lang
        waiting, self.waiting = self.waiting, []
        outputs = [self._run(x) for x in [*waiting, segment]]
        return outputs[0] if len(outputs) == 1 else _merge(outputs)

    def _run(self, segment: Segment) -> list[Segment]:
        outputs: dict[SeamlessAgent, Segment] = {}
        self._visit(self.root, segment, outputs)
        answers = [outputs.get(leaf, EmptySegment()) for leaf in self.leaves]
        if all(x.finished for x in answers):
            early = not self._audio_ended()
            self._end_sentence()
            for answer in answers:
                answer.finished = not early
        return answers

    def _audio_ended(self) -> bool:
        return any(
            states.source_finished
            for states in self.states.values()
            if isinstance(states, FeatureStates)
        )

    def _visit(
        self, agent: SeamlessAgent, segment: Segment, outputs: dict[SeamlessAgent, Segment]
    ) -> None:
        out = agent.pushpop(segment, self.states[agent])
        below = self.children[agent]
        if not below:
            outputs[agent] = out
        elif not out.is_empty or out.finished:
            for child in below:
                self._visit(child, out, outputs)

    def _end_sentence(self) -> None:
        """Make the states ready for the next sentence; audio that was heard is kept."""
        for states in self.states.values():
            if isinstance(states, VADStates):
                done = states.source_finished and not states.pieces
            elif isinstance(states, FeatureStates):
                done = states.source_finished
            else:
                done = True
            if done:
                states.reset()


def _merge(outputs: list[list[Segment]]) -> list[Segment]:
    merged = []
    for leaf in zip(*outputs, strict=True):
        real = [x for x in leaf if not x.is_empty]
        last = real[-1] if real else leaf[-1]
        for earlier in reversed(real[:-1]):
            last.content = _join(earlier.content, last.content)
        last.finished = leaf[-1].finished
        merged.append(last)
    return merged


def _join(first: Any, second: Any) -> Any:
    if isinstance(first, str):
        return first + second
    import numpy as np

    return np.concatenate([first, second])


class SessionList(list[Any]):
    """States of a chain, one an agent, with the walk that uses them."""

    walk: SegmentWalk | None = None
    outbox: Segment | None = None


class SessionDict(dict[Any, Any]):
    """States of a tree by agent, with the walk that uses them."""

    walk: SegmentWalk | None = None
    outbox: list[Segment] | None = None


def _early_reset(states: Iterable[Any]) -> None:
    for state in states:
        if not isinstance(state, OfficialVADStates):
            state.reset()


def _first_language(option: str) -> str:
    """SimulEval's own data loaders take ``--tgt-lang`` for a file with a language a sentence."""
    path = Path(option)
    if not path.is_file():
        return option
    return path.read_text(encoding="utf-8").split("\n", 1)[0].strip()


class _SystemMixin:
    """Options and loading that chains and trees share."""

    speech = True
    compat: Compat
    system: AgentSystem

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Options of all agents and of the model."""
        super().add_args(parser)  # type: ignore[misc]
        add_model_args(parser)

    @classmethod
    def from_args(cls, args: Namespace, system: AgentSystem | None = None) -> Any:
        """Build the pipeline from parsed options; loads the model that they name."""
        return cls(args, system)  # type: ignore[call-arg]

    def _prepare(self, args: Namespace, system: AgentSystem | None) -> AgentSystem:
        self.compat = compat_from_name(getattr(args, "compat", None))
        args.tgt_lang = _first_language(args.tgt_lang)
        self.system = system or system_from_args(args, speech=self.speech)
        return self.system


class SeamlessPipeline(_SystemMixin, AgentPipeline):  # type: ignore[misc]
    """A chain of agents."""

    pipeline: ClassVar[list[type[SeamlessAgent]]] = []

    def __init__(self, args: Namespace, system: AgentSystem | None = None) -> None:
        system = self._prepare(args, system)
        AgentPipeline.__init__(self, [agent.from_args(args, system) for agent in self.pipeline])
        self._own: SessionList | None = None

    def build_states(self) -> SessionList:
        """States of one session."""
        return SessionList(super().build_states())

    def reset(self) -> None:
        """Forget the session that the pipeline itself keeps."""
        super().reset()
        self._own = None

    def push(
        self,
        segment: Segment,
        states: SessionList | None = None,
        upstream_states: list[Any] | None = None,
    ) -> None:
        """Run one segment through the agents."""
        if self.compat.rerun_on_read:
            super().push(segment, states, upstream_states)
            return
        session = self._session(states)
        if session.walk is None:
            agents = self.module_list
            children = {a: agents[i + 1 : i + 2] for i, a in enumerate(agents)}
            session.walk = SegmentWalk(children, dict(zip(agents, session, strict=True)))
        session.outbox = session.walk.push(segment)[0]

    def pop(self, states: SessionList | None = None) -> Segment:
        """What the last push gave; without states, as SimulEval's evaluator takes it."""
        out = self._pop(states)
        return with_lists(out) if states is None else out

    def _pop(self, states: SessionList | None) -> Segment:
        if not self.compat.rerun_on_read:
            session = self._session(states)
            out, session.outbox = session.outbox, None
            return out or EmptySegment()
        out = super().pop(states)
        first = self.module_list[0].states if states is None else states[0]
        if out.finished and not first.source_finished:
            if states is None:
                self.reset()
            else:
                _early_reset(states)
            out.finished = False
        return out

    def _session(self, states: SessionList | None) -> SessionList:
        if states is not None:
            return states
        if self._own is None:
            self._own = SessionList(module.states for module in self.module_list)
        return self._own


class SeamlessTreePipeline(_SystemMixin, TreeAgentPipeline):  # type: ignore[misc]
    """A tree of agents; ``pop`` gives a list, one segment a leaf."""

    pipeline: ClassVar[dict[type[SeamlessAgent], list[type[SeamlessAgent]]]] = {}

    def __init__(self, args: Namespace, system: AgentSystem | None = None) -> None:
        system = self._prepare(args, system)
        if not hasattr(args, "output_index"):
            args.output_index = None
        modules: dict[GenericAgent, Any] = {
            agent.from_args(args, system): children for agent, children in self.pipeline.items()
        }
        TreeAgentPipeline.__init__(self, modules, args)
        self._own: SessionDict | None = None

    def build_states(self) -> SessionDict:
        """States of one session."""
        return SessionDict(super().build_states())

    def reset(self) -> None:
        """Forget the session that the pipeline itself keeps."""
        for module in self.module_dict:
            module.reset()
        self._own = None

    def push(
        self,
        segment: Segment,
        states: SessionDict | None = None,
        upstream_states: Any = None,
    ) -> None:
        """Run one segment through the tree."""
        if self.compat.rerun_on_read:
            super().push(segment, states, upstream_states)
            return
        session = self._session(states)
        if session.walk is None:
            session.walk = SegmentWalk(self.module_dict, session)
        session.outbox = session.walk.push(segment)

    def pop(self, states: SessionDict | None = None) -> Any:
        """What the last push gave, a list or the leaf of ``output_index``."""
        out = self._pop(states)
        if states is None:
            for segment in out if isinstance(out, list) else [out]:
                with_lists(segment)
        return out

    def _pop(self, states: SessionDict | None) -> Any:
        if not self.compat.rerun_on_read:
            session = self._session(states)
            outputs = session.outbox or [EmptySegment() for _ in self.target_modules]
            session.outbox = None
            return outputs if self.output_index is None else outputs[self.output_index]
        out = super().pop(states)
        segments = out if isinstance(out, list) else [out]
        root = self.source_module.states if states is None else states[self.source_module]
        if any(segment.finished for segment in segments) and not root.source_finished:
            # The official code walks the keys of the states, which are the agents.
            if states is None:
                self.reset()
            else:
                for agent in states:
                    agent.reset()
            for segment in segments:
                segment.finished = False
        return out

    def _session(self, states: SessionDict | None) -> SessionDict:
        if states is not None:
            return states
        if self._own is None:
            self._own = SessionDict({m: m.states for m in self.module_dict})
        return self._own
