"""Options of a stream: declared once, asked for through every door, narrowed by the operator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from seamless_server.doors.running import BackgroundServer
from seamless_server.errors import ConfigError
from seamless_server.stream_options import (
    StreamOptions,
    options_table,
    read_options,
    read_policy,
    settable,
)

from .conftest import RECORDINGS, Connect, silence, speech

Start = Callable[..., BackgroundServer]
ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "streaming-react-app" / "src"
AUDIO = RECORDINGS / "audio" / "human_short.flac"


def upload(server: BackgroundServer, **fields: str) -> httpx.Response:
    data = {"targetLanguage": "spa", "stream": "true", **fields}
    with AUDIO.open("rb") as file:
        return httpx.post(
            f"{server.url}/api/translate", data=data, files={"file": file}, timeout=120
        )


def first_text_ms(server: BackgroundServer, **fields: str) -> float:
    lines = [json.loads(line) for line in upload(server, **fields).text.splitlines()]
    return float(next(line["endMs"] for line in lines if line["type"] == "text" and line["text"]))


# -- what is declared ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["repetition_penalty", "max_segment_seconds"])
def test_an_option_is_known_in_four_source_files_at_most(name: str) -> None:
    """What a new one costs: its line, the agent that reads it, and its use."""
    sources = [*(ROOT / "seamless_server").rglob("*.py"), *PAGE.rglob("*.ts"), *PAGE.rglob("*.tsx")]
    knowing = {
        path.name
        for path in sources
        if name in path.read_text(encoding="utf-8") and not path.name.endswith(".gen.ts")
    }
    assert "stream_options.py" in knowing
    assert len(knowing) <= 4


def test_the_documented_options_are_the_options() -> None:
    assert options_table() in (ROOT / "docs" / "stream-options.md").read_text()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"decision_treshold": 0.5}, "did you mean decision_threshold"),
        ({"decision_threshold": 1.01}, "decision_threshold"),
        ({"decision_threshold": True}, "must be a number"),
        ({"decision_threshold": float("nan")}, "decision_threshold"),
        ({"max_len_a": 1.5}, "max_len_a"),
        ({"decision_method": "most"}, "decision_method"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        read_options(given)


def test_bounds_belong_to_the_range() -> None:
    for value in (0, 1):
        assert read_options({"decision_threshold": value}).decision_threshold == value


def test_speakers_may_not_set_what_is_the_operators() -> None:
    assert "max_len_a" not in settable("speaker")
    with pytest.raises(ConfigError, match="operator"):
        read_options({"max_len_a": 1}, "speaker")


def test_an_operator_gives_defaults_and_narrows() -> None:
    policy = read_policy("decision_threshold=0.4..0.8:0.6, max_len_a=2")
    assert policy.admit({}) == StreamOptions(decision_threshold=0.6, max_len_a=2)
    assert policy.admit({"decision_threshold": 0.8}).decision_threshold == 0.8
    for outside in (0.39, 0.81):
        with pytest.raises(ConfigError, match=r"from 0\.4 to 0\.8"):
            policy.admit({"decision_threshold": outside})


@pytest.mark.parametrize(
    "text",
    [
        "decision_threshold",
        "decision_threshold=",
        "decision_threshold=0.5..",
        "decision_threshold=0.8..0.4",
        "decision_threshold=0..2",
        "decision_threshold=0.4..0.8:0.9",
        "max_len_a=1..2",
        "nothing=1",
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        read_policy(text)


# -- through the doors -----------------------------------------------------------------------------


async def test_a_speaker_is_told_which_option_is_wrong(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    answer = await peer.configure(options={"decision_threshold": 7})
    assert answer["status"] == "error"
    assert answer["field"] == "options.decision_threshold"
    assert (await peer.configure(options={"decision_threshold": 0.7}))["status"] == "ok"


async def test_an_option_reaches_the_live_stream(start_server: Start, connect: Connect) -> None:
    server = start_server(join_limit_ms=960)
    steps: dict[int, float] = {}
    registry = server.app.state.parts.metrics.registry
    for chunk_ms in (320, 960):
        before = registry.get_sample_value("seamless_step_chunks_count") or 0.0
        peer = await connect(server)
        await peer.join()
        await peer.configure(options={"chunk_ms": chunk_ms})
        for _ in range(6):
            await peer.call("incoming_audio", silence(0.32).tobytes())
        await peer.call("stop_stream")
        steps[chunk_ms] = registry.get_sample_value("seamless_step_chunks_count") - before
    assert steps[960] <= 2 < steps[320]


def test_an_option_reaches_an_upload(shared_server: BackgroundServer) -> None:
    sooner = first_text_ms(shared_server, decision_threshold="0", chunk_ms="320")
    steadier = first_text_ms(shared_server, decision_threshold="1", chunk_ms="320")
    assert sooner < steadier


def test_an_upload_is_held_to_the_operators_range(start_server: Start) -> None:
    server = start_server(stream_options="decision_threshold=0.4..0.8")
    [shown] = [
        option
        for option in httpx.get(f"{server.url}/api/options").json()
        if option["name"] == "decision_threshold"
    ]
    assert (shown["low"], shown["high"]) == (0.4, 0.8)
    answer = upload(server, decision_threshold="0.9")
    assert answer.status_code == 422
    assert "decision_threshold" in answer.json()["detail"]


async def test_an_upload_takes_a_place_like_a_speaker(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1)
    peer = await connect(server)
    await peer.join()
    await peer.configure()
    answer = upload(server)
    assert answer.status_code == 503
    assert answer.json()["code"] == "max_speakers"
    await peer.speak(speech(seconds=1.0))
    await peer.call("stop_stream")
    assert upload(server).status_code == 200
