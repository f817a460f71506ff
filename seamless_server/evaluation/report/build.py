"""The report of a run, of an experiment with several runs, and of a comparison."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.errors import SeamlessError
from seamless_server.evaluation.audio import SAMPLE_RATE, AudioRef, Samples, load
from seamless_server.evaluation.compare import Comparison, Side
from seamless_server.evaluation.latency import playback
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.report import charts, page
from seamless_server.evaluation.runner import read_failures
from seamless_server.evaluation.units import readable

_ENVELOPE_POINTS = 180


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
    failed = [asdict(failure) for failure in read_failures(side.folder)]
    unit = "chunks of speech" if speech else f"units: {metrics['latency_unit']}"
    latency = page.section(
        "Latency",
        f"<p>In milliseconds (AP: share of the source), {escape(unit)}. Coloured figures of "
        "SimulEval are others than ours; the guide tells why.</p>",
        page.latency_table(metrics, with_simuleval=True),
        _latency_notes(side),
    )
    sections = [
        page.cards(metrics),
        page.section("Quality", page.quality_table(metrics)),
        latency,
        page.failures(failed),
        _sentences(side, options),
        page.reproduction(side.info, metrics),
    ]
    return page.page(_title(metrics), _subtitle(metrics), sections)


def experiment_report(sides: Sequence[Side], root: Path) -> str:
    """The page over all runs of an experiment, with links to theirs, which lie below `root`."""
    first = sides[0].metrics
    names = [item["name"] for item in first["quality"] if not item["note"]]
    lags = [name for name in ("LAAL", "AL", "StartOffset", "EndOffset") if name in first["latency"]]
    rows = []
    for side in sides:
        metrics = side.metrics
        place = side.folder.relative_to(root).as_posix()
        row = [f'<td><a href="{escape(place)}/report.html">{escape(place)}</a></td>']
        scores = {item["name"]: item["value"] for item in metrics["quality"]}
        for name in names:
            value = scores.get(name)
            row.append(page.cell("" if value is None else f"{value:.2f}", numeric=True))
        for name in lags:
            for full in (name, f"{name}_CA"):
                figure = metrics["latency"].get(full, {}).get("value")
                row.append(page.cell(page.number(name, figure), numeric=True))
        row.append(page.cell(str(metrics["sentences"]), numeric=True))
        style = "failed" if metrics["failed"] else ""
        row.append(page.cell(str(metrics["failed"]), numeric=True, style=style))
        rows.append(row)
    headings = ["run", *names]
    for name in lags:
        headings += [name, f"{name} CA"]
    headings += ["sentences", "failed"]
    series = [(_label(s.metrics), s.metrics["tgt_lang"], s.metrics) for s in sides]
    langs = ", ".join(dict.fromkeys(str(side.metrics["tgt_lang"]) for side in sides))
    return page.page(
        f"{first['system'] or root.name}: {page.NAMES[first['task']]}, {langs}",
        f"{len(sides)} runs of {first['sentences']} sentences; latency in milliseconds",
        [
            page.curves(series),
            page.section("Runs", page.table(headings, rows, set(range(1, len(headings))))),
            page.reproduction(sides[0].info, first),
        ],
    )


def comparison_report(comparisons: Sequence[Comparison]) -> str:
    """The page of a comparison."""
    sections = []
    for comparison in comparisons:
        rows = [
            [
                page.cell(item.metric),
                page.cell(f"{item.a:.3f}", numeric=True),
                page.cell(f"{item.b:.3f}", numeric=True),
                page.cell(f"{item.b - item.a:+.3f}", numeric=True),
                page.cell(f"{item.p_value:.4f}", numeric=True),
                page.cell(item.better, style="differs" if item.significant else ""),
                f"<td><code>{escape(item.method)}</code></td>",
            ]
            for item in comparison.differences
        ]
        a, b = comparison.a, comparison.b
        changed = _changed(a.info["settings"], b.info["settings"])
        listed = "".join(f"<li><code>{escape(text)}</code></li>" for text in changed)
        sections += [
            page.section(
                f"A = {a.label}, B = {b.label}",
                f"<p>{len(comparison.shared)} sentences that both have. "
                + (f"They differ in:</p><ul>{listed}</ul>" if changed else "Same settings.</p>"),
                page.table(
                    ["metric", "A", "B", "B - A", "p", "better", "test"], rows, {1, 2, 3, 4}
                ),
            ),
            page.curves([("A", "A", a.metrics), ("B", "B", b.metrics)]),
            _changes(comparison),
        ]
    return page.page(
        "Comparison of two runs",
        "A difference is called better at p < 0.05, paired bootstrap over sentences",
        sections,
    )


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


def _changes(comparison: Comparison) -> str:
    """The sentences that changed most."""
    a, b = comparison.a, comparison.b
    name = _score_name(a)
    if name is None:
        return ""
    both = [
        index
        for index in comparison.shared
        if name in a.figures.get(index, {}) and name in b.figures.get(index, {})
    ]
    both.sort(key=lambda i: -abs(b.figures[i][name] - a.figures[i][name]))
    rows = [
        [
            page.cell(a.records[i].id),
            page.cell(f"{b.figures[i][name] - a.figures[i][name]:+.1f}", numeric=True),
            page.cell(a.records[i].reference),
            page.cell(a.texts.get(i, "")),
            page.cell(b.texts.get(i, "")),
        ]
        for i in both[:100]
    ]
    headings = ["sentence", f"{name}, B - A", "reference", "A", "B"]
    return page.section("Sentences that changed most", page.table(headings, rows, {1}))


def _title(metrics: dict[str, Any]) -> str:
    return (
        f"{metrics['system'] or 'Evaluation'}: {page.NAMES[metrics['task']]}, {metrics['tgt_lang']}"
    )


def _subtitle(metrics: dict[str, Any]) -> str:
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


def _label(metrics: dict[str, Any]) -> str:
    return ", ".join(metrics["options"].values()) or str(metrics["tgt_lang"])


def _latency_notes(side: Side) -> str:
    workers = side.info["conditions"]["workers"]
    if workers == 1:
        return ""
    return (
        f"<p>{workers} sentences were under way at a time and shared the machine, so that the "
        "computation-aware figures are those of a loaded server.</p>"
    )


def _score_name(side: Side) -> str | None:
    names = ("chrF++", "WER", "CER")
    return next((n for n in names for row in side.figures.values() if n in row), None)


def _sentences(side: Side, options: ReportOptions) -> str:
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

    ordered = sorted(side.records.values(), key=badness)[: options.sentences]
    items = []
    for position, record in enumerate(ordered):
        row = side.figures.get(record.index, {})
        data = "".join(
            f' data-c{place}="{row[name]:.3f}"' for place, name in enumerate(columns) if name in row
        )
        figures = "".join(
            f'<span class="n">{page.number(name, row[name]) if name in row else ""}</span>'
            for name in columns
        )
        text = side.texts.get(record.index) or ("" if speech else record.prediction)
        said = escape(text) or (
            "" if speech and record.delays else '<i class="failed">no output</i>'
        )
        items.append(
            f'<div class="sentence" data-index="{record.index}"{data}>'
            f"<details{' open' if position == 0 else ''}><summary>"
            f'<span class="id">{escape(record.id)}</span>{figures}'
            f'<span class="said">{said}<small>{escape(record.reference)}</small></span></summary>'
            f"{_sentence(side, record, options, with_audio=position < options.audio)}"
            "</details></div>"
        )
    choices = [(f"c0 {'down' if errors else 'up'}", "worst first")] if score else []
    choices += [
        (f"c{place} down", f"largest {name} first")
        for place, name in enumerate(columns)
        if name != score
    ]
    choices.append(("index up", "in the order of the data"))
    menu = "".join(f'<option value="{value}">{escape(name)}</option>' for value, name in choices)
    more = len(side.records) - len(ordered)
    headings = "".join(f'<span class="n">{escape(name)}</span>' for name in columns)
    return page.section(
        "Sentences",
        f'<div class="bar"><label>Order <select id="order">{menu}</select></label>'
        '<label>Find <input type="search" id="search"></label>'
        '<span class="dim">Open a line for its sound and its timeline.</span></div>',
        f"<p>{more} better ones are not shown.</p>" if more else "",
        f'<div class="sentences" style="--figures: {len(columns)}">'
        f'<div class="heading"><span class="id">sentence</span>{headings}'
        '<span class="said">output<small>reference</small></span></div>'
        f'<div id="sentences">{"".join(items)}</div></div>',
    )


def _sentence(side: Side, record: Record, options: ReportOptions, *, with_audio: bool) -> str:
    source, heard = "", ""
    envelope: list[float] = []
    if options.audio_root is not None and with_audio:
        samples = _source_audio(record, options.audio_root)
        if samples is not None:
            source = f"<dt>source</dt><dd>{_player(samples, SAMPLE_RATE)}</dd>"
            envelope = _envelope(samples)
        if record.durations and (spoken := side.folder / "wavs" / Path(record.prediction).name):
            heard = _spoken(spoken)
    said = f"<dt>said</dt><dd>{escape(record.src_text)}</dd>" if record.src_text else ""
    text = side.texts.get(record.index) or ("" if record.durations else record.prediction)
    output = f"<dt>output</dt><dd>{escape(text)}</dd>" if text else ""
    drawn = charts.timeline(_timeline(record, envelope))
    return (
        f"<dl>{source}{heard}{said}<dt>reference</dt><dd>{escape(record.reference)}</dd>"
        f"{output}</dl>{drawn}"
    )


def _timeline(record: Record, envelope: Sequence[float]) -> charts.Timeline:
    if record.durations is None:
        written = [charts.Mark(f.delay, readable(f)) for f in record.fragments]
        out = [charts.Mark(f.available, "") for f in record.fragments]
    else:
        written, out = (
            [
                charts.Mark(start, f"{length / 1000:.1f} s", length)
                for start, length in playback(clock, record.durations)
            ]
            for clock in (record.delays, record.available)
        )
    return charts.Timeline(
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


def _spoken(path: Path) -> str:
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except (soundfile.SoundFileError, OSError):
        return ""
    return f"<dt>speech</dt><dd>{_player(samples, rate)}</dd>"


def _envelope(samples: Samples) -> list[float]:
    blocks = np.array_split(np.abs(samples), min(_ENVELOPE_POINTS, max(1, len(samples))))
    peaks = np.array([block.max() for block in blocks])
    return [float(peak) for peak in peaks / (peaks.max() or 1.0)]


def _player(samples: Samples, rate: int) -> str:
    """An audio element with the sound in it."""
    import soundfile

    buffer = io.BytesIO()
    loudest = float(np.abs(samples).max()) if samples.size else 0.0
    soundfile.write(buffer, samples / max(1.0, loudest), rate, format="MP3")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio>'
