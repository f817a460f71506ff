"""Reading of PyTorch files: mapped, weights only, with one clear sentence when they are bad."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from seamless_server.errors import CheckpointError

PARTS = ("model", "generator")
"""Where the published files keep their tensors: networks, resp. the vocoder's original file."""


def read_torch_file(path: Path) -> Mapping[str, Tensor]:
    """Map the tensors of a published file; nothing in it is ever executed.

    Raises:
        CheckpointError: missing, truncated, no PyTorch file, unsafe, or with another content.
    """
    if not path.is_file():
        raise CheckpointError(path, "is missing")
    if not zipfile.is_zipfile(path):
        raise CheckpointError(path, "is truncated or is not a PyTorch checkpoint")
    try:
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            path, "is refused: it holds more than tensors, and could run code when loaded"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError):
        raise CheckpointError(path, "is truncated or is not a PyTorch checkpoint") from None
    if isinstance(data, dict):
        for part in PARTS:
            if isinstance(data.get(part), dict):
                data = data[part]
                break
    if not isinstance(data, dict) or not data:
        raise CheckpointError(path, "holds no tensors")
    for key, value in data.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise CheckpointError(path, f"is no checkpoint: {key!r} is not a tensor")
    return data
