"""A server that does what a test tells it: real Socket.IO on a real port, and no model."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import socketio
import uvicorn


class Script:
    """Answers as a server does, loses connections when told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")
        self.server_id = "first"
        self.calls: list[tuple[Any, ...]] = []
        self.auths: list[dict[str, Any]] = []
        self.queries: list[dict[str, list[str]]] = []
        self.audio: list[np.ndarray] = []
        self.streams: list[list[np.ndarray]] = []
        """Audio of every stream that was configured."""
        self.answers: dict[str, Callable[[], Any]] = {}
        """Answers in place of the usual ones."""
        self.lose_at: dict[int, str] = {}
        """Loses the connection at a message of audio: `before` it counts, or `after`."""
        self.restart_at: set[int] = set()
        """Messages of audio at which the server is another one, without the stream."""
        self.queued_ms = 0.0
        self.tells_received = True
        self._count = itertools.count()
        self.sio.on("connect", self._connect)
        self.sio.on("*", self._event)

    async def __aenter__(self) -> Script:
        app = socketio.ASGIApp(self.sio, socketio_path="/ws/socket.io")
        config = uvicorn.Config(app, port=0, log_level="error", ws="websockets-sansio")
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        await self._task

    def lose(self) -> None:
        """The network drops every connection."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    def of(self, event: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of an event."""
        return [arguments for name, *arguments in self.calls if name == event]  # type: ignore[misc]

    @property
    def heard(self) -> np.ndarray:
        """All audio, in the order in which it came."""
        return np.concatenate([np.zeros(0, np.int16), *itertools.chain(*self.streams)])

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        self.auths.append(auth)
        self.queries.append(parse_qs(environ["QUERY_STRING"]))
        await self.sio.emit("server_id", self.server_id, to=sid)

    async def _event(self, event: str, sid: str, *args: Any) -> Any:
        if event == "incoming_audio":
            return await self._audio(args[0])
        self.calls.append((event, *args))
        if event in self.answers:
            return self.answers[event]()
        if event == "join_room":
            return {"roomsJoined": ["ROOM"], "roomID": args[1] or "ROOM"}
        if event == "configure_stream":
            self.streams.append([])
        return {"status": "ok", "message": "done"}

    async def _audio(self, data: bytes) -> Any:
        if data:
            number = next(self._count)
            if number in self.restart_at:
                self.server_id = f"after {number}"
                self.lose()
                await asyncio.sleep(60)
            how = self.lose_at.get(number)
            if how != "before":
                self.streams[-1].append(np.frombuffer(data, "<i2"))
            if how is not None:
                self.lose()
                await asyncio.sleep(60)  # there is nobody to answer to
        else:
            self.calls.append(("asked",))
            if "asked" in self.answers:
                self.answers["asked"]()
        if "incoming_audio" in self.answers:
            return self.answers["incoming_audio"]()
        answer: dict[str, Any] = {"queuedMs": self.queued_ms}
        if self.tells_received:
            answer["receivedMs"] = round(sum(map(len, self.streams[-1])) / 16, 1)
        return answer
