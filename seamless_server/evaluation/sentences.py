"""A sentence through an agent: a stream that gets the source as SimulEval's evaluator cuts it."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
from simuleval.data.segments import SpeechSegment
from simuleval.evaluator.instance import SpeechToSpeechInstance, SpeechToTextInstance

from seamless_server.agents.building import keeps_state
from seamless_server.agents.outputs import Output, SpeechOutput, Target, TextOutput
from seamless_server.caller import Caller
from seamless_server.evaluation import latency
from seamless_server.evaluation.audio import SAMPLE_RATE, Source
from seamless_server.evaluation.manifest import Sentence
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.units import Fragment, PieceEncoder, Unit, plain_text, split
from seamless_server.streaming.agent_sources import SpeechSource
from seamless_server.streaming.pipeline_walk import AgentInstance, PipelineWalk
from seamless_server.streaming.stream import Stream


class _AudioInfo:
    """What SimulEval asks of a sound file."""

    samplerate = SAMPLE_RATE


class _OneSentence:
    """A SimulEval dataloader of one sentence that is in memory already."""

    def __init__(self, sentence: Sentence, source: Source) -> None:
        self._sentence = sentence
        self._source = source

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {
            "source": self._source.samples,
            "target": self._sentence.reference,
            "tgt_lang": self._sentence.tgt_lang,
        }

    def get_source_audio_info(self, index: int) -> _AudioInfo:
        return _AudioInfo()

    def get_source_audio_path(self, index: int) -> str:
        return self._sentence.audio_field


class SentenceRunner:
    """Evaluates sentences one after the other; several runners may share one agent.

    Args:
        agent: a SimulEval agent or pipeline, speech to text or speech to speech.
        output: the run's folder; translated speech goes to ``wavs`` in it.
        segment_ms: how much source the agent gets at a time.
        unit: what latency is counted in, for text.
        pieces: the model's tokenizer, for `Unit.spm`.
    """

    def __init__(
        self,
        agent: Any,
        output: Path,
        segment_ms: int,
        unit: Unit,
        pieces: PieceEncoder | None = None,
    ) -> None:
        self._agent = agent
        self._output = output
        self._segment_ms = segment_ms
        self._unit = unit
        self._pieces = pieces
        self._speech = agent.target_type == "speech"
        # An agent that is shared gets the states from us; one with a state of its own is ours.
        self._own_states = keeps_state(agent) is not None

    def _stream(self, lang: str) -> Stream:
        caller = Caller()
        target = Target(text=not self._speech, speech=self._speech)
        walk = PipelineWalk(
            SpeechSource(None),
            {lang: target},
            lambda _: AgentInstance(self._agent, caller, self._own_states),
            {},
            exact=True,
        )
        return Stream(walk, caller, lambda targets: None)

    def run(self, sentence: Sentence, source: Source) -> Record:
        """Translate one sentence. Whatever the agent raises is raised."""
        instance_class = SpeechToSpeechInstance if self._speech else SpeechToTextInstance
        args = Namespace(output=str(self._output), eval_latency_unit="word")
        instance = instance_class(sentence.index, _OneSentence(sentence, source), args)
        steps: list[tuple[float, float]] = []
        fragments: list[tuple[str, int, float]] = []
        chunks: list[tuple[int, float]] = []
        computed = 0.0
        stream = self._stream(sentence.tgt_lang)
        while not instance.source_finished_reading:
            segment = instance.send_source(self._segment_ms)
            began = time.perf_counter()
            written = list(stream.push(segment.content, segment.finished))
            took = 1000.0 * (time.perf_counter() - began)
            computed += took
            steps.append((instance.len_sample_to_ms(instance.step), took))
            text = "".join(x.text for x in written if isinstance(x, TextOutput))
            if text:
                fragments.append((text, len(steps) - 1, computed))
            if (spoken := _spoken(written)) is not None:
                chunks.append((len(steps) - 1, computed))
                instance.receive_prediction(spoken)
        clock = latency.realtime_clock(steps)
        record = Record(
            index=sentence.index,
            id=sentence.id,
            audio=sentence.audio_field,
            tgt_lang=sentence.tgt_lang,
            reference=sentence.reference,
            prediction="",
            source_ms=instance.source_length,
            trimmed_ms=source.trimmed_ms,
            delays=[],
            elapsed=[],
            available=[],
            steps=steps,
            src_text=sentence.src_text or "",
        )
        if self._speech:
            self._fill_speech(record, instance, chunks, clock)
        else:
            moments = [
                Fragment(text, steps[step][0], steps[step][0] + computing, clock[step])
                for text, step, computing in fragments
            ]
            self._fill_text(record, moments)
        return record

    def _fill_text(self, record: Record, fragments: list[Fragment]) -> None:
        units = split(fragments, self._unit, self._pieces)
        record.prediction = plain_text(fragments)
        record.fragments = fragments
        record.units = units.texts
        record.delays, record.elapsed = units.delays, units.elapsed
        record.available = units.available

    def _fill_speech(
        self, record: Record, instance: Any, chunks: list[tuple[int, float]], clock: list[float]
    ) -> None:
        (self._output / "wavs").mkdir(parents=True, exist_ok=True)
        summary = instance.summarize()
        record.prediction = summary["prediction"] if chunks else ""
        record.delays = list(instance.delays)
        record.durations = list(instance.durations)
        record.intervals = latency.playback(record.delays, record.durations)
        record.elapsed = [record.steps[step][0] + computing for step, computing in chunks]
        record.available = [clock[step] for step, _ in chunks]
        if chunks:
            start, length = record.intervals[-1]
            record.prediction_ms = start + length - record.delays[0]


def _spoken(outputs: list[Output]) -> SpeechSegment | None:
    """The speech of a push as SimulEval's instance takes it: a list, not yet the last one."""
    pieces = [x for x in outputs if isinstance(x, SpeechOutput) and len(x.samples)]
    if not pieces:
        return None
    samples = np.concatenate([x.samples for x in pieces])
    return SpeechSegment(content=samples.tolist(), sample_rate=pieces[-1].sample_rate)
