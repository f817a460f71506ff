"""The soak run in short: `make soak` takes half an hour, this one a minute."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.recorded import RECORDINGS


@pytest.mark.timeout(900)
def test_whoever_is_not_struck_notices_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.soak", "--minutes", "1", "--events", "0"]
    run = subprocess.run(
        [*command, "--output", str(tmp_path)],
        cwd=RECORDINGS.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Nothing was wrong." in (tmp_path / "index.md").read_text("utf-8")
    assert (tmp_path / "soak.png").is_file()
