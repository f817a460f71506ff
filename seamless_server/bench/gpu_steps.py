"""The steps of `bench gpu-check`: each answers one question about a device."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch

from seamless_server.agents.loading import choose_dtype
from seamless_server.bench.agreement import agreement_run
from seamless_server.bench.breakdown import breakdown_run
from seamless_server.bench.capacity import capacity_run
from seamless_server.bench.overload import overload_run
from seamless_server.bench.runs import fanout_run
from seamless_server.bench.server_load import ServerLoad, run_load, speech_to_send
from seamless_server.bench.simulation import (
    SimulatedSpeaker,
    make_model,
    simulate,
    speech_for_load,
)
from seamless_server.bench.started_server import started_server
from seamless_server.checkpoints.cards import EMBEDDED, SYSTEM_DIRS
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.random_model import random_checkpoint
from seamless_server.errors import SeamlessError
from seamless_server.streaming.options import model_defaults

CHECKOUT = Path(__file__).resolve().parents[2]
RECORDED = CHECKOUT / "tests" / "recordings" / "checkpoint"


@dataclass(frozen=True)
class CheckScale:
    """How much a step does: on a GPU in earnest, or so little that it only shows that it works."""

    size: str
    seconds: float
    most: int
    minutes: float
    speakers: tuple[int, ...]
    segments: tuple[int, ...]
    chunks_ms: tuple[int, ...]
    tests: tuple[str, ...]
    compiler: str
    model: Path
    recordings: int


EARNEST = CheckScale(
    size="full",
    seconds=12.0,
    most=512,
    minutes=1.0,
    speakers=(8, 32),
    segments=(1, 4, 16, 64),
    chunks_ms=(320, 640),
    tests=("tests/agents/test_traces.py", "tests/engine/test_orders.py"),
    compiler="inductor",
    model=SYSTEM_DIRS / EMBEDDED,
    recordings=6,
)
QUICK = CheckScale(
    size="tiny",
    seconds=1.0,
    most=1,
    minutes=0.02,
    speakers=(1,),
    segments=(1,),
    chunks_ms=(640,),
    tests=("tests/agents/test_traces.py::test_all_traces_are_here",),
    compiler="eager",
    model=RECORDED,
    recordings=1,
)


@dataclass(frozen=True)
class StepTask:
    """Where a step runs, how much it does, and what it tells while it goes.

    keep: takes the result so far, which is what is left if the step is cut off.
    """

    device: torch.device
    scale: CheckScale
    say: Callable[[str], None]
    keep: Callable[[dict[str, Any]], None]
    earlier: dict[str, Any]
    """Results of the steps before, by name."""

    def load(self, chunk_ms: int = 320, speech: bool = True) -> SimulatedSpeaker:
        """What simulated speakers say."""
        return SimulatedSpeaker(speech_for_load(None), chunk_ms=chunk_ms, speech=speech)

    def checkpoint(self) -> Checkpoint:
        """Random weights in the device's own precision."""
        self.say(f"making random weights of size {self.scale.size}")
        dtype = choose_dtype("auto", self.device)
        return random_checkpoint(self.scale.size, device=self.device, dtype=dtype)

    def wait(self) -> float:
        """Seconds, when the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def memory(self) -> int | None:
        """Most bytes that the device has held."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None


@dataclass(frozen=True)
class CheckStep:
    """A question, what it costs on a GPU, and how it is answered."""

    name: str
    question: str
    seconds: float
    run: Callable[[StepTask], dict[str, Any]]


def recordings(task: StepTask) -> dict[str, Any]:
    """The tests that hold the networks to the recordings, on this device in fp32."""
    if not (CHECKOUT / "tests").is_dir():
        raise SeamlessError("the recordings are in the checkout: run this from one")
    report = Path(os.environ.get("TMPDIR", "/tmp")) / f"seamless-gpu-{os.getpid()}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, f"--junitxml={report}", *task.scale.tests],
        cwd=CHECKOUT,
        env={**os.environ, "SEAMLESS_TEST_DEVICE": str(task.device)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.is_file():
        raise SeamlessError(f"the tests could not be run: {(done.stderr or done.stdout)[-400:]}")
    cases = ElementTree.parse(report).getroot().iter("testcase")
    failed, count = [], 0
    for case in cases:
        count += 1
        if any(child.tag in ("failure", "error") for child in case):
            failed.append(str(case.get("name")))
    report.unlink()
    task.say(f"{count - len(failed)} of {count} recordings are the same token for token")
    return {"compared": count, "differ": failed}


def agreement(task: StepTask) -> dict[str, Any]:
    """Half precision and int8 weights against fp32, on speech."""
    folder = task.scale.model
    files = sorted((folder / "samples").glob("*.flac"))[: task.scale.recordings]
    files = files or [CHECKOUT / "tests" / "recordings" / "audio" / "very_short.flac"]
    return agreement_run(folder, model_defaults([folder]), files, task.device, task.say)


def stages(task: StepTask) -> dict[str, Any]:
    """Load time, memory, and where the time of one stream goes."""
    began = task.wait()
    checkpoint = task.checkpoint()
    result: dict[str, Any] = {"load_seconds": task.wait() - began, "weight_bytes": task.memory()}
    task.keep(result)
    result |= breakdown_run(checkpoint, task.scale.seconds, task.load())
    for part, seconds in list(result["parts"].items())[:5]:
        task.say(f"{part:<40} {1000 * seconds / result['audio_seconds']:7.1f} ms for a second")
    return {**result, "peak_bytes": task.memory()}


def graphs(task: StepTask) -> dict[str, Any]:
    """The scheduled engine with CUDA graphs and without, on the same work."""
    checkpoint, load, result = task.checkpoint(), task.load(), {}
    for count in task.scale.speakers:
        for name, wanted in (("graphs", True), ("plain", False)):
            model = make_model("scheduled", checkpoint, graphs=wanted)
            engine: Any = model.agents.engine
            engine.warm_up()
            simulate(model, name, count, 2.0, load, realtime=False)
            outcome = simulate(
                model, name, count, task.scale.seconds, load, realtime=False, say=task.say
            )
            engine.close()
            result[f"{count} speakers, {name}"] = {
                "throughput": outcome.throughput,
                "errors": outcome.errors,
            }
            task.keep({"runs": result})
    return {"runs": result}


def compiled(task: StepTask) -> dict[str, Any]:
    """The conformer compiled by PyTorch and as it is: 5 s of speech, by segments at once."""
    encoder = task.checkpoint().encoder
    weight = next(encoder.parameters())
    faster: Any = torch.compile(encoder, backend=task.scale.compiler, dynamic=False)
    rows: list[dict[str, Any]] = []
    for count in task.scale.segments:
        features = torch.randn(count, 512, 80, device=task.device, dtype=weight.dtype)
        row: dict[str, Any] = {"segments": count}
        for name, network in (("plain_ms", encoder), ("compiled_ms", faster)):
            with torch.inference_mode():
                began = task.wait()
                network(features)
                row[name.replace("_ms", "_first_s")] = task.wait() - began
                times = []
                for _ in range(5):
                    began = task.wait()
                    network(features)
                    times.append(1000 * (task.wait() - began))
                row[name] = float(np.median(times))
        rows.append(row)
        task.say(f"{count} segments: {row['plain_ms']:.1f} ms, compiled {row['compiled_ms']:.1f}")
        task.keep({"rows": rows})
    return {"rows": rows}


def capacity(task: StepTask) -> dict[str, Any]:
    """Real-time speakers with speech, by length of the chunks."""
    checkpoint, result = task.checkpoint(), {}
    for chunk_ms in task.scale.chunks_ms:
        load = task.load(chunk_ms)
        result[str(chunk_ms)] = capacity_run(
            checkpoint, task.scale.most, task.scale.seconds, load, task.say, modes=["scheduled"]
        )["modes"]["scheduled"]
        task.keep({"chunks": result})
    return {"chunks": result}


def fanout(task: StepTask) -> dict[str, Any]:
    """What 4 and 16 languages of one speaker cost."""
    return fanout_run(task.checkpoint(), task.scale.seconds, task.load(speech=False), task.say)


def overload(task: StepTask) -> dict[str, Any]:
    """Twice the capacity, and back."""
    found = task.earlier.get("capacity", {}).get("chunks", {}).get("320", {}).get("speakers", 0)
    speakers = 2 * int(found) or (2 if task.scale is QUICK else 0)
    return overload_run(task.checkpoint(), speakers, task.scale.minutes, task.load(), task.say)


def server(task: StepTask) -> dict[str, Any]:
    """The live server with real clients."""
    results: list[dict[str, Any]] = []
    pcm, rate = speech_to_send(None)
    environment = {"SEAMLESS_DEVICE": str(task.device), "SEAMLESS_MAX_SPEAKERS": "512"}
    with started_server(None, str(task.scale.model), environment) as (url, pid, _):
        for count in task.scale.speakers:
            load = ServerLoad(url, pcm, rate, speakers=count, seconds=task.scale.seconds)
            results.append(asyncio.run(run_load(load, pid)))
            text = results[-1]["text_latency_ms"] or {"p95": float("nan")}
            task.say(f"{count} speakers: text p95 {text['p95']:.0f} ms")
            task.keep({"results": results})
    return {"results": results}


STEPS = (
    CheckStep(
        "recordings", "Are all recordings token for token the same in fp32?", 180, recordings
    ),
    CheckStep("agreement", "What do fp16, bf16 and int8 weights change?", 180, agreement),
    CheckStep(
        "stages", "How long does loading take, how much memory, where does time go?", 90, stages
    ),
    CheckStep("graphs", "What are CUDA graphs worth?", 120, graphs),
    CheckStep("compiled", "What would torch.compile be worth in the encoder?", 180, compiled),
    CheckStep("capacity", "How many speakers with speech, p95 below 500 ms?", 480, capacity),
    CheckStep("fanout", "What do 4 and 16 languages of a speaker cost?", 90, fanout),
    CheckStep("overload", "Is twice the capacity survived for a minute?", 180, overload),
    CheckStep("server", "What do real clients of the live server see?", 120, server),
)
