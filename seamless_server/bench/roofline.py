"""What the device could do at most, what the work amounts to, and the energy that it took."""

from __future__ import annotations

import time
from pathlib import Path

import torch

from seamless_server.agents.loading import AgentSystem
from seamless_server.bench.costs import flops
from seamless_server.bench.simulation import SimulatedSpeaker
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import InlineEngine
from seamless_server.streaming import Target
from seamless_server.streaming.seamless_model import SeamlessModel

RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of a large matrix multiplication, the best of several, with the threads set now."""
    size = 8192 if device.type == "cuda" else 1024
    a = torch.randn(size, size, device=device).to(dtype)
    best = 0.0
    for _ in range(10):
        start = time.perf_counter()
        (a @ a)[0, 0].item()
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def work_flops(checkpoint: Checkpoint, load: SimulatedSpeaker, seconds: float = 6.0) -> float:
    """Multiplications and additions for a second of a speaker's audio, without any padding."""
    model = SeamlessModel(AgentSystem(checkpoint, InlineEngine(checkpoint)), "", "", {})
    stream = model.open({"spa": Target(text=True, speech=load.speech)}, load.options)
    count = int(seconds * 1000 / load.chunk_ms)

    def run() -> None:
        for index in range(count):
            list(stream.push(load.said(index, 1)))

    return flops(run) / (count * load.chunk_ms / 1000)


def joules() -> float | None:
    """Energy that the processor has taken so far, where it can be read (mostly by root only)."""
    try:
        return int(RAPL.read_text("ascii")) / 1e6
    except (OSError, ValueError):
        return None
