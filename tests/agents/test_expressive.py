"""The expressive pipelines: ``compat: official`` against the recorded traces, and by default."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from simuleval.data.segments import SpeechSegment
from simuleval.utils.agent import build_system_from_dir

from seamless_server.agents.loading import AgentSystem, load_system
from seamless_server.engine import ScheduledEngine, SpeakRequest
from seamless_server.errors import LanguageError, UsageError
from seamless_server.nn.pretssel import runs_of
from seamless_server.streaming import SpeechOutput, Target
from seamless_server.streaming.seamless_model import SeamlessModel
from tests.agents.spying import WatchedEngine, build, leaves
from tests.agents.test_traces import assert_inside, assert_output, pushed, reset
from tests.recorded import CHECKPOINT, RECORDINGS, audio

EXPRESSIVE = RECORDINGS / "expressive"
VOICE = EXPRESSIVE / "24khz" / "pretssel_melhifigan_wm.pt"
TRACES = sorted(path.stem for path in (EXPRESSIVE / "traces").glob("*.json"))

Trace = dict[str, Any]


@pytest.fixture(scope="module")
def expressive_system() -> AgentSystem:
    """The recorded model with the recorded voice."""
    return load_system(CHECKPOINT, "cpu", "fp32", voice=VOICE)


def trace_of(name: str) -> tuple[Trace, dict[str, Any]]:
    """A trace and its waves."""
    path = EXPRESSIVE / "traces" / name
    trace = json.loads(path.with_suffix(".json").read_text("utf-8"))
    try:
        with np.load(path.with_suffix(".npz")) as data:
            return trace, dict(data)
    except ValueError:  # no wave
        return trace, {}


def alternates(name: str) -> bool:
    """Whether a trace keeps its states outside the pipeline, in one session, and ends well."""
    trace, _ = trace_of(name)
    failed = any("exception" in push for s in trace["sessions"] for push in s["pushes"])
    return trace["mode"] == "stateless" and len(trace["sessions"]) == 1 and not failed


def assert_voice(engine: WatchedEngine, system: AgentSystem, push: Trace) -> None:
    """The expressive voice was asked as recorded, and heard the same person."""
    recorded = [x for x in push["events"] if x["ev"] == "pretssel_forward"]
    assert len(engine.voiced) == len(recorded)
    network = system.checkpoint.voice
    assert network is not None
    for request, event in zip(engine.voiced, recorded, strict=True):
        assert runs_of(request.units) == (event["unit_ids"], event["durations"])
        assert request.lang == event["tgt_lang"]
        assert len(request.frames) == event["prosody_frames"]
        with torch.inference_mode():
            heard = network.listen(torch.from_numpy(request.frames)[None])[0]
        assert np.abs(heard.numpy() - event["prosody_embedding"]).max() < 1e-4


class Replay:
    """One session of a trace, push by push."""

    def __init__(self, name: str, system: AgentSystem, pipeline: Any = None) -> None:
        self.trace, self.waves = trace_of(name)
        self.system = system
        options = {**self.trace["all_args"], "compat": "official"}
        made, self.engine = build(self.trace["agent"], system, **options)
        self.pipeline = pipeline or made

    def run(self) -> Any:
        """Yields behind every push."""
        stateless = self.trace["mode"] == "stateless"
        for number, session in enumerate(self.trace["sessions"]):
            if number:
                self.pipeline.reset()
            states = self.pipeline.build_states() if stateless else None
            for push, segment in pushed(self.trace, session):
                self.engine.clear()
                if "exception" in push:
                    with pytest.raises(UsageError, match="--upstream-idx must be 1"):
                        self.pipeline.pushpop(segment, states)
                    break
                outs = leaves(self.pipeline.pushpop(segment, states))
                for out, recorded in zip(outs, push["out"], strict=True):
                    assert_output(out, recorded, self.waves)
                assert_inside(self.engine, push)
                assert_voice(self.engine, self.system, push)
                if push.get("driver_reset"):
                    reset(self.pipeline, states)
                yield push


@pytest.mark.parametrize("name", TRACES)
def test_every_push_is_the_recorded_one(expressive_system: AgentSystem, name: str) -> None:
    pushes = list(Replay(name, expressive_system).run())
    assert pushes


def test_all_traces_are_here() -> None:
    assert len(TRACES) == 15
    pushes = [p for name in TRACES for s in trace_of(name)[0]["sessions"] for p in s["pushes"]]
    assert len(pushes) == 714
    assert sum(e["ev"] == "pretssel_forward" for p in pushes for e in p["events"]) == 107


def test_the_originals_system_file_builds_the_pipeline(tmp_path: Path) -> None:
    """`vad_s2st_sc_24khz_main.yaml` as the original has it, the voice in the folder beside it."""
    for file in VOICE.parent.glob("pretssel*"):
        shutil.copy(file, tmp_path)
    name = "vad_s2st_sc_24khz_main.yaml"
    data = {
        "agent_class": "seamless_server.agents.pipelines.SeamlessS2STDualVocoderVADAgent",
        "monotonic_decoder_model_name": "seamless_streaming_monotonic_decoder",
        "unity_model_name": "seamless_streaming_unity",
        "expr_vocoder_name": "vocoder_pretssel",
        "gated_model_dir": ".",
        "expr_vocoder_gain": 3.0,
        "upstream_idx": 1,
        "task": "s2st",
        "tgt_lang": "spa",
        "min_unit_chunk_size": 20,
        "decision_threshold": 0.3,
        "decision_method": "mean",
        "max_len_a": 0,
        "max_len_b": 40,
        "detokenize_only": True,
        "model": str(CHECKPOINT),
        "device": "cpu",
    }
    (tmp_path / name).write_text(yaml.safe_dump(data), encoding="utf-8")
    agent = build_system_from_dir(tmp_path, name)
    assert {x.sample_rate for x in spoken(pushes_of(agent, [False], "human_short"))} == {16_000}
    agent.reset()
    assert {x.sample_rate for x in spoken(pushes_of(agent, [True], "human_short"))} == {24_000}


OPTIONS: dict[str, Any] = {
    "decision_method": "mean",
    "decision_threshold": 0.3,
    "no_early_stop": True,
    "max_len_a": 0,
    "max_len_b": 40,
    "min_unit_chunk_size": 20,
    "max_consecutive_write": 6,
    "tgt_lang": "spa",
}


def pushes_of(pipeline: Any, switch: list[bool | None], wav: str = "human_pauses") -> list[Any]:
    """Outputs of every push; ``switch`` is what the pushes say, the last one to the end."""
    samples = audio(wav)[:150_000]
    states = pipeline.build_states()
    outs = []
    for number, start in enumerate(range(0, len(samples), 5120)):
        wanted = switch[min(number, len(switch) - 1)]
        segment = SpeechSegment(
            content=samples[start : start + 5120],
            sample_rate=16_000,
            finished=start + 5120 >= len(samples),
            tgt_lang="spa",
            config={} if wanted is None else {"expressive": wanted},
        )
        outs.append(leaves(pipeline.pushpop(segment, states)))
    return outs


def spoken(pushes: list[Any]) -> list[Any]:
    """All speech of a run."""
    return [
        out
        for push in pushes
        for out in push
        if isinstance(out, SpeechSegment) and not out.is_empty and len(out.content)
    ]


def test_off_is_the_plain_pipeline(expressive_system: AgentSystem) -> None:
    name = "SeamlessStreamingS2STJointVADAgent"
    plain, _ = build(name, expressive_system, **OPTIONS)
    dual, engine = build("SeamlessS2STDualVocoderVADAgent", expressive_system, **OPTIONS)
    for a, b in zip(pushes_of(plain, [None]), pushes_of(dual, [False]), strict=True):
        for x, y in zip(a, b, strict=True):
            assert (x.is_empty, x.finished) == (y.is_empty, y.finished)
            assert x.is_empty or np.array_equal(x.content, y.content)
    assert not engine.voiced


def test_on_speaks_every_unit_once_at_24_khz(expressive_system: AgentSystem) -> None:
    plain, engine = build("SeamlessS2STDualVocoderVADAgent", expressive_system, **OPTIONS)
    units = [unit for x in spoken(pushes_of(plain, [None])) for unit in x.units]
    dual, engine = build(
        "SeamlessS2STDualVocoderVADAgent", expressive_system, **OPTIONS, expressive=True
    )
    pieces = spoken(pushes_of(dual, [None]))
    assert [unit for x in pieces for unit in x.units] == units
    assert [unit for request in engine.voiced for unit in request.units] == units
    assert {x.sample_rate for x in pieces} == {24_000}
    assert sum(len(x.content) for x in pieces) == 480 * len(units)
    assert not engine.vocoded


def test_a_switch_loses_no_unit_and_each_piece_has_its_rate(
    expressive_system: AgentSystem,
) -> None:
    plain, _ = build("SeamlessS2STDualVocoderVADAgent", expressive_system, **OPTIONS)
    units = [unit for x in spoken(pushes_of(plain, [None])) for unit in x.units]
    dual, _ = build("SeamlessS2STDualVocoderVADAgent", expressive_system, **OPTIONS)
    # The key is sticky: pushes without it leave the switch as it is.
    switch = [*[False] * 8, True, *[None] * 8, False, *[None] * 8, True]
    pieces = spoken(pushes_of(dual, switch))
    assert [unit for x in pieces for unit in x.units] == units
    assert {x.sample_rate for x in pieces} == {16_000, 24_000}
    for piece in pieces:
        assert len(piece.content) == piece.sample_rate // 50 * len(piece.units)


def test_other_languages_are_spoken_by_the_plain_vocoder_with_a_notice(
    expressive_system: AgentSystem, caplog: pytest.LogCaptureFixture
) -> None:
    model = SeamlessModel(expressive_system, "recorded", "", {})
    assert set(model.expressive_languages) == {"cmn", "deu", "eng", "fra", "ita", "spa"}
    stream = model.open(
        {"rus": Target(speech=True), "deu": Target(speech=True)},
        {k: v for k, v in OPTIONS.items() if k != "tgt_lang"} | {"expressive": True},
    )
    outputs = [*stream.push(audio("human_pauses")), *stream.finish()]
    speech = [x for x in outputs if isinstance(x, SpeechOutput) and len(x.samples)]
    assert {(x.lang, x.sample_rate) for x in speech} == {("rus", 16_000), ("deu", 24_000)}
    assert "no 'rus'" in caplog.text
    assert caplog.text.count("no 'rus'") == 1
    assert "speak" in stream.stats


def test_a_stream_is_switched_while_it_runs(expressive_system: AgentSystem) -> None:
    model = SeamlessModel(expressive_system, "recorded", "", {})
    options = {k: v for k, v in OPTIONS.items() if k != "tgt_lang"}
    stream = model.open({"spa": Target(speech=True)}, options)
    samples = audio("human_pauses")
    assert stream.expressive is None
    rates = []
    for number, start in enumerate(range(0, len(samples), 5120)):
        stream.expressive = number >= 20
        for out in stream.push(samples[start : start + 5120]):
            if isinstance(out, SpeechOutput) and len(out.samples):
                rates.append(out.sample_rate)
    assert rates == sorted(rates)
    assert set(rates) == {16_000, 24_000}


def test_only_the_latest_audio_is_listened_to(expressive_system: AgentSystem) -> None:
    dual, engine = build(
        "SeamlessS2STDualVocoderVADAgent",
        expressive_system,
        **{**OPTIONS, "min_unit_chunk_size": 1},
        expressive=True,
        prosody_seconds=0.5,
    )
    everything, all_engine = build(
        "SeamlessS2STDualVocoderVADAgent",
        expressive_system,
        **{**OPTIONS, "min_unit_chunk_size": 1},
        expressive=True,
        prosody_seconds=0,
    )
    pushes_of(dual, [None], "human_short")
    pushes_of(everything, [None], "human_short")
    lengths = [len(x.frames) for x in engine.voiced]
    assert max(lengths) == 48  # 0.5 s
    wanted = [x.frames[-48:] for x in all_engine.voiced]
    for request, frames in zip(engine.voiced, wanted, strict=True):
        assert np.abs(request.frames[-len(frames) :] - frames).max() < 1e-3 or len(frames) < 48


@pytest.mark.parametrize("name", [x for x in TRACES if alternates(x)])
def test_sessions_that_take_turns_do_not_meet(expressive_system: AgentSystem, name: str) -> None:
    """A trace twice on one pipeline, a push of each in turn, the second behind the first."""
    one = Replay(name, expressive_system)
    other = Replay(name, expressive_system, one.pipeline)
    other.engine = one.engine
    first, second = one.run(), other.run()
    done = sum(next(first, None) is not None for _ in range(7))
    running = [first, second]
    while running:
        running = [run for run in running if next(run, None) is not None]
        done += len(running)
    assert done == 2 * len(one.trace["sessions"][0]["pushes"])


def test_batches_of_the_scheduled_engine_equal_the_inline_engine(
    expressive_system: AgentSystem,
) -> None:
    random = np.random.default_rng(0)
    inline = expressive_system.engine
    requests = [
        SpeakRequest(
            random.integers(0, 100, size).tolist(),
            lang,
            (10 + 4 * random.standard_normal((frames, 80))).astype(np.float32),
        )
        for size, lang, frames in ((30, "spa", 90), (7, "eng", 200), (31, "fra", 33))
    ]
    wanted = list(inline.speak(requests))
    engine = ScheduledEngine(expressive_system.checkpoint)
    try:
        for got, alone in zip(engine.speak(requests), wanted, strict=True):
            assert np.abs(got - alone).max() < 1e-4
        with pytest.raises(LanguageError, match="no 'rus'"):
            list(engine.speak([replace(requests[0], lang="rus")]))
    finally:
        engine.close()


def test_a_model_without_a_voice_says_so(agent_system: AgentSystem) -> None:
    request = SpeakRequest([1], "spa", np.zeros((3, 80), np.float32))
    engine = ScheduledEngine(agent_system.checkpoint)
    try:
        with pytest.raises(UsageError, match="without an expressive voice"):
            list(engine.speak([request]))
    finally:
        engine.close()
