"""Sends to rooms and clients: nobody waits for a slow one, nothing floods the event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import socketio
from engineio.exceptions import EngineIOError
from engineio.packet import MESSAGE
from engineio.packet import Packet as EngineIOPacket
from socketio.packet import EVENT

from seamless_server.doors.socketio.codec import BoundedPacket, Json
from seamless_server.metrics import Metrics
from seamless_server.settings import Settings

_INTERVAL = 0.5
"""Seconds between two updates of the same state."""
_SLICE = 32
"""Clients that are served before the event loop gets its turn."""


@dataclass(frozen=True)
class Emitted:
    """An event that went to delivery groups of a room."""

    name: str
    data: dict[str, Any]
    groups: frozenset[str]
    at: float
    """Seconds since the epoch."""


def arguments_of(data: Any) -> list[Any]:
    """An event's arguments, as Socket.IO reads what is emitted: several only in a tuple."""
    return list(data) if isinstance(data, tuple) else [] if data is None else [data]


class LocalManager(socketio.AsyncManager):  # type: ignore[misc]
    """Leaves out clients whose queue is full, and pauses between slices of a large room.

    Socket.IO gives every client an unbounded queue, which one stalled listener could fill for
    ever, and serves all clients of a room in one go.
    """

    _backlog = 128
    _metrics: Metrics

    def bound(self, backlog: int, metrics: Metrics) -> None:
        """Sets how many messages may wait for a client, and who counts those left out."""
        self._backlog = backlog
        self._metrics = metrics

    async def last_events(self, room_id: str) -> list[Emitted]:
        """What was last emitted in a room on any replica, as far as it is kept; what is emitted
        from now on comes to the same list."""
        return []

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        """As the base class, without those that do not keep up."""
        sockets = self.server.eio.sockets
        for sid, eio_sid in super().get_participants(namespace, room):
            socket = sockets.get(eio_sid)
            if socket is not None and socket.queue.qsize() >= self._backlog:
                self._metrics.skipped.inc()
                continue
            yield sid, eio_sid

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **_: Any,
    ) -> None:
        """As the base class; the event is encoded once for all who get it."""
        namespace = namespace or "/"
        if callback is not None:
            await super().emit(
                event, data, namespace, to or room, skip_sid=skip_sid, callback=callback
            )
            return
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        participants = [
            eio_sid
            for sid, eio_sid in self.get_participants(namespace, to or room)
            if sid not in skipped
        ]
        if not participants:
            return
        encoded = self.server.packet_class(
            EVENT, namespace=namespace, data=[event, *arguments_of(data)]
        ).encode()
        packets = [
            EngineIOPacket(MESSAGE, part)
            for part in (encoded if isinstance(encoded, list) else [encoded])
        ]
        for start in range(0, len(participants), _SLICE):
            if start:
                await asyncio.sleep(0)
            for eio_sid in participants[start : start + _SLICE]:
                await self._send(eio_sid, packets)

    async def _send(self, eio_sid: str, packets: list[EngineIOPacket]) -> None:
        for packet in packets:
            try:
                await self.server.eio.send_packet(eio_sid, packet)
            except (KeyError, EngineIOError):
                return  # it left meanwhile


class _OneLine(logging.Filter):
    """What a broken client causes is one line in the log and no error of the server's."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            record.msg = f"{record.getMessage()}: {record.exc_info[1]!r}"
            record.args, record.exc_info = (), None
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _quiet(name: str, talkative: bool) -> logging.Logger:
    """A logger for the Socket.IO libraries, which tell of every message at level info."""
    found = logging.getLogger(f"seamless_server.{name}")
    found.setLevel(logging.INFO if talkative else logging.ERROR)
    if not found.filters:
        found.addFilter(_OneLine())
    return found


def make_server(
    settings: Settings, metrics: Metrics, manager: LocalManager | None = None
) -> socketio.AsyncServer:
    """The Socket.IO server; `manager` delivers its events, to this server's clients by default."""
    manager = manager or LocalManager()
    manager.bound(settings.listener_backlog, metrics)
    talkative = settings.log_level == "debug"
    origins: Any = list(settings.cors_origins) or None
    return socketio.AsyncServer(
        async_mode="asgi",
        logger=_quiet("socketio", talkative),
        engineio_logger=_quiet("engineio", talkative),
        client_manager=manager,
        serializer=BoundedPacket,
        json=Json,
        cors_allowed_origins="*" if origins == ["*"] else origins,
        max_http_buffer_size=settings.max_message_bytes,
        # With replicas, requests of one polling client would have to reach the same one.
        transports=["websocket"] if settings.redis_url else ["websocket", "polling"],
        ping_interval=20,
        ping_timeout=20,
    )


class Later:
    """Runs an action once, soon, however often it is asked for meanwhile.

    A hundred clients that join within a second change a room a hundred times; everybody needs to
    hear of it only a few times. An action that returns seconds runs again after them by itself.
    """

    def __init__(self, delay: float = 0.03) -> None:
        self._delay = delay
        self._waiting: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._last: dict[str, float] = {}

    def ask(self, key: str, action: Callable[[], Awaitable[float | None]]) -> None:
        """Runs `action` soon: at once if it has not run lately."""
        # Keep a busy room to two updates a second, tell a quiet one at once.
        now = time.monotonic()
        self._plan(key, action, max(now + self._delay, self._last.get(key, 0.0) + _INTERVAL))

    def _plan(self, key: str, action: Callable[[], Awaitable[float | None]], at: float) -> None:
        planned = self._waiting.get(key)
        if planned is not None:
            if planned[0] <= at:
                return
            planned[1].cancel()
        self._waiting[key] = (at, asyncio.create_task(self._run(key, action, at)))

    async def _run(
        self, key: str, action: Callable[[], Awaitable[float | None]], at: float
    ) -> None:
        await asyncio.sleep(at - time.monotonic())
        self._waiting.pop(key, None)
        self._last[key] = time.monotonic()
        again = await action()
        if again is not None and key in self._last:
            self._plan(key, action, time.monotonic() + again)

    def forget(self, key: str) -> None:
        """The key will not be used again."""
        self._last.pop(key, None)
        if key in self._waiting:
            self._waiting.pop(key)[1].cancel()

    async def close(self) -> None:
        """Cancels what waits."""
        tasks = [task for _, task in self._waiting.values()]
        self._waiting.clear()
        self._last.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
