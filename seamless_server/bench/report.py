"""A page with the results of a benchmark, which needs no other file."""

from __future__ import annotations

from html import escape
from typing import Any

from seamless_server.bench.overload import verdicts
from seamless_server.evaluation.report import charts
from seamless_server.evaluation.report.page import cell, page, section, table


def html(kind: str, document: dict[str, Any]) -> str:
    """The page of a kind of benchmark: ``engine``, ``capacity`` and so on."""
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
            cell(f"{x['cpu_seconds_per_second']:.3f}", numeric=True),
            cell(f"{100 * x['share_of_peak']:.0f}%", numeric=True),
        ]
        for mode, x in result["modes"].items()
    ]
    return section(
        f"{result['speakers']} speakers at once, as fast as it goes",
        table(
            ["mode", "x real time", "seconds", "CPU s for a second", "of the matmul peak"],
            rows,
            {1, 2, 3, 4},
        ),
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
        [
            cell(mode),
            cell(str(x["speakers"]), numeric=True),
            cell(_number(x.get("cpu_seconds_per_second"), 3), numeric=True),
            cell(_percent(x.get("scheduler", {}).get("padding")), numeric=True),
            cell(_percent(x.get("agreement", {}).get("same_token")), numeric=True),
        ]
        for mode, x in result["modes"].items()
    ]
    heads = ["mode", "speakers", "CPU s for a second", "padding", "next token as before"]
    return section(
        f"Real-time speakers with a p95 lag below {result['limit_ms']:.0f} ms",
        table(heads, rows, {1, 2, 3, 4}),
        charts.curve(points, "speakers", "p95 lag (ms)"),
    )


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}%"


def _fanout(result: dict[str, Any]) -> str:
    points = [
        charts.Point(x["languages"], x[result["clock"]], str(x["languages"]), "seconds")
        for x in result["rows"]
    ]
    return section(
        "One speaker, many target languages",
        charts.curve(points, "languages", "seconds"),
        f"<p>Of what a speaker with one language costs, the 16th language costs "
        f"{100 * result['sixteenth_language']:.1f}% more.</p>",
    )


def _overload(result: dict[str, Any]) -> str:
    points = [
        charts.Point(x["second"], min(x["lag_ms"], 60_000.0), "", "lag") for x in result["curve"]
    ]
    facts = (
        f"{result['speakers']} speakers at once, where {result['capacity']} fit, for "
        f"{result['minutes']:g} minutes. Lag: median {result['median_lag_ms']:.0f} ms, p95 "
        f"{result['p95_lag_ms']:.0f} ms."
    )
    items = "".join(f"<li>{escape(line)}</li>" for line in verdicts(result))
    return section(
        "More speakers than fit",
        f"<p>{facts}</p><ul>{items}</ul>",
        charts.curve(points, "seconds", "lag (ms)"),
    )


def _agreement(result: dict[str, Any]) -> str:
    rows = [
        [
            cell(form),
            cell(f"{100 * x['same_token']:.2f}%", numeric=True),
            cell(f"{100 * x['same_call']:.2f}%", numeric=True),
            cell(f"{100 * x['token_agreement']:.1f}%", numeric=True),
            cell(f"{100 * x['same_text']:.0f}%", numeric=True),
        ]
        for form, x in result["forms"].items()
    ]
    heads = ["form", "next token", "policy calls", "words of the text", "texts without difference"]
    return section(
        f"{result['model']}: what stays as in fp32",
        f"<p>{len(result['files'])} recordings, {len(result['languages'])} languages, "
        f"{result['policy_calls']} policy calls, {result['steps']} decoder steps.</p>",
        table(heads, rows, {1, 2, 3, 4}),
    )


def _costs(result: dict[str, Any]) -> str:
    rows = [
        [
            cell(x["stage"]),
            cell(f"{x['gflop']:.2f}", numeric=True),
            cell(f"{x['weight_megabytes']:.0f}", numeric=True),
            cell(f"{x['tflop_per_second']:.1f}", numeric=True),
        ]
        for x in result["rows"]
    ]
    heads = ["stage", "GFLOP a chunk", "weights, MB", f"{result['speakers']} speakers, TFLOP/s"]
    return section(
        f"{result['size']}: counted, not measured",
        f"<p>{result['seconds']:g} s of speech so far, chunks of {result['chunk_ms']} ms, "
        f"{result['tokens']} tokens a chunk.</p>",
        table(heads, rows, {1, 2, 3}),
    )


_BODIES = {
    "costs": _costs,
    "engine": _engine,
    "capacity": _capacity,
    "fanout": _fanout,
    "overload": _overload,
    "agreement": _agreement,
}
