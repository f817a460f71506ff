"""A process that has imported everything, and forks for each command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.recorded import CHECKPOINT
from tests.translate.translating import (
    ENVIRONMENT,
    FORKER,
    Run,
    Translate,
    command,
)


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Translate]:
    """As :func:`translate`, in a fork of a process that has imported everything."""
    folder = tmp_path_factory.mktemp("forked")
    out, err = folder / "out", folder / "err"
    with subprocess.Popen(
        [sys.executable, "-c", FORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(*arguments: object, model: object = CHECKPOINT) -> Run:
            assert process.stdin is not None
            assert process.stdout is not None
            argv = ["seamless-server", *command(*arguments, model=model)[3:]]
            job = {"argv": argv, "out": str(out), "err": str(err)}
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            code = int(process.stdout.readline())
            return Run(argv, code, out.read_text("utf-8"), err.read_text("utf-8"))

        yield run
        process.stdin.close()
