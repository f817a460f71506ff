"""Streaming translation from Python: load a model, open streams, push audio in, get outputs."""

from seamless_server.agents.outputs import Decision, Output, SpeechOutput, Target, TextOutput
from seamless_server.streaming.load_model import describe_model, load_model
from seamless_server.streaming.model import Model, ModelInfo
from seamless_server.streaming.stream import Stream

__all__ = [
    "Decision",
    "Model",
    "ModelInfo",
    "Output",
    "SpeechOutput",
    "Stream",
    "Target",
    "TextOutput",
    "describe_model",
    "load_model",
]
