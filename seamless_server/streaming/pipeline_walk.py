"""The walk of any SimulEval agent: pushes go through it as the original's transcoder drives it.

The agent keeps nothing; a stream's states are made by its ``build_states``. Used for agents of
other people and for ``compat: official``. One language; nothing is known of segments but that all
outputs of one are finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from simuleval.data.segments import EmptySegment, Segment, SpeechSegment

from seamless_server.agents.outputs import (
    Output,
    Samples,
    Snapshot,
    SpeechOutput,
    Target,
    TextOutput,
    Trace,
)
from seamless_server.agents.pipeline import SeamlessPipeline
from seamless_server.agents.text_decoder import UnitYMMATextDecoderAgent
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.checkpoints.tokenizers import SPACE
from seamless_server.engine import Caller
from seamless_server.errors import UsageError


class PipelineWalk:
    """See the module.

    Args:
        agent: an agent, a pipeline or a tree.
        caller: given to states that ask for it, as those of our own agents do.
        takes_the_end: whether the agent takes a segment without audio that ends the source.
    """

    trace: Trace | None = None
    """Never told anything: SimulEval's own walk does not show its decisions."""
    state = "listening"
    """SimulEval's agents do not tell."""
    source_lang: str | None = None
    expressive: bool | None = None
    """Goes with every segment, when it is not None, as the original's server sends it."""

    def __init__(
        self,
        agent: Any,
        targets: Mapping[str, Target],
        caller: Caller,
        takes_the_end: bool = True,
    ) -> None:
        self._agent, self._takes_the_end = agent, takes_the_end
        self._lang, self._left = "", ""
        self._writing = False
        self.set_targets(targets)
        self._states = agent.build_states()
        for states in self._all_states():
            if hasattr(states, "caller"):
                states.caller = caller
        self._heard = 0
        self._segment_id = 0

    @property
    def targets(self) -> dict[str, Target]:
        """The one language."""
        return {self._lang: self._target}

    def set_targets(self, targets: Mapping[str, Target], whole: bool = True) -> None:
        """Name another language for the audio to come.

        Raises:
            UsageError: it is not one.
        """
        if len(targets) != 1:
            raise UsageError("this model translates into one target language at a time")
        before = self._lang
        ((self._lang, self._target),) = targets.items()
        if before != self._lang and self._writing:
            self._left, self._writing = before, False

    def snapshot(self) -> Snapshot | None:
        """None: nobody knows what states of other people's agents hold."""
        return None

    def push(self, audio: Samples, last: bool = False) -> Iterator[Output]:
        """Run one push; ``last`` marks the end of the source."""
        if self._left:
            # Its agents do not tell that they have left the sentence.
            now = self._heard * 1000 / SAMPLE_RATE
            yield TextOutput(self._left, "", self._segment_id, now, now, True)
            self._left = ""
        self._heard += len(audio)
        if len(audio):
            segment: Segment = SpeechSegment(
                content=audio, sample_rate=SAMPLE_RATE, finished=last, tgt_lang=self._lang
            )
            if self.expressive is not None:
                segment.config = {"expressive": self.expressive}
        elif last and self._takes_the_end:
            segment = EmptySegment(finished=True)
        else:
            return
        out = self._agent.pushpop(segment, self._states)
        segments = out if isinstance(out, list) else [out]
        for output in self._outputs(segments):
            if isinstance(output, TextOutput):
                self._writing = not output.finished
            yield output
        if all(item.finished for item in segments):
            self._segment_id += 1
            for states in self._all_states():
                states.reset()

    def _outputs(self, segments: list[Any]) -> Iterator[Output]:
        if self._target.text:
            yield from self._text_of_chain()
        for item in segments:
            yield from self._convert(item)

    def _all_states(self) -> list[Any]:
        if isinstance(self._states, dict):
            return list(self._states.values())
        return list(self._states) if isinstance(self._states, list) else [self._states]

    def _text_of_chain(self) -> Iterator[Output]:
        """Our own chain for speech gives no text: read it off its decoder."""
        if not isinstance(self._agent, SeamlessPipeline):
            return
        for module, states in zip(self._agent.module_list, self._states, strict=True):
            last = getattr(states, "last", None)
            if isinstance(module, UnitYMMATextDecoderAgent) and last is not None and last.write:
                pieces = [module.tokenizer.index_to_token(i) for i in last.tokens]
                text = "".join(pieces).replace(SPACE, " ").strip()
                now = self._heard * 1000 / SAMPLE_RATE
                yield TextOutput(self._lang, text, self._segment_id, now, now, last.finished)

    def _convert(self, item: Segment) -> Iterator[Output]:
        if item.is_empty:
            return
        now = self._heard * 1000 / SAMPLE_RATE
        where = (self._segment_id, now, now, item.finished)
        if isinstance(item.content, str):
            if self._target.text and (item.content or item.finished):
                yield TextOutput(self._lang, item.content, *where)
            return
        if self._target.speech and (len(item.content) or item.finished):
            samples = np.asarray(item.content, np.float32)
            units = list(getattr(item, "units", []))
            rate = int(getattr(item, "sample_rate", 0) or SAMPLE_RATE)
            yield SpeechOutput(self._lang, samples, rate, units, *where)
