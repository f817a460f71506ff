"""The pipelines of SimulEval's interface: chains and trees of agents.

By default a push takes the corridor (see :mod:`~seamless_server.agents.corridor`), as every stream
does: it goes down only as far as something new comes out, and a segment that ends resets exactly
its own states. ``compat: official`` leaves the walk to SimulEval's own pipelines and repeats the
official early stop.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from simuleval.agents import AgentPipeline, GenericAgent, TreeAgentPipeline
from simuleval.data.segments import EmptySegment, Segment, TextSegment

from seamless_server.agents.base import SeamlessAgent, SessionStates, language_of
from seamless_server.agents.branch import BranchAgents
from seamless_server.agents.compat import Compat, compat_from_name
from seamless_server.agents.corridor import NOTHING, Corridor, CorridorAgents
from seamless_server.agents.detokenizer import DetokenizerAgent
from seamless_server.agents.encoder import OfflineWav2VecBertEncoderAgent
from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.loading import (
    AgentSystem,
    add_model_args,
    add_voice_args,
    system_from_args,
)
from seamless_server.agents.official_vad import OfficialVADStates
from seamless_server.agents.outputs import Output, Samples, SpeechOutput, Target, TextOutput
from seamless_server.agents.samples import as_samples, with_lists
from seamless_server.agents.text_decoder import MMASpeechToTextDecoderAgent
from seamless_server.agents.unit_decoder import NARUnitYUnitDecoderAgent
from seamless_server.agents.vad import SileroVADAgent
from seamless_server.agents.vocoder import SpokenSegment, VocoderAgent
from seamless_server.audio.resample import StreamResampler
from seamless_server.caller import Caller

A = TypeVar("A", bound=SeamlessAgent)


def _one(agents: Iterable[SeamlessAgent], kind: type[A]) -> A | None:
    return next((x for x in agents if isinstance(x, kind)), None)


def corridor_agents(agents: Sequence[SeamlessAgent]) -> CorridorAgents:
    """The agents of a pipeline, each in its place."""
    features, encoder = (
        _one(agents, OnlineFeatureExtractorAgent),
        _one(agents, OfflineWav2VecBertEncoderAgent),
    )
    decoder = _one(agents, MMASpeechToTextDecoderAgent)
    assert features is not None
    assert encoder is not None
    assert decoder is not None
    branch = BranchAgents(
        decoder,
        _one(agents, DetokenizerAgent),
        _one(agents, NARUnitYUnitDecoderAgent),
        _one(agents, VocoderAgent),
    )
    spoken = branch.vocoder is not None
    return CorridorAgents(
        _one(agents, SileroVADAgent),
        features,
        encoder,
        None if spoken else branch,
        branch if spoken else None,
    )


class PipelineStates:
    """One session of a pipeline: the states of its agents on their way down a corridor.

    Args:
        states: of every agent.
        target: which leaves there are; text comes before speech.
    """

    def __init__(
        self, states: Mapping[SeamlessAgent, SessionStates], target: Target, default_lang: str
    ) -> None:
        self._agents = corridor_agents(list(states))
        self._states, self._target = dict(states), target
        self._detokenized = _one(states, DetokenizerAgent) is not None
        self._default = self._lang = default_lang
        self._corridor: Corridor | None = None
        self._waiting: list[Segment] = []
        self.outbox: list[Segment] | None = None

    def push(self, segment: Segment) -> None:
        """Run one segment; what each leaf gives is then in the outbox."""
        lang = language_of(segment)
        if self._corridor is None:
            self._lang = lang or self._default
            targets = {self._lang: self._target}
            caller = Caller()
            self._corridor = Corridor(self._agents, targets, caller, self._states)
        elif lang not in (None, self._lang):
            # The words spoken before the switch still belong to the language before it: what was
            # said in the new one waits, so that no segment has both.
            before, self._lang = self._lang, str(lang)
            self._waiting.append(segment)
            self._corridor.set_targets({self._lang: self._target})
            first = self._corridor.segment_id
            outputs = list(self._corridor.push(NOTHING))
            ended = self._corridor.segment_id > first
            self.outbox = self._leaves(outputs, before, ended)
            return
        if "expressive" in segment.config:
            self._corridor.expressive = bool(segment.config["expressive"])
        first = self._corridor.segment_id
        outputs = []
        finished = False
        for one in [*self._waiting, segment]:
            audio = NOTHING if one.is_empty else as_samples(one)
            outputs += list(self._corridor.push(audio, one.finished))
            finished = finished or one.finished
        self._waiting = []
        ended = finished or self._corridor.segment_id > first
        self.outbox = self._leaves(outputs, self._lang, ended)
        if finished:
            # The next push begins anew.
            self._corridor = None
            for states in self._states.values():
                states.reset()

    def _leaves(self, outputs: list[Output], lang: str, ended: bool) -> list[Segment]:
        leaves: list[Segment] = []
        if self._target.text:
            texts = [x.text for x in outputs if isinstance(x, TextOutput) and x.text]
            text = ("" if self._detokenized else " ").join(texts)
            leaves.append(
                TextSegment(content=text, finished=ended, tgt_lang=lang)
                if text
                else EmptySegment(finished=ended)
            )
        spoken = [x for x in outputs if isinstance(x, SpeechOutput)]
        if self._target.speech:
            leaves.append(
                SpokenSegment(
                    content=_joined(spoken),
                    finished=ended,
                    sample_rate=spoken[-1].sample_rate,
                    tgt_lang=lang,
                    units=[unit for x in spoken for unit in x.units],
                )
                if any(len(x.samples) for x in spoken)
                else EmptySegment(finished=ended)
            )
        return leaves


def _joined(spoken: Sequence[SpeechOutput]) -> Samples:
    """One piece of speech, at the rate of the last."""
    rate = spoken[-1].sample_rate
    pieces = [StreamResampler(x.sample_rate, rate).process(x.samples, last=True) for x in spoken]
    return np.concatenate(pieces)


class SessionList(list[Any]):
    """States of a chain, one an agent, with the session that uses them."""

    session: PipelineStates | None = None


class SessionDict(dict[Any, Any]):
    """States of a tree by agent, with the session that uses them."""

    session: PipelineStates | None = None


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
    """Options, loading and sessions that chains and trees share."""

    speech = True
    target: ClassVar[Target] = Target(text=True, speech=False)
    voice_option: ClassVar[str | None] = None
    """The option that names an expressive voice, where there is one."""
    compat: Compat
    system: AgentSystem
    default_lang: str

    @classmethod
    def add_args(cls, parser: ArgumentParser) -> None:
        """Options of all agents and of the model."""
        super().add_args(parser)  # type: ignore[misc]
        add_model_args(parser)
        if cls.voice_option is not None:
            add_voice_args(parser, cls.voice_option)

    @classmethod
    def from_args(cls, args: Namespace, system: AgentSystem | None = None) -> Any:
        """Build the pipeline from parsed options; loads the model that they name."""
        return cls(args, system)  # type: ignore[call-arg]

    def _prepare(self, args: Namespace, system: AgentSystem | None) -> AgentSystem:
        self.compat = compat_from_name(getattr(args, "compat", None))
        args.tgt_lang = self.default_lang = _first_language(args.tgt_lang)
        self.system = system or system_from_args(args, self.speech, self.voice_option)
        return self.system

    def _session(self, states: SessionList | SessionDict, agents: Sequence[Any]) -> PipelineStates:
        if states.session is None:
            all_states = states.values() if isinstance(states, dict) else states
            pairs = dict(zip(agents, all_states, strict=True))
            states.session = PipelineStates(pairs, self.target, self.default_lang)
        return states.session


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
        self._session(self._states(states), self.module_list).push(segment)

    def pop(self, states: SessionList | None = None) -> Segment:
        """What the last push gave; without states, as SimulEval's evaluator takes it."""
        out = self._pop(states)
        return with_lists(out) if states is None else out

    def _pop(self, states: SessionList | None) -> Segment:
        if not self.compat.rerun_on_read:
            session = self._session(self._states(states), self.module_list)
            outbox, session.outbox = session.outbox, None
            return outbox[0] if outbox else EmptySegment()
        out = super().pop(states)
        first = self.module_list[0].states if states is None else states[0]
        if out.finished and not first.source_finished:
            if states is None:
                self.reset()
            else:
                _early_reset(states)
            out.finished = False
        return out

    def _states(self, states: SessionList | None) -> SessionList:
        if states is not None:
            return states
        if self._own is None:
            self._own = SessionList(module.states for module in self.module_list)
        return self._own


class SeamlessTreePipeline(_SystemMixin, TreeAgentPipeline):  # type: ignore[misc]
    """A tree of agents; ``pop`` gives a list, one segment a leaf."""

    target = Target(text=True, speech=True)
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
        self._session(self._states(states), list(self._states(states))).push(segment)

    def pop(self, states: SessionDict | None = None) -> Any:
        """What the last push gave, a list or the leaf of ``output_index``."""
        out = self._pop(states)
        if states is None:
            for segment in out if isinstance(out, list) else [out]:
                with_lists(segment)
        return out

    def _pop(self, states: SessionDict | None) -> Any:
        if not self.compat.rerun_on_read:
            own = self._states(states)
            session = self._session(own, list(own))
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

    def _states(self, states: SessionDict | None) -> SessionDict:
        if states is not None:
            return states
        if self._own is None:
            self._own = SessionDict({m: m.states for m in self.module_dict})
        return self._own
