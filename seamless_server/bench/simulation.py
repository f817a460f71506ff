"""Simulated speakers: real speech in real chunks through complete streams, many at a time."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.agents.system import AgentSystem
from seamless_server.audio.files import SAMPLE_RATE, Samples, read_audio
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import Engine, InlineEngine, ScheduledEngine, SchedulerOptions
from seamless_server.engine.naive import NaiveEngine
from seamless_server.errors import UsageError
from seamless_server.streaming import Target
from seamless_server.streaming.system import System

MODES = ("naive", "inline", "scheduled")
SPEECH = (
    Path(__file__).resolve().parents[2] / "tests" / "recordings" / "audio" / "human_pauses.flac"
)


@dataclass(frozen=True)
class Load:
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

    def chunks(self, seconds: float, offset: int = 0) -> list[Samples]:
        """Chunks for so many seconds, beginning somewhere in the recording."""
        count = max(1, int(seconds * 1000 / self.chunk_ms))
        said = np.resize(np.roll(self.samples, -offset), count * self.chunk)
        return list(said.astype(np.float32).reshape(count, self.chunk))


def speech_for_load(path: Path | None) -> Samples:
    """The recording to speak: the given one, else one of this checkout."""
    if path is None and not SPEECH.is_file():
        raise UsageError("name a recording of speech to simulate speakers with: --audio FILE")
    return read_audio(path or SPEECH)


def make_system(mode: str, checkpoint: Checkpoint, slots: int | None = None) -> System:
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
        engine = ScheduledEngine(checkpoint, SchedulerOptions(slots=slots))
    return System(AgentSystem(checkpoint, engine), checkpoint.config.name, "", {})


@dataclass
class Outcome:
    """What a run gave: the lag of every chunk, and what the engine did."""

    seconds: float
    audio_seconds: float
    lags_ms: list[float] = field(default_factory=list)
    stages: dict[str, tuple[float, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def throughput(self) -> float:
        """Seconds of audio translated in one second."""
        return self.audio_seconds / self.seconds

    def percentile(self, percent: float) -> float:
        """Percentile of the lag, in ms."""
        return float(np.percentile(self.lags_ms, percent)) if self.lags_ms else float("nan")


def simulate(
    system: System,
    mode: str,
    speakers: int,
    seconds: float,
    load: Load,
    realtime: bool,
    languages: tuple[str, ...] = ("spa",),
    say: Callable[[str], None] | None = None,
) -> Outcome:
    """Let ``speakers`` talk for ``seconds``, at the pace of speech or as fast as it goes."""
    targets = {lang: Target(text=True, speech=load.speech) for lang in languages}
    turn = threading.Lock()
    outcome = Outcome(0.0, 0.0)
    guard = threading.Lock()
    ready = threading.Barrier(speakers + 1)

    def speak(number: int) -> None:
        stream = system.open_stream(targets, **load.options)
        chunks = load.chunks(seconds, offset=number * 7919 * 16)
        delay = (number / speakers) * load.chunk_ms / 1000
        lags = []
        ready.wait()
        try:
            for index, chunk in enumerate(chunks):
                arrival = began + delay + (index + 1) * load.chunk_ms / 1000
                if realtime:
                    time.sleep(max(0.0, arrival - time.perf_counter()))
                if mode == "naive":
                    with turn:
                        list(stream.push(chunk))
                else:
                    list(stream.push(chunk))
                lags.append((time.perf_counter() - arrival) * 1000)
        except Exception as error:
            with guard:
                outcome.errors.append(f"{type(error).__name__}: {error}")
        with guard:
            outcome.lags_ms += lags
            outcome.audio_seconds += len(lags) * load.chunk_ms / 1000
            for name, (spent, calls) in stream.stats.items():
                before = outcome.stages.get(name, (0.0, 0))
                outcome.stages[name] = (before[0] + spent, before[1] + calls)

    threads = [threading.Thread(target=speak, args=(i,), daemon=True) for i in range(speakers)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    ready.wait()
    for thread in threads:
        thread.join()
    outcome.seconds = time.perf_counter() - began
    if say is not None:
        say(
            f"{mode:<10} {speakers:>4} speakers  {outcome.throughput:6.2f} x real time"
            + (f"  p95 lag {outcome.percentile(95):7.0f} ms" if realtime else "")
        )
    return outcome
