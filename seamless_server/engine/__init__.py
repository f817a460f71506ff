"""The engine: the one counter at which sessions meet the device."""

from seamless_server.caller import Caller, Cancelled
from seamless_server.engine.api import (
    DecodeRequest,
    DecodeResult,
    Engine,
    PolicyOptions,
    SpeakRequest,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
    measured,
)
from seamless_server.engine.inline import InlineEngine
from seamless_server.engine.jobs import SchedulerOptions
from seamless_server.engine.scheduler import ScheduledEngine
from seamless_server.engine.stats import EngineLoad

__all__ = [
    "Caller",
    "Cancelled",
    "DecodeRequest",
    "DecodeResult",
    "Engine",
    "EngineLoad",
    "InlineEngine",
    "PolicyOptions",
    "ScheduledEngine",
    "SchedulerOptions",
    "SpeakRequest",
    "UnitsRequest",
    "UnitsResult",
    "VocodeRequest",
    "measured",
]
