"""The load benchmark measures a real server with real clients."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seamless_server.bench.listeners import allow_files
from seamless_server.doors.running import BackgroundServer
from seamless_server.errors import UsageError

from .conftest import RECORDINGS

AUDIO = RECORDINGS / "audio" / "human_short.flac"


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seamless_server", "bench", "server", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_what_it_reports_is_what_happened(shared_server: BackgroundServer, tmp_path: Path) -> None:
    done = bench(
        "--url", shared_server.url, "--audio", AUDIO, "--speakers", "1,2", "--listeners", "3",
        "--seconds", "4", "--tgt-lang", "spa", "--output", "s2t", "--save", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "server.json").read_text())
    assert document["model"] == "tiny"
    assert [result["speakers"] for result in document["results"]] == [1, 2]
    for result in document["results"]:
        assert result["listener_events"]["sent_to_each"] > 0
        assert result["listener_events"]["missing_in_all"] == 0
        assert result["listener_events"]["lost_connections"] == 0
        assert result["dropped_audio_seconds"] == 0
        latency = result["text_latency_ms"]
        assert 0 < latency["p50"] <= latency["p95"] <= latency["max"]
        listening = result["listener_latency_ms"]
        assert listening["count"] >= 3
        assert result["joining_seconds"] > 0
        assert result["state_megabytes"] > 0
        assert result["chunks_a_step"] >= 1
        assert result["notices"] == []
    assert "3 of 3 listeners are in" in done.stderr
    page = (tmp_path / "server.html").read_text()
    assert "Benchmark: server" in page
    assert str(tmp_path) in page  # the command that repeats it


def test_opus_takes_a_fraction_of_the_traffic(shared_server: BackgroundServer) -> None:
    bytes_of = {}
    for encoding in ("pcm16", "opus"):
        done = bench(
            "--url", shared_server.url, "--audio", AUDIO, "--listeners", "2", "--seconds", "4",
            "--tgt-lang", "spa", "--encoding", encoding,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        [result] = json.loads(done.stdout)["results"]
        assert result["listener_events"]["missing_in_all"] == 0
        bytes_of[encoding] = result["speech_bytes_a_listener"]
    assert 0 < 5 * bytes_of["opus"] < bytes_of["pcm16"]


def test_what_cannot_be_measured_is_said() -> None:
    for arguments, part in [
        (["--speakers", "none"], "--speakers"),
        (["--url", "http://127.0.0.1:9", "--audio", str(AUDIO)], "127.0.0.1:9"),
        (["--audio", "no-such.wav"], "no such file"),
        (["--audio", str(Path(__file__))], "not a sound file"),
    ]:
        done = bench(*arguments)
        assert done.returncode == 2
        assert part in done.stderr
        assert "Traceback" not in done.stderr


def test_limits_that_are_in_the_way_are_named(
    start_server: Callable[..., BackgroundServer],
) -> None:
    server = start_server(max_connections=4)
    done = bench("--url", server.url, "--audio", AUDIO, "--listeners", "6")
    assert done.returncode == 2
    assert "not all of 6 listeners could come in: " in done.stderr
    assert "The server is full" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(UsageError, match="open files"):
        allow_files(10**9)
