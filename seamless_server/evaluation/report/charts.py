"""Pictures of the report, as inline SVG that follows the page's colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 720
_CURVE_WIDTH = 480
_LANE_TEXT = 92
_MAX_ROWS = 6
_CHARACTER_WIDTH = 6.2


@dataclass(frozen=True, slots=True)
class Point:
    """One run in a quality-latency picture."""

    x: float
    y: float
    label: str
    series: str


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """Round values that cover a range."""
    if high - low < 1e-9:
        low, high = low if low == 0 else low - 0.5, high + 0.5
    span = high - low
    step = 10 ** math.floor(math.log10(span / wanted))
    for factor in (1, 2, 5, 10):
        if span / (step * factor) <= wanted:
            step *= factor
            break
    first = math.floor(low / step)
    last = math.ceil(high / step)
    return [round(n * step, 10) for n in range(first, last + 1)]


def curve(points: Sequence[Point], x_name: str, y_name: str) -> str:
    """Quality over latency: one line a series, through its runs in order of latency."""
    height, left, right, top, bottom = 300, 60, 24, 14, 46
    xs = ticks(min(p.x for p in points), max(p.x for p in points))
    ys = ticks(min(p.y for p in points), max(p.y for p in points))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - xs[0]) / ((xs[-1] - xs[0]) or 1)
        up = (y - ys[0]) / ((ys[-1] - ys[0]) or 1)
        return left + across * (_CURVE_WIDTH - left - right), height - bottom - up * (
            height - top - bottom
        )

    parts = []
    for x in xs:
        px, _ = at(x, ys[0])
        parts.append(f'<path class="grid" d="M{px:.1f} {top}V{height - bottom}"/>')
        parts.append(_text(px, height - bottom + 16, f"{x:g}", "middle"))
    for y in ys:
        _, py = at(xs[0], y)
        parts.append(f'<path class="grid" d="M{left} {py:.1f}H{_CURVE_WIDTH - right}"/>')
        parts.append(_text(left - 8, py + 4, f"{y:g}", "end"))
    parts.append(_text((left + _CURVE_WIDTH - right) / 2, height - 8, x_name, "middle"))
    middle = (top + height - bottom) / 2
    parts.append(
        f'<text transform="translate(14 {middle:.1f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_name)}</text>"
    )
    names = list(dict.fromkeys(p.series for p in points))
    if len(names) > 1:
        parts += _legend(names, left, height + 8)
    for number, name in enumerate(names):
        members = sorted((p for p in points if p.series == name), key=lambda p: p.x)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(p.x, p.y) for p in members))
        style = f"s{number % 6}"
        parts.append(f'<polyline class="line {style}" points="{path}"/>')
        for p in members:
            px, py = at(p.x, p.y)
            title = f"{p.label}: {y_name} {p.y:.2f}, {x_name} {p.x:.2f}"
            parts.append(
                f'<circle class="dot {style}" cx="{px:.1f}" cy="{py:.1f}" r="5">'
                f"<title>{escape(title)}</title></circle>"
            )
            # Below to the right, where a curve that rises leaves room.
            close = px + 10 + len(p.label) * _CHARACTER_WIDTH > _CURVE_WIDTH
            anchor, beside = ("end", px - 4) if close else ("start", px + 8)
            parts.append(_text(beside, py + 16, p.label, anchor, "small"))
    below = 18 if len(names) > 1 else 0
    return _svg(height + below, parts, f"{y_name} over {x_name}", _CURVE_WIDTH)


def _legend(names: Sequence[str], x: float, y: float) -> list[str]:
    """Which colour is which series."""
    parts = []
    for number, name in enumerate(names):
        parts.append(f'<circle class="dot s{number % 6}" cx="{x + 5:.1f}" cy="{y - 4:.1f}" r="4"/>')
        parts.append(_text(x + 14, y, name, "start"))
        x += 30 + len(name) * _CHARACTER_WIDTH * 1.2
    return parts


@dataclass(frozen=True, slots=True)
class Mark:
    """Something written: when, and what. Lengths are for speech."""

    start: float
    text: str
    length: float = 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """READ and WRITE of one sentence; all times in milliseconds."""

    source_ms: float
    reads: Sequence[float]
    """Ends of the segments that were read."""
    written: Sequence[Mark]
    """By the source read at that moment (computation-unaware)."""
    out: Sequence[Mark]
    """When it came out in real time (computation-aware)."""
    envelope: Sequence[float] = ()
    """Loudness of the source, 0 to 1, evenly spaced."""


def timeline(content: Timeline) -> str:
    """The source above, what was written below, on one axis of time."""
    marks = [*content.written, *content.out]
    end = max([content.source_ms, *(mark.start + mark.length for mark in marks)])
    scale = (WIDTH - _LANE_TEXT - 12) / (end or 1.0)

    def at(time: float) -> float:
        return _LANE_TEXT + time * scale

    parts = _source(content, at)
    parts.append(_text(4, 28, "source", "start"))
    parts.append(
        f'<rect class="source" x="{at(0):.1f}" y="8" width="{content.source_ms * scale:.1f}"'
        ' height="32" rx="3"/>'
    )
    parts += [f'<path class="read" d="M{at(r):.1f} 34v8"/>' for r in content.reads]
    y = 56.0
    for name, style, lane in (
        ("WRITE", "write", content.written),
        ("in real time", "aware", content.out),
    ):
        rows, drawn = _pack(lane, at, y, style)
        parts.append(_text(4, y + 12, name, "start"))
        parts += drawn
        y += rows * 17 + 10
    grid = []
    for tick in ticks(0, end, 8):
        if tick <= end:
            grid.append(f'<path class="grid" d="M{at(tick):.1f} 6V{y:.0f}"/>')
            parts.append(_text(at(tick), y + 14, f"{tick / 1000:g} s", "middle", "small"))
    return _svg(y + 22, [*grid, *parts], "READ and WRITE over time")


def _source(content: Timeline, at: Callable[[float], float]) -> list[str]:
    if not content.envelope:
        return []
    count = len(content.envelope)
    step = content.source_ms / count
    upper = [
        f"{at(n * step):.1f},{24 - 15 * level:.1f}" for n, level in enumerate(content.envelope)
    ]
    lower = [
        f"{at(n * step):.1f},{24 + 15 * level:.1f}" for n, level in enumerate(content.envelope)
    ]
    return [f'<polygon class="wave" points="{" ".join(upper + lower[::-1])}"/>']


def _pack(
    marks: Sequence[Mark], at: Callable[[float], float], y: float, style: str
) -> tuple[int, list[str]]:
    """Place texts in rows so that they do not cover each other, as far as rows go."""
    free = [0.0] * _MAX_ROWS
    parts: list[str] = []
    for mark in marks:
        x = at(mark.start)
        width = max(4.0, at(mark.start + mark.length) - x if mark.length else 0.0)
        size = len(mark.text) * _CHARACTER_WIDTH + 8
        # At the right edge a text stands in front of its mark.
        in_front = not mark.length and x + size > WIDTH and x - size > _LANE_TEXT
        left = x + 0.5 - (size if in_front else 0)
        row = next((index for index in range(_MAX_ROWS) if free[index] <= left), None)
        if row is None:
            row = min(range(_MAX_ROWS), key=lambda index: free[index])
        if mark.length:
            free[row] = x + width  # the next one may touch it
        else:
            free[row] = x + 12 if in_front else x + size + 8
        top = y + row * 17
        title = f"{mark.start / 1000:.2f} s {mark.text}".strip()
        parts.append(
            f'<rect class="{style}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="14"'
            f' rx="2"><title>{escape(title)}</title></rect>'
        )
        if mark.length:
            parts.append(_text(x + 6, top + 11, mark.text, "start", "inside"))
        elif in_front:
            parts.append(_text(x - 4, top + 11, mark.text, "end", "small"))
        elif mark.text:
            room = max(1, int((WIDTH - x - 12) / _CHARACTER_WIDTH))
            text = mark.text if len(mark.text) <= room else f"{mark.text[: room - 1]}\u2026"
            parts.append(_text(x + 6, top + 11, text, "start", "small"))
    used = max((index + 1 for index, end in enumerate(free) if end), default=1)
    return used, parts


def _text(x: float, y: float, text: str, anchor: str, style: str = "") -> str:
    name = f' class="{style}"' if style else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, parts: Sequence[str], title: str, width: int = WIDTH) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
