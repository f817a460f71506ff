"""Streaming translation from Python: load a system, open streams, push audio in, get outputs."""

from seamless_server.streaming.live import LiveStream
from seamless_server.streaming.official import OfficialStream
from seamless_server.streaming.outputs import Output, SpeechOutput, Target, TextOutput
from seamless_server.streaming.system import Stream, System, load_system

__all__ = [
    "LiveStream",
    "OfficialStream",
    "Output",
    "SpeechOutput",
    "Stream",
    "System",
    "Target",
    "TextOutput",
    "load_system",
]
