"""How Socket.IO packets become bytes and back.

Packets are encoded on the event loop. orjson is fast enough for that, speech as JSON numbers comes
ready-made, and what a client may announce is bounded.
"""

from __future__ import annotations

from typing import Any

import orjson
from socketio.packet import Packet

MAX_ATTACHMENTS = 4
"""Binary parts of one event; no event of ours has more than one."""


class Ready:
    """JSON that was encoded before, e.g. a second of speech as numbers."""

    __slots__ = ("json",)

    def __init__(self, json: bytes) -> None:
        self.json = json


def _default(value: object) -> object:
    if isinstance(value, Ready):
        return orjson.Fragment(value.json)
    raise TypeError(f"{type(value).__name__} cannot be sent")


class Json:
    """The part of the `json` module that Socket.IO uses, by orjson."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """JSON text without spaces."""
        return orjson.dumps(value, default=_default).decode()

    @staticmethod
    def loads(text: str | bytes, **_: Any) -> Any:
        """The value of a JSON text.

        Raises:
            ValueError: it is none.
        """
        return orjson.loads(text)


class BoundedPacket(Packet):  # type: ignore[misc]
    """A packet that refuses to wait for more attachments than any event has."""

    def decode(self, encoded_packet: Any) -> int:
        """As the base class; returns the number of attachments to come."""
        count = super().decode(encoded_packet) or 0
        if count > MAX_ATTACHMENTS:
            raise ValueError("too many attachments")
        return int(count)

    def add_attachment(self, attachment: Any) -> bool:
        """As the base class. Where the event says that it has another part than came, it stays as
        it was sent, which its handler refuses; else the connection would wait for ever."""
        try:
            return bool(super().add_attachment(attachment))
        except (LookupError, TypeError, RecursionError):
            return True
