"""Where a segment begins and ends, chunk by chunk, at every edge of the rules."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest

from seamless_server.agents.tracker import MOST_DECAYS, SpeechTracker

WINDOW_MS = 32.0
CHUNK_MS = 4 * WINDOW_MS
LOUD, QUIET = 0.9, 0.1


def tracker(**changes: Any) -> SpeechTracker:
    options = {
        "silence_limit_ms": 400,
        "speech_soft_limit_ms": 10_000,
        "window_size_samples": 512,
        "init_speech_prob": 0.0,
        "vad_threshold": 0.5,
    }
    return SpeechTracker(Namespace(**{**options, **changes}))


def hear(one: SpeechTracker, chunk: str, ended: bool = False) -> list[str]:
    """`x` is a window of speech, `.` one of silence."""
    probabilities = [LOUD if window == "x" else QUIET for window in chunk]
    return list(one.hear(probabilities, len(chunk) * WINDOW_MS, ended))


def test_nothing_is_kept_before_anybody_speaks() -> None:
    one = tracker()
    for _ in range(20):
        assert hear(one, "....") == []
    assert one.silence_ms == 0
    assert hear(one, "xxxx") == ["speech"]


@pytest.mark.parametrize(("probability", "speech"), [(0.5, False), (0.51, True)])
def test_speech_is_beyond_the_threshold(probability: float, speech: bool) -> None:
    assert tracker().hear([probability], 32, False) == (["speech"] if speech else [])


def test_the_first_speech_may_have_to_be_surer() -> None:
    one = tracker(init_speech_prob=0.3)
    assert one.threshold == pytest.approx(0.8)
    assert one.hear([0.7], 32, False) == []
    assert hear(one, "x") == ["speech"]
    assert one.threshold == 0.5
    assert one.hear([0.7], 32, False) == ["speech"]
    one.restart()
    assert one.hear([0.7], 32, False) == []
    assert tracker(init_speech_prob=-1.0).threshold == 0.5


def test_a_segment_ends_after_so_much_silence_and_not_before() -> None:
    one = tracker(silence_limit_ms=int(3 * CHUNK_MS))
    hear(one, "xxxx")
    assert hear(one, "....") == []
    assert hear(one, "....") == []
    assert hear(one, "....") == ["end"]
    assert (one.silence_ms, one.speech_ms) == (0, 0)


def test_silence_at_the_end_of_a_chunk_counts_from_its_last_speech() -> None:
    one = tracker(silence_limit_ms=96)
    assert hear(one, "xx..") == ["speech"]
    assert one.silence_ms == 64
    other = tracker(silence_limit_ms=96)
    assert hear(other, "x...") == ["speech", "end"]
    assert (other.silence_ms, other.speech_ms) == (0, 0)
    # Pauses between words of one chunk are none.
    third = tracker(silence_limit_ms=96)
    assert hear(third, ".x.x") == ["speech"]
    assert hear(third, "x..x") == ["speech"]


def test_silence_before_speech_counts_half() -> None:
    one = tracker(silence_limit_ms=96)
    hear(one, "xxx.")
    assert hear(one, "...x") == ["speech"]  # 32 + 96 = 128, of which half is less than the limit
    assert one.silence_ms == 64
    other = tracker(silence_limit_ms=64)
    hear(other, "xxx.")
    assert hear(other, "...x") == ["end", "speech"]
    assert other.speech_ms == CHUNK_MS


def test_speech_halves_the_silence_before_it_some_times() -> None:
    one = tracker(silence_limit_ms=10_000)
    hear(one, "xxxx")
    for _ in range(8):
        hear(one, "....")
    # One of the decays went with the first chunk.
    silence = 8 * CHUNK_MS
    for _ in range(MOST_DECAYS - 1):
        hear(one, "xxxx")
        silence //= 2
        assert one.silence_ms == silence
    hear(one, "xxxx")
    assert one.silence_ms == silence


def test_speech_that_begins_within_a_chunk_halves_anew() -> None:
    one = tracker(silence_limit_ms=10_000)
    for _ in range(MOST_DECAYS + 2):
        hear(one, "xxxx")
    hear(one, "....")
    hear(one, "....")
    assert hear(one, ".xxx") == ["speech"]
    silence = (2 * CHUNK_MS + WINDOW_MS) // 2
    assert one.silence_ms == silence
    for _ in range(MOST_DECAYS):
        hear(one, "xxxx")
        silence //= 2
        assert one.silence_ms == silence
    hear(one, "xxxx")
    assert one.silence_ms == silence


def test_a_long_segment_ends_after_half_the_silence() -> None:
    one = tracker(silence_limit_ms=int(4 * CHUNK_MS), speech_soft_limit_ms=int(3 * CHUNK_MS))
    for _ in range(2):
        hear(one, "xxxx")
    assert hear(one, "....") == []
    assert hear(one, "....") == []
    one.silence_ms = 0
    hear(one, "xxxx")  # exactly as long as the soft limit
    assert hear(one, "....") == []
    assert hear(one, "....") == ["end"]


def test_an_end_that_nobody_took_note_of_is_not_followed_by_another() -> None:
    one = tracker(silence_limit_ms=32)
    hear(one, "xxxx")
    assert hear(one, "....", ended=True) == []
    assert hear(one, "....") == ["end"]
