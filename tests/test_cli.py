"""The command line as a user meets it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import seamless_server
from seamless_server.cli import app


def run(
    *arguments: str, script: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = (
        [sys.executable, "-c", script] if script else [sys.executable, "-m", "seamless_server"]
    )
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **environment},
        timeout=120,
    )


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"seamless-server {seamless_server.__version__}\n")


def test_help_lists_commands_and_examples() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "doctor" in done.stdout
    assert "Examples" in done.stdout
    assert "seamless-server translate talk.wav" in done.stdout


def test_help_shows_the_everyday_first_with_defaults_in_80_columns() -> None:
    everyday = {
        "translate": ("--model", "--task", "--tgt-lang"),
        "stream": ("--url", "--room", "--tgt-lang", "--output"),
        "serve": ("--host", "--port", "--model", "--ssl-certfile"),
        "evaluate": ("--task", "--data", "--tgt-lang", "--output"),
    }
    decoding = "Decoding (the model's own values by default)"
    for command, wanted in everyday.items():
        text = run(command, "--help", COLUMNS="80", PYTHONIOENCODING="utf-8").stdout
        assert max(map(len, text.splitlines())) <= 80
        first, *groups = text.split("─ Options ─")[1].split("╭─ ")
        assert all(f" {name} " in first or f" {name}," in first for name in wanted), command
        assert "--decision" not in first
        assert "--dtype" not in first
        if command in ("translate", "evaluate"):
            assert groups[-1].startswith(decoding)
            assert "--decision-" in groups[-1]
        if command == "serve":
            assert "[default: 127.0.0.1]" in first
            assert "[default: 8000]" in first


def commands(group: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below a group, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


@pytest.mark.parametrize(("words", "command"), [*commands(get_command(app))], ids=str)
def test_every_name_of_an_option_is_whole_in_80_columns(
    words: tuple[str, ...], command: Any
) -> None:
    shown = CliRunner().invoke(app, [*words, "--help"], terminal_width=80).output
    assert max(map(len, shown.splitlines())) <= 80
    assert "…" not in shown
    options = [x for x in command.params if x.param_type_name == "option" and not x.hidden]
    assert options
    assert all(f" {option.opts[0]} " in shown for option in options)
    assert ("Every switch has its opposite" in shown) == any(x.secondary_opts for x in options)


def test_an_unknown_command_is_one_clear_message() -> None:
    done = run("frobnicate")
    assert done.returncode == 2
    assert "frobnicate" in done.stderr
    assert "Traceback" not in done.stderr


RAISING = """
import sys
from seamless_server import cli, errors

@cli.app.command("raise-it")
def raise_it() -> None:
    {statement}

sys.argv = ["seamless-server", "raise-it"]
cli.main()
"""


def test_an_error_of_ours_is_one_sentence_and_exit_code_2() -> None:
    statement = "raise errors.AudioError('a.wav', 'is empty')"
    done = run(script=RAISING.format(statement=statement))
    assert done.returncode == 2
    assert done.stderr == "seamless-server: a.wav: is empty\n"
    assert done.stdout == ""


def test_ctrl_c_is_exit_code_130_without_a_traceback() -> None:
    done = run(script=RAISING.format(statement="raise KeyboardInterrupt"))
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_a_defect_keeps_its_traceback() -> None:
    done = run(script=RAISING.format(statement="1 / 0"))
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
