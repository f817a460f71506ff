"""The report of a run, of an experiment with several runs, and of a comparison."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.errors import SeamlessError
from seamless_server.evaluation.audio import SAMPLE_RATE, AudioRef, Samples, load
from seamless_server.evaluation.compare import Comparison, Side
from seamless_server.evaluation.latency import playback
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.report.charts import Point, curve
from seamless_server.evaluation.report.drawing import Mark, Timeline, draw
from seamless_server.evaluation.report.rendering import Cell, Clip, Table, number, render
from seamless_server.evaluation.runner import read_failures
from seamless_server.evaluation.units import readable

_ENVELOPE_POINTS = 180
_NOTICEABLE = 0.005

_TASKS: Mapping[str, str] = {
    "s2tt": "speech to text",
    "asr": "transcription",
    "s2st": "speech to speech",
}

_LATENCY_HELP: Mapping[str, str] = {
    "AL": "Average Lagging: mean lag behind an ideal writer",
    "LAAL": "Length-adaptive Average Lagging",
    "AP": "Average Proportion of the source that was waited for",
    "DAL": "Differentiable Average Lagging",
    "ATD": "Average Token Delay",
    "StartOffset": "from the start of the source to the first output",
    "EndOffset": "from the end of the source to the last output",
}


@dataclass(frozen=True)
class ReportOptions:
    """How much goes into a report."""

    sentences: int = 500
    """Sentences that are shown, worst first."""
    audio: int = 100
    """Sentences whose audio is put in; each takes some tens of kilobytes."""
    audio_root: Path | None = None
    """What the manifest's audio paths are relative to; `None` leaves audio out."""


def run_report(side: Side, options: ReportOptions) -> str:
    """The page of one run."""
    metrics = side.metrics
    speech = metrics["task"] == "s2st"
    return render(
        "run.html",
        title=(
            f"{metrics['system'] or 'Evaluation'}: {_TASKS[metrics['task']]}, {metrics['tgt_lang']}"
        ),
        subtitle=_subtitle(metrics),
        cards=_cards(metrics),
        quality=_quality(metrics),
        unit="chunks of speech" if speech else f"units: {metrics['latency_unit']}",
        latency=_latency(metrics),
        workers=side.info["conditions"]["workers"],
        failures=read_failures(side.folder),
        reproduction=_reproduction(side),
        **_sentences(side, options),
    )


def experiment_report(sides: Sequence[Side], root: Path) -> str:
    """The page over all runs of an experiment, with links to theirs, which lie below `root`."""
    first = sides[0].metrics
    names = [item["name"] for item in first["quality"] if not item["note"]]
    lags = [name for name in ("LAAL", "AL", "StartOffset", "EndOffset") if name in first["latency"]]
    rows = []
    for side in sides:
        metrics = side.metrics
        place = side.folder.relative_to(root).as_posix()
        row = [Cell(place, link=f"{place}/report.html")]
        scores = {item["name"]: item["value"] for item in metrics["quality"]}
        for name in names:
            value = scores.get(name)
            row.append(number("" if value is None else f"{value:.2f}"))
        for name in lags:
            for full in (name, f"{name}_CA"):
                row.append(number(_figure(name, metrics["latency"].get(full, {}).get("value"))))
        row.append(number(str(metrics["sentences"])))
        row.append(number(str(metrics["failed"]), style="failed" if metrics["failed"] else ""))
        rows.append(row)
    headings = ["run", *names]
    for name in lags:
        headings += [name, f"{name} CA"]
    headings += ["sentences", "failed"]
    langs = ", ".join(dict.fromkeys(str(side.metrics["tgt_lang"]) for side in sides))
    return render(
        "experiment.html",
        title=f"{first['system'] or root.name}: {_TASKS[first['task']]}, {langs}",
        subtitle=f"{len(sides)} runs of {first['sentences']} sentences; latency in milliseconds",
        charts=_curves([(_label(s.metrics), s.metrics["tgt_lang"], s.metrics) for s in sides]),
        runs=Table(headings, rows),
        reproduction=_reproduction(sides[0]),
    )


def comparison_report(comparisons: Sequence[Comparison]) -> str:
    """The page of a comparison."""
    return render(
        "comparison.html",
        title="Comparison of two runs",
        subtitle="A difference is called better at p < 0.05, paired bootstrap over sentences",
        comparisons=[
            {
                "a": comparison.a.label,
                "b": comparison.b.label,
                "shared": len(comparison.shared),
                "changed": _changed(comparison.a.info["settings"], comparison.b.info["settings"]),
                "differences": _differences(comparison),
                "charts": _curves(
                    [("A", "A", comparison.a.metrics), ("B", "B", comparison.b.metrics)]
                ),
                "sentences": _changes(comparison),
            }
            for comparison in comparisons
        ],
    )


def _differences(comparison: Comparison) -> Table:
    rows = [
        [
            Cell(item.metric),
            number(f"{item.a:.3f}"),
            number(f"{item.b:.3f}"),
            number(f"{item.b - item.a:+.3f}"),
            number(f"{item.p_value:.4f}"),
            Cell(item.better, style="differs" if item.significant else ""),
            Cell(item.method, code=True),
        ]
        for item in comparison.differences
    ]
    return Table(["metric", "A", "B", "B - A", "p", "better", "test"], rows)


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The settings that differ, ``name: A / B``."""
    flat_a, flat_b = (
        {
            **{name: value for name, value in side.items() if name != "agent_options"},
            **side.get("agent_options", {}),
        }
        for side in (a, b)
    )
    return [
        f"{name}: {flat_a.get(name, 'not set')} / {flat_b.get(name, 'not set')}"
        for name in sorted({*flat_a, *flat_b})
        if flat_a.get(name) != flat_b.get(name)
    ]


def _changes(comparison: Comparison) -> Table | None:
    """The sentences that changed most."""
    a, b = comparison.a, comparison.b
    name = _score_name(a)
    if name is None:
        return None
    both = [
        index
        for index in comparison.shared
        if name in a.figures.get(index, {}) and name in b.figures.get(index, {})
    ]
    both.sort(key=lambda i: -abs(b.figures[i][name] - a.figures[i][name]))
    rows = [
        [
            Cell(a.records[i].id),
            number(f"{b.figures[i][name] - a.figures[i][name]:+.1f}"),
            Cell(a.records[i].reference),
            Cell(a.texts.get(i, "")),
            Cell(b.texts.get(i, "")),
        ]
        for i in both[:100]
    ]
    return Table(["sentence", f"{name}, B - A", "reference", "A", "B"], rows)


def _subtitle(metrics: Mapping[str, Any]) -> str:
    speed = metrics["speed"]
    parts = [
        f"{metrics['sentences']} sentences, {speed['audio_seconds'] / 60:.1f} minutes of speech"
    ]
    if metrics["options"]:
        parts.append(", ".join(f"{name} {value}" for name, value in metrics["options"].items()))
    if metrics["failed"]:
        parts.append(f"{metrics['failed']} failed")
    if metrics["without_output"]:
        parts.append(f"{metrics['without_output']} without any output (in no latency figure)")
    return "; ".join(parts)


def _label(metrics: Mapping[str, Any]) -> str:
    return ", ".join(metrics["options"].values()) or str(metrics["tgt_lang"])


def _cards(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
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
    return shown


def _quality(metrics: Mapping[str, Any]) -> Table | None:
    """Scores with their signatures."""
    rows = [
        [
            Cell(item["name"]),
            number(f"{item['value']:.2f}"),
            Cell(item["signature"], code=True, note=item["note"] or ""),
        ]
        for item in metrics["quality"]
    ]
    return Table(["score", "value", "signature"], rows) if rows else None


def _latency(metrics: Mapping[str, Any]) -> Table:
    """Latency, both clocks, beside SimulEval's figures."""
    latency: Mapping[str, Mapping[str, float | None]] = metrics["latency"]
    rows = []
    for name in (name for name in latency if not name.endswith("_CA")):
        row = [Cell(name, title=_LATENCY_HELP.get(name, ""))]
        for full in (name, f"{name}_CA"):
            value, other = latency[full]["value"], latency[full]["simuleval"]
            row.append(number(_figure(name, value)))
            style = "differs" if value is not None and _differs(value, other) else ""
            row.append(number(_figure(name, other), style=style))
        rows.append(row)
    return Table(["metric", "unaware", "SimulEval's", "aware", "SimulEval's"], rows)


def _differs(value: float, other: float | None) -> bool:
    """Whether SimulEval's figure is another than ours."""
    return other is None or abs(value - other) > _NOTICEABLE * max(1.0, abs(value))


def _figure(name: str, value: float | None) -> str:
    """A figure with the digits that it deserves."""
    if value is None:
        return "fails"
    if name.startswith("AP"):
        return f"{value:.3f}"
    return f"{value:.0f}" if name.removesuffix("_CA") in _LATENCY_HELP else f"{value:.1f}"


def _reproduction(side: Side) -> dict[str, str]:
    """What is needed to do it again."""
    info = side.info
    conditions = info["conditions"]
    kept = {
        "settings": info["settings"],
        "inputs": {
            **info["inputs"],
            "checkpoint_sha256": info["inputs"].get("checkpoint_sha256", {}),
        },
        "versions": conditions["versions"],
        "machine": conditions["machine"],
        "workers": conditions["workers"],
        "selection": conditions.get("selection", {}),
        "speed": side.metrics["speed"],
    }
    return {
        "command": shlex.join(conditions["command"]),
        "settings": json.dumps(kept, ensure_ascii=False, indent=2),
    }


def _curves(runs: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    """Quality-latency charts of several runs.

    Args:
        runs: label, series and metrics of each.
    """
    scored = [(label, series, m) for label, series, m in runs if m["quality"] and m["latency"]]
    if len(scored) < 2:
        return []
    speech = scored[0][2]["task"] == "s2st"
    charts = []
    for name in ("StartOffset", "EndOffset") if speech else ("LAAL", "AL"):
        for suffix, clock in (("", "computation-unaware"), ("_CA", "computation-aware")):
            points = [
                Point(
                    x=m["latency"][name + suffix]["value"] / 1000.0,
                    y=m["quality"][0]["value"],
                    label=label,
                    series=series,
                )
                for label, series, m in scored
                if name + suffix in m["latency"]
            ]
            if points:
                y_name = str(scored[0][2]["quality"][0]["name"])
                charts.append(curve(points, f"{name} in seconds ({clock})", y_name))
    return charts


def _score_name(side: Side) -> str | None:
    names = ("chrF++", "WER", "CER")
    return next((n for n in names for row in side.figures.values() if n in row), None)


def _sentences(side: Side, options: ReportOptions) -> dict[str, Any]:
    """The sentences, worst first, and in which ways they can be ordered."""
    score = _score_name(side)
    speech = side.metrics["task"] == "s2st"
    latencies = (
        ("EndOffset", "StartOffset", "ATD") if speech else ("LAAL", "StartOffset", "EndOffset")
    )
    columns = [*([score] if score else []), *latencies]
    errors = score in ("WER", "CER")

    def badness(record: Record) -> tuple[bool, float]:
        row = side.figures.get(record.index, {})
        if score is None:
            return latencies[0] in row, -row.get(latencies[0], 0.0)
        value = row.get(score, 0.0)
        return bool(record.delays), -value if errors else value

    shown = sorted(side.records.values(), key=badness)[: options.sentences]
    orders = [(f"c0 {'down' if errors else 'up'}", "worst first")] if score else []
    orders += [
        (f"c{place} down", f"largest {name} first")
        for place, name in enumerate(columns)
        if name != score
    ]
    orders.append(("index up", "in the order of the data"))
    return {
        "columns": columns,
        "orders": orders,
        "left_out": len(side.records) - len(shown),
        "sentences": [
            _sentence(side, record, columns, options.audio_root if n < options.audio else None)
            for n, record in enumerate(shown)
        ],
    }


def _sentence(
    side: Side, record: Record, columns: Sequence[str], audio_root: Path | None
) -> dict[str, Any]:
    figures = side.figures.get(record.index, {})
    source = _source_audio(record, audio_root) if audio_root is not None else None
    spoken = None
    if source is not None and record.durations:
        spoken = _spoken(side.folder / "wavs" / Path(record.prediction).name)
    text = side.texts.get(record.index) or ("" if record.durations else record.prediction)
    speech = side.metrics["task"] == "s2st"
    return {
        "index": record.index,
        "id": record.id,
        "measures": [figures.get(name) for name in columns],
        "figures": [_figure(name, figures[name]) if name in figures else "" for name in columns],
        "said": text,
        "silent": not (speech and record.delays),
        "reference": record.reference,
        "src_text": record.src_text,
        "source": None if source is None else Clip(source, SAMPLE_RATE),
        "speech": spoken,
        "timeline": draw(_timeline(record, [] if source is None else _envelope(source))),
    }


def _timeline(record: Record, envelope: Sequence[float]) -> Timeline:
    if record.durations is None:
        written = [Mark(f.delay, readable(f)) for f in record.fragments]
        out = [Mark(f.available, "") for f in record.fragments]
    else:
        written, out = (
            [
                Mark(start, f"{length / 1000:.1f} s", length)
                for start, length in playback(clock, record.durations)
            ]
            for clock in (record.delays, record.available)
        )
    return Timeline(
        source_ms=record.source_ms,
        reads=[read for read, _ in record.steps],
        written=written,
        out=out,
        envelope=envelope,
    )


def _source_audio(record: Record, root: Path) -> Samples | None:
    """What the model heard; `None` if the file is gone by now."""
    try:
        samples = load(AudioRef.parse(record.audio, root))
    except (SeamlessError, OSError):
        return None
    start = round(record.trimmed_ms * SAMPLE_RATE / 1000)
    return samples[start : start + round(record.source_ms * SAMPLE_RATE / 1000)]


def _spoken(path: Path) -> Clip | None:
    """What was spoken; `None` if the file is gone by now."""
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except (soundfile.SoundFileError, OSError):
        return None
    return Clip(samples, rate)


def _envelope(samples: Samples) -> list[float]:
    blocks = np.array_split(np.abs(samples), min(_ENVELOPE_POINTS, max(1, len(samples))))
    peaks = np.array([block.max() for block in blocks])
    return [float(peak) for peak in peaks / (peaks.max() or 1.0)]
