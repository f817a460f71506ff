"""PyTorch's thread count in threads that are not its own."""

from __future__ import annotations

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
