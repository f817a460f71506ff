"""Pieces of the report's pages."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from seamless_server.evaluation.report import charts

NAMES: Mapping[str, str] = {
    "s2tt": "speech to text",
    "asr": "transcription",
    "s2st": "speech to speech",
}

LATENCY_HELP: Mapping[str, str] = {
    "AL": "Average Lagging: mean lag behind an ideal writer",
    "LAAL": "Length-adaptive Average Lagging",
    "AP": "Average Proportion of the source that was waited for",
    "DAL": "Differentiable Average Lagging",
    "ATD": "Average Token Delay",
    "StartOffset": "from the start of the source to the first output",
    "EndOffset": "from the end of the source to the last output",
}

_NOTICEABLE = 0.005


def page(title: str, subtitle: str, sections: Sequence[str]) -> str:
    """A whole page that needs no other file."""
    files = resources.files(__package__)
    style = files.joinpath("style.css").read_text(encoding="utf-8")
    script = files.joinpath("script.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f'<h1>{escape(title)}</h1><p class="dim">{escape(subtitle)}</p>'
        f"{''.join(sections)}<script>{script}</script></body></html>\n"
    )


def section(heading: str, *parts: str) -> str:
    """A heading and what belongs to it."""
    return f"<section><h2>{escape(heading)}</h2>{''.join(parts)}</section>"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], numeric: set[int]) -> str:
    """A sortable table of ready-made cells."""
    head = "".join(
        f"<th{' class=n' if n in numeric else ''}><button>{escape(name)}</button></th>"
        for n, name in enumerate(headings)
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def cell(text: str, *, numeric: bool = False, style: str = "", title: str = "") -> str:
    """A table cell."""
    names = " ".join(name for name in ("n" if numeric else "", style) if name)
    attributes = (f' class="{names}"' if names else "") + (
        f' title="{escape(title)}"' if title else ""
    )
    return f"<td{attributes}>{escape(text)}</td>"


def number(name: str, value: float | None) -> str:
    """A figure with the digits that it deserves."""
    if value is None:
        return "fails"
    if name.startswith("AP"):
        return f"{value:.3f}"
    return f"{value:.0f}" if name.removesuffix("_CA") in LATENCY_HELP else f"{value:.1f}"


def cards(metrics: Mapping[str, Any]) -> str:
    """The figures that one looks for first."""
    shown = [
        (item["name"], f"{item['value']:.2f}") for item in metrics["quality"] if not item["note"]
    ]
    latency = metrics["latency"]
    for name in ("LAAL", "AL", "StartOffset", "EndOffset"):
        if name in latency and len(shown) < 6:
            shown.append((name, f"{latency[name]['value'] / 1000:.2f} s"))
    shown.append(("real-time factor", f"{metrics['speed']['real_time_factor']:.2f}"))
    shown.append(("sentences", str(metrics["sentences"])))
    return (
        '<div class="cards">'
        + "".join(
            f'<div class="card"><b>{escape(value)}</b>{escape(name)}</div>' for name, value in shown
        )
        + "</div>"
    )


def quality_table(metrics: Mapping[str, Any]) -> str:
    """Scores with their signatures."""
    if not metrics["quality"]:
        return "<p>No text to score: ASR-BLEU was left out.</p>"
    rows = [
        [
            cell(item["name"]),
            cell(f"{item['value']:.2f}", numeric=True),
            f"<td><code>{escape(item['signature'])}</code>"
            + (f"<br><small>{escape(item['note'])}</small>" if item["note"] else "")
            + "</td>",
        ]
        for item in metrics["quality"]
    ]
    return table(["score", "value", "signature"], rows, {1})


def differs(value: float, other: float | None) -> bool:
    """Whether SimulEval's figure is another than ours."""
    return other is None or abs(value - other) > _NOTICEABLE * max(1.0, abs(value))


def latency_table(metrics: Mapping[str, Any], *, with_simuleval: bool) -> str:
    """Latency, both clocks, beside SimulEval's figures."""
    latency: Mapping[str, Mapping[str, float | None]] = metrics["latency"]
    rows = []
    for name in (name for name in latency if not name.endswith("_CA")):
        row = [cell(name, title=LATENCY_HELP.get(name, ""))]
        for full in (name, f"{name}_CA"):
            figure = latency[full]
            value = figure["value"]
            row.append(cell(number(name, value), numeric=True))
            if with_simuleval:
                other = figure["simuleval"]
                style = "differs" if value is not None and differs(value, other) else ""
                row.append(cell(number(name, other), numeric=True, style=style))
        rows.append(row)
    headings = ["metric", "computation-unaware", "computation-aware"]
    if with_simuleval:
        headings = ["metric", "unaware", "SimulEval's", "aware", "SimulEval's"]
    return table(headings, rows, set(range(1, len(headings))))


def reproduction(info: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """What is needed to do it again."""
    conditions = info["conditions"]
    command = shlex.join(conditions["command"])
    hashes = info["inputs"].get("checkpoint_sha256", {})
    kept = {
        "settings": info["settings"],
        "inputs": {**info["inputs"], "checkpoint_sha256": hashes},
        "versions": conditions["versions"],
        "machine": conditions["machine"],
        "workers": conditions["workers"],
        "selection": conditions.get("selection", {}),
        "speed": metrics["speed"],
    }
    text = json.dumps(kept, ensure_ascii=False, indent=2)
    return section(
        "To repeat this run",
        f"<pre>{escape(command)}</pre>",
        f"<details><summary>Settings, versions and hashes</summary><pre>{escape(text)}</pre>"
        "</details>",
    )


def failures(rows: Sequence[Mapping[str, str]]) -> str:
    """Sentences that could not be evaluated; empty if there are none."""
    if not rows:
        return ""
    items = "".join(
        f"<li class=failed><b>{escape(row['id'])}</b> ({escape(row['audio'])}): "
        f"{escape(row['error'])}</li>"
        for row in rows
    )
    count = f"{len(rows)} sentence{'s' if len(rows) > 1 else ''}"
    return section(
        "Not evaluated", f"<p>{count} failed and are in no figure above.</p><ul>{items}</ul>"
    )


def quality_name(metrics: Mapping[str, Any]) -> str | None:
    """The score that pictures show."""
    return str(metrics["quality"][0]["name"]) if metrics["quality"] else None


def curves(runs: Sequence[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Quality-latency pictures of several runs.

    Args:
        runs: label, series and metrics of each.
    """
    parts = []
    scored = [(label, series, m) for label, series, m in runs if m["quality"] and m["latency"]]
    if len(scored) < 2:
        return ""
    speech = scored[0][2]["task"] == "s2st"
    for name in ("StartOffset", "EndOffset") if speech else ("LAAL", "AL"):
        for suffix, clock in (("", "computation-unaware"), ("_CA", "computation-aware")):
            points = [
                charts.Point(
                    x=m["latency"][name + suffix]["value"] / 1000.0,
                    y=m["quality"][0]["value"],
                    label=label,
                    series=series,
                )
                for label, series, m in scored
                if name + suffix in m["latency"]
            ]
            if points:
                title = f"{name} in seconds ({clock})"
                y_name = quality_name(scored[0][2]) or ""
                parts.append(charts.curve(points, title, y_name))
    return section("Quality and latency", f'<div class="charts">{"".join(parts)}</div>')
