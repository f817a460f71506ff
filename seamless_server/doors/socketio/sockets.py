"""The sockets below Socket.IO: closed for good, asked for a sign of life, counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import socketio
from engineio.async_drivers.asgi import WebSocket
from engineio.packet import PING, PONG, Packet
from engineio.payload import Payload

from seamless_server.doors.reading import ReadingPace

HANDSHAKE_SECONDS = 3.0
"""A socket without a client for so long is closed."""
LIFE_SECONDS = 2.0
"""How long a client may take to say that it is there."""
_CLOSE_SECONDS = 0.5
ANSWER_SECONDS = 3.0
"""How long a client that is sent away may take to answer."""
MOST_PACKETS = 256
"""Packets in one request of long polling; audio comes in two an event."""
Payload.max_decode_packets = MOST_PACKETS


Turn = Callable[[str], Awaitable[None]]
"""Returns when an address may open one socket more."""


class _PacedWebSocket(WebSocket):  # type: ignore[misc]
    """Is opened and read no faster than its client may, and cut where it sends too much."""

    def __init__(
        self, pace: ReadingPace, turn: Callable[[str], Awaitable[None]], *args: Any
    ) -> None:
        super().__init__(*args)
        self.pace = pace
        self._turn = turn

    async def __call__(self, environ: Any) -> Any:
        """The ASGI connection's life."""
        self.handler.__self__.websocket = self
        self.pace.of(environ["asgi.scope"])
        await self._turn(address_of(environ))
        if not self.pace.is_cut:
            return await super().__call__(environ)
        with suppress(Exception):  # it may be gone already
            await environ["asgi.send"]({"type": "websocket.close"})
        return ""

    async def wait(self) -> Any:
        """The next message, no sooner than the client's pace allows.

        Raises:
            OSError: there is none any more, or it is no packet of Engine.IO, whose own reader of
                packets would end in a traceback.
        """
        message = await super().wait()
        await self.pace.keep()
        if self.pace.is_cut:
            raise OSError("cut off")
        if isinstance(message, str):
            try:
                Packet(encoded_packet=message)
            except (ValueError, RecursionError):
                raise OSError("no packet of Engine.IO") from None
        return message


class Sockets:
    """Every Engine.IO socket of a server, whether it has a client or not yet.

    Args:
        events_per_second: that one client may send.
        turn: returns when an address may open one more.
    """

    def __init__(
        self,
        sio: socketio.AsyncServer,
        events_per_second: float,
        turn: Callable[[str], Awaitable[None]],
    ) -> None:
        self._sio = sio
        self._orphans: dict[str, float] = {}
        self._others: Counter[str] = Counter()
        self._events_per_second = events_per_second

        def websocket(handler: Any, server: Any) -> _PacedWebSocket:
            return _PacedWebSocket(self._pace(), turn, handler, server)

        sio.eio._async = {**sio.eio._async, "websocket": websocket}

    def _pace(self) -> ReadingPace:
        return ReadingPace(2 * self._events_per_second)  # audio comes in two messages an event

    @contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """Counts a socket that Engine.IO does not know, or not any more, while it is open."""
        self._others[address] += 1
        try:
            yield
        finally:
            self._others[address] -= 1
            self._others = +self._others

    def count(self) -> int:
        """Sockets that are open."""
        return len(self._sio.eio.sockets) + self._others.total()

    def by_address(self) -> Counter[str]:
        """Sockets by the client's address."""
        own = Counter(address_of(environ) for environ in list(self._sio.environ.values()))
        return own + self._others

    def of(self, sid: str) -> str | None:
        """The Engine.IO session of a Socket.IO session."""
        found: str | None = self._sio.manager.eio_sid_from_sid(sid, "/")
        return found

    def tend_polling(self, eio_sid: str, tell: Callable[[], Awaitable[None]]) -> None:
        """Takes packets of long polling no faster than a websocket's are read.

        Args:
            tell: of a request that is refused, which Engine.IO drops silently.
        """
        socket = self._sio.eio.sockets[eio_sid]
        handle, receive, pace = socket.handle_post_request, socket.receive, self._pace()

        async def paced(packet: Packet) -> None:
            if not socket.upgraded:
                await pace.keep()
            if not socket.closed:
                await receive(packet)

        async def handled(environ: Any) -> None:
            try:
                await handle(environ)
            except (ValueError, RecursionError):  # too many packets, or none at all
                await tell()

        socket.handle_post_request, socket.receive = handled, paced

    async def close(self, eio_sid: str, patience: float = ANSWER_SECONDS) -> None:
        """Closes a socket for good, which counts until it is; soon, also when nobody reads.

        Args: patience: seconds that its client may take to answer.
        """
        socket = self._sio.eio.sockets.get(eio_sid)
        if socket is None:
            return
        with self.counted(address_of(self._sio.environ.get(eio_sid, {}))):
            with suppress(Exception):
                await asyncio.wait_for(self._sio.eio.disconnect(eio_sid), _CLOSE_SECONDS)
            self._sio.eio.sockets.pop(eio_sid, None)
            self._sio.environ.pop(eio_sid, None)
            if (websocket := getattr(socket, "websocket", None)) is not None:
                with suppress(Exception):
                    await asyncio.wait_for(websocket.close(), _CLOSE_SECONDS)
                await websocket.pace.end(patience)

    def cut(self, eio_sid: str) -> bool:
        """Ends a websocket at once; False if it is none."""
        socket = self._sio.eio.sockets.get(eio_sid)
        websocket = getattr(socket, "websocket", None)
        if websocket is None:
            return False
        websocket.pace.cut()
        return True

    async def is_alive(self, eio_sid: str) -> bool:
        """Asks a client for a sign of life, which any client of Engine.IO gives by itself."""
        socket = self._sio.eio.sockets.get(eio_sid)
        if socket is None or socket.closed or socket.closing:
            return False
        answered = asyncio.Event()
        receive = socket.receive

        async def listen(packet: Packet) -> None:
            if packet.packet_type == PONG:
                answered.set()
            await receive(packet)

        socket.receive = listen
        deadline = time.monotonic() + LIFE_SECONDS
        try:
            await socket.queue.put(Packet(PING))
            while not answered.is_set() and not socket.closed and time.monotonic() < deadline:
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(answered.wait(), 0.02)
        finally:
            socket.receive = receive
        return answered.is_set() and not socket.closed

    def overdue(self) -> list[str]:
        """Sockets that have had no client for too long: refused, thrown out, or silent."""
        now = time.monotonic()
        orphans = {
            eio_sid
            for eio_sid in list(self._sio.eio.sockets)
            if not self._sio.manager.sid_from_eio_sid(eio_sid, "/")
        }
        self._orphans = {eio_sid: self._orphans.get(eio_sid, now) for eio_sid in orphans}
        found = [sid for sid, since in self._orphans.items() if now - since >= HANDSHAKE_SECONDS]
        for eio_sid in found:  # once, and again if it is still there after as long
            del self._orphans[eio_sid]
        return found


def address_of(environ: Any) -> str:
    """The client's address."""
    client = (environ.get("asgi.scope") or {}).get("client") or ("", 0)
    return str(client[0])
