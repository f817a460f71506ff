"""Pieces of speech whose rate changes: what is joined has one rate, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from seamless_server.audio.resample import at_rate
from seamless_server.commands.output_files import OutputFiles
from seamless_server.doors.socketio.wire_outputs import SpeechGatherer


def tone(rate: int, seconds: float = 0.5, hertz: float = 440) -> np.ndarray:
    """A sine."""
    moments = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * moments)).astype(np.float32)


@pytest.mark.parametrize("kind", ["floats", "integers"])
def test_a_tone_stays_that_tone(kind: str) -> None:
    samples = tone(24_000)
    given = samples if kind == "floats" else (samples * 32768).astype(np.int16)
    got = at_rate(given, 24_000, 16_000)
    assert np.abs(got[500:-500] - tone(16_000)[500:-500]).max() < 0.01


def test_speech_that_is_gathered_over_a_change_of_voice_has_one_rate() -> None:
    gather = SpeechGatherer(2.0)
    assert gather.add("spa", tone(16_000), 16_000, 100.0, finished=False) is None
    assert gather.add("deu", tone(16_000), 16_000, 0.0, finished=False) is None
    gathered = gather.add("spa", tone(24_000), 24_000, 600.0, finished=True)
    assert gathered is not None
    samples, rate, start_ms = gathered
    assert (len(samples), rate, start_ms) == (24_000, 24_000, 100.0)
    # An end without samples has no rate of its own.
    end = gather.add("deu", np.zeros(0, np.float32), -1, 900.0, finished=True)
    assert end is not None
    assert (len(end[0]), end[1]) == (8_000, 16_000)
    assert np.abs(samples[500:11_000] - tone(24_000)[500:11_000]).max() < 0.01


def test_a_file_keeps_its_rate(tmp_path: Path) -> None:
    with OutputFiles(wav=tmp_path / "out.wav") as files:
        files.speech(np.zeros(0, np.float32), -1)
        files.speech(tone(16_000), 16_000)
        files.speech(tone(24_000), 24_000)
        files.speech((tone(24_000) * 32767).astype(np.int16), 24_000)
    samples, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == 16_000
    assert len(samples) == 24_000
    assert abs(np.abs(samples).max() - 0.5) < 0.05
