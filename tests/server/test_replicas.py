"""Two replicas that share a real Redis."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seamless_server.doors.running import BackgroundServer

from .conftest import Connect, speech

Start = Callable[..., BackgroundServer]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("redis-server")
    assert program, "install Debian's redis-server, as `make test` does"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    process = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


Pair = tuple[BackgroundServer, BackgroundServer]


@pytest.fixture
def replicas(start_server: Start, redis_url: str, tmp_path: Path) -> Pair:
    shared = {"redis_url": redis_url, "redis_prefix": tmp_path.name}
    return start_server(**shared), start_server(**shared)


async def test_a_room_spans_replicas(replicas: Pair, connect: Connect) -> None:
    here, there = replicas
    speaker = await connect(here, "speaker")
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
    german = await connect(there, "german")
    await german.join(room, "listener")
    await german.call("set_listener_config", {"targetLanguage": "deu", "output": "s2s&t"})
    original = await connect(there, "original", protocol=1)
    await original.join(room, "listener")
    state = await speaker.until(
        "room_state_update", lambda s: {"german", "original"} <= set(s["members"])
    )
    assert state["members"]["german"]["listener_config"]["targetLanguage"] == "deu"
    assert state["members"]["german"]["connection_status"] == "connected"
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    await german.until("translation_text", lambda text: text["eos"])
    sound = await german.until("translation_speech")
    assert isinstance(sound["payload"], bytes)
    assert {text["lang"] for text in german.of("translation_text")} == {"deu"}
    await original.until("translation_text", lambda text: text["eos"])
    sound = await original.until("translation_speech")
    assert isinstance(sound["payload"][0], float)
    # The transcript is there too, and is cleared everywhere.
    transcript = await german.call("transcript")
    assert {entry["lang"] for entry in transcript} == {"spa", "deu"}
    own = " ".join(entry["text"] for entry in transcript if entry["lang"] == "deu")
    assert own.split() == german.text().split()
    await speaker.call("clear_transcript_for_all")
    await german.until("clear_transcript")
    assert await speaker.call("transcript") == []
    # Who leaves there is gone here.
    await german.call("join_room", "german", None, {"roles": []})
    await speaker.until("room_state_update", lambda s: "german" not in s["members"])


async def test_another_replica_takes_over_by_client_id(replicas: Pair, connect: Connect) -> None:
    here, there = replicas
    peer = await connect(here, "traveller", auth={"resumeKey": "mine"})
    room = await peer.join(None, "speaker", "listener")
    await peer.call("set_dynamic_config", {"targetLanguage": "fra"})
    await peer.call("set_name", "Ana")
    await peer.sio.disconnect()
    again = await connect(there, "traveller", auth={"resumeKey": "mine"})
    state = await again.until("room_state_update")
    member = state["members"]["traveller"]
    assert state["room_id"] == room
    assert member["name"] == "Ana"
    assert set(member["roles"]) == {"speaker", "listener"}
    assert member["transcoder_dynamic_config"] == {"targetLanguage": "fra"}
    assert (await again.configure())["status"] == "ok"
    await again.speak(speech("human_short"))
    await again.call("stop_stream")
    assert {text["lang"] for text in again.of("translation_text")} == {"fra"}
    # The first replica does not hold on to it.
    assert "traveller" not in here.app.state.parts.rooms.members


async def test_without_redis_a_replica_goes_on_alone(start_server: Start, connect: Connect) -> None:
    server = start_server(redis_url="redis://127.0.0.1:9/0")
    peer = await connect(server, "alone")
    assert await peer.join()
    assert (await peer.configure())["status"] == "ok"
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    assert peer.text()
