"""The audio's way into a session and the output's way out of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soxr

from seamless_server.audio.resample import StreamResampler
from seamless_server.doors.socketio.packing import OutputPacker
from seamless_server.doors.socketio.wire_outputs import WordKeeper, to_json_floats
from seamless_server.service.captions import CaptionMaker, to_srt, to_vtt
from seamless_server.service.positions import Positions
from seamless_server.service.queue import AudioQueue
from seamless_server.streaming import SpeechOutput, TextOutput

# -- the audio's way in --------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_sweep_resampled_in_chunks_is_the_sweep_resampled_whole(rate: int) -> None:
    seconds = np.arange(60 * rate) / rate
    top = min(rate, 16_000) * 0.45
    sweep = (0.5 * np.sin(2 * np.pi * (50 * seconds + (top - 50) * seconds**2 / 120))).astype("f4")
    whole = soxr.resample(sweep, rate, 16_000)
    chance = np.random.default_rng(3)
    resampler = StreamResampler(rate, 16_000)
    parts, start = [], 0
    while start < len(sweep):
        size = int(chance.integers(1, rate // 2))
        parts.append(resampler.process(sweep[start : start + size]))
        start += size
    parts.append(resampler.process(sweep[:0], last=True))
    chunked = np.concatenate(parts)
    assert abs(len(chunked) - len(whole)) <= 1
    length = min(len(chunked), len(whole))
    assert np.abs(chunked[:length] - whole[:length]).max() < 1e-4


def test_rates_beyond_reason_are_refused() -> None:
    for rate in (0, -1, 10**9):
        with pytest.raises(ValueError, match="4,000"):
            StreamResampler(rate, 16_000)


def test_the_queue_keeps_order_and_forgets_the_oldest() -> None:
    queue = AudioQueue(1000, 1.0)
    assert queue.put(np.arange(600, dtype=np.int16)) == 0
    assert queue.put(np.arange(600, 1200, dtype=np.int16)) == 200
    assert queue.waiting_ms == 1000
    first = queue.take(300)
    assert first.skipped == 200
    assert first.pcm.tolist() == list(range(200, 500))
    second = queue.take(10_000)
    assert second.skipped == 0
    assert second.pcm.tolist() == list(range(500, 1200))
    assert queue.samples == 0
    assert len(queue.take(5).pcm) == 0


def test_positions_follow_what_was_dropped_and_what_was_put_in() -> None:
    positions = Positions()
    positions.received(1000, now=10.0)
    positions.received(1000, now=11.0)
    positions.pushed(500)
    positions.skipped(300)
    positions.pushed(200)  # 800..1000 of the source
    positions.silence(400)
    positions.pushed(1000)  # 1000..2000 of the source
    at = {moment: positions.to_source(moment) for moment in (250, 600, 700, 900, 1100, 1600)}
    assert at == {250: 250, 600: 900, 700: 1000, 900: 1000, 1100: 1000, 1600: 1500}
    assert positions.arrival(900) == 10.0
    assert positions.arrival(1500) == 11.0
    assert positions.arrival(99_999) == 11.0


# -- the output's way out ------------------------------------------------------------------------


def test_version_1_clients_get_whole_words() -> None:
    keeper = WordKeeper()
    pieces = [" hel", "lo wor", "ld", ",", " and", " goodbye ", " now"]
    words = [keeper.add("eng", piece, finished=False) for piece in pieces]
    words.append(keeper.add("eng", "", finished=True))
    assert " ".join(filter(None, words)) == "hello world, and goodbye now"
    assert words[0] == ""
    assert keeper.add("cmn", "你", finished=False) == "你"
    assert keeper.add("eng", "", finished=True) == ""


def test_speech_as_numbers_comes_in_pieces_of_a_second() -> None:
    pieces = to_json_floats(np.linspace(-1, 1, 40_000, dtype=np.float32), 16_000)
    assert len(pieces) == 3
    assert max(map(len, pieces)) < 250_000


def caption(maker: CaptionMaker, text: str, start: float, end: float, **more: bool) -> None:
    maker.add(text, start, end, finished=more.get("finished", False))


def test_captions_last_a_second_and_never_overlap() -> None:
    maker = CaptionMaker()
    caption(maker, " one", 100, 200, finished=True)
    caption(maker, " two", 200, 300, finished=True)
    caption(maker, " three", 5_000, 9_000, finished=True)
    caption(maker, "  ", 9_000, 9_500, finished=True)  # says nothing
    times = [(one.start_ms, one.end_ms) for one in maker.finish()]
    assert times == [(100, 1_100), (1_100, 2_100), (5_000, 9_000)]


def test_a_caption_is_as_long_as_it_can_be_read_and_is_cut_between_words() -> None:
    maker = CaptionMaker()
    caption(maker, "x" * 80, 0, 1_000)
    caption(maker, "yyyy", 1_000, 1_500)  # exactly 84
    assert len(maker.captions) == 0
    caption(maker, "z", 1_500, 2_000)  # no place to cut at, but there are no spaces either
    assert [one.text for one in maker.captions] == ["x" * 80 + "yyyy"]
    caption(maker, " " + "a" * 79, 2_000, 3_000)
    caption(maker, "bbbb", 3_000, 3_500)  # within a word: it goes on
    assert len(maker.captions) == 1
    caption(maker, " c", 2_900, 2_950, finished=True)
    assert [one.text for one in maker.finish()] == [
        "x" * 80 + "yyyy", "z " + "a" * 79 + "bbbb", "c"
    ]  # fmt: skip
    assert maker.captions[1].end_ms == 3_500  # never earlier than what it says


# -- a change of language in the middle ------------------------------------------------------------


def piece(lang: str, words: str, segment: int = 0, start: float = 0.0, end: float = 10.0,
          finished: bool = False) -> TextOutput:  # fmt: skip
    return TextOutput(lang, words, segment, start, end, finished, confidence=0.5)


def sound(lang: str, seconds: float, start: float, finished: bool = False,
          rate: int = 1_000) -> SpeechOutput:  # fmt: skip
    samples = np.full(int(seconds * rate), 0.5, np.float32)
    return SpeechOutput(lang, samples, rate, [], 0, start, start + 1, finished)


def test_a_switch_lets_the_old_language_end_its_sentence() -> None:
    packer = OutputPacker("spa", buffer_limit=5)
    assert list(packer.pack(piece("spa", " ho", segment=3, end=20))) == []
    packer.set_main("spa")  # the same: nothing changes
    packer.set_main("fra")
    # The new one comes from the start of that sentence, for those who can wait for either.
    (french,) = packer.pack(piece("fra", " bonjour", segment=3))
    assert (french.main, french.coming, french.seq) == (False, True, 0)
    # Nothing of what was gathered is lost.
    (spanish,) = packer.pack(piece("spa", "la", segment=3, finished=True))
    assert (spanish.said.text, spanish.words, spanish.said.finished) == (" hola", "hola", True)
    assert (spanish.main, spanish.coming, spanish.seq) == (True, False, 1)
    # Its speech comes behind its text, that of the new one in the same sentence is nobody's.
    assert [one.main for one in packer.pack(sound("spa", 9, start=0, finished=True))] == [True]
    assert [one.main for one in packer.pack(sound("fra", 9, start=0, finished=True))] == [False]
    (rest,) = packer.pack(piece("fra", " le monde", segment=3, finished=True))
    assert (rest.main, rest.coming) == (False, True)
    (later,) = packer.pack(piece("fra", " salut", segment=4))
    assert (later.main, later.coming) == (True, False)
    (other,) = packer.pack(piece("spa", " otra gente", segment=4))
    assert (other.main, other.coming) == (False, False)


def test_a_new_sentence_of_the_same_segment_is_in_the_new_language() -> None:
    packer = OutputPacker("spa", buffer_limit=0)
    list(packer.pack(piece("spa", " hola")))
    packer.set_main("fra")
    list(packer.pack(piece("spa", " gente", finished=True)))
    (begun,) = packer.pack(piece("fra", " salut"))
    assert begun.main


def test_a_switch_between_sentences_is_in_force_at_once() -> None:
    packer = OutputPacker("spa", buffer_limit=0)
    list(packer.pack(piece("fra", " salut")))  # a listener's
    packer.set_main("fra")
    (french,) = packer.pack(piece("fra", " les gens"))
    assert french.main
    packer.set_main("deu")
    (still,) = packer.pack(piece("fra", " ici"))
    assert still.main


def test_text_and_speech_are_gathered_up_to_the_limit_exactly() -> None:
    packer = OutputPacker("spa", buffer_limit=4)
    assert list(packer.pack(piece("spa", " a, b", start=1))) == []  # two letters
    assert list(packer.pack(piece("fra", " x", start=2))) == []
    (event,) = packer.pack(piece("spa", " cd", start=9, end=12))
    assert (event.said.text, event.said.start_ms, event.said.end_ms) == (" a, b cd", 1, 12)
    assert (event.said.latency_ms, event.said.confidence, event.said.segment_id) == (0.0, 0.5, 0)
    (french,) = packer.pack(piece("fra", "", start=9, finished=True))
    assert (french.said.text, french.said.start_ms, french.said.finished) == (" x", 2, True)
    speech = OutputPacker("spa", buffer_limit=2.0)
    speech.wants_floats = True
    assert list(speech.pack(sound("spa", 1.0, start=5))) == []
    assert list(speech.pack(sound("fra", 1.9, start=6))) == []
    (said,) = speech.pack(sound("spa", 1.0, start=7))
    assert (len(said.pcm16), said.said.start_ms, said.main, len(said.floats)) == (4_000, 5, True, 2)
    (other,) = speech.pack(sound("fra", 0.0, start=8, finished=True))
    assert (len(other.pcm16), other.said.start_ms, other.said.finished) == (3_800, 6, True)
    assert (other.main, other.floats, other.seq) == (False, (), 1)


def test_captions_are_valid_files() -> None:
    maker = CaptionMaker()
    for number in range(40):
        maker.add(f" word{number}", number * 300, number * 300 + 300, finished=number == 20)
    maker.add(" a <b> --> & c\n\nd", 20_000, 20_100, finished=True)
    captions = maker.finish()
    assert all(len(caption.text) <= 84 for caption in captions)
    assert all(
        one.start_ms < one.end_ms <= two.start_ms for one, two in itertools.pairwise(captions)
    )
    assert " ".join(c.text for c in captions).split()[:40] == [f"word{n}" for n in range(40)]
    srt, vtt = to_srt(captions), to_vtt(captions)
    assert srt.startswith("1\n00:00:00,000 --> 00:00:0")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert "a &lt;b&gt; --&gt; &amp; c d" in vtt
