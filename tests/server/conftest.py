"""A real server in a thread, real clients, real speech; the model is the tiny recorded one."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import socketio
import soundfile
from websockets.asyncio.client import connect as open_websocket

from seamless_server.doors.running import BackgroundServer
from seamless_server.settings import Settings

from .programs import Program

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

__all__ = ["timeout"]

RECORDINGS = Path(__file__).parent.parent / "recordings"
CHECKPOINT = RECORDINGS / "checkpoint"
Pcm = npt.NDArray[np.int16]


def settings(folder: Path, **changes: Any) -> Settings:
    """The settings of a test's server."""
    base: dict[str, Any] = {
        "models": (str(CHECKPOINT),),
        "device": "cpu",
        "port": 0,
        "debug_dir": folder / "debug",
        "debug_min_free_mb": 0,
        # One chunk a step, however busy the machine is: what the tiny random model says depends on
        # where its audio is cut.
        "join_limit_ms": 320,
        "default_target_language": "spa",
    }
    return Settings(**{**base, **changes})


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    """One server with ordinary settings for all tests that leave it as it was."""
    with BackgroundServer(settings(tmp_path_factory.mktemp("server"))) as server:
        yield server


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., BackgroundServer]]:
    """Starts servers with settings of their own."""
    with ExitStack() as stack:

        def start(**changes: Any) -> BackgroundServer:
            wait_ready = changes.pop("wait_ready", True)
            server = BackgroundServer(settings(tmp_path, **changes), wait_ready=wait_ready)
            return stack.enter_context(server)

        yield start


Run = Callable[..., Program]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts servers as processes of their own; they are killed at the end."""
    programs: list[Program] = []

    def start(**settings: Any) -> Program:
        programs.append(Program(tmp_path, **settings))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        program.process.wait()


class Peer:
    """A Socket.IO client that keeps everything it gets."""

    def __init__(self, client_id: str, **options: Any) -> None:
        self.client_id = client_id
        self.sio = socketio.AsyncClient(reconnection=False, **options)
        self.events: list[tuple[str, Any]] = []
        self.room: str | None = None
        self._news = asyncio.Condition()
        self.sio.on("*", self._keep)
        self.sio.on("disconnect", self._gone)

    async def _keep(self, event: str, *args: Any) -> None:
        await self._note(event, args[0] if args else None)

    async def _gone(self, *_: Any) -> None:
        await self._note("disconnect", None)

    async def _note(self, event: str, data: Any) -> None:
        async with self._news:
            self.events.append((event, data))
            self._news.notify_all()

    def of(self, event: str) -> list[Any]:
        """Everything that came of one event."""
        return [data for name, data in self.events if name == event]

    async def until(
        self, event: str, condition: Callable[[Any], object] = lambda _: True, *, after: int = 0
    ) -> Any:
        """Waits for an event that meets the condition, among those from number `after` on."""

        def found() -> list[Any]:
            return [d for name, d in self.events[after:] if name == event and condition(d)]

        async with self._news:
            await asyncio.wait_for(self._news.wait_for(found), 60)
        return found()[0]

    async def call(self, event: str, *args: Any) -> Any:
        """Emits and returns the answer."""
        return await self.sio.call(event, args or None, timeout=60)

    async def join(self, room: str | None = None, *roles: str, lock: str | None = None) -> str:
        """Joins as `roles`, by default both."""
        config = {"roles": list(roles or ("speaker", "listener")), "lockServerName": lock}
        answer = await self.call("join_room", self.client_id, room, config)
        self.room = answer["roomID"]
        return str(self.room)

    async def configure(self, rate: int = 16_000, **changes: Any) -> Any:
        """Sends `configure_stream` as the original's page does."""
        config = {
            "event": "config",
            "rate": rate,
            "model_name": None,
            "debug": False,
            "async_processing": True,
            "buffer_limit": 1,
            "model_type": "s2s&t",
        }
        return await self.call("configure_stream", {**config, **changes})

    async def speak(self, pcm: Pcm, *, chunk: int = 5461, pause: float = 0.0) -> None:
        """Sends audio without asking for acknowledgements."""
        for start in range(0, len(pcm), chunk):
            await self.sio.emit("incoming_audio", pcm[start : start + chunk].tobytes())
            await asyncio.sleep(pause)

    def text(self, lang: str | None = None) -> str:
        """The text that came; by protocol 1 without the spaces between events."""
        return "".join(
            data["payload"]
            for data in self.of("translation_text")
            if lang is None or data["lang"] == lang
        )


Connect = Callable[..., Any]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connects clients; they are disconnected at the end."""
    peers: list[Peer] = []

    async def make(
        server: BackgroundServer,
        client_id: str | None = None,
        *,
        protocol: int = 2,
        auth: dict[str, Any] | None = None,
        **extra: str,
    ) -> Peer:
        # Fresh identities, so that tests that share a server do not meet each other's members.
        peer = Peer(client_id or f"client-{uuid.uuid4().hex}")
        query = "&".join(f"{key}={value}" for key, value in extra.items())
        version = "&protocol=2" if protocol == 2 else ""
        await peer.sio.connect(
            f"{server.url}?clientID={peer.client_id}{version}&{query}",
            auth=auth,
            socketio_path="/ws/socket.io",
            transports=["websocket"],
            wait_timeout=30,
        )
        peers.append(peer)
        await peer.until("server_state_update")
        return peer

    yield make
    for peer in peers:
        await peer.sio.disconnect()


def speech(name: str = "human_short", rate: int = 16_000, seconds: float | None = None) -> Pcm:
    """Recorded speech at any rate."""
    samples, source_rate = soundfile.read(RECORDINGS / "audio" / f"{name}.flac", dtype="float32")
    if seconds is not None:
        samples = samples[: int(seconds * source_rate)]
    if rate != source_rate:
        import soxr

        samples = soxr.resample(samples, source_rate, rate)
    pcm: Pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    return pcm


def silence(seconds: float, rate: int = 16_000) -> Pcm:
    """Nothing."""
    return np.zeros(int(seconds * rate), np.int16)


async def realtime_speech(server: BackgroundServer) -> list[dict[str, Any]]:
    """What a recording sent over OpenAI's wire is answered with: the events that bring speech."""
    address = server.url.replace("http", "ws") + "/v1/realtime/translations?model=default"
    pcm = base64.b64encode(speech("human_short", rate=24_000).tobytes()).decode()
    async with open_websocket(address, max_size=None) as socket:
        for event in (
            {"type": "session.input_audio_buffer.append", "audio": pcm},
            {"type": "session.close"},
        ):
            await socket.send(json.dumps(event))
        answers = [json.loads(message) async for message in socket]
    return [event for event in answers if event["type"] == "session.output_audio.delta"]
