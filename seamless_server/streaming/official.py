"""A stream with the official pipeline's behaviour, for comparison (``compat: official``).

One language; pushes go through a SimulEval pipeline as the public demo (with VAD, external states)
and the official evaluation (without VAD, the agents' own states) drive it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from simuleval.data.segments import Segment, SpeechSegment

from seamless_server.agents import pipelines
from seamless_server.agents.base import SAMPLE_RATE
from seamless_server.agents.pipeline import SeamlessPipeline
from seamless_server.agents.samples import as_samples
from seamless_server.agents.system import AgentSystem
from seamless_server.agents.text_decoder import UnitYMMATextDecoderAgent
from seamless_server.engine import Cancellation, Cancelled, Meter, cancellable, metered
from seamless_server.errors import UsageError
from seamless_server.streaming.outputs import Output, Samples, SpeechOutput, Target, TextOutput
from seamless_server.streaming.trace import Trace


class OfficialStream:
    """See the module. ``finish`` marks the last audio as the last, as the official drivers do."""

    def __init__(
        self, system: AgentSystem, args: Namespace, targets: Mapping[str, Target], vad: bool
    ) -> None:
        if len(targets) != 1:
            raise UsageError("the official pipeline has one target language")
        ((self._lang, target),) = targets.items()
        args.tgt_lang = args.tgt_lang or self._lang
        self._pipeline: Any = self._make(system, args, target, vad)
        self._states = self._pipeline.build_states() if vad else None
        self.meter = Meter()
        self._cancellation = Cancellation()
        self._waiting: Samples | None = None
        self._heard = 0
        self._segment_id = 0
        self._closed = False
        self.trace: Trace | None = None
        """Never told anything: SimulEval's own walk does not show its decisions."""

    @staticmethod
    def _make(system: AgentSystem, args: Namespace, target: Target, vad: bool) -> Any:
        if not target.speech:
            text = (
                pipelines.SeamlessStreamingS2TVADAgent
                if vad
                else (pipelines.SeamlessStreamingS2TDetokAgent)
            )
            return text(args, system)
        if vad:
            return pipelines.SeamlessStreamingS2STJointVADAgent(args, system)
        return pipelines.SeamlessStreamingS2STAgent(args, system)

    @property
    def state(self) -> str:
        """The official pipeline does not tell."""
        return "listening"

    @property
    def position_ms(self) -> float:
        """Audio received so far."""
        return self._heard * 1000 / SAMPLE_RATE

    @property
    def stats(self) -> dict[str, tuple[float, int]]:
        """Seconds and calls by stage."""
        return {k: (v, self.meter.calls[k]) for k, v in self.meter.seconds.items()}

    def set_targets(self, targets: Mapping[str, Target]) -> None:
        """Name another language for the audio to come."""
        if len(targets) != 1:
            raise UsageError("the official pipeline has one target language")
        (self._lang,) = targets

    def push(self, samples: Samples, last: bool = False) -> Iterator[Output]:
        """Run one push; ``last`` marks the end of the source."""
        if self._closed:
            raise UsageError("the stream is closed")
        audio = as_samples(SpeechSegment(content=samples))
        self._heard += len(audio)
        segment = SpeechSegment(
            content=audio, sample_rate=SAMPLE_RATE, finished=last, tgt_lang=self._lang
        )
        try:
            with metered(self.meter), cancellable(self._cancellation):
                out = self._pipeline.pushpop(segment, self._states)
        except Cancelled:
            return
        segments = out if isinstance(out, list) else [out]
        yield from self._text_of_chain()
        for item in segments:
            yield from self._convert(item)
        if all(item.finished for item in segments):
            self._segment_id += 1
            if self._states is None:
                self._pipeline.reset()
            else:
                values = self._states.values() if isinstance(self._states, dict) else self._states
                for states in values:
                    states.reset()

    def finish(self) -> Iterator[Output]:
        """Close the stream; the official pipelines flush nothing by themselves."""
        self._closed = True
        return iter(())

    def cancel(self) -> None:
        """End from another thread: what the stream waits for in the engine is given up at once."""
        self._cancellation.cancel()

    def close(self) -> None:
        """Drop everything."""
        self.cancel()
        self._closed = True

    def _text_of_chain(self) -> Iterator[Output]:
        """The chain for speech gives no text: read it off its decoder."""
        if not isinstance(self._pipeline, SeamlessPipeline):
            return
        for module in self._pipeline.module_list:
            last = getattr(module.states, "last", None)
            if isinstance(module, UnitYMMATextDecoderAgent) and last is not None and last.write:
                pieces = [module.tokenizer.index_to_token(i) for i in last.tokens]
                text = "".join(pieces).replace("\u2581", " ").strip()
                yield self._text(text, last.finished)

    def _convert(self, item: Segment) -> Iterator[Output]:
        if item.is_empty:
            return
        if isinstance(item.content, str):
            if item.content or item.finished:
                yield self._text(item.content, item.finished)
            return
        if len(item.content) or item.finished:
            now = self.position_ms
            yield SpeechOutput(
                self._lang,
                as_samples(item),
                SAMPLE_RATE,
                list(getattr(item, "units", [])),
                self._segment_id,
                now,
                now,
                item.finished,
            )

    def _text(self, text: str, finished: bool) -> TextOutput:
        now = self.position_ms
        return TextOutput(self._lang, text, self._segment_id, now, now, finished)
