"""Every command of the README is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.recorded import CHECKPOINT, RECORDINGS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
ENVIRONMENT = {**os.environ, "SEAMLESS_MODELS": str(CHECKPOINT), "SEAMLESS_DEVICE": "cpu"}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)


def commands() -> list[str]:
    """What the README tells its readers to type, without comments."""
    blocks = "".join(re.findall(r"```\n(.*?)```", README, re.DOTALL))
    lines = [line.partition("#")[0].strip() for line in blocks.splitlines()]
    lines += re.findall(r"`((?:seamless-server |streaming_evaluate)[^`]*)`", README)
    return list(dict.fromkeys(filter(None, lines)))


def succeed(*arguments: object, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def serving(
    command: list[str], folder: Path, meanwhile: Callable[[int], object] = lambda port: None
) -> None:
    """The command serves at a port of its own until Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [word.format(port=port) for word in command]
    log = folder / "log"
    with log.open("w") as output:
        running = subprocess.Popen(
            words, cwd=ROOT, env=ENVIRONMENT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while True:
            assert running.poll() is None, log.read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        assert str(port) in log.read_text()  # the address that is to be opened
        meanwhile(port)
    finally:
        os.killpg(running.pid, signal.SIGINT)
        running.wait(60)


def make_serve(_: str, folder: Path) -> None:
    if not (ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("this checkout was not set up with make")
    serving(["make", "serve", "ARGS=--port {port}"], folder)


def make_test(command: str, _: Path) -> None:
    """It runs these very tests; that it is all that continuous integration does is tested too."""
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == f"exec {command}"


SERVE = [sys.executable, "-m", "seamless_server", "serve", "--port", "{port}"]


def serve(_: str, folder: Path) -> None:
    serving(SERVE, folder)


def stream(command: str, folder: Path) -> None:
    """Through a server of its own, at another port than the one that it names."""
    serving(SERVE, folder, lambda port: as_it_stands(command.replace("8000", str(port)), folder))


def as_it_stands(command: str, folder: Path) -> None:
    """With a file of that name, and the recorded model where one is chosen."""
    shutil.copy(RECORDINGS / "audio" / "human_short.flac", folder / "talk.wav")
    words = shlex.split(command)[1:]
    if words[0] == "translate":
        words += ["--model", str(CHECKPOINT)]
    succeed("-m", "seamless_server", *words, cwd=folder)


def evaluate(command: str, folder: Path) -> None:
    """With a sentence of its own, since it needs some to evaluate."""
    shutil.copy(RECORDINGS / "audio" / "human_short.flac", folder / "talk.wav")
    (folder / "data.tsv").write_text("id\taudio\ttgt_text\n1\ttalk.wav\tuna frase\n")
    words = ["--model", str(CHECKPOINT), "--task", "s2tt", "--tgt-lang", "spa"]
    words += ["--data", "data.tsv", "--output", "scores", *command.split()[2:]]
    succeed("-m", "seamless_server", "evaluate", *words, cwd=folder)
    assert (folder / "scores" / "report.html").is_file()


def official_evaluation(command: str, __: Path) -> None:
    """It is installed under that name; tests of its own run it."""
    (target,) = re.findall(rf'^{command} = "(.*)"$', PROJECT, re.MULTILINE)
    module, _, function = target.partition(":")
    text = succeed("-c", f"from {module} import {function}; {function}()", "--help")
    assert "--task" in text


def install_package(_: str, folder: Path) -> None:
    target = ["--no-deps", "--no-build-isolation", "--quiet", "--target", folder / "site"]
    succeed("-m", "pip", "install", *target, ".")
    assert (folder / "site" / "seamless_server" / "app_pubsub.py").is_file()


def install_simuleval(command: str, folder: Path) -> None:
    succeed("-m", *shlex.split(command), "--quiet", "--target", folder / "site")
    assert (folder / "site" / "simuleval" / "agents").is_dir()


RUN: dict[str, Callable[[str, Path], None]] = {
    "make serve": make_serve,
    "make test": make_test,
    "pip install .": install_package,
    "pip install --no-deps simuleval==1.1.4": install_simuleval,
    "seamless-server serve": serve,
    "seamless-server translate talk.wav --tgt-lang spa": as_it_stands,
    "seamless-server stream talk.wav --url http://localhost:8000": stream,
    "seamless-server models list": as_it_stands,
    "seamless-server evaluate": evaluate,
    "streaming_evaluate": official_evaluation,
    "seamless-server doctor": as_it_stands,
}


def test_no_command_is_left_out() -> None:
    assert sorted(commands()) == sorted(RUN)


@pytest.mark.parametrize("command", RUN)
def test_it_does_what_it_says(command: str, tmp_path: Path) -> None:
    RUN[command](command, tmp_path)
