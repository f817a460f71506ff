"""Every number that the server gives to Prometheus, in one place.

One `Metrics` an application, with a registry of its own, so that two applications in one process
(as in tests) do not share counters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from seamless_server.engine.stats import SchedulerStats

# A step is 320 ms of audio: below it a stream keeps up, a few steps are still comfortable.
LAG_BUCKETS = (0.05, 0.1, 0.2, 0.32, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
# Compute seconds per second of audio: 1.0 is where one worker carries exactly one speaker.
RATIO_BUCKETS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.5, 2.0, 4.0)
STEP_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16)


class _Engines(Collector):
    """Reads the engines' counts when somebody asks."""

    _MEANING: ClassVar = {
        "batches": "Batches that were computed.",
        "requests": "Requests in them; divided by batches: the mean batch size.",
        "real": "Rows in them that held something.",
        "padded": "Rows in them with padding.",
    }

    _LOAD: ClassVar = {
        "slots": "Policy loops that fit into the memory measured at the start.",
        "slots_used": "Policy loops that run.",
        "slot_bytes": "Memory that policy loops may take.",
        "waiting": "Requests that wait.",
        "busy": "Share of the last seconds in which the engine computed.",
        "step_ms": "Mean time of a recent decoder step.",
    }

    def __init__(self, engines: Callable[[], Mapping[str, SchedulerStats]]) -> None:
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        """One family a count or fact."""
        engines = self._engines()
        loads = {model: stats.load() for model, stats in engines.items()}
        for name, meaning in self._LOAD.items():
            gauge = GaugeMetricFamily(f"seamless_engine_{name}", meaning, labels=["model"])
            for model, load in loads.items():
                gauge.add_metric([model], getattr(load, name))
            yield gauge
        for name, meaning in self._MEANING.items():
            family = CounterMetricFamily(
                f"seamless_engine_{name}", meaning, labels=["model", "stage"]
            )
            for model, stats in engines.items():
                for stage, count in dict(getattr(stats, name)).items():
                    family.add_metric([model, stage], count)
            yield family


class Metrics:
    """The server's metrics. Labels hold only words of ours, never what a client sent."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        gauge, counter = partial(Gauge, registry=registry), partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.connections = gauge("seamless_connections", "Clients connected.")
        self.tasks = gauge("seamless_tasks", "Tasks of the event loop.")
        self.rooms = gauge("seamless_rooms", "Rooms that exist.")
        self.sessions = gauge("seamless_sessions", "Streams that run.")
        self.waiting = gauge("seamless_waiting_speakers", "Speakers that wait in line.")
        self.stream_cost = gauge(
            "seamless_stream_cost",
            "Share of the machine that one speaking stream takes, as measured.",
        )
        self.sessions_started = counter("seamless_sessions_started", "Streams started.", ["model"])
        self.sessions_ended = counter(
            "seamless_sessions_ended", "Streams ended, by reason.", ["reason"]
        )
        self.lag = histogram(
            "seamless_lag_seconds",
            "From the arrival of the newest audio of a step to the step's end.",
            buckets=LAG_BUCKETS,
        )
        self.output_latency = histogram(
            "seamless_output_latency_seconds",
            "From the arrival of the last audio that a live output needed until it is made.",
            ["kind"],
            buckets=LAG_BUCKETS,
        )
        self.real_time_factor = histogram(
            "seamless_real_time_factor",
            "Seconds that a step took, per second of audio in it.",
            buckets=RATIO_BUCKETS,
        )
        self.batch = histogram(
            "seamless_step_chunks",
            "Chunks that one step took (1 when the server keeps up, more when audio had to wait).",
            buckets=STEP_BUCKETS,
        )
        self.stage_seconds = counter("seamless_stage_seconds", "Compute time by stage.", ["stage"])
        self.stage_calls = counter("seamless_stage_calls", "Network calls by stage.", ["stage"])
        self.audio_in = counter("seamless_audio_seconds", "Source audio received.")
        self.queued = gauge("seamless_queued_seconds", "Audio that waits in all streams.")
        self.dropped_audio = counter("seamless_dropped_audio_seconds", "Audio dropped by overload.")
        self.outputs = counter("seamless_outputs", "Outputs sent to rooms.", ["kind"])
        self.slots = gauge("seamless_slots", "Streams that all engines elsewhere can take.")
        self.slots_used = gauge("seamless_slots_used", "Streams that they have, of all fronts.")
        self.moves = counter(
            "seamless_stream_moves",
            "Streams that went to another engine, because theirs was lost or is to stop.",
            ["reason"],
        )
        self.gap = histogram(
            "seamless_stream_gap_seconds",
            "For how long a stream that moved stood still.",
            buckets=LAG_BUCKETS,
        )
        self.skipped = counter(
            "seamless_skipped_messages", "Messages not sent to clients that do not keep up."
        )
        self.refused = counter("seamless_refused_events", "Client events refused.", ["reason"])
        self.errors = counter("seamless_errors", "Errors, by where they happened.", ["where"])

    def watch_engines(self, engines: Callable[[], Mapping[str, SchedulerStats]]) -> None:
        """Adds the batches of scheduled engines; `engines` gives their counts by model."""
        self.registry.register(_Engines(engines))

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
