"""The synthesizers of the training recipe."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from training.speech import engines


def test_pico_says_a_sentence_the_same_way_after_other_work() -> None:
    pytest.importorskip("py_nanotts", reason="needs the extra 'train'")
    voice = engines.Voice("pico", "en-US", 0.95)
    first = engines.speak("I have five brothers.", voice)
    # Memory that was in use and is free again, small and large.
    used = [np.full(size, 0x7F3F, np.int16) for size in (*range(8, 20_000, 16), 30 << 19)]
    used.clear()
    assert np.array_equal(engines.speak("I have five brothers.", voice), first)


def test_piper_says_a_sentence_the_same_way_in_another_process() -> None:
    pytest.importorskip("piper", reason="needs the extra 'train'")
    code = (
        "import sys; from training.speech import engines; sys.stdout.buffer.write("
        "engines.speak('I have five brothers.', engines.Voice('piper', 'joe', 1.0)).tobytes())"
    )
    first, second = (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
        for _ in range(2)
    )
    assert first
    assert first == second
