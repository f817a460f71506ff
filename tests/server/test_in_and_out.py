"""The audio's way into a session and the output's way out of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import soxr

from seamless_server.audio.resample import StreamResampler
from seamless_server.doors.socketio.wire_outputs import WordKeeper, to_json_floats
from seamless_server.service.captions import CaptionMaker, to_srt, to_vtt
from seamless_server.service.positions import Positions
from seamless_server.service.queue import AudioQueue

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


def test_captions_are_valid_files() -> None:
    maker = CaptionMaker()
    for number in range(40):
        maker.add(f" word{number}", number * 300, number * 300 + 300, finished=number == 20)
    maker.add(" a <b> --> & c\n\nd", 20_000, 20_100, finished=True)
    captions = maker.finish()
    assert all(len(caption.text) <= 84 for caption in captions)
    assert all(
        one.start_ms < one.end_ms <= two.start_ms + 1000
        for one, two in itertools.pairwise(captions)
    )
    assert " ".join(c.text for c in captions).split()[:40] == [f"word{n}" for n in range(40)]
    srt, vtt = to_srt(captions), to_vtt(captions)
    assert srt.startswith("1\n00:00:00,000 --> 00:00:0")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert "a &lt;b&gt; --&gt; &amp; c d" in vtt
