"""How many threads compute, and PyTorch's own thread count in each of them."""

from __future__ import annotations

import ctypes
import os
import threading

import torch

_local = threading.local()
_M_ARENA_MAX = -8


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
    return 1 if device.type != "cpu" else min(4, cores_for_calls())


def cores_for_calls() -> int:
    """Calls that cores suffice for at a time, each with PyTorch's number of threads."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // torch.get_num_threads())


def share_heap() -> None:
    """Have the C library keep one heap instead of eight for each core (glibc; elsewhere nothing).

    What one thread frees another can then use: tens of megabytes less with four speakers.
    ``MALLOC_ARENA_MAX`` wins.
    """
    if os.name == "posix" and "MALLOC_ARENA_MAX" not in os.environ:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_ARENA_MAX, 1)
