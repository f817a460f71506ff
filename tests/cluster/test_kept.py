"""What another engine says again goes out once, however it is cut into pieces."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seamless_server.cluster.kept import MOST_SECONDS, Kept, Push
from seamless_server.streaming import Output, SpeechOutput, Target, TextOutput

SAID = " Uno dos tres, cuatro."
SOUND = np.linspace(-1, 1, 40, dtype=np.float32)
cuts = st.lists(st.integers(0, 40), max_size=5).map(sorted)


def pieces(cuts_of_text: list[int], cuts_of_sound: list[int]) -> list[Output]:
    """Two sentences of one segment, as an early stop gives them, in pieces."""
    made: list[Output] = []
    for _ in range(2):
        at = [0, *(min(cut, len(SAID)) for cut in cuts_of_text), len(SAID)]
        for start, end in pairwise(at):
            made.append(TextOutput("spa", SAID[start:end], 3, 0.0, 9.0, False))
        made.append(TextOutput("spa", "", 3, 0.0, 9.0, True))
        at = [0, *cuts_of_sound, len(SOUND)]
        for start, end in pairwise(at):
            last = end == len(SOUND) and end == at[-1]
            sound = SOUND[start:end]
            made.append(SpeechOutput("spa", sound, 16_000, [], 3, 0.0, 9.0, last and end > start))
    return made


def heard(outputs: list[Output]) -> tuple[str, list[float], int]:
    """Text with its ends, sound, and how often that ended."""
    text, sound, ends = "", [], 0
    for output in outputs:
        if isinstance(output, TextOutput):
            text += output.text + "|" * output.finished
        else:
            sound += output.samples.tolist()
            ends += output.finished
    return text, sound, ends


@given(cuts, cuts, cuts, cuts, st.integers(0, 30), st.integers(0, 30))
def test_a_replay_goes_out_once(
    text: list[int], sound: list[int], other: list[int], again: list[int], first: int, second: int
) -> None:
    kept = Kept({"spa": Target(speech=True)}, 16_000)
    undisturbed = pieces(text, sound)
    gone_out = [new for output in undisturbed[:first] for new in kept.new(output)]
    kept.replay()
    # The second engine dies as well, anywhere.
    gone_out += [new for output in pieces(other, again)[:second] for new in kept.new(output)]
    kept.replay()
    gone_out += [new for output in undisturbed for new in kept.new(output)]
    assert heard(gone_out) == heard(undisturbed)


def test_after_a_pause_nothing_is_left_to_replay() -> None:
    kept = Kept({"spa": Target()}, 16_000)
    output = TextOutput("spa", " Uno", 0, 0.0, 9.0, True)
    assert list(kept.new(output)) == [output]
    kept.paused({"place": 1})
    assert kept.replay() == []
    assert list(kept.new(output)) == [output]


def test_speech_that_never_pauses_is_kept_up_to_a_bound() -> None:
    kept = Kept({"spa": Target()}, 16_000)
    second = Push(np.zeros(16_000, np.float32), False, None, True, None)
    changed = Push(second.audio, False, {"deu": Target()}, True, None)
    assert not any(kept.push(second) for _ in range(int(MOST_SECONDS) - 1))
    assert not kept.push(changed)
    list(kept.new(TextOutput("spa", " Uno", 0, 0.0, 9.0, False)))
    assert kept.push(second)
    assert kept.open
    assert [(o.lang, o.text, o.finished) for o in kept.cut()] == [("spa", "", True)]
    assert kept.replay() == [second]
    assert not list(kept.cut())
    assert kept.targets == {"deu": Target()}
    # Another engine never hears what was given up: its clock is behind by that.
    late = 1000 * MOST_SECONDS
    told = TextOutput("deu", " Eins", 0, 100.0, 900.0, False)
    assert list(kept.new(told)) == [replace(told, start_ms=100.0 + late, end_ms=900.0 + late)]
    kept.paused({"place": 1})
    assert not kept.open
    assert next(kept.new(told)).start_ms == 100.0 + late
