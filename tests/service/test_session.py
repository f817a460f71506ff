"""One session: all audio reaches the stream once and in order, all outputs leave, all is undone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import seamless_server.service.session as session_module
from seamless_server.metrics import Metrics
from seamless_server.service.chunks import ChunkLength
from seamless_server.service.load import Load
from seamless_server.service.session import Session, SessionLimits
from seamless_server.streaming import SpeechOutput, Target, TextOutput

from .scripted import Heard, Scripted, text

RATE = 16_000
CHUNK = RATE * 20 // 1000
TIMEOUT = 20


class Stage:
    """A session with everything around it."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.metrics = Metrics()
        self.heard = Heard()
        self.ended = asyncio.Event()
        self.end: tuple[str, BaseException | None] | None = None
        self._pool = pool

    def open(self, stream: Scripted, **changes: Any) -> Session:
        async def on_end(reason: Any, error: BaseException | None) -> None:
            assert self.end is None
            self.end = reason, error
            self.ended.set()

        limits = changes.pop("limits", {})
        fields: dict[str, Any] = {
            "sample_rate": RATE,
            "rate": RATE,
            "pool": self._pool,
            "audience": self.heard,
            "on_end": on_end,
            "metrics": self.metrics,
            "load": Load(),
            "limits": SessionLimits(
                **{"chunk_ms": 20, "join_limit_ms": 60, "idle_ms": None, **limits}
            ),
        }
        return Session(stream=stream, **{**fields, **changes})  # type: ignore[arg-type]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"seamless_{name}", labels) or 0.0

    @property
    def said(self) -> list[str]:
        return [one.text for one in self.heard.outputs]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with ThreadPoolExecutor(2) as pool:
        yield Stage(pool)


def pcm(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20_000, 20_000, samples, dtype=np.int16)


async def soon(condition: Callable[[], object]) -> None:
    async def wait() -> None:
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)

    await asyncio.wait_for(wait(), TIMEOUT)


# -- audio -----------------------------------------------------------------------------------------


async def test_all_audio_reaches_the_stream_once_and_in_order(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream)
    audio = pcm(10_000)
    for part in np.array_split(audio, [1, 2, 500, 501, 4_000, 7_000]):
        session.feed(part)
        await asyncio.sleep(0.001)
    await session.stop()
    # A message of one sample is a muted client's and none of the audio.
    spoken = np.concatenate([audio[2:500], audio[501:]])
    assert np.array_equal(stream.audio, spoken.astype(np.float32) / 32768)
    assert stream.log[-2:] == ["finish", "close"]
    assert stage.end == ("stopped", None)
    assert session.received_ms == len(spoken) / 16


async def test_samples_that_are_numbers_already_stay_what_they_are(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream)
    audio = np.random.default_rng(0).uniform(-1, 1, 1_000).astype(np.float32)
    session.feed(audio)
    await session.stop()
    assert np.array_equal(stream.audio, audio)


async def test_waiting_chunks_are_joined_up_to_the_limit(stage: Stage) -> None:
    held = threading.Event()
    stream = Scripted()
    stream.before_push = lambda: held.wait(TIMEOUT)  # type: ignore[assignment]
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await soon(lambda: session.queued_ms == 0)
    session.feed(pcm(7 * CHUNK + 11))
    held.set()
    await session.stop()
    assert [len(part) for part in stream.heard] == [
        CHUNK, 3 * CHUNK, 3 * CHUNK, CHUNK, 11
    ]  # fmt: skip
    assert session.status().coalesced == 4
    assert stage.count("step_chunks_count") == 4
    assert stage.count("step_chunks_sum") == 8


async def test_a_limit_below_a_chunk_joins_nothing(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream, limits={"join_limit_ms": 5})
    session.feed(pcm(3 * CHUNK))
    await session.stop()
    assert [len(part) for part in stream.heard] == [CHUNK] * 3
    assert session.status().coalesced == 0


async def test_another_rate_is_resampled_to_its_last_sample(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream, rate=8_000)
    tone = (10_000 * np.sin(np.arange(8_000) / 8)).astype(np.int16)
    for part in np.array_split(tone, 9):
        session.feed(part)
    await session.stop()
    assert abs(len(stream.audio) - 16_000) <= 2
    # What was still on its way through the filter is pushed before the end.
    assert stream.log.index("finish") > max(
        number for number, one in enumerate(stream.log) if one[0] == "push"
    )


async def test_beyond_the_limit_the_oldest_goes_and_all_counts_are_right(stage: Stage) -> None:
    held = threading.Event()
    stream = Scripted()
    stream.before_push = lambda: held.wait(TIMEOUT)  # type: ignore[assignment]
    session = stage.open(stream, limits={"queue_seconds": 0.1})
    audio = pcm(20 * CHUNK)
    assert session.feed(audio[:CHUNK]) == 0
    await soon(lambda: session.queued_ms == 0)
    assert session.feed(audio[CHUNK : 6 * CHUNK]) == 0
    assert session.queued_ms == 100
    assert session.feed(audio[6 * CHUNK : 8 * CHUNK]) == 40
    assert session.queued_ms == 100
    assert stage.count("queued_seconds") == pytest.approx(0.1)
    assert stage.count("dropped_audio_seconds_total") == pytest.approx(0.04)
    assert stage.count("audio_seconds_total") == pytest.approx(0.16)
    held.set()
    await session.stop()
    kept = np.concatenate([audio[:CHUNK], audio[3 * CHUNK : 8 * CHUNK]])
    assert np.array_equal(stream.audio, kept.astype(np.float32) / 32768)
    assert stage.count("queued_seconds") == pytest.approx(0.0)
    assert session.status().dropped_ms == 40


async def test_files_wait_until_little_is_left(stage: Stage) -> None:
    held = threading.Event()
    stream = Scripted()
    stream.before_push = lambda: held.wait(TIMEOUT)  # type: ignore[assignment]
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await soon(lambda: session.queued_ms == 0)
    session.feed(pcm(2 * CHUNK))
    await asyncio.wait_for(session.wants_audio(), TIMEOUT)  # two chunks are little
    session.feed(pcm(2))
    waiting = asyncio.create_task(session.wants_audio())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    held.set()
    await asyncio.wait_for(waiting, TIMEOUT)
    session.feed(pcm(5 * CHUNK))
    await session.abort()
    await asyncio.wait_for(session.wants_audio(), TIMEOUT)


# -- pauses ----------------------------------------------------------------------------------------


async def test_what_waits_when_audio_stalls_is_translated(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream, limits={"idle_ms": 30})
    session.feed(pcm(7))
    await soon(lambda: len(stream.audio) == 7)
    await asyncio.sleep(0.1)
    assert len(stream.audio) == 7  # nobody speaks: no silence is put in
    await session.stop()


async def test_an_open_sentence_is_closed_with_silence_when_audio_stalls(stage: Stage) -> None:
    stream = Scripted()
    stream.states = ["speech", "speech", "listening"]
    session = stage.open(stream, limits={"idle_ms": 30})
    audio = pcm(CHUNK)
    session.feed(audio)
    await soon(lambda: stream.state == "speech")
    await soon(lambda: stream.state == "listening")
    await asyncio.sleep(0.1)
    assert [len(part) for part in stream.heard] == [CHUNK] * 3
    assert not np.concatenate(stream.heard[1:]).any()
    # What is said next lies where it was said.
    stream.says = [[text(" later", start=70, end=80)]]
    session.feed(audio)
    await session.stop()
    assert (stage.heard.outputs[0].start_ms, stage.heard.outputs[0].end_ms) == (30, 40)


async def test_a_muted_client_s_sentence_ends_soon_and_its_message_is_no_audio(
    stage: Stage,
) -> None:
    stream = Scripted()
    stream.states = ["speech", "listening"]
    session = stage.open(stream, limits={"idle_ms": 60_000})
    session.feed(pcm(CHUNK))
    await soon(lambda: stream.state == "speech")
    assert session.feed(np.zeros(1, np.int16)) == 0
    await soon(lambda: stream.state == "listening")
    assert [len(part) for part in stream.heard] == [CHUNK, CHUNK]
    assert not stream.heard[1].any()
    assert session.received_ms == 20
    await session.stop()


async def test_a_file_s_session_waits_for_its_audio(stage: Stage) -> None:
    stream = Scripted()
    stream.states = ["speech"]
    session = stage.open(stream, limits={"idle_ms": None})
    session.feed(pcm(CHUNK + 5))
    await soon(lambda: stream.state == "speech")
    await asyncio.sleep(0.1)
    assert len(stream.audio) == CHUNK
    await session.stop()
    assert len(stream.audio) == CHUNK + 5


# -- the end ---------------------------------------------------------------------------------------


async def test_all_that_was_said_is_delivered_before_a_stop_returns(stage: Stage) -> None:
    stream = Scripted([text(" one")], [text(" two")])
    stream.last = [text(" three", finished=True)]
    session = stage.open(stream)
    session.feed(pcm(2 * CHUNK))
    session.feed(pcm(3 * CHUNK))
    await session.stop()
    assert stage.said == [" one", " two", " three"]
    assert stage.end == ("stopped", None)
    assert stream.closed
    assert session.feed(pcm(CHUNK)) == 0
    assert len(stream.audio) == 5 * CHUNK
    assert session.status().state == "flushing"
    await session.stop()  # once more is fine
    await session.abort()
    assert stage.end == ("stopped", None)


async def test_an_abort_translates_nothing_more_and_takes_its_count_back(stage: Stage) -> None:
    held = threading.Event()
    stream = Scripted([text(" one"), text(" two")], [text(" three")])
    stream.before_push = lambda: held.wait(TIMEOUT)  # type: ignore[assignment]
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await soon(lambda: session.queued_ms == 0)
    session.feed(pcm(100 * CHUNK))
    assert stage.count("queued_seconds") == pytest.approx(2.0)
    aborting = asyncio.create_task(session.abort())
    await soon(lambda: stream.cancelled)
    held.set()
    await aborting
    assert stage.end == ("closed", None)
    assert "finish" not in stream.log
    assert stream.closed
    assert len(stream.heard) == 1
    assert stage.said in ([], [" one"])
    assert stage.count("queued_seconds") == pytest.approx(0.0)
    assert session.queued_ms == 0


@pytest.mark.parametrize("where", ["push", "finish", "targets"])
async def test_a_fault_ends_the_session_with_its_reason(stage: Stage, where: str) -> None:
    broken = RuntimeError("broken")
    stream = Scripted([text(" one")], broken) if where == "push" else Scripted([text(" one")])
    if where == "finish":
        stream.last = broken
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await soon(lambda: stage.said == [" one"])
    if where == "targets":

        def refuse() -> None:
            raise broken

        session.set_targets({"fra": Target()}, refuse)
    session.feed(pcm(CHUNK))
    session.feed(pcm(50 * CHUNK))
    if where == "finish":
        await session.stop()
    await asyncio.wait_for(stage.ended.wait(), TIMEOUT)
    assert stage.end == ("error", broken)
    assert stream.closed
    assert stage.count("queued_seconds") == pytest.approx(0.0)
    await asyncio.wait_for(session.wants_audio(), TIMEOUT)
    await session.stop()


async def test_a_stream_that_cannot_be_closed_ends_all_the_same(stage: Stage) -> None:
    class Stubborn(Scripted):
        def close(self) -> None:
            raise OSError("no")

    session = stage.open(Stubborn())
    await session.stop()
    assert stage.end == ("stopped", None)


async def test_an_output_that_cannot_be_delivered_does_not_end_the_stream(stage: Stage) -> None:
    stream = Scripted([text(" one"), text(" two")], [text(" three")])
    stage.heard.fails = 1
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await soon(lambda: stage.said == [" two"])
    session.feed(pcm(CHUNK))
    await session.stop()
    assert stage.said == [" two", " three"]
    assert stage.count("errors_total", where="delivery") == 1
    assert stage.end == ("stopped", None)


# -- languages -------------------------------------------------------------------------------------


async def test_languages_change_before_the_next_audio_and_not_in_the_middle(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream)
    applied: list[int] = []
    session.feed(pcm(CHUNK))
    await soon(lambda: session.queued_ms == 0)
    await soon(lambda: stream.log == [("push", CHUNK)])
    session.set_targets({"fra": Target()}, lambda: applied.append(1))
    session.set_targets({"deu": Target()}, lambda: applied.append(2))  # the last one counts
    assert stream.log == [("push", CHUNK)]
    session.feed(pcm(CHUNK))
    session.feed(pcm(CHUNK))
    await session.stop()
    assert stream.log[1] == ("targets", "deu")
    assert stream.log.count(("targets", "deu")) == 1
    assert applied == [2]


async def test_a_change_of_language_right_before_the_end_counts(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream)
    wanted = {"fra": Target()}
    session.set_targets(wanted)
    wanted["deu"] = Target()  # is its caller's
    await session.stop()
    assert stream.log == [("targets", "fra"), "finish", "close"]


async def test_a_language_may_come_with_the_open_sentence_or_without_it(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream)
    session.set_targets({"fra": Target()}, whole=False)
    session.feed(pcm(CHUNK))
    await soon(lambda: stream.heard)
    session.set_targets({"fra": Target()})
    await session.stop()
    assert [one for one in stream.log if one[0] == "targets"] == [
        ("targets", "fra", "from here"), ("targets", "fra"),
    ]  # fmt: skip


async def test_the_own_voice_is_switched_at_once(stage: Stage) -> None:
    stream = Scripted()
    session = stage.open(stream)
    session.set_expressive(True)
    assert stream.expressive is True
    session.set_expressive(None)
    assert stream.expressive is None
    await session.stop()


# -- what an output says ---------------------------------------------------------------------------


async def test_segments_are_numbered_on_from_those_before(stage: Stage) -> None:
    stream = Scripted([text("a", segment=0), text("b", segment=2), text("c", segment=1)])
    session = stage.open(stream, segment_base=40)
    assert session.next_segment == 40
    session.feed(pcm(CHUNK))
    await session.stop()
    assert [one.segment_id for one in stage.heard.outputs] == [40, 42, 41]
    assert session.next_segment == 43


async def test_outputs_lie_where_they_were_said(stage: Stage) -> None:
    stream = Scripted(
        [text("a", start=1.26, end=12.34)],
        [text("b", start=18.0, end=15.0)],
    )
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await soon(lambda: len(stage.said) == 1)
    session.feed(pcm(CHUNK))
    await session.stop()
    first, second = stage.heard.outputs
    assert (first.start_ms, first.end_ms) == (1.3, 12.3)
    assert stage.count("outputs_total", kind="text") == 2
    assert stage.count("outputs_total", kind="speech") == 0
    assert (second.start_ms, second.end_ms) == (18.0, 18.0)  # never ends before it begins
    assert all(0 <= one.latency_ms < 1000 * TIMEOUT for one in (first, second))
    assert isinstance(first, TextOutput)


async def test_the_status_tells_what_the_stream_does(stage: Stage) -> None:
    stream = Scripted()
    stream.states = ["speech"]
    session = stage.open(stream)
    assert session.status().state == "listening"
    assert session.status().real_time_factor is None
    assert session.status().lag_ms == 0
    session.feed(pcm(CHUNK))
    await soon(lambda: session.status().state == "speech")
    session.feed(pcm(CHUNK // 2))
    assert session.status().queued_ms == 10
    assert (session.status().real_time_factor or 0) > 0
    assert session.status().lag_ms > 0
    assert session.status().source_lang is None
    stream.source_lang = "deu"
    assert session.status().source_lang == "deu"
    assert stage.count("lag_seconds_count") == 1
    await session.stop()


async def test_the_status_tells_of_a_level_that_makes_trouble(stage: Stage) -> None:
    session = stage.open(Scripted())
    session.feed(np.full(RATE, 32_767, np.int16))
    session.feed(np.full(10 * RATE, -32_768, np.int16))
    assert session.status().level
    await session.stop()


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize(
    ("loudness", "word"), [(0.2, None), (0.002, "quiet"), (0.99, "clipped")], ids=str
)
async def test_the_level_is_that_of_what_came_whatever_its_numbers_are(
    stage: Stage, dtype: Any, loudness: float, word: str | None
) -> None:
    session = stage.open(Scripted())
    signs = np.where(np.arange(6 * RATE) % 2, loudness, -loudness)
    session.feed((signs * (32_767 if dtype is np.int16 else 1)).astype(dtype))
    level = session.status().level
    assert (level is None) if word is None else (level is not None and word in level)
    await session.stop()


async def test_what_was_dropped_adds_up_and_moves_what_is_said_behind_it(stage: Stage) -> None:
    held = threading.Event()
    stream = Scripted([], [text("behind it", start=20.0, end=40.0)])
    stream.before_push = lambda: held.wait(TIMEOUT)  # type: ignore[assignment]
    limits = {"queue_seconds": 0.06, "join_limit_ms": 60}
    session = stage.open(stream, limits=limits)
    session.feed(pcm(CHUNK))
    await soon(lambda: session.queued_ms == 0)
    for chunks, dropped in ((3, 0), (1, 20), (2, 40)):
        assert session.feed(pcm(chunks * CHUNK)) == dropped
    assert session.status().dropped_ms == 60
    held.set()
    await session.stop()
    [said] = stage.heard.outputs
    assert (said.start_ms, said.end_ms) == (80.0, 100.0)


@pytest.mark.parametrize("kind", ["text", "speech"])
async def test_the_latency_is_that_of_the_audio_that_an_output_covers(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    now = 100.0
    clock = SimpleNamespace(monotonic=lambda: now, perf_counter=lambda: now)
    monkeypatch.setattr(session_module, "time", clock)
    output: Any = text("a", end=20.0)
    if kind == "speech":
        output = SpeechOutput("spa", np.zeros(9, np.float32), RATE, [], 0, 0.0, 20.0, False)
    stream = Scripted([output])

    def compute() -> None:
        nonlocal now
        now = 100.25

    stream.before_push = compute  # type: ignore[assignment]
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await session.stop()
    [said] = stage.heard.outputs
    assert said.latency_ms == 250.0
    assert stage.count("outputs_total", kind=kind) == 1
    assert stage.count("output_latency_seconds_sum", kind=kind) == pytest.approx(0.25)
    assert stage.count("real_time_factor_sum") == pytest.approx(12.5)
    assert session.status().lag_ms == pytest.approx(250.0)


async def test_a_file_has_no_lag(stage: Stage) -> None:
    session = stage.open(Scripted(), live=False)
    session.feed(pcm(CHUNK))
    await session.stop()
    assert session.status().lag_ms == 0
    assert stage.count("lag_seconds_count") == 0


async def test_what_stages_took_is_counted_once(stage: Stage) -> None:
    stream = Scripted()
    stream.stats = {"encode": (1.0, 2)}
    session = stage.open(stream)
    session.feed(pcm(CHUNK))
    await soon(lambda: stage.count("stage_calls_total", stage="encode"))
    stream.stats = {"encode": (1.5, 5)}
    session.feed(pcm(CHUNK))
    await session.stop()
    assert stage.count("stage_seconds_total", stage="encode") == pytest.approx(1.5)
    assert stage.count("stage_calls_total", stage="encode") == 5


async def test_only_speech_counts_as_load(stage: Stage) -> None:
    load = Load()
    stream = Scripted()
    stream.states = ["speech"]
    session = stage.open(stream, load=load, limits={"chunk_ms": 2_000, "join_limit_ms": 2_000})
    session.feed(np.zeros(2 * RATE, np.int16))
    await soon(lambda: session.status().state == "speech")
    assert load.cost is None
    for _ in range(3):
        session.feed(np.zeros(2 * RATE, np.int16))
    await session.stop()
    assert load.cost is not None


class Recorded:
    """What a recording is given."""

    def __init__(self) -> None:
        self.came: list[np.ndarray] = []
        self.stream_got: list[np.ndarray] = []
        self.outputs: list[Any] = []

    def incoming(self, samples: np.ndarray) -> None:
        self.came.append(samples)

    def heard(self, samples: np.ndarray) -> None:
        self.stream_got.append(samples)

    def output(self, output: Any) -> None:
        self.outputs.append(output)


async def test_a_recording_gets_what_came_what_was_heard_and_what_was_said(stage: Stage) -> None:
    stream = Scripted([text(" one", segment=3)])
    recording = Recorded()
    session = stage.open(stream, recording=recording, segment_base=5)
    audio = pcm(CHUNK)
    session.feed(audio)
    session.feed(np.zeros(1, np.int16))
    await session.stop()
    assert np.array_equal(np.concatenate(recording.came), audio)
    assert np.array_equal(np.concatenate(recording.stream_got), stream.audio)
    assert [(one.text, one.segment_id) for one in recording.outputs] == [(" one", 3)]


# -- the length of steps ---------------------------------------------------------------------------


def go(chunk: ChunkLength, pace: Callable[[int], float], seconds: float) -> list[int]:
    """The lengths of the steps of so many seconds of speech, of which each costs `pace`."""
    lengths: list[int] = []
    while sum(lengths) < seconds * 1000:
        lengths.append(chunk.ms)
        chunk.took(pace(chunk.ms) * chunk.ms / 1000, chunk.ms / 1000)
    return lengths


def test_steps_grow_before_audio_waits_and_shrink_when_all_is_quiet() -> None:
    chunk = ChunkLength(320, 960)
    assert set(go(chunk, lambda ms: 0.2, 10)) == {320}
    # A busy server: a step costs 0.25 s whatever its length, so the shortest do just keep up.
    busy = go(chunk, lambda ms: 250 / ms, 20)
    assert list(dict.fromkeys(busy)) == [320, 480]
    assert busy[-1] == 480
    # Busier still: longer steps, one after the other, to the longest and no further.
    assert list(dict.fromkeys(go(chunk, lambda ms: 900 / ms, 20))) == [480, 640, 960]
    # Half as busy: shorter ones would be too slow soon, so all stays as it is.
    assert set(go(chunk, lambda ms: 300 / ms, 30)) == {960}
    # Quiet: back, one after the other, each after some seconds.
    quiet = go(chunk, lambda ms: 50 / ms, 40)
    assert list(dict.fromkeys(quiet)) == [960, 640, 480, 320]
    assert sum(ms for ms in quiet if ms == 640) >= 4_000


def test_a_moment_changes_nothing_and_a_fixed_length_stays() -> None:
    chunk = ChunkLength(320, 960)
    go(chunk, lambda ms: 0.2, 5)
    assert set(go(chunk, lambda ms: 1.5, 0.3)) | set(go(chunk, lambda ms: 0.2, 5)) == {320}
    assert set(go(ChunkLength(320, 320), lambda ms: 3.0, 10)) == {320}
    assert set(go(ChunkLength(480, 320), lambda ms: 3.0, 10)) == {480}
    assert go(ChunkLength(320, 500), lambda ms: 3.0, 10)[-1] == 500


async def test_a_slow_stream_takes_longer_steps(stage: Stage) -> None:
    stream = Scripted()
    stream.state = "speech"
    stream.before_push = lambda: time.sleep(0.04)  # for 60 ms of audio
    session = stage.open(stream, limits={"longest_chunk_ms": 30})
    joined = []
    for _ in range(25):
        before = stage.count("step_chunks_sum")
        session.feed(pcm(3 * CHUNK))
        await soon(lambda: session.queued_ms == 0)
        joined.append(stage.count("step_chunks_sum") - before)
    await session.stop()
    # Three steps of 20 ms at first, two of 30 in the end.
    assert (joined[0], joined[-1]) == (3, 2)
    assert len(stream.audio) == 25 * 3 * CHUNK
