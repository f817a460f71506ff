"""The results of `bench server`, for a page."""

from __future__ import annotations

from typing import Any

from seamless_server.evaluation.report import charts
from seamless_server.evaluation.report.rendering import Section, Table, number

_HEADINGS = [
    "speakers",
    "listeners",
    "text p50 (ms)",
    "text p95",
    "speech p50",
    "speech p95",
    "listeners p95",
    "lag p95",
    "chunks a step",
    "dropped (s)",
    "missing events",
    "kB a listener",
    "server cores",
]


def server_section(document: dict[str, Any]) -> Section:
    """What the page of one document of `bench server` says."""
    results = document["results"]
    rows = [[number(value) for value in _row(result)] for result in results]
    points = [
        charts.Point(float(result["speakers"]), result[kind]["p95"], "", label)
        for kind, label in (("text_latency_ms", "text"), ("lag_ms", "lag"))
        for result in results
        if result[kind]
    ]
    return Section(
        f"Model {document['model']}",
        table=Table(_HEADINGS, rows),
        chart=charts.curve(points, "speakers", "p95 (ms)") if points else "",
    )


def _row(result: dict[str, Any]) -> list[str]:
    def share(kind: str, name: str) -> str:
        found = result[kind]
        return f"{found[name]:.0f}" if found else ""

    cores = result["server_cpu_cores"]
    return [
        str(result["speakers"]),
        str(result["listeners"]),
        share("text_latency_ms", "p50"),
        share("text_latency_ms", "p95"),
        share("speech_latency_ms", "p50"),
        share("speech_latency_ms", "p95"),
        share("listener_latency_ms", "p95"),
        share("lag_ms", "p95"),
        f"{result['chunks_a_step']:.2f}",
        f"{result['dropped_audio_seconds']:g}",
        str(result["listener_events"]["missing_in_all"]),
        "" if not result["bytes_a_listener"] else f"{result['bytes_a_listener'] / 1000:.0f}",
        "" if cores is None else f"{cores:.2f}",
    ]
