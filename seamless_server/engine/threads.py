"""How many threads compute, and PyTorch's own thread count in each of them."""

from __future__ import annotations

import os
import threading

import torch

_local = threading.local()


def settle_thread() -> None:
    """Make the process's thread count hold in the calling thread too.

    OpenMP keeps the number for each thread. A new thread has OpenMP's default until PyTorch's own
    loops run in it, but oneDNN's convolutions ask OpenMP directly: on a few cores, several threads
    with a team of workers each then hinder one another by factors.
    """
    if not getattr(_local, "settled", False):
        torch.set_num_threads(torch.get_num_threads())
        _local.settled = True


def threads_for(device: torch.device) -> int:
    """Threads of an engine: one on a GPU; on the CPU, where a call of a small network keeps one
    core busy, as many calls at once as there are cores for, but no more than four."""
    if device.type != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(4, (cores or 1) // torch.get_num_threads()))
