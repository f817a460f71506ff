"""`seamless-server bench` measures, compares and draws."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def bench(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seamless_server", "bench", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_engine_compares_all_modes_in_one_run(tmp_path: Path) -> None:
    done = bench(
        "engine", "--size", "tiny", "--speakers", "3", "--seconds", "3", "--output", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "engine.json").read_text("utf-8"))["result"]
    assert set(result["modes"]) == {"naive", "inline", "scheduled"}
    for mode in result["modes"].values():
        assert not mode["errors"]
        assert mode["audio_seconds"] == pytest.approx(3 * 2.88)
        assert {"encode", "decode", "units", "vocode"} <= set(mode["stages"])
    inline = result["modes"]["inline"]["throughput"]
    assert result["scheduled_over_inline"] == pytest.approx(
        result["modes"]["scheduled"]["throughput"] / inline
    )
    page = (tmp_path / "engine.html").read_text("utf-8")
    assert "scheduled" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_fanout_encodes_once_however_many_languages(tmp_path: Path) -> None:
    done = bench("fanout", "--size", "tiny", "--seconds", "4", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "fanout.json").read_text("utf-8"))["result"]["rows"]
    assert [row["languages"] for row in rows] == [1, 4, 16]
    encodings = {row["stages"]["encode"][1] for row in rows}
    assert len(encodings) == 1
    assert rows[2]["stages"]["decode"][1] == 16 * rows[0]["stages"]["decode"][1]


def test_an_unknown_size_is_one_sentence() -> None:
    done = bench("capacity", "--size", "huge")
    assert done.returncode == 2
    assert "tiny, small, full" in done.stderr
