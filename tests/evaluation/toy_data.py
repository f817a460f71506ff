"""What the toy agents are evaluated on."""

from __future__ import annotations

from collections.abc import Callable

from typer.testing import Result

SENTENCES = {
    "a": "uno dos tres cuatro",
    "b": "cinco seis siete ocho nueve",
    "c": "tres dos uno",
    "d": "nueve ocho siete seis cinco cuatro",
}

Evaluate = Callable[..., Result]
