"""A page with the results of a benchmark, which needs no other file."""

from __future__ import annotations

from html import escape
from typing import Any

from seamless_server.evaluation.report import charts
from seamless_server.evaluation.report.page import cell, page, section, table


def html(kind: str, document: dict[str, Any]) -> str:
    """The page of ``engine``, ``capacity`` or ``fanout``."""
    machine = ", ".join(f"{k} {v}" for k, v in document["machine"].items())
    sections = [_BODIES[kind](document["result"])]
    sections.append(section("To repeat it", f"<pre>{escape(document['command'])}</pre>"))
    return page(f"Benchmark: {kind}", f"{document['date']}, {machine}", sections)


def _engine(result: dict[str, Any]) -> str:
    rows = [
        [
            cell(mode),
            cell(f"{x['throughput']:.2f}", numeric=True),
            cell(f"{x['seconds']:.1f}", numeric=True),
        ]
        for mode, x in result["modes"].items()
    ]
    return section(
        f"{result['speakers']} speakers at once, as fast as it goes",
        table(["mode", "x real time", "seconds"], rows, {1, 2}),
        f"<p>scheduled / inline: {result['scheduled_over_inline']:.2f}; "
        f"scheduled / naive: {result['scheduled_over_naive']:.2f}</p>",
    )


def _capacity(result: dict[str, Any]) -> str:
    points = [
        charts.Point(float(n), min(lag, 5000.0), "", mode)
        for mode, x in result["modes"].items()
        for n, lag in x["p95_lag_ms"].items()
    ]
    rows = [
        [cell(mode), cell(str(x["speakers"]), numeric=True)] for mode, x in result["modes"].items()
    ]
    return section(
        f"Real-time speakers with a p95 lag below {result['limit_ms']:.0f} ms",
        table(["mode", "speakers"], rows, {1}),
        charts.curve(points, "speakers", "p95 lag (ms)"),
    )


def _fanout(result: dict[str, Any]) -> str:
    points = [
        charts.Point(x["languages"], x["seconds"], str(x["languages"]), "seconds")
        for x in result["rows"]
    ]
    return section(
        "One speaker, many target languages",
        charts.curve(points, "languages", "seconds"),
        f"<p>One more language costs {100 * result['one_more_language']:.1f}% of a speaker.</p>",
    )


_BODIES = {"engine": _engine, "capacity": _capacity, "fanout": _fanout}
