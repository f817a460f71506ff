"""What the embedded model says is understood by a recogniser that never heard its voices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seamless_server.evaluation.quality import transcription_scores
from seamless_server.evaluation.transcribe import FasterWhisper, Transcriber
from tests.test_embedded_model import CLIPS
from training.recogniser import FOLDER

WORDY = ("clip1.flac", "clip2.flac", "clip4.flac", "clip5.flac")
"""Clips without numbers, which a recogniser writes in figures."""


@pytest.fixture(scope="module")
def recogniser() -> Transcriber:
    """Whisper base, where `make test` puts it."""
    if not FOLDER.is_dir():
        pytest.skip("needs a recogniser: python -m training.recogniser")
    # In int8 it hears the same sound differently on another processor.
    return FasterWhisper(str(FOLDER), "cpu", "float32")


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips as one recording, a second apart."""
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    pause = np.zeros(16_000, np.float32)
    pieces = [
        x for name in WORDY for x in (soundfile.read(CLIPS / name, dtype="float32")[0], pause)
    ]
    soundfile.write(path, np.concatenate(pieces), 16_000)
    return path


@pytest.mark.parametrize("lang", ["eng", "spa", "fra", "deu"])
def test_translated_speech_is_understood(
    lang: str, talk: Path, recogniser: Transcriber, tmp_path: Path
) -> None:
    """``seamless-server translate`` from a file to a WAV whose words are the translation's."""
    rows = [row for row in json.loads((CLIPS / "samples.json").read_text()) if row["file"] in WORDY]
    wanted = " ".join({"eng": row["text"], **row["translations"]}[lang] for row in rows)

    wav = tmp_path / "spoken.wav"
    command = [sys.executable, "-m", "seamless_server", "translate", str(talk)]
    options = ["--model", "SeamlessStreaming-mini", "--tgt-lang", lang, "--wav", str(wav)]
    answer = subprocess.run([*command, *options], capture_output=True, text=True, timeout=200)

    assert answer.returncode == 0, answer.stderr
    heard = recogniser(wav, lang)
    assert transcription_scores([heard], [wanted], lang)[0].value < 35, heard
    # Another language's words are not understood as this one's.
    others = " ".join(row["translations"]["deu" if lang == "spa" else "spa"] for row in rows)
    assert transcription_scores([heard], [others], lang)[0].value > 80
