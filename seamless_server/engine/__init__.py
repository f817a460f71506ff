"""The engine: the one counter at which sessions meet the device."""

from seamless_server.engine.inline import InlineEngine
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
from seamless_server.engine.scheduled import ScheduledEngine, SchedulerOptions

__all__ = [
    "DecodeRequest",
    "DecodeResult",
    "Engine",
    "InlineEngine",
    "Meter",
    "PolicyOptions",
    "ScheduledEngine",
    "SchedulerOptions",
    "UnitsRequest",
    "UnitsResult",
    "VocodeRequest",
    "metered",
]
