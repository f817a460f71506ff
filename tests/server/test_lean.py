"""A server needs nothing of what only evaluates, and evaluation says what it needs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import CHECKPOINT, RECORDINGS

EVALUATION = ["sacrebleu", "jiwer", "whisper_normalizer", "pandas", "textgrid", "tornado"]
EVALUATION += ["requests", "tqdm", "jinja2", "matplotlib"]

WITHOUT = f"""
import sys
sys.modules.update(dict.fromkeys({EVALUATION}))  # as if they were not installed
"""

SERVE_AND_TRANSLATE = """
import time
from pathlib import Path
from starlette.testclient import TestClient
from seamless_server.app_pubsub import app

TARGET = {"targetLanguage": "spa", "speech": "true"}
with TestClient(app, base_url="http://localhost") as client:
    while (state := client.get("/readyz")).status_code == 503:
        time.sleep(0.05)
    assert state.status_code == 200, state.text
    sound = Path(sys.argv[1]).read_bytes()
    answer = client.post("/api/translate", files={"file": sound}, data=TARGET)
    assert answer.status_code == 200, answer.text
    assert answer.json()["text"]
"""

COMMAND = """
from seamless_server.cli import main
main()
"""


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The script in a Python that has none of evaluation's libraries."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + script, *map(str, arguments)],
        env={**os.environ, "SEAMLESS_MODELS": str(CHECKPOINT), "SEAMLESS_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_a_server_starts_and_translates_without_the_libraries_of_evaluation() -> None:
    done = run(SERVE_AND_TRANSLATE, RECORDINGS / "audio" / "human_short.flac")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--task", "s2tt", "--data", "d.tsv", "--output", "out"],
        ["evaluate", "report", "out"],
        ["bench", "engine", "--output", "out"],
        ["bench", "server", "--save", "out"],
    ],
)
def test_what_needs_them_says_in_one_sentence_how_to_get_them(arguments: list[str]) -> None:
    done = run(COMMAND, *arguments)
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "is not installed" in sentence
    assert "pip install 'seamless-server[evaluation]'" in sentence
