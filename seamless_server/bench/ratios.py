"""The short form of all comparisons: ratios on this machine beside the committed ones.

Seconds differ from one machine to the next; how much faster one way is than another in the same run
does so much less. That is what is kept, with the machine on which it was measured.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seamless_server.agents.precision import trial
from seamless_server.bench.capacity import capacity_run
from seamless_server.bench.runs import engine_run, fanout_run
from seamless_server.bench.savings import savings_run
from seamless_server.bench.simulation import SimulatedSpeaker, speech_for_load
from seamless_server.checkpoints.cards import EMBEDDED, SYSTEM_DIRS
from seamless_server.checkpoints.loader import load_checkpoint
from seamless_server.checkpoints.random_model import random_checkpoint
from seamless_server.streaming.options import model_defaults

Say = Callable[[str], None]
COMMITTED = Path(__file__).resolve().parents[2] / "benchmarks" / "ratios.json"

MEANINGS = {
    "engine_over_naive": "audio a second, the server's engine over the official algorithm",
    "engine_over_inline": "audio a second, the server's engine over a thread for each stream",
    "speakers_over_naive": "real-time speakers, the server's engine over the official algorithm",
    "speakers_over_inline": "real-time speakers, the server's engine over a thread for each stream",
    "sixteenth_language": "cost of the 16th language of a speaker, of one with one language",
    "int8_over_fp32": "products of the full model's size, int8 over fp32",
    "steps_640_over_320": "audio encoded, steps of 320 ms over steps of 640 (counted)",
}


@dataclass(frozen=True)
class Scale:
    """How much is done: in ten minutes, or just enough to show that it works."""

    size: str = "small"
    speakers: int = 4
    seconds: float = 6.0
    capacity_seconds: float = 10.0
    most: int = 64
    model: Path = SYSTEM_DIRS / EMBEDDED
    clips: int = 2


def measure(scale: Scale, say: Say) -> Iterator[tuple[str, float]]:
    """Every ratio by its name, as it is found."""
    checkpoint = random_checkpoint(scale.size)
    load = SimulatedSpeaker(speech_for_load(None))
    engine = engine_run(checkpoint, scale.speakers, scale.seconds, load, say)
    yield "engine_over_naive", engine["scheduled_over_naive"]
    yield "engine_over_inline", engine["scheduled_over_inline"]
    found = capacity_run(checkpoint, scale.most, scale.capacity_seconds, load, say)
    yield "speakers_over_naive", found["scheduled_over_naive"]
    yield "speakers_over_inline", found["scheduled_over_inline"]
    silent = SimulatedSpeaker(load.samples, speech=False)
    yield (
        "sixteenth_language",
        fanout_run(checkpoint, scale.seconds, silent, say)["sixteenth_language"],
    )
    took = trial()
    yield "int8_over_fp32", took["fp32"] / took["int8"]
    yield "steps_640_over_320", _steps(scale, say)


def _steps(scale: Scale, say: Say) -> float:
    device = torch.device("cpu")
    checkpoint = load_checkpoint(scale.model, device, torch.float32, speech=False)
    files = sorted((scale.model / "samples").glob("*.flac"))[: scale.clips]
    languages = checkpoint.config.text_langs[:2]
    defaults = model_defaults([scale.model])
    short, long = savings_run(
        checkpoint, defaults, files, languages, say, variants=((320, 0.0), (640, 0.0))
    )
    return float(short["encoded_seconds"] / long["encoded_seconds"])


def committed() -> dict[str, Any]:
    """What is in the repository: the date, the machine and the ratios; empty elsewhere."""
    if not COMMITTED.is_file():
        return {"machine": {}, "ratios": {}}
    found: dict[str, Any] = json.loads(COMMITTED.read_text("utf-8"))
    return found


def table(here: dict[str, float], known: dict[str, Any]) -> str:
    """The ratios of both, with what they mean."""
    lines = [f"{'here':>8} {'committed':>10}  ratio"]
    for name, meaning in MEANINGS.items():
        there = known["ratios"].get(name)
        lines.append(f"{_shown(here.get(name)):>8} {_shown(there):>10}  {meaning}")
    return "\n".join(lines)


def _shown(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"
