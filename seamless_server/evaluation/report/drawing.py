"""Where everything stands in the picture of a sentence: what was read above, written below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WIDTH = 720
_LANE_TEXT = 92
_MAX_ROWS = 6
_CHARACTER_WIDTH = 6.2
_TICKS = 8


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


@dataclass(frozen=True, slots=True)
class Box:
    """A mark and its text, placed."""

    x: float
    y: float
    width: float
    title: str
    text: str
    text_x: float
    anchor: str
    style: str


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of marks, or several below each other."""

    name: str
    style: str
    y: float
    boxes: Sequence[Box]


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it, in units of the drawing, whose width is `WIDTH`."""

    height: float
    source_x: float
    source_width: float
    wave: Sequence[tuple[float, float]]
    reads: Sequence[float]
    ticks: Sequence[tuple[float, str]]
    lanes: Sequence[Lane]
    bottom: float


def draw(content: Timeline) -> Drawing:
    """Place the parts of a timeline on one axis of time."""
    marks = [*content.written, *content.out]
    end = max([content.source_ms, *(mark.start + mark.length for mark in marks)])
    scale = (WIDTH - _LANE_TEXT - 12) / (end or 1.0)

    def at(time: float) -> float:
        return _LANE_TEXT + time * scale

    lanes = []
    y = 56.0
    for name, style, lane in (
        ("WRITE", "write", content.written),
        ("in real time", "aware", content.out),
    ):
        rows, boxes = _pack(lane, scale, y)
        lanes.append(Lane(name, style, y, boxes))
        y += rows * 17 + 10
    return Drawing(
        height=y + 22,
        source_x=at(0),
        source_width=content.source_ms * scale,
        wave=list(_wave(content, at(0), scale)),
        reads=[at(read) for read in content.reads],
        ticks=[(at(tick), f"{tick / 1000:g} s") for tick in _ticks(end)],
        lanes=lanes,
        bottom=y,
    )


def _ticks(end: float) -> Iterator[float]:
    """Round times from 0 to the end."""
    step = 10 ** math.floor(math.log10(max(end, 1.0) / _TICKS))
    step = next(step * factor for factor in (1, 2, 5, 10) if end / (step * factor) <= _TICKS)
    for number in range(math.floor(end / step) + 1):
        yield number * step


def _wave(content: Timeline, left: float, scale: float) -> Iterator[tuple[float, float]]:
    """The outline of the source's loudness: along its top, and back along its bottom."""
    count = len(content.envelope)
    xs = [left + n * content.source_ms / count * scale for n in range(count)]
    for x, level in zip(xs, content.envelope, strict=True):
        yield x, 24 - 15 * level
    for x, level in zip(xs[::-1], content.envelope[::-1], strict=True):
        yield x, 24 + 15 * level


def _pack(marks: Sequence[Mark], scale: float, y: float) -> tuple[int, list[Box]]:
    """Place texts in rows so that they do not cover each other, as far as rows go."""
    free = [0.0] * _MAX_ROWS
    boxes = []
    for mark in marks:
        x = _LANE_TEXT + mark.start * scale
        width = max(4.0, mark.length * scale)
        size = len(mark.text) * _CHARACTER_WIDTH + 8
        # At the right edge a text stands in front of its mark.
        in_front = not mark.length and x + size > WIDTH and x - size > _LANE_TEXT
        left = x + 0.5 - (size if in_front else 0)
        row = next((index for index in range(_MAX_ROWS) if free[index] <= left), None)
        if row is None:
            row = min(range(_MAX_ROWS), key=lambda index: free[index])
        text, style, text_x, anchor = mark.text, "small", x + 6, "start"
        if mark.length:
            free[row] = x + width  # the next one may touch it
            style = "inside"
        elif in_front:
            free[row] = x + 12
            text_x, anchor = x - 4, "end"
        else:
            free[row] = x + size + 8
            room = max(1, int((WIDTH - x - 12) / _CHARACTER_WIDTH))
            text = text if len(text) <= room else f"{text[: room - 1]}\u2026"
        title = f"{mark.start / 1000:.2f} s {mark.text}".strip()
        boxes.append(Box(x, y + row * 17, width, title, text, text_x, anchor, style))
    used = max((index + 1 for index, end in enumerate(free) if end), default=1)
    return used, boxes
