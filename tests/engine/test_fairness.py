"""Who waits for whom: slots are lent on, ended streams leave at once, memory bounds the slots."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from seamless_server.agents.loading import AgentSystem, choose_dtype, load_system
from seamless_server.caller import Caller, Cancelled
from seamless_server.engine.api import DecodeRequest, PolicyOptions
from seamless_server.engine.jobs import SchedulerOptions
from seamless_server.engine.memory import free_bytes, slot_budget, slot_bytes
from seamless_server.engine.scheduler import LEAST_TURNS, ScheduledEngine
from seamless_server.errors import ConfigError
from seamless_server.metrics import Metrics
from seamless_server.streaming import Target
from seamless_server.streaming.seamless_model import SeamlessModel
from tests.recorded import CHECKPOINT, audio

# Random weights: a threshold of 0 writes until the length ends it.
ENDLESS = PolicyOptions(
    decision_threshold=0.0, no_early_stop=True, max_len_a=0, max_len_b=3000,
    max_consecutive_write=3000,
)  # fmt: skip
SHORT = PolicyOptions(
    decision_threshold=0.0, no_early_stop=True, max_len_a=0, max_len_b=3, max_consecutive_write=3
)


def request(options, seed=0):
    torch.manual_seed(seed)
    return DecodeRequest(torch.randn(6, 64), [3, 582], [], False, options)


def decoded(engine, asked):
    (result,) = engine.decode([asked])
    return result


def driven(checkpoint, **options):
    """An engine whose turns the test takes."""
    return ScheduledEngine(checkpoint, SchedulerOptions(batch_seconds=0, **options), serve=False)


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def test_long_sentences_lend_their_slots_to_short_ones(checkpoint):
    engine = driven(checkpoint, slots=2, patience_seconds=0)
    long = [engine.submit("decode", request(ENDLESS, x)) for x in range(2)]
    for _ in range(LEAST_TURNS):
        engine.cycle()
    short = engine.submit("decode", request(SHORT, 2))
    for _ in range(2 * LEAST_TURNS):
        engine.cycle()
    assert len(short.future.result(timeout=0).tokens) == 3
    assert not any(job.future.done() for job in long)
    assert engine.load().slots_used + engine.load().waiting == 2


def test_nobody_loses_a_slot_before_it_had_its_turns(checkpoint):
    engine = driven(checkpoint, slots=1, patience_seconds=0)
    for seed in range(2):
        engine.submit("decode", request(ENDLESS, seed))
    turns = 6 * LEAST_TURNS
    for _ in range(turns):
        engine.cycle()
    # Each time that one lends its slot on, another starts.
    assert 4 <= engine.stats.requests["decode"] <= 1 + turns // LEAST_TURNS


def test_the_patient_do_not_take_slots_away(checkpoint):
    engine = driven(checkpoint, slots=1, patience_seconds=3600)
    engine.submit("decode", request(ENDLESS))
    for _ in range(LEAST_TURNS):
        engine.cycle()
    short = engine.submit("decode", request(SHORT, 1))
    for _ in range(3 * LEAST_TURNS):
        engine.cycle()
    assert not short.future.done()
    assert engine.stats.requests["decode"] == 1


def test_an_ended_stream_frees_its_slot_and_its_place_in_the_queue(checkpoint):
    engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=1, patience_seconds=3600))
    ended: dict[str, BaseException] = {}
    streams = {"writing": Caller(), "waiting": Caller()}

    def ask(name):
        try:
            list(engine.decode([request(ENDLESS)], streams[name]))
        except Cancelled as error:
            ended[name] = error

    threads = {name: threading.Thread(target=ask, args=(name,)) for name in streams}
    threads["writing"].start()
    wait_until(lambda: engine.load().slots_used == 1)
    threads["waiting"].start()
    wait_until(lambda: engine.load().waiting == 1)

    streams["waiting"].cancel()
    threads["waiting"].join(30)
    assert set(ended) == {"waiting"}
    assert engine.load().waiting == 0
    assert engine.load().slots_used == 1

    streams["writing"].cancel()
    threads["writing"].join(30)
    assert set(ended) == {"waiting", "writing"}
    wait_until(lambda: engine.load().slots_used == 0)
    # Whoever comes next is served, and an ended stream asks for nothing any more.
    assert len(decoded(engine, request(SHORT)).tokens) == 3
    with pytest.raises(Cancelled):
        list(engine.encode([np.zeros((64, 80), np.float32)], streams["writing"]))
    engine.close()


@pytest.mark.parametrize("compat", [None, "official"])
def test_a_stream_can_be_ended_while_it_computes(checkpoint, compat):
    engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=1))
    defaults = {
        "decision_threshold": 0.0, "no_early_stop": True, "max_len_a": 0, "max_len_b": 3000,
        "max_consecutive_write": 3000,
    }  # fmt: skip
    model = SeamlessModel(AgentSystem(checkpoint, engine), "tiny", "", defaults, compat)
    stream = model.open({"spa": Target(text=True)}, vad=False)
    outputs: list[object] = []
    ended: list[BaseException | None] = []

    def push():
        try:
            outputs.extend(stream.push(audio("human_pauses")))
            ended.append(None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=push)
    thread.start()
    wait_until(lambda: engine.load().slots_used == 1)
    stream.cancel()
    thread.join(30)
    # Left to itself it would have said something, or grown too long and failed.
    assert ended == [None]
    assert outputs == []
    wait_until(lambda: engine.load().slots_used == 0)
    engine.close()


def test_running_out_of_memory_in_a_step_sheds_half_of_the_loops(checkpoint):
    engine = driven(checkpoint, slots=4, patience_seconds=3600)
    alone = {x: decoded(engine._alone, request(SHORT, x)) for x in range(4)}
    jobs = [engine.submit("decode", request(SHORT, x)) for x in range(4)]
    engine.cycle()
    advance, rows = engine._decoding.advance, []

    def cramped():
        rows.append(len(engine._decoding.loops))
        if rows[-1] > 2:
            raise torch.OutOfMemoryError("out of memory")
        return advance()

    engine._decoding.advance = cramped
    for _ in range(20):
        engine.cycle()
    assert rows[0] == 4
    assert max(rows[1:]) == 2
    for x, job in enumerate(jobs):
        assert job.future.result(timeout=0).tokens == alone[x].tokens


def test_slots_follow_from_the_memory_that_is_left(checkpoint):
    config, cpu = checkpoint.config.decoder, torch.device("cpu")
    assert 0 < free_bytes(cpu) < 1 << 50
    slots, budget = slot_budget(config, cpu, torch.float32)
    each = slot_bytes(config, 256, 256, torch.float32)
    assert slots == min(64, budget // each)
    engine = ScheduledEngine(checkpoint, serve=False)
    assert engine.load().slots == slots
    assert engine._decoding.slots.bytes <= engine.load().slot_bytes


def test_slots_never_take_more_than_their_budget(checkpoint):
    room = slot_bytes(checkpoint.config.decoder, 256, 64, torch.float32)
    engine = driven(checkpoint, slots=8, slot_bytes=2 * room, patience_seconds=0)
    wanted = {
        x: decoded(
            engine._alone,
            request(PolicyOptions(0.0, no_early_stop=True, max_len_a=0, max_len_b=200,
                                  max_consecutive_write=200), x)
        ).tokens
        for x in range(3)
    }  # fmt: skip
    before = engine.load().slots
    jobs = [
        engine.submit(
            "decode",
            request(PolicyOptions(0.0, no_early_stop=True, max_len_a=0, max_len_b=200,
                                  max_consecutive_write=200), x),
        )
        for x in range(3)
    ]  # fmt: skip
    least = before
    while not all(job.future.done() for job in jobs):
        engine.cycle()
        least = min(least, engine.load().slots)
        assert engine._decoding.slots.bytes <= 2 * room
    assert before > 2 >= least, "long sentences leave room for fewer"
    assert engine.load().slots == before, "and for all of them when they are gone"
    assert [job.future.result().tokens for job in jobs] == [wanted[x] for x in range(3)]


def test_load_tells_idle_from_busy(checkpoint):
    engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=2))
    engine.warm_up()
    assert engine.load().slots_used == 0
    assert engine.load().waiting == 0
    assert engine.load().busy > 0
    assert engine.load().step_ms > 0
    metrics = Metrics()
    metrics.watch_engines(lambda: {"tiny": engine.stats})
    told = metrics.render().decode()
    assert 'seamless_engine_slots{model="tiny"} 2.0' in told
    assert 'seamless_engine_waiting{model="tiny"} 0.0' in told
    assert set(engine.stats.requests) == {"encode", "decode", "step", "units", "vocode"}
    engine.close()


@pytest.mark.parametrize("dtype", ["int8", "int8-weights"])
def test_a_model_can_be_loaded_with_int8_weights(dtype):
    exact = load_system(CHECKPOINT, "cpu", "fp32")
    small = load_system(CHECKPOINT, "cpu", dtype, engine="scheduled")
    assert small.engine is not exact.engine
    # It was warmed up when it was loaded.
    assert set(small.engine.stats.requests) == {"encode", "decode", "step", "units", "vocode"}
    noise = np.random.default_rng(1).standard_normal((128, 80)).astype(np.float32)
    (got,), (wanted,) = small.engine.encode([noise]), exact.engine.encode([noise])
    assert got.dtype == torch.float32
    error = (got - wanted).norm() / wanted.norm()
    assert 0 < error < 0.1


def test_int8_products_are_for_the_cpu():
    with pytest.raises(ConfigError, match="use int8-weights"):
        choose_dtype("int8", torch.device("cuda:0"))
