"""`seamless-server doctor` on this machine, with parts of it taken away."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seamless_server.checkpoints.published import FILES

WITHOUT = "import sys; sys.modules[{module!r}] = None; from seamless_server.cli import main; main()"

Findings = dict[str, dict[str, Any]]
Doctor = Callable[..., tuple[int, Findings]]


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    """Run the command without a checkpoint; gives the exit code and the findings by key."""

    def run(*, without: str | None = None, **environment: str) -> tuple[int, Findings]:
        command = ["-c", WITHOUT.format(module=without)] if without else ["-m", "seamless_server"]
        done = subprocess.run(
            [sys.executable, *command, "doctor", "--json"],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), **environment},
        )
        report = json.loads(done.stdout)
        assert report["ok"] == (done.returncode == 0)
        return done.returncode, {finding["key"]: finding for finding in report["findings"]}

    return run


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A checkpoint folder with files of the published names."""
    folder = tmp_path / "checkpoints"
    (folder / "SeamlessStreaming").mkdir(parents=True)
    for file in FILES:
        (folder / "SeamlessStreaming" / file.name).write_bytes(b"")
    return folder


def test_a_machine_with_everything_needed_is_exit_code_0(doctor: Doctor, published: Path) -> None:
    code, findings = doctor(SEAMLESS_CHECKPOINT_DIR=str(published))
    assert code == 0
    assert findings["model:SeamlessStreaming"]["status"] == "ok"
    assert findings["python"]["data"]["version"] == sys.version.split()[0]
    assert findings["cpu"]["data"]["cores"] == len(os.sched_getaffinity(0))
    assert findings["memory"]["data"]["bytes"] > 2**28
    assert findings["checkpoint_dir"]["data"]["path"] == str(published)
    assert findings["checkpoint_dir"]["data"]["free_bytes"] > 0
    assert findings["torch"]["status"] == "ok"
    for package in ("simuleval", "soundfile", "soxr", "kaldi-native-fbank", "silero-vad"):
        assert findings[package]["status"] == "ok"


def test_an_incomplete_checkpoint_names_what_it_lacks(doctor: Doctor, published: Path) -> None:
    (published / "SeamlessStreaming" / "vocoder_v2.pt").unlink()
    _, findings = doctor(SEAMLESS_CHECKPOINT_DIR=str(published))
    assert findings["model:SeamlessStreaming"]["status"] == "warning"
    assert findings["model:SeamlessStreaming"]["data"]["lacking"] == ["vocoder_v2.pt"]
    assert "models download" in findings["model:SeamlessStreaming"]["remedy"]


@pytest.mark.parametrize(
    ("module", "key", "remedy"),
    [
        ("simuleval", "simuleval", "pip install --no-deps simuleval==1.1.4"),
        ("soxr", "soxr", "pip install soxr"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(
    doctor: Doctor, published: Path, module: str, key: str, remedy: str
) -> None:
    code, findings = doctor(without=module, SEAMLESS_CHECKPOINT_DIR=str(published))
    assert code == 1
    assert findings[key]["status"] == "missing"
    assert findings[key]["remedy"] == remedy


def test_a_bad_setting_is_named(doctor: Doctor, published: Path) -> None:
    code, findings = doctor(SEAMLESS_CHECKPOINT_DIR=str(published), SEAMLESS_PORT="abc")
    assert code == 1
    assert findings["settings"]["status"] == "missing"
    assert "SEAMLESS_PORT" in findings["settings"]["value"]


def test_without_node_only_the_page_is_affected(
    doctor: Doctor, published: Path, tmp_path: Path
) -> None:
    code, findings = doctor(SEAMLESS_CHECKPOINT_DIR=str(published), PATH=str(tmp_path))
    assert code == 0
    assert findings["node"]["status"] == findings["npm"]["status"] == "absent"
    assert "Node.js 20" in findings["node"]["remedy"]


def test_the_table_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seamless_server", "doctor"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", "SEAMLESS_PORT": "abc"},
    )
    assert done.returncode == 1
    assert "SEAMLESS_PORT" in done.stdout
    assert "docs/settings.md" in done.stdout
    assert "Not ready: Environment" in done.stdout
