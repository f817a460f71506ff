"""The recordings of the official implementation (``tests/recordings``), for tests to read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from torch import Tensor, nn

RECORDINGS = Path(__file__).parent / "recordings"
CHECKPOINT = RECORDINGS / "checkpoint"
TRACES = RECORDINGS / "outputs" / "traces"
TOLERANCE = 1e-4


@lru_cache(maxsize=8)
def arrays(name: str) -> dict[str, npt.NDArray[Any]]:
    """Arrays of ``outputs/NAME.npz``."""
    with np.load(RECORDINGS / "outputs" / f"{name}.npz", allow_pickle=False) as data:
        return {key: data[key] for key in data.files}


def tensors(name: str) -> dict[str, Tensor]:
    """The same as tensors."""
    return {key: torch.from_numpy(value) for key, value in arrays(name).items()}


@lru_cache(maxsize=64)
def details(name: str) -> Any:
    """``outputs/NAME.json``."""
    return json.loads((RECORDINGS / "outputs" / f"{name}.json").read_text("utf-8"))


@lru_cache(maxsize=8)
def audio(name: str) -> npt.NDArray[np.float32]:
    """A recorded sound at 16 kHz."""
    samples: npt.NDArray[np.float32]
    samples, rate = soundfile.read(RECORDINGS / "audio" / f"{name}.flac", dtype="float32")
    assert rate == 16_000
    samples.setflags(write=False)
    return samples


def trace_names() -> list[str]:
    """Names of all traces."""
    return sorted(path.stem for path in TRACES.glob("*.json") if not path.stem.startswith("_"))


def difference(a: Tensor, b: Tensor) -> float:
    """Largest absolute difference; shapes must agree."""
    assert a.shape == b.shape, f"{tuple(a.shape)} is not {tuple(b.shape)}"
    return float((a - b).abs().max()) if a.numel() else 0.0


@contextmanager
def watched(taps: dict[str, tuple[nn.Module, str]]) -> Iterator[dict[str, Tensor]]:
    """Collect what goes into ("in") or comes out of ("out") modules while the block runs."""
    seen: dict[str, Tensor] = {}
    handles = []

    def reader(name: str) -> Callable[..., None]:
        def read(module: nn.Module, inputs: Any, output: Any = None) -> None:
            seen[name] = (inputs[0] if output is None else output).clone()

        return read

    for name, (module, side) in taps.items():
        if side == "in":
            handles.append(module.register_forward_pre_hook(reader(name)))
        else:
            handles.append(module.register_forward_hook(reader(name)))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()
