"""More speakers than fit: lag must stay bounded, nothing be lost, and all be well soon after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seamless_server.bench.capacity import LAG_LIMIT_MS, most_speakers
from seamless_server.bench.figures import Snapshot, scheduler_figures
from seamless_server.bench.simulation import (
    SimulatedSpeaker,
    SimulationResult,
    make_model,
    simulate,
)
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import ScheduledEngine

JOIN_LIMIT_MS = 2560
"""Longest stretch of waiting audio that is taken at once: the server's default."""
QUEUE_SECONDS = 60.0
"""Audio that a session keeps waiting before it drops the oldest: the server's default."""
AFTER_SECONDS = 30.0
"""How long half of the speakers go on, or as long as all of them talked if that was shorter."""
WITHIN_SECONDS = 10.0
"""What "back to normal within seconds" means."""
GROWTH, THIRDS = 1.25, ((1 / 3, 2 / 3), (2 / 3, 1.0))
"""Bounded lag is no longer in the last third of the time than in the middle third, but for noise
and a chunk."""
WINDOW = 2.0
"""Seconds over which lag counts as normal or not: 95% of the chunks in them."""


def overload_run(
    checkpoint: Checkpoint,
    speakers: int,
    minutes: float,
    load: SimulatedSpeaker,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Twice as many speakers as fit, for minutes; then half of them stop and the rest go on."""
    model = make_model("scheduled", checkpoint)
    engine = model.engine
    assert isinstance(engine, ScheduledEngine)
    engine.warm_up()
    join = max(1, JOIN_LIMIT_MS // load.chunk_ms)

    def fits(count: int) -> SimulationResult:
        return simulate(model, "scheduled", count, 10.0, load, realtime=True, say=say, join=join)

    capacity = speakers // 2 or max(1, int(most_speakers(fits, 512)["speakers"]))
    speakers = speakers or 2 * capacity
    talk = 60 * minutes
    # Every second one stays, so that the rest are spread over time as before.
    after = max(3.0, min(AFTER_SECONDS, talk))
    seconds = [talk + after * (number % 2) for number in range(speakers)]
    before = Snapshot(engine)
    outcome = simulate(model, "scheduled", speakers, seconds, load, realtime=True, join=join)
    during = [(at, lag * 1000) for at, lag in outcome.timeline if at - lag <= talk]
    lags = [lag for _, lag in during]
    parts = [[lag for at, lag in during if low < at / talk <= high] for low, high in THIRDS]
    middle, end = (float(np.percentile(x, 95)) if x else 0.0 for x in parts)
    lost = sum(load.chunk_ms / 1000 for _, lag in outcome.timeline if lag > QUEUE_SECONDS)
    recovery = _recovery(outcome, talk)
    result = {
        "capacity": capacity,
        "speakers": speakers,
        "minutes": minutes,
        "median_lag_ms": float(np.median(lags)),
        "p95_lag_ms": float(np.percentile(lags, 95)),
        "most_lag_ms": max(lags),
        "middle_p95_lag_ms": middle,
        "end_p95_lag_ms": end,
        "bounded": end <= GROWTH * middle + load.chunk_ms,
        "joined": outcome.joined,
        "lost_seconds": lost,
        "nothing_lost": lost == 0 and not outcome.errors,
        "recovery_seconds": recovery,
        "recovered": recovery <= WITHIN_SECONDS,
        "curve": _curve(outcome),
        "errors": outcome.errors,
        "scheduler": scheduler_figures(engine, before),
    }
    engine.close()
    for line in verdicts(result):
        say(line)
    return result


def verdicts(result: dict[str, Any]) -> list[str]:
    """The three things that matter, each in a sentence."""
    return [
        f"lag bounded: {_yes(result['bounded'])} (p95 {result['middle_p95_lag_ms']:.0f} ms in the "
        f"middle third, {result['end_p95_lag_ms']:.0f} ms in the last; "
        f"at most {result['most_lag_ms']:.0f} ms; {result['joined']} chunks joined)",
        f"nothing lost: {_yes(result['nothing_lost'])} ({result['lost_seconds']:.1f} s of audio "
        f"waited longer than {QUEUE_SECONDS:g} s, {len(result['errors'])} errors)",
        f"back to normal within {WITHIN_SECONDS:g} s: {_yes(result['recovered'])} "
        f"({result['recovery_seconds']:.1f} s after half of the {result['speakers']} speakers "
        f"stopped)",
    ]


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def _recovery(outcome: SimulationResult, talk: float) -> float:
    """Seconds after the load halved until the p95 lag was normal for good."""
    windows: dict[int, list[float]] = {}
    for at, lag in outcome.timeline:
        if at > talk:
            windows.setdefault(int((at - talk) / WINDOW), []).append(lag * 1000)
    late = [x for x, lags in windows.items() if np.percentile(lags, 95) >= LAG_LIMIT_MS]
    return (max(late) + 1) * WINDOW if late else 0.0


def _curve(outcome: SimulationResult, points: int = 200) -> list[dict[str, float]]:
    """The p95 lag over time, for the plot."""
    width = max(1.0, outcome.seconds / points)
    bins: dict[int, list[float]] = {}
    for at, lag in outcome.timeline:
        bins.setdefault(int(at / width), []).append(lag * 1000)
    return [
        {"second": index * width, "lag_ms": float(np.percentile(lags, 95))}
        for index, lags in sorted(bins.items())
    ]
