"""How websockets are read: a few messages ahead of who takes them, whatever comes in one go.

uvicorn takes apart all that the network gave at once, up to 256 KiB of events of twenty bytes,
while nobody else has a turn. This protocol leaves the rest as bytes until it is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from seamless_server.service.limits import TokenBucket

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
    from websockets.http11 import Request

_STEP_BYTES = 4_096
_PAUSE_SECONDS = 0.05
_CLOSE_SECONDS = 3.0
"""How long a client may take to answer that the connection is to end."""
_EXTENSION = "seamless.connection"


class StepwiseProtocol(WebSocketsSansIOProtocol):
    """Takes bytes apart only while no message waits for the application."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.close_timeout = _CLOSE_SECONDS
        self._rest = memoryview(b"")
        self._gone = asyncio.Event()

    def handle_connect(self, event: Request) -> None:
        """As the base class; the application learns how to end the connection at once."""
        super().handle_connect(event)
        if (scope := getattr(self, "scope", None)) is not None:
            known = {"abort": self.transport.abort, "gone": self._gone}
            scope["extensions"][_EXTENSION] = known

    def connection_lost(self, exc: Exception | None) -> None:
        """As the base class; the application learns of it, whatever it waits for."""
        super().connection_lost(exc)
        self._gone.set()

    def data_received(self, data: bytes) -> None:
        """The network gave bytes."""
        self._rest = memoryview(bytes(self._rest) + data if self._rest else data)
        self._take_apart()

    def send_receive_event_to_app(self) -> None:
        """As the base class; what is no UTF-8 ends the connection and is no fault of the server."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    async def receive(self) -> ASGIReceiveEvent:
        """The next message for the application."""
        message = await super().receive()
        self._take_apart()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        """A message of the application."""
        await super().send(message)
        if self._rest:  # it may have ended what paused the reading
            self._take_apart()

    def _take_apart(self) -> None:
        while self._rest and not self.read_paused and not self.transport.is_closing():
            step, self._rest = self._rest[:_STEP_BYTES], self._rest[_STEP_BYTES:]
            super().data_received(bytes(step))


class ReadingPace:
    """Reads a connection no faster than it may send: what comes sooner waits in the network, and
    the event loop and the interpreter's lock are free for others.

    Args:
        messages_per_second: that are read; twice as many at once.
    """

    def __init__(self, messages_per_second: float) -> None:
        self._bucket = TokenBucket(messages_per_second, 2 * messages_per_second)
        self._connection: Mapping[str, Any] = {}
        self.is_cut = False
        """Nothing is read any more."""

    def of(self, scope: Mapping[str, Any]) -> None:
        """The ASGI connection that it can cut."""
        self._connection = scope.get("extensions", {}).get(_EXTENSION, {})

    async def keep(self) -> None:
        """Returns when the next message may be read, or never will be."""
        while not self.is_cut and not self._bucket.take():  # noqa: ASYNC110 - nothing to wait for
            await asyncio.sleep(_PAUSE_SECONDS)

    def cut(self) -> None:
        """Ends the connection without a word; messages that have come already are not read."""
        self.is_cut = True
        if (abort := self._connection.get("abort")) is not None:
            abort()

    async def end(self, patience: float) -> None:
        """Returns when the connection is gone, which was told to end; by force after so many
        seconds."""
        gone: asyncio.Event | None = self._connection.get("gone")
        if gone is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(gone.wait(), patience)
        self.cut()
