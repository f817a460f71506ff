"""Line charts as SVG, by matplotlib: of reports, of benchmarks and of training."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# These stand out from white and from black; text takes the colour of the page.
_COLOURS = ("#3b82f6", "#ea580c", "#16a34a", "#a855f7", "#ca8a04", "#0891b2", "#db2777", "#64748b")
_FRAME = "#8795a8"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "seamless-server",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": _FRAME,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": _FRAME,
    "grid.alpha": 0.3,
    "xtick.color": _FRAME,
    "xtick.labelcolor": "black",
    "ytick.color": _FRAME,
    "ytick.labelcolor": "black",
}


@dataclass(frozen=True, slots=True)
class Point:
    """One value; its label stands beside it."""

    x: float
    y: float
    label: str
    series: str


def curve(
    points: Sequence[Point], x_name: str, y_name: str, title: str = "", *, dots: bool = True
) -> str:
    """One line a series, through its points in order of x, as an ``<svg>`` element."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.8, 3.1), layout="constrained")
        axes = figure.subplots()
        names = list(dict.fromkeys(p.series for p in points))
        for number, name in enumerate(names):
            line = sorted((p for p in points if p.series == name), key=lambda p: p.x)
            axes.plot(
                [p.x for p in line],
                [p.y for p in line],
                color=_COLOURS[number % len(_COLOURS)],
                marker="o" if dots else "",
                linewidth=1.5,
                markersize=5,
                label=name,
            )
            for p in line:
                # Below to the right, where a curve that rises leaves room.
                axes.annotate(p.label, (p.x, p.y), (5, -11), textcoords="offset points")
        axes.set(xlabel=x_name, ylabel=y_name, title=title)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.grid(visible=True)
        axes.margins(0.08)
        if len(names) > 1:
            figure.legend(loc="outside lower center", ncols=4, frameon=False)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    _, _, drawing = drawn.getvalue().partition("<svg")
    return f'<svg role="img" aria-label="{escape(f"{y_name} over {x_name}")}"{drawing}'
