"""What ``seamless-server translate`` reads from and writes to, beside ordinary files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.translate.translating import (
    ENVIRONMENT,
    SHORT,
    TALKATIVE,
    Translate,
    assert_refused,
    command,
)

TEXT = ["--task", "s2tt", "--tgt-lang", "spa", *TALKATIVE]


def spoken(answer: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of text, without their times."""
    assert answer.returncode == 0, answer.stderr
    return [line.split("s  ")[-1] for line in answer.stdout.splitlines() if " s  " in line[:12]]


@pytest.mark.parametrize("kind", ["wav", "raw", "joined"])
def test_standard_input_is_translated(kind: str, forked: Translate, tmp_path: Path) -> None:
    samples, rate = soundfile.read(SHORT, dtype="int16")
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, rate)
    given = path.read_bytes()
    if kind == "joined":  # cat a.wav a.wav | seamless-server translate -
        given += given
        soundfile.write(path, np.concatenate([samples, samples]), rate)
    piped = subprocess.run(
        command("-", *(["--raw", f"{rate},1,s16le"] if kind == "raw" else []), *TEXT),
        input=samples.tobytes() if kind == "raw" else given,
        capture_output=True,
        env=ENVIRONMENT,
        check=True,
    )
    answer = subprocess.CompletedProcess([], 0, piped.stdout.decode(), "")
    assert spoken(answer)
    assert "".join(spoken(answer)) == "".join(spoken(forked(path, *TEXT)))


def test_odd_names(forked: Translate, tmp_path: Path) -> None:
    for name in (b"rec_12:30:45.flac", b"\xff\xfe.flac", "été 日本.flac".encode()):
        path = os.fsdecode(bytes(tmp_path) + b"/" + name)
        shutil.copy(SHORT, path)
        assert spoken(forked(path, *TEXT))


def test_a_terminal_of_ascii_gets_replacements(tmp_path: Path) -> None:
    srt = tmp_path / "a.srt"
    done = subprocess.run(
        command(SHORT, "--task", "s2tt", "--tgt-lang", "cmn", *TALKATIVE, "--srt", srt),
        capture_output=True,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    srt.read_text("utf-8")


def test_one_output_that_fails_loses_no_other(forked: Translate, tmp_path: Path) -> None:
    vtt = tmp_path / "a.vtt"
    answer = forked(SHORT, *TEXT, "--srt", "/dev/full", "--vtt", vtt)
    assert answer.returncode == 1
    assert "/dev/full could not be written: No space left" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert vtt.read_text("utf-8").startswith("WEBVTT")
    assert "-->" in vtt.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--tgt-lang", ""], ["unknown language ''"]),
        (["--model", ""], ["--model is empty"]),
        (["--wav", "{folder}/a.mp3"], ["--wav", "ends in .wav"]),
        (["--wav", "{folder}"], ["it is a folder"]),
        (["--srt", "{folder}/none/a.srt"], ["there is no folder"]),
        (["--srt", "{folder}/a", "--vtt", "{folder}/a"], ["name the same file"]),
        (["--srt", "{source}"], ["is the file that is read"]),
        (["--channel", "left"], ["mix, loudest"]),
        (["--channel", "2"], ["1 channel, not 2"]),
        (["--raw", "16000"], ["16000,1,s16le"]),
    ],
)
def test_what_cannot_be_written_or_read_is_said_first(
    forked: Translate, tmp_path: Path, arguments: list[str], parts: list[str]
) -> None:
    source = tmp_path / "a.flac"
    shutil.copy(SHORT, source)
    given = [x.format(folder=tmp_path, source=source) for x in arguments]
    before = ["--tgt-lang", "spa"]
    assert_refused(forked(source, *before, *given), *parts)
    assert source.read_bytes() == SHORT.read_bytes()
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize("called", ["Spanish", "es-MX", " spa\r"])
def test_a_language_goes_by_whatever_people_call_it(forked: Translate, called: str) -> None:
    answer = forked(SHORT, "--task", "s2tt", "--tgt-lang", called)
    assert answer.returncode == 0, answer.stderr
    assert "into Spanish" in answer.stdout + answer.stderr


def test_an_address_is_no_file(forked: Translate) -> None:
    answer = forked("https://example.org/a.mp3", "--tgt-lang", "spa")
    assert_refused(answer, "is an address, not a file")
