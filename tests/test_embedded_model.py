"""The embedded model translates: words, not shapes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamless_server.audio.level import LevelMeter
from seamless_server.audio.reader import Samples, read_audio
from seamless_server.checkpoints.cards import SYSTEM_DIRS
from seamless_server.streaming import Model, SpeechOutput, Target, TextOutput, load_model

CLIPS = SYSTEM_DIRS / "SeamlessStreaming-mini" / "samples"
MADRID, MINUTES, REPORT = "clip5.flac", "clip3.flac", "clip4.flac"


def clip(name: str) -> Samples:
    return read_audio(CLIPS / name)


@pytest.fixture(scope="module")
def mini() -> Model:
    return load_model("SeamlessStreaming-mini", "cpu", engine="scheduled")


def said(model: Model, samples: Samples, lang: str, **options: Any) -> str:
    """What comes out in a language, as one text."""
    stream = model.open({lang: Target()}, options)
    outputs = [x for i in range(0, len(samples), 5120) for x in stream.push(samples[i : i + 5120])]
    outputs += stream.finish()
    return "".join(x.text for x in outputs if isinstance(x, TextOutput)).strip()


@pytest.mark.parametrize("number", range(6))
def test_a_sample_clip_gives_its_translations(mini: Model, number: int) -> None:
    listed = json.loads((CLIPS / "samples.json").read_text(encoding="utf-8"))[number]
    wanted = {"eng": listed["text"], **listed["translations"]}
    assert {lang: said(mini, clip(listed["file"]), lang) for lang in wanted} == wanted


def test_text_comes_while_the_speaker_is_still_speaking(mini: Model) -> None:
    stream = mini.open({"eng": Target()})
    samples = clip(REPORT)
    early = [
        x for i in range(0, len(samples) // 2, 5120) for x in stream.push(samples[i : i + 5120])
    ]
    assert any(isinstance(x, TextOutput) and x.text.strip() for x in early)


def test_sentences_that_follow_each_other_quickly_all_arrive(mini: Model) -> None:
    pause = np.zeros(4_800, np.float32)
    clips = [clip(f"clip{number}.flac") for number in (1, 2, 5)]
    spoken = [
        x[np.flatnonzero(abs(x) > 0.005)[0] : np.flatnonzero(abs(x) > 0.005)[-1]] for x in clips
    ]
    talk = np.concatenate([part for x in spoken for part in (x, pause)])
    assert said(mini, talk, "spa") == " ".join(said(mini, x, "spa") for x in clips)


def quieter(samples: Samples, level_db: float) -> Samples:
    """As 16-bit integers whose loudest 100 ms are at this level."""
    meter = LevelMeter(16_000)
    meter.add(samples)
    gain = 10 ** ((level_db - meter.level_db) / 20)
    return np.round(samples * gain * 32_768).astype(np.float32) / np.float32(32_768)


def test_quiet_speech_is_heard(mini: Model) -> None:
    quiet = quieter(clip(MINUTES), -65)
    assert said(mini, quiet, "eng", raise_quiet_speech=False) != said(mini, clip(MINUTES), "eng")
    assert said(mini, quiet, "eng") == said(mini, clip(MINUTES), "eng")


def test_loud_speech_is_not_touched_by_what_raises_quiet_speech(mini: Model) -> None:
    room = np.random.default_rng(5).normal(0, 1e-3, 40_000).astype(np.float32)
    soft = quieter(clip(MADRID)[: 5120 * 2], -42)  # at first hardly to be heard
    talk = np.concatenate([room, soft, clip(MADRID)[5120 * 2 :], room, clip(MINUTES), room])
    units = []
    for raised in (False, True):
        stream = mini.open({"spa": Target(speech=True)}, {"raise_quiet_speech": raised})
        outputs = [y for x in range(0, len(talk), 5120) for y in stream.push(talk[x : x + 5120])]
        units.append([(x.start_ms, x.end_ms, getattr(x, "units", x)) for x in outputs])
    assert units[0] == units[1]
    assert len(units[0]) >= 4


def test_two_sentences_with_a_pause_are_two_segments(mini: Model) -> None:
    pause = np.zeros(24_000, np.float32)
    stream = mini.open({"spa": Target()})
    outputs = [
        *stream.push(np.concatenate([clip(MADRID), pause, clip(MINUTES), pause])),
        *stream.finish(),
    ]
    texts: dict[int, str] = {}
    for output in outputs:
        assert isinstance(output, TextOutput)
        texts[output.segment_id] = texts.get(output.segment_id, "") + output.text
    first, second = texts.values()
    assert "Madrid" in first
    assert "treinta y ocho minutos" in second


def test_a_language_switch_in_mid_stream(mini: Model) -> None:
    pause = np.zeros(24_000, np.float32)
    stream = mini.open({"spa": Target()})
    before = list(stream.push(np.concatenate([clip(MADRID), pause])))
    stream.set_targets({"deu": Target()})
    after = [*stream.push(np.concatenate([clip(MINUTES), pause])), *stream.finish()]
    assert {x.lang for x in before} == {"spa"}
    assert {x.lang for x in after} == {"deu"}
    assert "Minuten" in "".join(x.text for x in after if isinstance(x, TextOutput))


def test_eight_speakers_at_once_never_hear_one_another(mini: Model) -> None:
    plans = [(f"clip{i % 6 + 1}.flac", ("spa", "fra", "deu", "eng")[i % 4]) for i in range(8)]
    alone = [said(mini, clip(name), lang) for name, lang in plans]
    together = [""] * len(plans)

    def speak(number: int) -> None:
        name, lang = plans[number]
        together[number] = said(mini, clip(name), lang)

    threads = [threading.Thread(target=speak, args=(i,)) for i in range(len(plans))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone


def test_speech_comes_out_too(mini: Model) -> None:
    stream = mini.open({"spa": Target(text=False, speech=True)})
    outputs = [*stream.push(clip(MINUTES)), *stream.finish()]
    speech = np.concatenate([x.samples for x in outputs if isinstance(x, SpeechOutput)])
    assert len(speech) > 8_000
    assert np.abs(speech).max() > 0.01


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's memory figures")
def test_four_speakers_need_little_memory(tmp_path: Path) -> None:
    """Beyond what Python and PyTorch take: weights of 74 MB, code that is loaded, and buffers."""
    report = tmp_path / "footprint.json"
    script = Path(__file__).parent.parent / "benchmarks" / "embedded.py"
    command = [sys.executable, str(script), "--speakers", "4", "--repeats", "1"]
    subprocess.run([*command, "--out", str(report)], check=True, stdout=subprocess.DEVNULL)
    found = json.loads(report.read_text())
    assert found["memory_peak_mb"] - found["memory_before_model_mb"] < 190


def test_nothing_is_said_in_silence(mini: Model) -> None:
    assert said(mini, np.zeros(160_000, np.float32), "spa") == ""
