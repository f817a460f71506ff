"""Streams: any number of languages from one speaker, any push size, many streams at once."""

from __future__ import annotations

import shutil
import threading
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless_server.errors import UsageError
from seamless_server.streaming import (
    Model,
    Output,
    SpeechOutput,
    Target,
    TextOutput,
    load_model,
)
from tests.recorded import CHECKPOINT, audio
from tests.streaming.playing import (
    AT_THE_END,
    BOTH,
    PATIENT,
    TALKATIVE,
    TEXT,
    assert_alike,
    described,
    play,
    text,
)


@pytest.mark.parametrize("options", [TALKATIVE, PATIENT], ids=["talkative", "patient"])
@pytest.mark.parametrize("vad", [True, False])
def test_every_language_gets_what_it_gets_alone(
    model: Model, vad: bool, options: dict[str, Any]
) -> None:
    targets = {"spa": BOTH, "deu": TEXT, "fra": Target(text=False, speech=True), "rus": TEXT}
    samples = audio("human_pauses")[:110_000]
    together = play(model.open(targets, options, vad=vad), samples)
    for lang, target in targets.items():
        alone = play(model.open({lang: target}, options, vad=vad), samples)
        assert described(together, lang) == described(alone)
    assert text(together, "spa").strip()
    assert text(together, "deu").strip()
    assert not text(together, "fra")
    assert any(isinstance(x, SpeechOutput) for x in together)


def test_speech_does_not_change_the_text(model: Model) -> None:
    samples = audio("human_pauses")[:150_000]
    one = play(model.open({"spa": TEXT}, TALKATIVE), samples)
    both = play(model.open({"spa": BOTH}, TALKATIVE), samples)
    assert [x for x in described(both) if isinstance(x[5], str)] == described(one)


def test_outputs_are_well_formed(model: Model) -> None:
    stream = model.open({"spa": BOTH, "deu": TEXT}, TALKATIVE)
    assert stream.state == "listening"
    samples = audio("human_pauses")
    seen: set[str] = set()
    outputs: list[Output] = []
    for start in range(0, len(samples), 5120):
        outputs += stream.push(samples[start : start + 5120])
        seen.add(stream.state)
    outputs += stream.finish()
    assert seen == {"listening", "speech"}
    assert stream.position_ms == len(samples) / 16
    assert {"vad", "features", "encode", "decode", "units", "vocode"} == set(stream.stats)
    assert all(seconds >= 0 and calls > 0 for seconds, calls in stream.stats.values())
    segments = [x.segment_id for x in outputs]
    assert segments == sorted(segments)
    assert len(set(segments)) >= 3
    by_branch: dict[tuple[str, type], list[Output]] = defaultdict(list)
    for output in outputs:
        by_branch[output.lang, type(output)].append(output)
    for branch in by_branch.values():
        for before, after in pairwise(branch):
            assert before.start_ms <= after.start_ms
            assert before.segment_id == after.segment_id or before.end_ms <= after.start_ms
        assert all(0 <= x.start_ms <= x.end_ms <= stream.position_ms for x in branch)
        # The last output of a segment closes it.
        for number in {x.segment_id for x in branch}:
            assert [x for x in branch if x.segment_id == number][-1].finished
    for output in outputs:
        if isinstance(output, SpeechOutput):
            assert output.sample_rate == 16_000
            assert output.samples.dtype == np.float32
            assert len(output.samples) == 320 * len(output.units)


def test_outputs_come_while_the_push_is_computed(model: Model) -> None:
    """A push is a generator: what is ready is handed over before the rest is computed."""
    stream = model.open({"spa": TEXT, "deu": TEXT}, TALKATIVE, vad=False)
    decoded = 0
    for start in range(0, 40_000, 5120):
        for output in stream.push(audio("human_short")[start : start + 5120]):
            calls = stream.stats["decode"][1]
            if output.lang == "spa":
                assert calls == decoded + 1
        decoded = stream.stats["decode"][1] if "decode" in stream.stats else 0
    assert decoded >= 4


def test_finish_flushes_and_closes(model: Model) -> None:
    """Speech that the recording cuts off is translated."""
    stream = model.open({"spa": BOTH}, AT_THE_END)
    outputs: list[Output] = []
    for start in range(0, 25_600, 5000):
        outputs += stream.push(audio("human_short")[start : min(start + 5000, 25_600)])
    assert outputs == []
    assert stream.state == "speech"
    outputs = list(stream.finish())
    assert text(outputs).strip()
    assert any(isinstance(x, SpeechOutput) and len(x.samples) for x in outputs)
    assert all(x.end_ms <= 1600 for x in outputs)
    assert stream.state == "listening"
    with pytest.raises(UsageError, match="closed"):
        list(stream.push(audio("human_short")))
    assert list(stream.finish()) == []


def test_a_closed_stream_is_closed(model: Model) -> None:
    stream = model.open({"spa": TEXT})
    stream.close()
    with pytest.raises(UsageError, match="closed"):
        list(stream.push(audio("human_short")))
    assert list(stream.finish()) == []


def test_of_two_models_with_the_same_weights_one_may_go(tmp_path: Path) -> None:
    """As two system files that name one checkpoint, where memory is short."""
    folder = shutil.copytree(CHECKPOINT, tmp_path / "alone")  # nobody else here has loaded it
    gone, model = (load_model(folder, "cpu", engine="scheduled") for _ in range(2))
    blocks = np.split(audio("human_short"), [20_000])
    said = []
    for close in (lambda: None, gone.close):
        stream = model.open({"spa": TEXT}, TALKATIVE)
        outputs = list(stream.push(blocks[0]))
        close()
        said.append(text([*outputs, *stream.push(blocks[1]), *stream.finish()]))
    assert said[0].strip()
    assert said[1] == said[0]
    model.close()
    with pytest.raises(UsageError, match="closed"):
        play(model.open({"spa": TEXT}, TALKATIVE), audio("human_short"))


@pytest.mark.parametrize("name", ["silence", "noise", "tiny_short"])
def test_where_nobody_speaks_nothing_is_said(model: Model, name: str) -> None:
    assert play(model.open({"spa": BOTH}, TALKATIVE), audio(name)) == []


def test_pushes_up_to_a_chunk_give_the_same_outputs(model: Model) -> None:
    samples = audio("human_pauses")[:150_000]
    wanted = described(play(model.open({"spa": BOTH}, TALKATIVE), samples))
    assert len(wanted) > 10
    for size in (320, 1000):
        got = play(model.open({"spa": BOTH}, TALKATIVE), samples, size)
        assert described(got) == wanted

    @settings(max_examples=4)
    @given(st.lists(st.integers(320, 5120), min_size=2, max_size=5))
    def check(sizes: list[int]) -> None:
        stream = model.open({"spa": BOTH}, TALKATIVE)
        outputs: list[Output] = []
        start = number = 0
        while start < len(samples):
            end = start + sizes[number % len(sizes)]
            outputs += stream.push(samples[start:end])
            start, number = end, number + 1
        outputs += stream.finish()
        assert described(outputs) == wanted

    check()


def test_pushes_of_any_size_cut_the_same_segments(model: Model) -> None:
    """Longer pushes let the policy decide less often, but hear the same segments."""
    samples = audio("human_pauses")
    results = []
    for size in (320, 5120, 16_000, 80_000, len(samples)):
        outputs = play(model.open({"spa": TEXT}, AT_THE_END), samples, size)
        results.append(
            [(x.text, x.segment_id, x.finished) for x in outputs if isinstance(x, TextOutput)]
        )
    assert len(results[0]) >= 3
    assert all(x == results[0] for x in results)


def test_empty_pushes_change_nothing(model: Model) -> None:
    nothing = np.zeros(0, np.float32)
    for vad in (True, False):
        stream = model.open({"spa": TEXT}, PATIENT, vad=vad)
        outputs: list[Output] = []
        for start in range(0, 44_580, 5120):
            outputs += stream.push(audio("human_short")[start : start + 5120])
            outputs += stream.push(nothing)
        outputs += stream.finish()
        wanted = play(model.open({"spa": TEXT}, PATIENT, vad=vad), audio("human_short"))
        assert described(outputs) == described(wanted)
        assert outputs


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((5, 2)),
        np.full(500, np.nan),
        np.full(500, np.inf),
        np.full(500, 1e300),
        np.array([0.1] * 400 + [1e19], np.float32),
        np.array([0.1] * 400 + [-1e10], np.float32),
        [10**400],
        ["a"],
        None,
    ],
)
def test_audio_that_is_none_is_refused(model: Model, samples: Any) -> None:
    stream = model.open({"spa": TEXT})
    with pytest.raises(UsageError, match="audio must"):
        list(stream.push(samples))
    # The stream goes on with sound audio.
    assert text(play(stream, audio("human_short"))).strip()


def test_streams_in_threads_give_what_they_give_alone(model: Model) -> None:
    plans: list[tuple[str, dict[str, Target], bool, int]] = [
        ("human_pauses", {"spa": BOTH}, True, 5120),
        ("espeak", {"deu": BOTH, "rus": TEXT}, True, 4000),
        ("human_short", {"fra": TEXT}, False, 1777),
        ("human_short", {"spa": BOTH}, True, 5120),
        ("noise", {"cmn": TEXT}, False, 5120),
        ("human_pauses", {"ita": TEXT}, False, 16_000),
        ("espeak", {"spa": BOTH}, False, 5120),
        ("human_pauses", {"por": BOTH, "deu": BOTH}, True, 5120),
    ]

    def one(number: int) -> list[Output]:
        name, targets, vad, size = plans[number]
        stream = model.open(targets, TALKATIVE, vad=vad)
        return play(stream, audio(name)[:80_000], size)

    alone = [one(i) for i in range(len(plans))]
    assert sum(map(bool, alone)) >= 7
    together: list[Any] = [None] * len(plans)
    start = threading.Barrier(len(plans))

    def work(number: int) -> None:
        start.wait()
        together[number] = one(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(plans))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for got, wanted in zip(together, alone, strict=True):
        assert_alike(got, wanted)


# -- segments that never pause ---------------------------------------------------------------------


def segments(stream: Any, samples: Any, size: int = 5120) -> list[tuple[float, float]]:
    """Where a stream's segments begin and end, in ms."""
    found: list[tuple[float, float]] = []

    def trace(decision: Any) -> None:
        if decision["type"] == "segment":
            found.append((decision["start_ms"], decision["end_ms"]))

    stream.trace = trace
    for start in range(0, len(samples), size):
        list(stream.push(samples[start : start + size]))
    list(stream.finish())
    return found


def test_a_segment_that_never_pauses_is_cut_at_a_quiet_place(model: Model) -> None:
    samples = audio("long20")
    whole = segments(model.open({"spa": TEXT}), samples)
    cut = segments(model.open({"spa": TEXT}, {"max_segment_seconds": 5}), samples)
    assert len(whole) < len(cut)
    assert max(end - start for start, end in whole) > 5_000
    assert all(end - start <= 5_000 for start, end in cut)
    # Nothing is lost between two pieces, and what is cut through is quiet.
    joints = [end for (_, end), (start, _) in pairwise(cut) if end == start]
    assert joints
    levels = np.square(samples[: len(samples) // 512 * 512].reshape(-1, 512)).mean(axis=1)
    around = [levels[round(at * 16 / 512)] for at in joints]
    assert max(around) < np.median(levels[levels > 1e-6])


def test_the_limit_of_a_segment_is_exact_where_all_is_loud(model: Model) -> None:
    samples = audio("long20")
    for seconds in (1.0, 2.5):
        spans = segments(model.open({"spa": TEXT}, {"max_segment_seconds": seconds}), samples)
        assert max(end - start for start, end in spans) <= seconds * 1000


def test_a_segment_begins_with_the_audio_before_its_first_speech(model: Model) -> None:
    samples = audio("human_pauses")
    usual = segments(model.open({"spa": TEXT}), samples)
    padded = segments(model.open({"spa": TEXT}, {"speech_pad_ms": 192}), samples)
    assert len(usual) > 1
    assert [end for _, end in padded] == [end for _, end in usual]
    assert padded[0][0] == max(0, usual[0][0] - 192)
    earlier = [start - new for (start, _), (new, _) in zip(usual, padded, strict=True)]
    assert all(0 <= one <= 192 for one in earlier[1:])
    assert 192 in earlier[1:]
    # At the start of the stream there is nothing before.
    first = round(usual[0][0]) * 16
    began = segments(model.open({"spa": TEXT}, {"speech_pad_ms": 192}), samples[first:])
    assert began[0][0] == 0


def test_vad_threshold_and_repetition_penalty_change_what_they_should(model: Model) -> None:
    samples = audio("human_pauses")[:110_000]
    usual = segments(model.open({"spa": TEXT}), samples)
    strict = segments(model.open({"spa": TEXT}, {"vad_threshold": 0.95}), samples)
    assert sum(b - a for a, b in strict) < sum(b - a for a, b in usual)

    def words(penalty: float) -> list[str]:
        stream = model.open(
            {"spa": TEXT}, {"repetition_penalty": penalty, "block_ngrams": False, **TALKATIVE}
        )
        return text(play(stream, samples), "spa").split()

    assert words(1.0) != words(2.0)
    assert (
        words(1.0)
        == text(
            play(model.open({"spa": TEXT}, {**TALKATIVE, "block_ngrams": False}), samples), "spa"
        ).split()
    )


def test_patience_saves_encodings_and_no_word(model: Model) -> None:
    samples = audio("human_pauses")[:80_000]
    options = {**PATIENT, "min_starting_wait_w2vbert": 0, "decision_threshold": 1.0}

    def played(patience: float | None) -> tuple[int, str]:
        given = options if patience is None else {**options, "patience": patience}
        stream = model.open({"spa": TEXT}, given, vad=False)
        said = text(play(stream, samples))
        return stream.stats["encode"][1], said

    usual, off, patient = played(None), played(0.0), played(1.0)
    assert usual == off
    # After each READ one step of audio is only taken in; what is written at the end stays.
    assert patient[0] < 0.75 * usual[0]
    assert patient[1] == usual[1]
