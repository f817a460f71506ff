"""The engine: the one counter at which sessions meet the device."""

from seamless_server.engine.cancelling import Cancellation, Cancelled, cancellable
from seamless_server.engine.inline import InlineEngine
from seamless_server.engine.jobs import SchedulerOptions
from seamless_server.engine.load import EngineLoad
from seamless_server.engine.meter import Meter, metered
from seamless_server.engine.requests import (
    DecodeRequest,
    DecodeResult,
    Engine,
    PolicyOptions,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
)
from seamless_server.engine.scheduled import ScheduledEngine

__all__ = [
    "Cancellation",
    "Cancelled",
    "DecodeRequest",
    "DecodeResult",
    "Engine",
    "EngineLoad",
    "InlineEngine",
    "Meter",
    "PolicyOptions",
    "ScheduledEngine",
    "SchedulerOptions",
    "UnitsRequest",
    "UnitsResult",
    "VocodeRequest",
    "cancellable",
    "metered",
]
