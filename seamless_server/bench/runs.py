"""Two questions: how much at once, and what does a language cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seamless_server.bench.figures import Snapshot, scheduler_figures
from seamless_server.bench.roofline import joules, peak_flops, work_flops
from seamless_server.bench.simulation import (
    MODES,
    SimulatedSpeaker,
    SimulationResult,
    make_model,
    simulate,
)
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import ScheduledEngine

Say = Callable[[str], None]
LANGUAGES = (
    "spa", "fra", "deu", "ita", "por", "nld", "pol", "rus",
    "cmn", "jpn", "kor", "hin", "arb", "tur", "vie", "ind",
)  # fmt: skip


def engine_run(
    checkpoint: Checkpoint, speakers: int, seconds: float, load: SimulatedSpeaker, say: Say
) -> dict[str, Any]:
    """All modes on the same work, as fast as they can."""
    weight = checkpoint.decoder.embed.weight
    peak, work = peak_flops(weight.device, weight.dtype), work_flops(checkpoint, load)
    results: dict[str, Any] = {}
    for mode in MODES:
        model = make_model(mode, checkpoint)
        simulate(model, mode, min(2, speakers), 2.0, load, realtime=False)
        before, counts = joules(), Snapshot(model.engine)
        outcome = simulate(model, mode, speakers, seconds, load, realtime=False, say=say)
        after = joules()
        hours = outcome.audio_seconds / 3600
        results[mode] = {
            **_figures(outcome),
            "throughput": outcome.throughput,
            "cpu_seconds_per_second": outcome.cpu_seconds / outcome.audio_seconds,
            "flops": work * outcome.throughput,
            "share_of_peak": work * outcome.throughput / peak,
            "device_hours_per_stream_hour": 1 / outcome.throughput,
            "joules_per_stream_hour": (
                None if before is None or after is None else (after - before) / hours
            ),
        }
        engine = model.engine
        if isinstance(engine, ScheduledEngine):
            results[mode]["scheduler"] = scheduler_figures(engine, counts)
            engine.close()
    scheduled = results["scheduled"]["throughput"]
    return {
        "speakers": speakers,
        "peak_flops": peak,
        "flop_per_audio_second": work,
        "modes": results,
        "scheduled_over_inline": scheduled / results["inline"]["throughput"],
        "scheduled_over_naive": scheduled / results["naive"]["throughput"],
    }


FANOUT_CLOCK = "cpu_seconds"
"""Processor time, which other programs disturb little; a GPU's threads wait busily for it."""


def fanout_run(
    checkpoint: Checkpoint, seconds: float, load: SimulatedSpeaker, say: Say
) -> dict[str, Any]:
    """One speaker with 1, 4 and 16 target languages."""
    rows = []
    for count in (1, 4, 16):
        model = make_model("scheduled", checkpoint)
        langs = tuple(x for x in LANGUAGES if x in model.text_languages)[:count]
        simulate(model, "scheduled", 1, 2.0, load, realtime=False, languages=langs)
        outcome = simulate(model, "scheduled", 1, seconds, load, realtime=False, languages=langs)
        engine = model.engine
        assert isinstance(engine, ScheduledEngine)
        figures = scheduler_figures(engine)
        engine.close()
        rows.append({"languages": count, **_figures(outcome), "scheduler": figures})
        say(
            f"{count:>3} languages  {outcome.cpu_seconds:6.2f} CPU s"
            f"  {_calls(outcome, 'encode')} encodings"
            f"  {figures['mean_batch']['decode']:.1f} languages at a time"
        )
    one, some, many = (row[FANOUT_CLOCK] for row in rows)
    return {
        "rows": rows,
        "clock": FANOUT_CLOCK,
        "one_more_language": (many - one) / 15 / one,
        "sixteenth_language": (many - some) / 12 / one,
    }


def _calls(outcome: SimulationResult, name: str) -> int:
    return outcome.stages.get(name, (0.0, 0))[1]


def _figures(outcome: SimulationResult) -> dict[str, Any]:
    return {
        "seconds": outcome.seconds,
        "cpu_seconds": outcome.cpu_seconds,
        "audio_seconds": outcome.audio_seconds,
        "stages": outcome.stages,
        "errors": outcome.errors,
    }
