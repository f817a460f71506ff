"""``seamless-server translate`` with what cannot be translated, and interrupted."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.recorded import CHECKPOINT
from tests.translate.translating import (
    ENVIRONMENT,
    PAUSES,
    SHORT,
    TALKATIVE,
    Translate,
    assert_refused,
    command,
    lines_of,
    outputs_of,
)

BAD_FILES: dict[str, tuple[Any, str]] = {
    "text": (b"this is no sound", "is not a sound file"),
    "nothing": (b"", "is not a sound file"),
    "empty": (np.zeros(0, np.float32), "holds no audio"),
    "short": (np.zeros(160, np.float32), "is too short: 10 ms"),
    "nan": (np.full(16_000, np.nan, np.float32), "not numbers"),
    "missing": (None, "there is no such file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_speech_is_refused(forked: Translate, tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    path = tmp_path / f"{name}.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, 16_000, subtype="FLOAT")
    wav = tmp_path / "out.wav"
    assert_refused(forked(path, "--tgt-lang", "spa", "--wav", wav), path.name, message)
    assert not wav.exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--tgt-lang", "kan"], ["no speech output in 'kan'"]),
        (["--tgt-lang", "Kannada"], ["no speech output in 'kan'"]),
        (["--tgt-lang", "spannish"], ["did you mean 'spa' (Spanish)"]),
        (["--tgt-lang", "xxx", "--task", "s2tt"], ["xxx"]),
        (["--task", "s2tt", "--tgt-lang", "spa", "--wav", "out.wav"], ["--wav", "s2tt"]),
        (["--tgt-lang", "spa", "--chunk-ms", "0"], ["--chunk-ms"]),
        (["--tgt-lang", "spa", "--decision-threshold", "2"], ["decision_threshold"]),
        (["--tgt-lang", "spa", "--compat", "unofficial"], ["compat", "unofficial"]),
        (["--tgt-lang", "spa", "--device", "abacus"], ["abacus"]),
        (["--tgt-lang", "spa", "--jsonl", "/nowhere/out.jsonl"], ["/nowhere/out.jsonl"]),
        (["--tgt-lang", "spa", "--wav", "/nowhere/out.wav"], ["/nowhere/out.wav"]),
        (["--tgt-lang", "spa", "--srt", "/nowhere/out.srt"], ["/nowhere/out.srt"]),
    ],
)
def test_impossible_requests_are_refused(
    forked: Translate, arguments: list[str], parts: list[str]
) -> None:
    assert_refused(forked(SHORT, *arguments), *parts)


def test_missing_and_broken_checkpoints_are_refused(forked: Translate, tmp_path: Path) -> None:
    assert_refused(forked(SHORT, model=tmp_path / "nowhere"), "nowhere", "neither a folder")
    folder = shutil.copytree(CHECKPOINT, tmp_path / "model")
    (folder / "vocoder_v2.pt").write_text("<html>")
    assert_refused(forked(SHORT, model=folder), "vocoder_v2.pt", "is not a PyTorch checkpoint")


def test_an_interrupt_leaves_valid_files(tmp_path: Path) -> None:
    wav, srt, jsonl = tmp_path / "out.wav", tmp_path / "out.srt", tmp_path / "out.jsonl"
    process = subprocess.Popen(
        command(
            PAUSES,
            "--tgt-lang",
            "spa",
            *TALKATIVE,
            "--realtime",
            "--wav",
            wav,
            "--srt",
            srt,
            "--jsonl",
            jsonl,
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    # Some words are there: now it is in the middle of the recording.
    for _ in range(3):
        assert process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err + out
    lines = lines_of(jsonl)
    assert 0 < len(lines) < 45
    samples, rate = soundfile.read(wav)
    assert rate == 16_000
    assert len(samples) >= sum(x["samples"] for x in outputs_of(lines, "speech")) > 0
    assert "-->" in srt.read_text("utf-8")
