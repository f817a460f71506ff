"""Whisper as a streaming model, where its weights are (``make setup`` fetches them)."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamless_server.agents_whisper.engine import WhisperEngine
from seamless_server.agents_whisper.words import Word, agreement, believable
from seamless_server.errors import CheckpointError, ConfigError, NumericalError
from seamless_server.streaming import Model, TextOutput, describe_model, load_model
from tests.recorded import audio
from tests.streaming.playing import TEXT, play, text
from training.recogniser import FOLDER


@pytest.fixture(scope="module")
def whisper() -> Model:
    """Whisper base."""
    if not (FOLDER / "model.bin").is_file():
        pytest.skip("needs Whisper base: seamless-server models download Whisper-base")
    return load_model("Whisper-base", "cpu")


def bare(written: str) -> str:
    """Words without marks and capitals."""
    return " ".join(re.findall(r"\w+", written.lower()))


def test_speech_is_written_while_it_is_spoken(whisper: Model) -> None:
    stream = whisper.open({"eng": TEXT})
    samples = audio("human_short")
    outputs = play(stream, np.concatenate([samples, np.zeros(16_000, np.float32)]))
    assert bare(text(outputs, "eng")) in ("go forward 10 meters", "go forward ten meters")
    assert stream.source_lang == "eng"
    first = next(x for x in outputs if isinstance(x, TextOutput) and x.text)
    assert first.end_ms < len(samples) / 16
    assert first.confidence is not None
    assert 0 < first.confidence < 1
    assert [x.finished for x in outputs].count(True) == 1
    assert all(a.end_ms <= b.end_ms for a, b in pairwise(outputs))


def test_languages_share_the_encoder_and_only_what_can_be_said_is(whisper: Model) -> None:
    samples = audio("human_short")
    one = whisper.open({"eng": TEXT}, {"source_lang": "en"})
    alone = play(one, samples)
    both = whisper.open({"eng": TEXT, "spa": TEXT}, {"source_lang": "eng"})
    together = play(both, samples)
    assert text(together, "eng") == text(alone, "eng")
    assert not text(together, "spa")
    assert both.stats["encode"][1] == one.stats["encode"][1]
    assert whisper.translates("spa", "eng")
    assert whisper.translates("spa", "spa")
    assert not whisper.translates("eng", "spa")
    with pytest.raises(ConfigError, match="source_lang"):
        whisper.open({"eng": TEXT}, {"source_lang": "klingon"})


def test_nothing_is_heard_in_noise_and_silence(whisper: Model) -> None:
    noise = 0.05 * np.random.default_rng(1).standard_normal(32_000)
    for samples in (noise.astype(np.float32), np.zeros(32_000, np.float32)):
        assert not play(whisper.open({"eng": TEXT}, vad=False), samples, 16_000)


def test_speakers_at_once_do_not_mix(whisper: Model) -> None:
    """And speech that is longer than a window goes on in the next one."""
    samples = audio("human_pauses")
    said: dict[str, Any] = {}

    def speak(name: str, sound: Any, size: int) -> None:
        said[name] = text(play(whisper.open({"eng": TEXT}, vad=False), sound, size), "eng")

    long = np.concatenate([samples, samples, samples, samples])[: 33 * 16_000]
    jobs = [("long", long, 96_000), ("short", audio("human_short"), 16_000)]
    threads = [threading.Thread(target=speak, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bare(said["short"]) in ("go forward 10 meters", "go forward ten meters")
    assert said["long"].lower().count("young man") >= 3


def test_what_two_hypotheses_agree_in_is_certain() -> None:
    def words(line: str) -> list[Word]:
        return [Word(f" {word}", (number,)) for number, word in enumerate(line.split())]

    assert agreement(words("Go for"), words("Go forward ten")) == 1
    assert agreement(words("go forward."), words("Go forward ten meters")) == 2
    assert agreement(words("Ten meters."), words("Ten meters.")) == 1  # it may go on
    assert agreement([], words("Go")) == 0
    loop = believable(words("I see " + "a hole in the ground " * 6), 9.0)
    assert " ".join(word.text.strip() for word in loop) == "I see a hole in the ground"
    assert believable([Word(" So", (1,), 0.0), Word(" Thanks", (2,), 3.0)], 2.5) == [
        Word(" So", (1,), 0.0)
    ]


def test_without_its_weights_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path))
    with pytest.raises(CheckpointError, match="seamless-server models download Whisper-base"):
        describe_model("Whisper-base")


def test_what_is_no_number_ends_its_own_caller_only(whisper: Model) -> None:
    engine = WhisperEngine(FOLDER, "cpu", "auto", 1)
    good, bad = audio("human_short"), np.full(16_000, np.nan, np.float32)
    try:
        alone = engine.encode(good, None).states
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(engine.encode, x, None) for x in (good, bad, good, bad)]
        for call in calls[1::2]:
            assert isinstance(call.exception(), NumericalError)
        for call in calls[::2]:
            np.testing.assert_allclose(call.result().states, alone, atol=1e-3)
    finally:
        engine.close()
