"""Latency metrics against figures worked out by hand from the papers' formulas."""

from __future__ import annotations

import json
from argparse import Namespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simuleval.evaluator.instance import SpeechToSpeechInstance
from simuleval.evaluator.scorers import get_scorer_class

from seamless_server.evaluation import latency
from seamless_server.evaluation.latency import Timing, measure
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.simuleval_figures import simuleval_latency
from seamless_server.evaluation.units import Fragment, Unit, plain_text, segment, split


def text(delays: list[float], source: float, reference: int) -> dict[str, float]:
    return measure(Timing(source, delays, delays, reference))


def test_wait_one_second_lags_one_second() -> None:
    # One word a second of a four-second source, each written as soon as it was heard.
    figures = text([1000, 2000, 3000, 4000], 4000, 4)
    assert figures["AL"] == figures["LAAL"] == figures["DAL"] == 1000
    assert figures["AP"] == pytest.approx(0.625)
    assert figures["StartOffset"] == 1000
    assert figures["EndOffset"] == 0
    # Source tokens end at 300, 600, 900, 1000 | 1300, ...: the n-th word pairs with the n-th token.
    assert figures["ATD"] == pytest.approx((700 + 1400 + 2100 + 3000) / 4)


def test_writing_more_than_the_reference_does_not_help_laal_ap_or_dal() -> None:
    figures = text([500, 500, 1000, 1000, 1000], 1000, 2)
    assert figures["AL"] == pytest.approx((500 + 0 + 0) / 3)
    assert figures["LAAL"] == pytest.approx((500 + 300 + 600) / 3)
    assert figures["AP"] == pytest.approx(0.8)
    assert figures["DAL"] == pytest.approx((500 + 500 + 600 + 600 + 600) / 5)


def test_writing_less_than_the_reference() -> None:
    figures = text([1000, 2000], 2000, 4)
    assert figures["AL"] == figures["LAAL"] == pytest.approx((1000 + 1500) / 2)
    assert figures["AP"] == pytest.approx(0.75)
    assert figures["DAL"] == pytest.approx(1000)


def test_lagging_counts_up_to_the_first_word_after_the_source_ended() -> None:
    figures = text([2000, 2000, 2000], 2000, 2)
    assert figures["AL"] == 2000
    assert figures["StartOffset"] == 2000


def test_a_system_that_guesses_the_end_is_done_before_the_speaker() -> None:
    # No unit waits for the end of the source, so that all count; nothing is written after 1.5 s.
    figures = text([500, 1500], 2000, 2)
    assert figures["AL"] == figures["LAAL"] == pytest.approx((500 + 1500 - 1000) / 2)
    assert figures["DAL"] == pytest.approx((500 + 500) / 2)
    assert figures["EndOffset"] == -500


def test_several_words_at_once_share_a_moment() -> None:
    # Two words after 1 s, three after 2 s, of a source of 2 s; the reference has five.
    figures = text([1000, 1000, 2000, 2000, 2000], 2000, 5)
    assert figures["AL"] == pytest.approx((1000 + 600 + 1200) / 3)
    assert figures["DAL"] == pytest.approx((1000 + 1000 + 1200 + 1200 + 1200) / 5)
    assert figures["AP"] == pytest.approx(0.8)
    # Source tokens end at 300 600 900 1000 | 1300 1600 1900 2000; the third word is the first of
    # the second chunk, in which no more words than tokens came before: words pair in order.
    assert figures["ATD"] == pytest.approx((700 + 400 + 1100 + 1000 + 700) / 5)


def test_one_word_slower_than_the_speaker() -> None:
    # Computing lets all units come after the end of the source: only the first one counts.
    figures = measure(Timing(1000, [1000, 1000], [1500, 1500], 2))
    assert figures["AL_CA"] == figures["LAAL_CA"] == 1500
    assert figures["AP_CA"] == pytest.approx(1.5)
    assert figures["DAL_CA"] == pytest.approx((1500 + 1500) / 2)
    assert figures["EndOffset_CA"] == 500


def test_languages_without_spaces_count_characters() -> None:
    written = [Fragment("你好", 1000.0, 1100.0, 1050.0), Fragment("世界", 2000.0, 2300.0, 2150.0)]
    units = split(written, Unit.char)
    assert units.texts == ["你", "好", "世", "界"]
    reference = len(segment("你好 世界！", Unit.char))
    figures = measure(Timing(2000, units.delays, units.available, reference))
    assert reference == 5
    assert figures["AL"] == pytest.approx((1000 + 600 + 1200) / 3)
    assert figures["StartOffset_CA"] == 1050
    assert figures["EndOffset_CA"] == 150


def test_speech_is_heard_one_chunk_after_the_other() -> None:
    figures = measure(Timing(2000, [1000, 2000], [1300, 2200], durations=[1500, 400]))
    assert figures["StartOffset"] == 1000
    assert figures["EndOffset"] == 900  # 1000 + 1500 + 400 - 2000: no pause in between
    assert figures["StartOffset_CA"] == 1300
    assert figures["EndOffset_CA"] == 1200
    # Output tokens end at 1300 1600 1900 2200 2500 | 2800 2900, source tokens at
    # 300 600 900 1000 | 1300 1600 1900 2000. The fifth token has no partner in its chunk.
    assert figures["ATD"] == pytest.approx((1000 * 3 + 1200 + 1500 + 1500 + 1300) / 7)
    assert "AL" not in figures


def test_speech_with_a_pause_ends_after_its_last_chunk() -> None:
    figures = measure(Timing(4000, [1000, 4000], [1000, 4000], durations=[500, 500]))
    assert figures["EndOffset"] == 500
    # 1300 1500 | 4300 4500 against 300 600 900 1000 | 1300 1600 ...
    assert figures["ATD"] == pytest.approx((1000 + 900 + 4300 - 900 + 4500 - 1000) / 4)


def test_computing_overlaps_with_listening() -> None:
    fast = latency.realtime_clock([(500, 100), (1000, 100), (1500, 100)])
    assert fast == [600, 1100, 1600]
    slow = latency.realtime_clock([(500, 700), (1000, 700), (1500, 700)])
    assert slow == [1200, 1900, 2600]


def test_computation_aware_figures_use_the_other_clock() -> None:
    figures = measure(Timing(2000, [1000, 2000], [1200, 2400], 2))
    assert figures["AL"] == 1000
    assert figures["AL_CA"] == pytest.approx((1200 + 1400) / 2)
    assert figures["AP_CA"] == pytest.approx(0.9)
    assert figures["DAL_CA"] == pytest.approx((1200 + 1400) / 2)
    assert figures["ATD_CA"] - figures["ATD"] == pytest.approx((200 + 400) / 2)
    assert figures["StartOffset_CA"] == 1200
    assert figures["EndOffset_CA"] == 400


@pytest.mark.parametrize("timing", [Timing(1000, [], []), Timing(0, [0], [0], 1)])
def test_nothing_written_or_heard_has_no_latency(timing: Timing) -> None:
    assert measure(timing) == {}


@given(
    steps=st.lists(st.integers(0, 900), min_size=1, max_size=30),
    reference=st.integers(1, 40),
    shift=st.integers(0, 500),
)
def test_waiting_longer_never_lowers_latency(steps: list[int], reference: int, shift: int) -> None:
    delays = [float(sum(steps[: n + 1])) for n in range(len(steps))]
    source = delays[-1] + 600.0
    early = text(delays, source, reference)
    late = text([delay + shift for delay in delays], source, reference)
    for name in ("AL", "LAAL", "AP", "DAL", "StartOffset", "EndOffset"):
        assert late[name] >= early[name] - 1e-6
    assert late["LAAL"] == pytest.approx(early["LAAL"] + shift)


def record(delays: list[float], reference: str, **speech: object) -> Record:
    return Record(
        index=0,
        id="a",
        audio="a.wav",
        tgt_lang="spa",
        reference=reference,
        prediction=" ".join("w" for _ in delays),
        source_ms=2000.0,
        trimmed_ms=0.0,
        delays=delays,
        elapsed=[delay + 250.0 for delay in delays],
        available=[delay + 50.0 for delay in delays],
        steps=[(2000.0, 250.0)],
        **speech,  # type: ignore[arg-type]
    )


def test_simuleval_agrees_where_it_is_right_and_not_where_it_is_not() -> None:
    delays = [500.0, 1000.0, 1000.0, 2000.0]
    theirs = simuleval_latency([record(delays, "a b c")], Unit.word, None, speech=False)
    ours = text(delays, 2000, 3)
    for name in ("AL", "LAAL", "DAL", "ATD", "StartOffset", "EndOffset"):
        assert theirs[name] == pytest.approx(ours[name]), name
    # It divides the sum over the hypothesis by the length of the reference.
    assert theirs["AP"] == pytest.approx(ours["AP"] * 4 / 3)
    # And it adds up all computing, as if the speaker waited.
    assert theirs["StartOffset_CA"] == 750.0


@given(
    steps=st.lists(st.sampled_from([0, 0, 20, 160, 320, 320, 640, 1280]), min_size=1, max_size=25),
    reference=st.integers(1, 30),
    tail=st.sampled_from([0, 20, 300]),
)
def test_simuleval_agrees_on_any_text(steps: list[int], reference: int, tail: int) -> None:
    delays = [320.0 + float(sum(steps[: n + 1])) for n in range(len(steps))]
    line = record(delays, " ".join("w" * reference))
    line.source_ms = delays[-1] + tail
    theirs = simuleval_latency([line], Unit.word, None, speech=False)
    ours = text(delays, line.source_ms, reference)
    for name in ("AL", "LAAL", "DAL", "ATD", "StartOffset", "EndOffset"):
        assert theirs[name] == pytest.approx(ours[name], abs=1e-6), name
    assert theirs["AP"] == pytest.approx(ours["AP"] * len(delays) / reference)


def test_simuleval_takes_logged_speech_for_text() -> None:
    spoken = record(
        [1000.0, 2000.0],
        "a",
        durations=[1500.0, 400.0],
        intervals=[(1000.0, 1500.0), (2500.0, 400.0)],
    )
    theirs = simuleval_latency([spoken], Unit.word, None, speech=True)
    ours = measure(Timing(2000, spoken.delays, spoken.available, durations=spoken.durations))
    assert theirs["EndOffset"] == ours["EndOffset"] == 900.0
    assert theirs["EndOffset_CA"] == 900.0 < ours["EndOffset_CA"]
    assert theirs["ATD"] is not None
    assert theirs["ATD"] < ours["ATD"]


@given(
    chunks=st.lists(
        st.tuples(
            st.sampled_from([20, 160, 320, 640, 1280]),
            st.sampled_from([20.0, 300.0, 310.0, 600.0, 1000.0, 2580.0]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_atd_of_speech_is_simulevals_where_it_still_knows_that_it_is_speech(
    chunks: list[tuple[int, float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    delays = [float(sum(step for step, _ in chunks[: n + 1])) for n in range(len(chunks))]
    durations = [duration for _, duration in chunks]
    arguments = Namespace(output=str(tmp_path_factory.getbasetemp()), eval_latency_unit="word")
    instance = SpeechToSpeechInstance(0, None, arguments)
    instance.delays, instance.durations = delays, durations
    theirs = get_scorer_class("latency", "ATD")(computation_aware=False)({0: instance})
    ours = measure(Timing(delays[-1], delays, delays, durations=durations))
    assert ours["ATD"] == pytest.approx(theirs)


def fragments(*texts: str) -> list[Fragment]:
    return [Fragment(text, 100.0 * n, 110.0 * n, 105.0 * n) for n, text in enumerate(texts, 1)]


class Letters:
    """A tokenizer of two letters a piece."""

    def encode(self, text: str, /, *, out_type: type[str]) -> list[str]:
        pieces = []
        for word in text.split():
            marked = f"\u2581{word}"
            pieces += [marked[n : n + 2] for n in range(0, len(marked), 2)]
        return pieces


def test_a_word_is_done_when_its_last_letters_are() -> None:
    written = fragments(" ho", "la mun", "do ")
    assert plain_text(written) == "hola mundo"
    words = split(written, Unit.word)
    assert words.texts == ["hola", "mundo"]
    assert words.delays == [200.0, 300.0]
    assert words.elapsed == [220.0, 330.0]
    assert words.available == [210.0, 315.0]


def test_pieces_become_words_and_characters() -> None:
    written = fragments("\u2581ho la", "\u2581m un", "do")
    assert plain_text(written) == "hola mundo"
    assert split(written, Unit.spm).texts == ["\u2581ho", "la", "\u2581m", "un", "do"]
    assert split(written, Unit.spm).delays == [100.0, 100.0, 200.0, 200.0, 300.0]
    assert split(written, Unit.word).delays == [100.0, 300.0]
    letters = split(written, Unit.char)
    assert "".join(letters.texts) == "holamundo"
    assert letters.delays == [100.0] * 4 + [200.0] * 3 + [300.0] * 2


def test_text_is_counted_in_pieces_of_the_tokenizer() -> None:
    pieces = split(fragments(" ho", "la"), Unit.spm, Letters())
    assert pieces.texts == ["\u2581h", "ol", "a"]
    assert pieces.delays == [100.0, 200.0, 200.0]


def test_agents_that_strip_spaces_write_whole_words() -> None:
    assert plain_text(fragments("hola", "mundo")) == "hola mundo"


def test_spaces_are_no_characters_of_a_reference() -> None:
    assert segment("你 好", Unit.char) == ["你", "好"]
    assert segment("  two  words ", Unit.word) == ["two", "words"]
    with pytest.raises(ValueError, match="tokenizer"):
        segment("text", Unit.spm)


def test_a_log_line_is_one_of_simulevals() -> None:
    info = json.loads(record([500.0], "a b").to_json())
    assert {"index", "prediction", "delays", "elapsed", "prediction_length", "reference"} < set(
        info
    )
    assert info["source_length"] == 2000.0
    assert Record.from_json(json.dumps(info)) == record([500.0], "a b")
