"""Anything in any order: only documented answers, and a normal client is right afterwards."""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as fuzzing

from seamless_server.doors.running import BackgroundServer
from seamless_server.doors.socketio.schema import INBOUND

from .conftest import Connect, speech
from .fuzzing import ANSWERS, Fuzzer, Step, scenarios

Start = Callable[..., BackgroundServer]
STEPS = 20
EVENTS = 1_000


class Complaints(logging.Handler):
    """What the server logs of faults."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.lines.append(self.format(record))


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    handler = Complaints()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


async def translated(server: BackgroundServer, connect: Connect) -> str:
    peer = await connect(server)
    await peer.join()
    assert (await peer.configure())["status"] == "ok"
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    await peer.sio.disconnect()
    return str(peer.text())


async def test_any_events_in_any_order_are_answered_as_documented(
    start_server: Start, connect: Connect, complaints: Complaints
) -> None:
    server = start_server(
        grace_seconds=0.3, room_expiry_seconds=0.5, max_speakers=2, waiting_places=2,
        max_events_per_second=100_000, max_events_per_address=0, max_joins_per_address=0,
        max_rooms_per_address=0,
    )  # fmt: skip
    assert set(ANSWERS) == {*INBOUND, "no_such_event"}
    before = await translated(server, connect)
    wrong: list[str] = []
    fuzzer = Fuzzer(server.url, wrong.append)

    @given(steps=scenarios(STEPS))
    @fuzzing(
        max_examples=int(1.3 * EVENTS / STEPS),
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a server's state does not shrink
    )
    def play(steps: list[Step]) -> None:
        asyncio.run(fuzzer.play(steps))
        found = [*wrong, *complaints.lines]
        wrong.clear()
        complaints.lines.clear()
        assert found == []

    await asyncio.to_thread(play)
    assert fuzzer.events >= EVENTS
    await everything_is_given_back(server)
    assert await translated(server, connect) == before


async def test_the_rest_interface_answers_as_it_describes_itself(
    start_server: Start, connect: Connect, complaints: Complaints, tmp_path: Path
) -> None:
    server = start_server()
    before = await translated(server, connect)
    program = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/openapi.json"]
    # It sends forms that fit, but no sound in them.
    options = ["--exclude-checks", "positive_data_acceptance", "--phases", "coverage,fuzzing"]
    options += [
        "--max-examples",
        "10",
        "--seed",
        "1",
        "--no-color",
        "--generation-database",
        "none",
    ]
    run = await asyncio.create_subprocess_exec(
        *program, *options, cwd=tmp_path, stdout=PIPE, stderr=STDOUT
    )
    told, _ = await run.communicate()
    assert run.returncode == 0, told.decode()
    assert complaints.lines == []
    assert await translated(server, connect) == before


async def everything_is_given_back(server: BackgroundServer) -> None:
    """Nothing is kept of clients that are gone."""
    parts: Any = server.app.state.parts

    def kept() -> dict[str, Any]:
        admission = parts.service.admission
        held = {
            "members": parts.rooms.members,
            "connections": parts.connections.open,
            "places": admission.places,
            "line": len(admission.line),
            "lock": parts.lock.holder,
            "packets": parts.sio._binary_packet,
            "sockets": parts.connections.sockets.count(),
        }
        return {name: value for name, value in held.items() if value}

    for _ in range(300):
        if not kept():
            return
        await asyncio.sleep(0.1)
    assert kept() == {}
