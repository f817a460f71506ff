"""Streaming translation from Python: load a model, open streams, push audio in, get outputs."""

from seamless_server.agents.outputs import Decision, Output, SpeechOutput, Target, TextOutput
from seamless_server.streaming.model import Model, load_model
from seamless_server.streaming.stream import Stream

System, load_system = Model, load_model
"""Former names."""

__all__ = [
    "Decision",
    "Model",
    "Output",
    "SpeechOutput",
    "Stream",
    "System",
    "Target",
    "TextOutput",
    "load_model",
    "load_system",
]
