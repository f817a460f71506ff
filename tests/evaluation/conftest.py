from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from seamless_server.cli import app
from tests.evaluation.toy_agents import speak
from tests.evaluation.toy_data import SENTENCES, Evaluate


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A manifest of sounds that the toy agents translate perfectly, with its audio beside it."""
    lines = ["id\taudio\tsrc_lang\ttgt_lang\ttgt_text"]
    for name, words in SENTENCES.items():
        speak(tmp_path / f"{name}.wav", words)
        lines.append(f"{name}\t{name}.wav\teng\tspa\t{words}")
    path = tmp_path / "data.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def evaluate(data: Path, tmp_path: Path) -> Evaluate:
    """``seamless-server evaluate`` with a toy agent; more options follow."""

    def run(*more: object, task: str = "s2tt", agent: str = "WordAgent") -> Result:
        arguments = ["evaluate", "--task", task, "--data", data, "--output", tmp_path / "out"]
        arguments += [
            "--agent-class",
            f"tests.evaluation.toy_agents.{agent}",
            "--no-strip-silence",
            *more,
        ]
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run
