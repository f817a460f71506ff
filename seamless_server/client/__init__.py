"""The Python client of a running server."""

from seamless_server.client.messages import (
    Cleared,
    Event,
    Notice,
    RecordingSaved,
    Speech,
    Status,
    Text,
    Waiting,
)
from seamless_server.client.streaming_client import ClientError, StreamingClient

__all__ = [
    "Cleared",
    "ClientError",
    "Event",
    "Notice",
    "RecordingSaved",
    "Speech",
    "Status",
    "StreamingClient",
    "Text",
    "Waiting",
]
