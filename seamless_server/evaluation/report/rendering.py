"""Rendering of the report's pages, which need no other file, from the templates beside this."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from seamless_server.evaluation.audio import Samples


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    numeric: bool = False
    style: str = ""
    title: str = ""
    """What is shown when one points at it."""
    link: str = ""
    code: bool = False
    note: str = ""

    @property
    def classes(self) -> str:
        """Its classes in the page's style."""
        return " ".join(name for name in ("n" if self.numeric else "", self.style) if name)


@dataclass(frozen=True)
class Table:
    """A table whose headings sort it."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def numeric(self, column: int) -> bool:
        """Whether the column holds numbers."""
        return any(row[column].numeric for row in self.rows)


@dataclass(frozen=True)
class Clip:
    """Samples to be listened to, and their rate in Hz."""

    samples: Samples
    rate: int


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it, in this order, as far as there is any."""

    heading: str
    lead: str = ""
    points: Sequence[str] = ()
    table: Table | None = None
    chart: str = ""
    remark: str = ""


def number(text: str, *, style: str = "") -> Cell:
    """A cell with a number in it."""
    return Cell(text, numeric=True, style=style)


def render(template: str, **content: object) -> str:
    """A whole page."""
    return _environment().get_template(template).render(content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["player"] = _player
    environment.filters["tenths"] = "{:.1f}".format
    return environment


def _player(sound: Clip) -> str:
    """An audio element with the sound in it."""
    import soundfile

    buffer = io.BytesIO()
    loudest = float(np.abs(sound.samples).max()) if sound.samples.size else 0.0
    soundfile.write(buffer, sound.samples / max(1.0, loudest), sound.rate, format="MP3")
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<audio controls preload="none" src="data:audio/mpeg;base64,{data}"></audio>'
