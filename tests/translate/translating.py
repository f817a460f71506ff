"""The command `translate` in a process, and what it leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.recorded import CHECKPOINT, RECORDINGS

SHORT = RECORDINGS / "audio" / "human_short.flac"
PAUSES = RECORDINGS / "audio" / "human_pauses.flac"
TALKATIVE = [
    "--decision-method=mean",
    "--decision-threshold=0.3",
    "--max-len-a=0",
    "--max-len-b=40",
    "--min-unit-chunk-size=20",
    "--max-consecutive-write=6",
]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}
Run = subprocess.CompletedProcess[str]


def command(*arguments: object, model: object = CHECKPOINT) -> list[str]:
    """The command line."""
    start = [sys.executable, "-m", "seamless_server", "translate", "--device", "cpu"]
    return [*start, "--model", str(model), *map(str, arguments)]


def translate(*arguments: object, **kwargs: Any) -> Run:
    """Run the command in a fresh interpreter and wait for it."""
    return subprocess.run(
        command(*arguments, **kwargs), capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


FORKER = """
import json, os, sys, traceback
import torch
import seamless_server.commands.translate_job
from seamless_server.cli import main

torch.set_num_threads(1)
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, name in enumerate((os.devnull, job["out"], job["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC * (number > 0)), number)
        code = 0
        try:
            sys.argv = job["argv"]
            main()
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Importing PyTorch takes longer than most tests: one process has done it, and forks for each."""
Translate = Callable[..., Run]


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Lines of a trace."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def outputs_of(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Outputs of one type."""
    return [x for line in lines for x in line["outputs"] if x["type"] == kind]


def assert_refused(answer: Run, *parts: str) -> None:
    """Exit code 2, one sentence with the given parts, no traceback, nothing on stdout."""
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert answer.stdout == ""
    for part in parts:
        assert part in answer.stderr
