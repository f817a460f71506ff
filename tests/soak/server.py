"""`seamless-server` whose engine fails now and then, once the file SOAK_FAULTS exists."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seamless_server.cli import main
from seamless_server.engine.scheduler import ScheduledEngine

RATE = 0.003
"""Share of the engine's calls that raise; as many give NaN, where they give numbers."""


class InjectedFault(Exception):
    """What an engine's call is made to raise."""


def faulty(call: Callable[..., Iterator[Any]], switch: Path, *, numbers: bool) -> Any:
    """The call of an engine, failing now and then."""

    def called(*args: Any, **options: Any) -> Iterator[Any]:
        dice = random.random() if switch.exists() else 1.0
        if dice < RATE:
            raise InjectedFault(call.__name__)
        wrong = numbers and dice < 2 * RATE
        for result in call(*args, **options):
            yield result * float("nan") if wrong else result

    return called


if __name__ == "__main__":
    for name in ("encode", "vocode", "decode"):
        call = getattr(ScheduledEngine, name)
        failing = faulty(call, Path(os.environ["SOAK_FAULTS"]), numbers=name != "decode")
        setattr(ScheduledEngine, name, failing)
    main()
