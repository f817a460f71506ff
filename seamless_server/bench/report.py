"""A page with the results of a benchmark, which needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seamless_server.bench.overload import verdicts
from seamless_server.bench.server_page import server_section
from seamless_server.evaluation.report import charts
from seamless_server.evaluation.report.rendering import Cell, Section, Table, number, render


def html(kind: str, document: dict[str, Any]) -> str:
    """The page of a kind of benchmark: ``engine``, ``capacity`` and so on."""
    sections = [server_section(document)] if kind == "server" else None
    return benchmark_page(kind, document, sections or sections_of(kind, document["result"]))


def sections_of(kind: str, result: dict[str, Any]) -> list[Section]:
    """What a page says of the result of a kind of benchmark."""
    more = [_savings(result["savings"])] if "savings" in result else []
    return [_BODIES[kind](result), *more]


def benchmark_page(kind: str, document: dict[str, Any], sections: Sequence[Section]) -> str:
    """The page of a benchmark, with where and how it was measured."""
    machine = ", ".join(f"{k} {v}" for k, v in document["machine"].items())
    return render(
        "benchmark.html",
        title=f"Benchmark: {kind}",
        subtitle=f"{document['date']}, {machine}",
        sections=sections,
        command=document["command"],
    )


def _engine(result: dict[str, Any]) -> Section:
    rows = [
        [
            Cell(mode),
            number(f"{x['throughput']:.2f}"),
            number(f"{x['seconds']:.1f}"),
            number(f"{x['cpu_seconds_per_second']:.3f}"),
            number(f"{100 * x['share_of_peak']:.0f}%"),
        ]
        for mode, x in result["modes"].items()
    ]
    return Section(
        f"{result['speakers']} speakers at once, as fast as it goes",
        table=Table(
            ["mode", "x real time", "seconds", "CPU s for a second", "of the matmul peak"], rows
        ),
        remark=f"scheduled / inline: {result['scheduled_over_inline']:.2f}; "
        f"scheduled / naive: {result['scheduled_over_naive']:.2f}",
    )


def _capacity(result: dict[str, Any]) -> Section:
    points = [
        charts.Point(float(n), min(lag, 5000.0), "", mode)
        for mode, x in result["modes"].items()
        for n, lag in x["p95_lag_ms"].items()
    ]
    rows = [
        [
            Cell(mode),
            number(str(x["speakers"])),
            number(_decimal(x.get("cpu_seconds_per_second"), 3)),
            number(_percent(x.get("scheduler", {}).get("padding"))),
            number(_percent(x.get("agreement", {}).get("same_token"))),
        ]
        for mode, x in result["modes"].items()
    ]
    heads = ["mode", "speakers", "CPU s for a second", "padding", "next token as before"]
    return Section(
        f"Real-time speakers with a p95 lag below {result['limit_ms']:.0f} ms",
        table=Table(heads, rows),
        chart=charts.curve(points, "speakers", "p95 lag (ms)"),
    )


def _decimal(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}%"


def _fanout(result: dict[str, Any]) -> Section:
    points = [
        charts.Point(x["languages"], x[result["clock"]], str(x["languages"]), "seconds")
        for x in result["rows"]
    ]
    return Section(
        "One speaker, many target languages",
        chart=charts.curve(points, "languages", "seconds"),
        remark=f"Of what a speaker with one language costs, the 16th language costs "
        f"{100 * result['sixteenth_language']:.1f}% more.",
    )


def _overload(result: dict[str, Any]) -> Section:
    points = [
        charts.Point(x["second"], min(x["lag_ms"], 60_000.0), "", "lag") for x in result["curve"]
    ]
    facts = (
        f"{result['speakers']} speakers at once, where {result['capacity']} fit, for "
        f"{result['minutes']:g} minutes. Lag: median {result['median_lag_ms']:.0f} ms, p95 "
        f"{result['p95_lag_ms']:.0f} ms."
    )
    return Section(
        "More speakers than fit",
        lead=facts,
        points=verdicts(result),
        chart=charts.curve(points, "seconds", "lag (ms)"),
    )


def _agreement(result: dict[str, Any]) -> Section:
    rows = [
        [
            Cell(form),
            number(f"{100 * x['same_token']:.2f}%"),
            number(f"{100 * x['same_call']:.2f}%"),
            number(f"{100 * x['token_agreement']:.1f}%"),
            number(f"{100 * x['same_text']:.0f}%"),
        ]
        for form, x in result["forms"].items()
    ]
    heads = ["form", "next token", "policy calls", "words of the text", "texts without difference"]
    return Section(
        f"{result['model']}: what stays as in fp32",
        lead=f"{len(result['files'])} recordings, {len(result['languages'])} languages, "
        f"{result['policy_calls']} policy calls, {result['steps']} decoder steps.",
        table=Table(heads, rows),
    )


def _savings(rows: Sequence[dict[str, Any]]) -> Section:
    cells = [
        [
            number(str(x["chunk_ms"])),
            number(f"{x['patience']:g}"),
            number(f"{x['encoded_seconds']:.2f}"),
            number(str(x["policy_calls"])),
            number(f"{100 * x['token_agreement']:.1f}%"),
            number(f"{x['later_ms']:+.0f}"),
        ]
        for x in rows
    ]
    heads = [
        "step, ms", "patience", "s encoded for a second", "policy calls", "words as usual",
        "words later, ms",
    ]  # fmt: skip
    return Section("Longer steps and patience, in fp32", table=Table(heads, cells))


def _costs(result: dict[str, Any]) -> Section:
    rows = [
        [
            Cell(x["stage"]),
            number(f"{x['gflop']:.2f}"),
            number(f"{x['weight_megabytes']:.0f}"),
            number(f"{x['tflop_per_second']:.1f}"),
        ]
        for x in result["rows"]
    ]
    heads = ["stage", "GFLOP a chunk", "weights, MB", f"{result['speakers']} speakers, TFLOP/s"]
    return Section(
        f"{result['size']}: counted, not measured",
        lead=f"{result['seconds']:g} s of speech so far, chunks of {result['chunk_ms']} ms, "
        f"{result['tokens']} tokens a chunk.",
        table=Table(heads, rows),
    )


_BODIES = {
    "costs": _costs,
    "engine": _engine,
    "capacity": _capacity,
    "fanout": _fanout,
    "overload": _overload,
    "agreement": _agreement,
}
