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


def test_capacity_tells_what_each_mode_and_precision_did(tmp_path: Path) -> None:
    done = bench(
        "capacity", "--size", "tiny", "--seconds", "1.5", "--most", "2", "--mode", "scheduled",
        "--form", "bf16", "--form", "int8", "--output", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    modes = json.loads((tmp_path / "capacity.json").read_text("utf-8"))["result"]["modes"]
    assert set(modes) == {"scheduled", "scheduled/bf16", "scheduled/int8"}
    for mode in modes.values():
        assert mode["speakers"] in (0, 1, 2)
        first = mode["runs"]["1"]
        assert first["cpu_seconds_per_second"] > 0
        assert 0 <= first["scheduler"]["padding"] < 1
        assert {"encode", "decode", "step"} <= set(first["scheduler"]["mean_batch"])
    for form in ("bf16", "int8"):
        assert 0.5 < modes[f"scheduled/{form}"]["agreement"]["same_token"] <= 1
    assert "scheduled/bf16" in (tmp_path / "capacity.html").read_text("utf-8")


def test_capacity_refuses_what_it_does_not_know() -> None:
    done = bench("capacity", "--size", "tiny", "--form", "int4")
    assert done.returncode == 2
    assert "'int4' is not one of fp32, bf16" in done.stderr


def test_costs_are_counted_without_weights(tmp_path: Path) -> None:
    done = bench("costs", "--size", "small", "--speakers", "10", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "costs.json").read_text("utf-8"))["result"]
    rows = {row["stage"]: row for row in result["rows"]}
    assert result["gflop"] == pytest.approx(sum(row["gflop"] for row in rows.values()))
    # 3.125 chunks a second of each of ten speakers.
    assert result["tflop_per_second"] == pytest.approx(31.25 * result["gflop"] / 1000)
    assert rows["encoder"]["gflop"] == max(row["gflop"] for row in rows.values())
    # Three steps multiply one row by the table of 32,000 pieces.
    assert rows["decoder: logits"]["gflop"] == pytest.approx(3 * 2 * 256 * 32_000 / 1e9)
    assert "not measured" in (tmp_path / "costs.html").read_text("utf-8")


def test_an_unknown_size_is_one_sentence() -> None:
    done = bench("capacity", "--size", "huge")
    assert done.returncode == 2
    assert "tiny, small, full" in done.stderr


def test_overload_joins_chunks_and_recovers(tmp_path: Path) -> None:
    done = bench(
        "overload", "--size", "tiny", "--speakers", "6", "--minutes", "0.03", "--output",
        str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "overload.json").read_text("utf-8"))["result"]
    assert (result["speakers"], result["capacity"]) == (6, 3)
    assert not result["errors"]
    assert result["lost_seconds"] == 0
    assert result["nothing_lost"] is True
    assert result["recovered"] is (result["recovery_seconds"] <= 10)
    assert 0 < result["median_lag_ms"] <= result["most_lag_ms"]
    # Half of the speakers went on after the others had stopped.
    assert result["curve"][-1]["second"] > 60 * 0.03 + 1
    page = (tmp_path / "overload.html").read_text("utf-8")
    for said in ("lag bounded: ", "nothing lost: yes", "back to normal within 10 s: "):
        assert said in done.stderr
        assert said in page


def test_agreement_compares_every_form_with_fp32(tmp_path: Path) -> None:
    recordings = Path(__file__).parents[1] / "recordings"
    done = bench(
        "agreement", "--model", str(recordings / "checkpoint"), "--device", "cpu",
        "--audio", str(recordings / "audio" / "human_short.flac"), "--output", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "agreement.json").read_text("utf-8"))["result"]
    assert set(result["forms"]) == {"bf16", "fp16", "int8", "int8-weights"}
    for form in result["forms"].values():
        for share in ("same_token", "same_call", "token_agreement", "same_text"):
            assert 0 <= form[share] <= 1
        assert form["same_token"] > 0.9
        assert form["bytes"] < result["bytes"]
    assert "int8-weights" in (tmp_path / "agreement.html").read_text("utf-8")


def test_agreement_of_a_model_without_samples_asks_for_recordings() -> None:
    recordings = Path(__file__).parents[1] / "recordings"
    done = bench("agreement", "--model", str(recordings / "checkpoint"))
    assert done.returncode == 2
    assert "--audio FILE" in done.stderr
