"""How much memory a device has left, and how many policy loops follow from it."""

from __future__ import annotations

from pathlib import Path

import torch

from seamless_server.nn import TextDecoderConfig

SHARE = {"cuda": 0.5, "cpu": 0.25, "mps": 0.25}
"""Part of the memory left after loading that slots may take; the rest is for activations."""
MOST_SLOTS = {"cuda": 512, "cpu": 64, "mps": 64}
"""Beyond so many rows a decoder step takes longer without giving more."""
USUAL = (256, 256)
"""Tokens and encoder frames (160 ms) of a long sentence: what a slot is counted with."""
CGROUP = Path("/sys/fs/cgroup")


def slot_bytes(config: TextDecoderConfig, positions: int, frames: int, dtype: torch.dtype) -> int:
    """Memory of one policy loop: keys and values of its target and its source, and energy keys."""
    rows = 2 * positions + 2 * frames + 1
    return rows * config.num_layers * config.model_dim * dtype.itemsize


def free_bytes(device: torch.device) -> int:
    """Memory that a device has left now; on the CPU also within the container's limit."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(cached)
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    return min(_available(), _container_room())


def _available() -> int:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return 4 << 30  # macOS and Windows do not say it without help: a careful guess
    fields = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.endswith("kB")}
    return fields["MemAvailable"] << 10


def _container_room() -> int:
    """What a control group (v2) leaves; without a limit, everything."""
    try:
        limit = (CGROUP / "memory.max").read_text("ascii").strip()
        used = int((CGROUP / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return 1 << 62
    return 1 << 62 if limit == "max" else max(0, int(limit) - used)


def slot_budget(
    config: TextDecoderConfig, device: torch.device, dtype: torch.dtype
) -> tuple[int, int]:
    """Slots and the bytes that they may take, from the memory left at this moment."""
    budget = int(free_bytes(device) * SHARE.get(device.type, 0.25))
    each = slot_bytes(config, *USUAL, dtype)
    slots = max(1, min(MOST_SLOTS.get(device.type, 64), budget // each))
    return slots, max(each, min(budget, 4 * slots * each))
