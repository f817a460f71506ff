"""The sockets below Socket.IO: closed for good, asked for a sign of life, counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import socketio
from engineio.async_drivers.asgi import WebSocket
from engineio.packet import PING, PONG, Packet
from engineio.payload import Payload

from seamless_server.service.limits import TokenBucket

HANDSHAKE_SECONDS = 4.0
"""A socket without a client for so long is closed."""
LIFE_SECONDS = 2.0
"""How long a client may take to say that it is there."""
_CLOSE_SECONDS = 1.0
_PAUSE_SECONDS = 0.05
_READ_BYTES = 16_384
"""Small events that come in one go are taken apart in one go, while nobody else has a turn."""
MOST_PACKETS = 256
"""Packets in one request of long polling; audio comes in two an event."""
Payload.max_decode_packets = MOST_PACKETS


class _ClosableWebSocket(WebSocket):  # type: ignore[misc]
    """Lets its Engine.IO socket close the connection below it, whatever the client does."""

    def __init__(self, pace: TokenBucket, handler: Any, server: Any) -> None:
        super().__init__(handler, server)
        self.is_cut = False
        self._pace = pace
        self._transport: Any = None

    async def __call__(self, environ: Any) -> Any:
        """The ASGI connection's life."""
        self.handler.__self__.websocket = self
        # What sends for uvicorn belongs to the protocol that has the transport.
        protocol = getattr(environ["asgi.send"], "__self__", None)
        self._transport = getattr(protocol, "transport", None)
        if hasattr(self._transport, "max_size"):  # of asyncio's own: what it reads in one go
            self._transport.max_size = _READ_BYTES
        return await super().__call__(environ)

    async def wait(self) -> Any:
        """The next message, no sooner than the client's pace allows: what it sends meanwhile waits
        in the network, and the event loop and the interpreter's lock are free for others.

        Raises:
            OSError: there is none any more.
        """
        message = await super().wait()
        while not self.is_cut and not self._pace.take():  # noqa: ASYNC110 - nothing to wait for
            await asyncio.sleep(_PAUSE_SECONDS)
        if self.is_cut:
            raise OSError("cut off")
        return message

    def cut(self) -> None:
        """Ends the connection without a word; messages that have come already are not read."""
        self.is_cut = True
        if self._transport is not None:
            self._transport.abort()


class Sockets:
    """Every Engine.IO socket of a server, whether it has a client or not yet.

    Args:
        events_per_second: that one client may send.
    """

    def __init__(self, sio: socketio.AsyncServer, events_per_second: float) -> None:
        self._sio = sio
        self._orphans: dict[str, float] = {}

        def websocket(handler: Any, server: Any) -> _ClosableWebSocket:
            # Audio comes in two messages an event.
            pace = TokenBucket(2 * events_per_second, 4 * events_per_second)
            return _ClosableWebSocket(pace, handler, server)

        sio.eio._async = {**sio.eio._async, "websocket": websocket}

    def count(self) -> int:
        """Sockets that are open."""
        return len(self._sio.eio.sockets)

    def by_address(self) -> Counter[str]:
        """Sockets by the client's address."""
        return Counter(address_of(environ) for environ in list(self._sio.environ.values()))

    def of(self, sid: str) -> str | None:
        """The Engine.IO session of a Socket.IO session."""
        found: str | None = self._sio.manager.eio_sid_from_sid(sid, "/")
        return found

    def tell_refusals(self, eio_sid: str, tell: Callable[[], Awaitable[None]]) -> None:
        """Tells of a request of long polling that is refused, which Engine.IO drops silently."""
        socket = self._sio.eio.sockets[eio_sid]
        handle = socket.handle_post_request

        async def handled(environ: Any) -> None:
            try:
                await handle(environ)
            except ValueError:  # too many packets, or none at all
                await tell()

        socket.handle_post_request = handled

    async def close(self, eio_sid: str) -> None:
        """Closes a socket for good; returns soon, also when the client does not read."""
        socket = self._sio.eio.sockets.get(eio_sid)
        if socket is None:
            return
        with suppress(Exception):
            await asyncio.wait_for(self._sio.eio.disconnect(eio_sid), _CLOSE_SECONDS)
        websocket = getattr(socket, "websocket", None)
        if websocket is not None:
            with suppress(Exception):
                await asyncio.wait_for(websocket.close(), _CLOSE_SECONDS)
        self._sio.eio.sockets.pop(eio_sid, None)
        self._sio.environ.pop(eio_sid, None)

    def cut(self, eio_sid: str) -> bool:
        """Ends a websocket at once; False if it is none."""
        socket = self._sio.eio.sockets.get(eio_sid)
        websocket = getattr(socket, "websocket", None)
        if websocket is None:
            return False
        websocket.cut()
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

    async def reap(self) -> None:
        """Closes sockets that have had no client for too long: refused, thrown out, or silent."""
        now = time.monotonic()
        orphans = {
            eio_sid
            for eio_sid in list(self._sio.eio.sockets)
            if not self._sio.manager.sid_from_eio_sid(eio_sid, "/")
        }
        self._orphans = {eio_sid: self._orphans.get(eio_sid, now) for eio_sid in orphans}
        for eio_sid, since in list(self._orphans.items()):
            if now - since >= HANDSHAKE_SECONDS:
                await self.close(eio_sid)


def address_of(environ: Any) -> str:
    """The client's address."""
    client = (environ.get("asgi.scope") or {}).get("client") or ("", 0)
    return str(client[0])
