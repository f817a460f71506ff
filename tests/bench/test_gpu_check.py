"""`bench gpu-check` on the CPU: every step but the kernels, and what is left of a run cut off."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from seamless_server.bench.gpu_check import gpu_check

from .test_bench import bench

STEPS = {
    "recordings", "agreement", "stages", "graphs", "compiled", "capacity", "fanout", "overload",
    "server",
}  # fmt: skip


class Run:
    """Runs of quick checks into one folder, and what they said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []

    def __call__(self, *names: str, apart: bool = False, minutes: float = 30.0) -> bool:
        self.said = []
        return gpu_check(
            self.folder,
            torch.device("cpu"),
            quick=True,
            minutes=minutes,
            names=names,
            apart=apart,
            command="bench gpu-check",
            say=self.said.append,
        )

    def records(self) -> dict[str, Any]:
        text = (self.folder / "cpu" / "summary.json").read_text("utf-8")
        steps: dict[str, Any] = json.loads(text)["steps"]
        return steps

    def page(self) -> str:
        return (self.folder / "cpu" / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All steps were run."""
    run = Run(tmp_path_factory.mktemp("gpu"))
    assert run(), run.said
    assert {f"{name}: done" for name in STEPS} <= set(run.said)
    # Before it begins it says what everything will cost.
    assert any("about 120 s" in line for line in run.said[: run.said.index("-- recordings")])
    return run


def test_every_step_answers_its_question(run: Run) -> None:
    found = {name: record["result"] for name, record in run.records().items()}
    assert set(found) == STEPS
    assert found["recordings"] == {"compared": 1, "differ": []}
    assert set(found["agreement"]["forms"]) == {"bf16", "fp16", "int8", "int8-weights"}
    assert found["stages"]["parts"]["encoder: feed-forward"] > 0
    assert set(found["graphs"]["runs"]) == {"1 speakers, graphs", "1 speakers, plain"}
    assert found["compiled"]["rows"][0]["compiled_ms"] > 0
    assert found["capacity"]["chunks"]["640"]["speakers"] in (0, 1)
    assert [row["languages"] for row in found["fanout"]["rows"]] == [1, 4, 16]
    assert found["overload"]["speakers"] == 2
    assert found["server"]["results"][0]["text_latency_ms"]["count"] > 0
    for record in run.records().values():
        assert record["question"] in run.page()
    assert "not run" not in run.page()


def test_what_is_done_is_not_done_again_and_what_is_cut_off_is_kept(run: Run) -> None:
    dates = {name: record["date"] for name, record in run.records().items()}
    (run.folder / "cpu" / "fanout.json").unlink()
    (run.folder / "cpu" / "overload.json").unlink()
    # In processes of their own; one that is given too little time is cut off.
    assert run("fanout", apart=True)
    assert not run("overload", "capacity", apart=True, minutes=0.01)
    assert any(line.startswith("overload: cut off out of time") for line in run.said)
    now = run.records()
    assert now["fanout"]["status"] == "done"
    assert now["overload"]["status"] == "cut off"
    kept = STEPS - {"fanout", "overload"}
    assert {name: now[name]["date"] for name in kept} == {name: dates[name] for name in kept}
    assert "overload: cut off" in run.page()


def test_a_run_that_is_killed_leaves_nothing_behind_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    code = (
        "import sys, torch; from pathlib import Path\n"
        "from seamless_server.bench.gpu_check import gpu_check\n"
        "if __name__ == '__main__':\n"
        "    gpu_check(Path(sys.argv[1]), torch.device('cpu'), quick=True, minutes=5.0,\n"
        "              apart=True, names=['overload'], command='', say=print)\n"
    )
    script = tmp_path / "check.py"
    script.write_text(code)
    command = [sys.executable, str(script), str(tmp_path)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    record = tmp_path / "cpu" / "overload.json"
    try:
        await_that(record.is_file)
        process.kill()
        process.wait()
        await_that(lambda: not _lives(process.pid))
    finally:
        if _lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
    assert json.loads(record.read_text())["status"] == "running"
    again = Run(tmp_path)
    assert again("overload"), again.said
    assert again.records()["overload"]["status"] == "done"


def await_that(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lives(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def test_without_a_gpu_it_says_what_can_be_done() -> None:
    done = bench("gpu-check")
    assert done.returncode == 2
    assert "--device cpu --quick" in done.stderr
    assert "Traceback" not in done.stderr
