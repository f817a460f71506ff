"""Whatever the order in which requests of many sessions arrive, each gets what it gets alone.

Sessions are recorded first: every request they make of an inline engine, with its result. Then all
of them are sent again to a scheduled engine without threads, turn by turn, in random orders.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless_server.agents.loading import AgentSystem
from seamless_server.engine import InlineEngine, ScheduledEngine, SchedulerOptions
from seamless_server.engine.memory import Slots
from seamless_server.streaming import Target
from seamless_server.streaming.seamless_model import SeamlessModel
from tests.recorded import RECORDINGS, audio

NAMES = sorted(path.stem for path in (RECORDINGS / "audio").glob("*.flac"))
OPTIONS = (
    {"decision_method": "mean", "decision_threshold": 0.3, "max_len_a": 0, "max_len_b": 40,
     "max_consecutive_write": 6, "min_unit_chunk_size": 20},
    {"decision_threshold": 0.7, "no_early_stop": True, "block_ngrams": True, "max_len_a": 0,
     "max_len_b": 60, "denormalize": True},
    {"decision_method": "median", "decision_threshold": 0.4, "block_ngrams": True,
     "max_len_b": 3, "d_factor": 1.2, "min_unit_chunk_size": 5, "p_choose_start_layer": 1},
)  # fmt: skip


class Calls(list):
    """A session's requests and results; too long to be printed when a test fails."""

    def __repr__(self):
        return f"<{len(self)} calls>"


class Recorder:
    """An engine that remembers what it was asked and what it answered."""

    def __init__(self, engine):
        self._engine = engine
        self.calls = Calls()

    def __getattr__(self, name):
        def call(requests, caller):
            for request in requests:
                (result,) = getattr(self._engine, name)([request], caller)
                self.calls.append((name, request, result))
                yield result

        return call


@pytest.fixture(scope="module")
def sessions(checkpoint):
    """Requests and results of sessions over all recordings, three kinds of policy each."""
    recorded = Calls()
    for number, name in enumerate(NAMES):
        for index, options in enumerate(OPTIONS):
            engine = Recorder(InlineEngine(checkpoint))
            model = SeamlessModel(AgentSystem(checkpoint, engine), "tiny", "", {})
            lang = ("spa", "deu", "fra")[(number + index) % 3]
            targets = {lang: Target(text=True, speech=True)}
            stream = model.open(targets, options, vad=bool(number % 2))
            samples = audio(name)[: 16_000 * 6]
            for start in range(0, len(samples), 5120):
                list(stream.push(samples[start : start + 5120]))
            list(stream.finish())
            recorded.append(engine.calls)
    assert sum(map(len, recorded)) > 200
    return recorded


def close(a, b, tolerance):
    if a is None or b is None:
        assert a is b
        return
    torch.testing.assert_close(torch.as_tensor(a), torch.as_tensor(b), atol=tolerance, rtol=0)


def same(name, got, wanted):
    if name == "encode":
        close(got, wanted, 1e-4)
    elif name == "vocode":
        close(got, wanted, 1e-3)
    elif name == "units":
        assert (got.ids, got.durations) == (wanted.ids, wanted.durations)
    else:
        fields = ("tokens", "write", "finished", "ngram_blocks", "ids")
        assert [getattr(got, x) for x in fields] == [getattr(wanted, x) for x in fields]
        assert [(x.tokens, x.index) for x in got.steps] == [
            (x.tokens, x.index) for x in wanted.steps
        ]
        np.testing.assert_allclose(
            [x.prob for x in got.steps], [x.prob for x in wanted.steps], atol=1e-4
        )
        close(got.features, wanted.features, 1e-4)


def replay(engine, sessions, random):
    """Send every session's requests in its order, and all of them in a random one."""
    left = {number: list(reversed(calls)) for number, calls in enumerate(sessions) if calls}
    running: dict[int, tuple] = {}
    hurry = random.random()
    while left or running:
        ready = [x for x in left if x not in running]
        random.shuffle(ready)
        for number in ready:
            if random.random() < hurry or not running:
                name, request, wanted = left[number].pop()
                if not left[number]:
                    del left[number]
                running[number] = name, wanted, engine.submit(name, request)
        oldest = {
            name: engine._waiting[name][0]
            for name in ("encode", "units", "vocode")
            if engine._waiting[name]
        }
        engine.cycle()
        for job in oldest.values():
            assert job.future.done(), "the one that had waited longest was passed over"
        for number, (name, wanted, job) in list(running.items()):
            if job.future.done():
                same(name, job.future.result(), wanted)
                del running[number]


@pytest.mark.parametrize("static", [False, True], ids=["usual", "fixed shapes"])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), slots=st.integers(1, 9), tight=st.booleans())
def test_results_do_not_depend_on_the_order_of_arrival(
    checkpoint, sessions, static, seed, slots, tight
):
    random = Random(seed)
    chosen = random.sample(sessions, k=random.randint(1, 8))
    # Tight: memory for all slots as long as sentences begin, so that growing ones push others out.
    room = Slots(checkpoint.decoder, slots).bytes if tight else None
    options = SchedulerOptions(
        slots=slots,
        slot_bytes=room,
        batch_seconds=0,
        patience_seconds=0,
        static=static,
    )
    replay(ScheduledEngine(checkpoint, options, serve=False), chosen, random)


def test_all_recordings_at_once(checkpoint, sessions):
    options = SchedulerOptions(slots=6, batch_seconds=0, patience_seconds=0)
    engine = ScheduledEngine(checkpoint, options, serve=False)
    replay(engine, sessions, Random(7))
    names = Counter(name for calls in sessions for name, _, _ in calls)
    for stage in ("encode", "units", "vocode"):
        assert engine.stats.requests[stage] == names[stage]
    # Loops that had to lend their slots took their tokens in again.
    assert engine.stats.requests["decode"] > names["decode"]
    assert engine.stats.batches["encode"] < names["encode"]
