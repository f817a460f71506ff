"""How many speakers each mode carries in real time, and each precision of the scheduled engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seamless_server.bench.agreement import decisions, recorded_calls
from seamless_server.bench.figures import Snapshot, scheduler_figures
from seamless_server.bench.simulation import (
    MODES,
    SimulatedSpeaker,
    SimulationResult,
    make_model,
    simulate,
)
from seamless_server.checkpoints.fitting import converted
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import InlineEngine, ScheduledEngine
from seamless_server.streaming import Model

Say = Callable[[str], None]
LAG_LIMIT_MS = 500.0
AGREEMENT_CHUNKS = 16


def capacity_run(
    checkpoint: Checkpoint,
    most: int,
    seconds: float,
    load: SimulatedSpeaker,
    say: Say,
    forms: Sequence[str] = (),
    modes: Sequence[str] = MODES,
) -> dict[str, Any]:
    """Most real-time speakers of each mode with a p95 lag below 500 ms.

    Args:
        forms: precisions in which the scheduled engine is tried besides the checkpoint's own, each
            with the share of decoder steps in which it chooses the same token.
    """
    results: dict[str, Any] = {}
    for mode in modes:
        results[mode] = _capacity(
            mode, mode, make_model(mode, checkpoint), most, seconds, load, say
        )
    calls = recorded_calls(checkpoint, load, AGREEMENT_CHUNKS) if forms else []
    for form in forms:
        name = f"scheduled/{form}"
        other = converted(checkpoint, form)
        model = make_model("scheduled", other)
        agreement = decisions(InlineEngine(other), calls)
        say(f"{name}: the same token in {agreement['same_token']:.2%} of the steps")
        figures = _capacity(name, "scheduled", model, most, seconds, load, say)
        results[name] = {**figures, "agreement": agreement}
    best = {mode: results[mode]["speakers"] for mode in results}
    ratios = {
        f"scheduled_over_{mode}": best["scheduled"] / max(1, best[mode])
        for mode in ("inline", "naive")
        if mode in best and "scheduled" in best
    }
    return {"limit_ms": LAG_LIMIT_MS, "modes": results, **ratios}


def _capacity(
    name: str, mode: str, model: Model, most: int, seconds: float, load: SimulatedSpeaker, say: Say
) -> dict[str, Any]:
    """The search for one mode, with what happened in each run."""
    engine = model.engine
    runs: dict[int, dict[str, Any]] = {}
    if isinstance(engine, ScheduledEngine):
        engine.warm_up()
    simulate(model, mode, 1, 2.0, load, realtime=False)

    def fits(speakers: int) -> SimulationResult:
        before = Snapshot(engine)
        outcome = simulate(model, mode, speakers, seconds, load, realtime=True, say=say, name=name)
        runs[speakers] = {
            "cpu_seconds_per_second": outcome.cpu_seconds / outcome.audio_seconds,
            **({} if before.empty else {"scheduler": scheduler_figures(engine, before)}),
        }
        return outcome

    found = most_speakers(fits, most)
    if isinstance(engine, ScheduledEngine):
        engine.close()
    at_capacity = runs.get(found["speakers"], {})
    return {**found, **at_capacity, "runs": {str(n): runs[n] for n in sorted(runs)}}


def most_speakers(fits: Callable[[int], SimulationResult], most: int) -> dict[str, Any]:
    """The largest number of speakers that keeps its lag, by doubling and halving."""
    tried: dict[int, float] = {}

    def good(speakers: int) -> bool:
        outcome = fits(speakers)
        tried[speakers] = outcome.percentile(95)
        return not outcome.errors and tried[speakers] < LAG_LIMIT_MS

    low, high = 0, 1
    while high <= most and good(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > max(1, low // 12):
        middle = (low + high) // 2
        if good(middle):
            low = middle
        else:
            high = middle
    return {"speakers": low, "p95_lag_ms": {str(k): v for k, v in sorted(tried.items())}}
