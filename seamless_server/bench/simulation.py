"""Simulated speakers: real speech in real chunks through complete streams, many at a time."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.agents.loading import AgentSystem
from seamless_server.audio.reader import SAMPLE_RATE, Samples, read_audio
from seamless_server.bench.naive import NaiveEngine
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import Engine, InlineEngine, ScheduledEngine, SchedulerOptions
from seamless_server.streaming import Model, Target
from seamless_server.streaming.seamless_model import SeamlessModel

MODES = ("naive", "inline", "scheduled")
SPEECH = Path(__file__).resolve().parents[1] / "data" / "recordings" / "human_pauses.flac"


@dataclass(frozen=True)
class SimulatedSpeaker:
    """What every simulated speaker does.

    samples: what is said, (N,) at 16 kHz, again and again. tokens: written for each chunk of
    speech, whatever the (random) weights say. speech: whether speech comes out too.
    """

    samples: Samples
    chunk_ms: int = 320
    tokens: int = 2
    speech: bool = True

    @property
    def chunk(self) -> int:
        """Samples of a chunk."""
        return self.chunk_ms * SAMPLE_RATE // 1000

    @property
    def options(self) -> dict[str, Any]:
        """Agent options: write a fixed number of tokens a chunk, and no more at the end.

        Random weights never end a sentence, so its length does: in proportion to its frames of
        160 ms, whatever was written before.
        """
        frames = self.chunk_ms / 160
        return {
            "decision_threshold": 0.0,
            "no_early_stop": True,
            "max_len_a": math.ceil(self.tokens / frames),
            "max_len_b": self.tokens,
            "max_consecutive_write": self.tokens,
            "min_unit_chunk_size": 30,
        }

    def said(self, first: int, count: int, offset: int = 0) -> Samples:
        """``count`` chunks from the ``first`` on, of someone who began at sample ``offset``."""
        start = first * self.chunk + offset
        index = np.arange(start, start + count * self.chunk) % len(self.samples)
        return self.samples[index].astype(np.float32)


def speech_for_load(path: Path | None) -> Samples:
    """The recording to speak: the given one, else a bundled one."""
    return read_audio(path or SPEECH)


def make_model(
    mode: str, checkpoint: Checkpoint, slots: int | None = None, graphs: bool = True
) -> SeamlessModel:
    """A system of a mode on a shared checkpoint.

    naive: the official algorithm, session by session. inline: each session in its own thread.
    scheduled: one engine batches all sessions.
    """
    engine: Engine
    if mode == "naive":
        engine = NaiveEngine(checkpoint)
    elif mode == "inline":
        engine = InlineEngine(checkpoint)
    else:
        engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=slots, graphs=graphs))
    return SeamlessModel(AgentSystem(checkpoint, engine), checkpoint.config.name, "", {})


@dataclass
class SimulationResult:
    """What a run gave: when each chunk was done and how late, and what the engine did.

    timeline: seconds since the start, and the chunk's lag in seconds. joined: chunks that were
    taken together with the one before them. cpu_seconds: processor time of the whole process.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    audio_seconds: float = 0.0
    timeline: list[tuple[float, float]] = field(default_factory=list)
    joined: int = 0
    stages: dict[str, tuple[float, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(
        self,
        lags: list[tuple[float, float]],
        joined: int,
        step: float,
        stats: dict[str, tuple[float, int]],
    ) -> None:
        """One speaker's share."""
        self.timeline += lags
        self.joined += joined
        self.audio_seconds += len(lags) * step
        for name, (spent, calls) in stats.items():
            before = self.stages.get(name, (0.0, 0))
            self.stages[name] = (before[0] + spent, before[1] + calls)

    @property
    def throughput(self) -> float:
        """Seconds of audio translated in one second."""
        return self.audio_seconds / self.seconds

    def percentile(self, percent: float) -> float:
        """Percentile of the lag, in ms."""
        lags = [lag * 1000 for _, lag in self.timeline]
        return float(np.percentile(lags, percent)) if lags else float("nan")


def simulate(
    model: Model,
    mode: str,
    speakers: int,
    seconds: float | Sequence[float],
    load: SimulatedSpeaker,
    realtime: bool,
    languages: tuple[str, ...] = ("spa",),
    say: Callable[[str], None] | None = None,
    join: int = 1,
    name: str | None = None,
) -> SimulationResult:
    """Let ``speakers`` talk, at the pace of speech or as fast as it goes.

    Args:
        seconds: how long, everybody or each.
        join: most chunks that are taken at once when they wait, as a live session does.
        name: what ``say`` is told instead of the mode.
    """
    durations = [seconds] * speakers if isinstance(seconds, (int, float)) else list(seconds)
    targets = {lang: Target(text=True, speech=load.speech) for lang in languages}
    outcome = SimulationResult()
    ready = threading.Barrier(speakers + 1)
    turn, guard = threading.Lock(), threading.Lock()
    step = load.chunk_ms / 1000

    def speak(number: int) -> None:
        stream = model.open(targets, load.options)
        delay = (number / speakers) * step
        total = max(1, int(durations[number] / step))
        lags: list[tuple[float, float]] = []
        joined = done = 0
        ready.wait()
        try:
            while done < total:
                arrival = began + delay + (done + 1) * step
                if realtime:
                    time.sleep(max(0.0, arrival - time.perf_counter()))
                waiting = 1 + int((time.perf_counter() - arrival) / step) if realtime else 1
                count = max(1, min(join, waiting, total - done))
                audio = load.said(done, count, number * 7919 * 16)
                with turn if mode == "naive" else contextlib.nullcontext():
                    list(stream.push(audio))
                now = time.perf_counter()
                lags += [(now - began, now - arrival - i * step) for i in range(count)]
                joined += count - 1
                done += count
        except Exception as error:
            with guard:
                outcome.errors.append(f"{type(error).__name__}: {error}")
        finally:
            stream.close()
        with guard:
            outcome.add(lags, joined, step, stream.stats)

    threads = [threading.Thread(target=speak, args=(i,), daemon=True) for i in range(speakers)]
    for thread in threads:
        thread.start()
    spent, began = time.process_time(), time.perf_counter()
    ready.wait()
    for thread in threads:
        thread.join()
    outcome.seconds = time.perf_counter() - began
    outcome.cpu_seconds = time.process_time() - spent
    if say is not None:
        say(
            f"{name or mode:<14} {speakers:>4} speakers  {outcome.throughput:6.2f} x real time"
            f"  {outcome.cpu_seconds / outcome.audio_seconds:.3f} CPU s / s"
            + (f"  p95 lag {outcome.percentile(95):7.0f} ms" if realtime else "")
        )
    return outcome
