"""More speakers than fit: lag must stay bounded, nothing be lost, and all be well soon after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seamless_server.bench.runs import LAG_LIMIT_MS, most_speakers, scheduler_figures
from seamless_server.bench.simulation import Load, Outcome, make_system, simulate
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import ScheduledEngine

JOIN_LIMIT_MS = 2560
"""Longest stretch of waiting audio that is taken at once: the server's default."""
QUEUE_SECONDS = 60.0
"""Audio that a session keeps waiting before it drops the oldest: the server's default."""
AFTER_SECONDS = 30.0
"""How long half of the speakers go on, or as long as all of them talked if that was shorter."""


def overload_run(
    checkpoint: Checkpoint, speakers: int, minutes: float, load: Load, say: Callable[[str], None]
) -> dict[str, Any]:
    """Twice as many speakers as fit, for minutes; then half of them stop and the rest go on."""
    system = make_system("scheduled", checkpoint)
    engine = system.agents.engine
    assert isinstance(engine, ScheduledEngine)
    engine.warm_up()
    join = max(1, JOIN_LIMIT_MS // load.chunk_ms)

    def fits(count: int) -> Outcome:
        return simulate(system, "scheduled", count, 10.0, load, realtime=True, say=say, join=join)

    capacity = speakers // 2 or max(1, int(most_speakers(fits, 512)["speakers"]))
    speakers = speakers or 2 * capacity
    talk = 60 * minutes
    # Every second one stays, so that the rest are spread over time as before.
    after = max(3.0, min(AFTER_SECONDS, talk))
    seconds = [talk + after * (number % 2) for number in range(speakers)]
    outcome = simulate(system, "scheduled", speakers, seconds, load, realtime=True, join=join)
    during = [lag * 1000 for at, lag in outcome.timeline if at - lag <= talk]
    result = {
        "capacity": capacity,
        "speakers": speakers,
        "minutes": minutes,
        "median_lag_ms": float(np.median(during)),
        "p95_lag_ms": float(np.percentile(during, 95)),
        "most_lag_ms": max(during),
        "joined": outcome.joined,
        "lost_seconds": sum(
            load.chunk_ms / 1000 for _, lag in outcome.timeline if lag > QUEUE_SECONDS
        ),
        "recovery_seconds": _recovery(outcome, talk),
        "curve": _curve(outcome),
        "errors": outcome.errors,
        "scheduler": scheduler_figures(engine),
    }
    engine.close()
    say(
        f"{speakers} speakers, {minutes:g} min: p95 lag {result['p95_lag_ms']:.0f} ms, "
        f"at most {result['most_lag_ms']:.0f} ms; normal {result['recovery_seconds']:.1f} s after"
    )
    return result


def _recovery(outcome: Outcome, talk: float) -> float:
    """Seconds after the load halved until no chunk was late any more."""
    late = [at - talk for at, lag in outcome.timeline if at > talk and lag * 1000 >= LAG_LIMIT_MS]
    return max(late, default=0.0)


def _curve(outcome: Outcome, points: int = 200) -> list[dict[str, float]]:
    """The p95 lag over time, for the plot."""
    width = max(1.0, outcome.seconds / points)
    bins: dict[int, list[float]] = {}
    for at, lag in outcome.timeline:
        bins.setdefault(int(at / width), []).append(lag * 1000)
    return [
        {"second": index * width, "lag_ms": float(np.percentile(lags, 95))}
        for index, lags in sorted(bins.items())
    ]
