"""The scheduled engine gives what the inline engine gives, whoever else is being served."""

import threading
from random import Random

import numpy as np
import pytest
import torch

from seamless_server.agents.loading import AgentSystem
from seamless_server.engine import InlineEngine
from seamless_server.engine.api import (
    DecodeRequest,
    PolicyOptions,
    UnitsRequest,
    VocodeRequest,
)
from seamless_server.engine.jobs import SchedulerOptions
from seamless_server.engine.scheduler import ScheduledEngine
from seamless_server.engine.stages import Stages
from seamless_server.errors import SeamlessError, UsageError
from seamless_server.streaming import SpeechOutput, Target
from seamless_server.streaming.seamless_model import SeamlessModel
from tests.recorded import audio

NAMES = ("human_pauses", "human_short", "espeak", "noise", "very_short")
SETTINGS = (
    {"decision_method": "mean", "decision_threshold": 0.3, "max_len_a": 0, "max_len_b": 40,
     "max_consecutive_write": 6, "min_unit_chunk_size": 20},
    {"decision_threshold": 0.5, "no_early_stop": True, "max_len_a": 0, "max_len_b": 60,
     "min_starting_wait_w2vbert": 192},
    {"decision_threshold": 0.7, "no_early_stop": True, "block_ngrams": True, "max_len_a": 0,
     "max_len_b": 60, "denormalize": True},
    {"decision_method": "median", "decision_threshold": 0.4, "block_ngrams": True,
     "max_len_b": 3, "d_factor": 1.2, "min_unit_chunk_size": 5, "p_choose_start_layer": 1},
)  # fmt: skip
LANGS = ("spa", "deu", "fra", "cmn")


def translate(model, session):
    """Everything one session gives, in order."""
    name, options, lang, vad = session
    stream = model.open({lang: Target(text=True, speech=True)}, options, vad=vad)
    samples = audio(name)
    outputs = []
    for start in range(0, len(samples), 5120):
        outputs += [(start, x) for x in stream.push(samples[start : start + 5120])]
    return outputs + [(-1, x) for x in stream.finish()]


def assert_same(got, wanted):
    assert [(at, type(x)) for at, x in got] == [(at, type(x)) for at, x in wanted]
    for (_, a), (_, b) in zip(got, wanted, strict=True):
        assert (a.lang, a.finished, a.segment_id) == (b.lang, b.finished, b.segment_id)
        if isinstance(a, SpeechOutput):
            assert a.units == b.units
            np.testing.assert_allclose(a.samples, b.samples, atol=1e-3)
        else:
            assert a.text == b.text
            assert a.confidence == pytest.approx(b.confidence, abs=2e-3)
            assert 0 < a.confidence <= 1


@pytest.fixture(scope="module")
def models(checkpoint):
    engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=12))
    inline = SeamlessModel(AgentSystem(checkpoint, InlineEngine(checkpoint)), "tiny", "", {})
    yield inline, SeamlessModel(AgentSystem(checkpoint, engine), "tiny", "", {}), engine
    engine.close()


@pytest.fixture(scope="module")
def alone(models):
    inline, _, _ = models
    known = {}

    def result(session):
        key = repr(session)
        if key not in known:
            known[key] = translate(inline, session)
        return known[key]

    return result


@pytest.mark.parametrize(("count", "seed"), [(1, 0), (3, 1), (3, 2), (32, 3)])
def test_sessions_at_once_give_what_each_gives_alone(models, alone, count, seed):
    _, scheduled, engine = models
    random = Random(seed)
    sessions = [
        (random.choice(NAMES), random.choice(SETTINGS), random.choice(LANGS), random.random() < 0.5)
        for _ in range(count)
    ]
    results: dict[int, object] = {}

    def work(number):
        threading.Event().wait(random.random() / 20)
        try:
            results[number] = translate(scheduled, sessions[number])
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(count)]
    random.shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, session in enumerate(sessions):
        assert not isinstance(results[number], Exception), results[number]
        assert_same(results[number], alone(session))
    if count == 32:
        stats = engine.stats
        assert stats.requests["step"] > stats.batches["step"], "loops never shared a step"


def test_a_bad_request_fails_alone(models):
    _, _, engine = models
    source = torch.zeros(4, 64)
    good = DecodeRequest(source, [3, 582], [], True, PolicyOptions(max_len_a=0, max_len_b=5))
    bad = DecodeRequest(torch.zeros(4, 63), [3, 582], [], True, PolicyOptions())
    answers: dict[int, object] = {}

    def ask(number):
        try:
            (answers[number],) = engine.decode([bad if number == 3 else good])
        except Exception as error:
            answers[number] = error

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(answers[3], Exception)
    tokens = [answers[i].tokens for i in range(8) if i != 3]
    assert all(x == tokens[0] for x in tokens)


def test_running_out_of_memory_halves_the_batch_and_goes_on(checkpoint):
    class Cramped(Stages):
        """A device on which two encodings at once do not fit."""

        def __init__(self, checkpoint):
            self.sizes = []
            super().__init__(checkpoint, padding=False)

        def encode(self, requests):
            self.sizes.append(len(requests))
            if len(requests) > 2:
                raise torch.OutOfMemoryError("out of memory")
            return super().encode(requests)

    engine = ScheduledEngine(checkpoint)
    engine.stages = cramped = Cramped(checkpoint)
    features = [
        np.random.default_rng(i).normal(size=(64, 80)).astype(np.float32) for i in range(16)
    ]
    outputs: dict[int, torch.Tensor] = {}
    threads = [
        threading.Thread(target=lambda i=i: outputs.update({i: next(engine.encode([features[i]]))}))
        for i in range(16)
    ]
    with engine._work:  # let them queue up together
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    engine.close()
    inline = InlineEngine(checkpoint)
    for i in range(16):
        torch.testing.assert_close(
            outputs[i], next(inline.encode([features[i]])), atol=1e-5, rtol=0
        )
    assert max(cramped.sizes) > 2


@pytest.mark.parametrize("padding", [True, False], ids=["padded", "as long as they are"])
def test_a_batch_gives_what_each_request_gives_alone(checkpoint, padding):
    batches, inline = Stages(checkpoint, padding), InlineEngine(checkpoint)
    noise = np.random.default_rng(0)
    segments = [noise.normal(size=(n, 80)).astype(np.float32) for n in (64, 61, 33, 2)]
    pieces = [
        VocodeRequest(noise.integers(0, 90, n).tolist(), "spa", 45, skip)
        for n, skip in ((40, 0), (64, 25), (64, 22), (31, 30))
    ]
    with torch.inference_mode():
        for got, segment in zip(batches.encode(segments), segments, strict=True):
            torch.testing.assert_close(got, next(inline.encode([segment])), atol=1e-5, rtol=0)
        for some in (pieces, pieces[1:3]):
            for got, piece in zip(batches.vocode(some), some, strict=True):
                assert len(got) == (len(piece.units) - piece.skip) * 320
                whole = next(inline.vocode([VocodeRequest(piece.units, "spa", 45)]))
                np.testing.assert_allclose(got, whole[piece.skip * 320 :], atol=1e-5)


def test_closing_releases_everyone_who_waits(checkpoint):
    engine = ScheduledEngine(checkpoint)
    engine.close()
    with pytest.raises(SeamlessError):
        list(engine.units([UnitsRequest(torch.zeros(3, 64), [3, 582, 40])]))
    with pytest.raises(SeamlessError):
        list(engine.vocode([VocodeRequest([1, 2, 3], "spa", 45)]))


@pytest.mark.parametrize("name", ["human_short", "espeak"])
def test_languages_side_by_side_give_what_each_gives_alone(models, name):
    inline, scheduled, engine = models
    targets = {lang: Target(text=True, speech=lang != "deu") for lang in LANGS}
    results = []
    for model in (inline, scheduled):
        told = []
        stream = model.open(targets, SETTINGS[0], vad=False)
        stream.trace = told.append
        outputs = []
        samples = audio(name)
        before = engine.stats.batches["decode"], engine.stats.requests["decode"]
        for start in range(0, len(samples), 5120):
            outputs += [(start, x) for x in stream.push(samples[start : start + 5120])]
            if start == 5120 * 10:
                stream.set_targets({lang: targets[lang] for lang in LANGS[:3]})
        outputs += [(-1, x) for x in stream.finish()]
        results.append((outputs, told))
    assert_same(results[1][0], results[0][0])
    for got, wanted in zip(results[1][1], results[0][1], strict=True):
        near = {"p_choose": 0, "p_choose_min": 0, "confidence": 0}
        assert {**got, **near} == {**wanted, **near}
        assert got.get("confidence") == pytest.approx(wanted.get("confidence"), abs=2e-3)
        np.testing.assert_allclose(got.get("p_choose", []), wanted.get("p_choose", []), atol=2e-4)
    batches, requests = engine.stats.batches["decode"], engine.stats.requests["decode"]
    assert batches - before[0] < requests - before[1], "languages never met in one batch"


def test_a_fault_in_one_language_ends_the_stream_and_leaves_nothing_behind(models):
    _, scheduled, _ = models
    targets = {lang: Target(text=True) for lang in LANGS}
    stream = scheduled.open(targets, SETTINGS[0], vad=False)
    samples = audio("human_short")
    list(stream.push(samples[: 5120 * 3]))
    branches = stream._walk._groups[0].branches
    branches[2].decoder.target = [10**9]  # no such token
    with pytest.raises(Exception, match="index"):
        list(stream.push(samples[5120 * 3 :]))
    # Nobody can go on with states of which some are of this push and some of the one before.
    with pytest.raises(UsageError, match="closed"):
        list(stream.push(samples))
    assert scheduled.engine.load().slots_used == 0
