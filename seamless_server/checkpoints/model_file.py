"""Our own file: all networks of a system in one safetensors file."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from seamless_server.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FILE = "model.safetensors"
FORM, INT8_FORM = "form", "int8"
"""A file's own word for what its weights are, where they are not plain numbers."""


def is_int8(folder: Path) -> bool:
    """Whether the file of a folder, if it has one, holds int8 weights."""
    path = folder / FILE
    if not path.is_file():
        return False
    try:
        with safe_open(path, framework="np") as file:
            return (file.metadata() or {}).get(FORM) == INT8_FORM
    except (SafetensorError, OSError, ValueError):
        return False  # who reads it says what is wrong


def read_model_file(path: Path) -> dict[str, dict[str, Tensor]]:
    """Tensors by network (``encoder``, ``decoder``, ...), mapped from the file.

    Raises:
        CheckpointError: no safetensors file, or a truncated one.
    """
    states: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            for name in file.keys():  # noqa: SIM118 (no mapping)
                part, _, key = name.partition(".")
                states.setdefault(part, {})[key] = file.get_tensor(name)
    except PermissionError:
        raise CheckpointError(path, "may not be read") from None
    except (SafetensorError, OSError, ValueError):
        raise CheckpointError(path, "is truncated or is not a safetensors file") from None
    return states


def write_model_file(
    path: Path,
    states: Mapping[str, Mapping[str, Tensor]],
    dtype: torch.dtype | None = None,
    *,
    int8: bool = False,
) -> None:
    """Write the tensors of all networks, in ``dtype`` or as they are.

    The file appears under its name only when it is complete, with the rights that the user's umask
    gives.

    Args:
        int8: says of the tensors that they have been quantized.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.torch import save_file  # brings torch, which not all readers of cards need

    flat = {
        f"{part}.{key}": (tensor if dtype is None else tensor.to(dtype)).contiguous()
        for part, state in states.items()
        for key, tensor in state.items()
    }
    partial = path.with_name(path.name + ".partial")
    # Made by us first: safetensors would say in its own words that it may not, and gives a file
    # that it makes to its owner alone.
    partial.touch()
    mode = partial.stat().st_mode
    try:
        save_file(flat, partial, metadata={"format": "pt", **({FORM: INT8_FORM} if int8 else {})})
        partial.chmod(mode)
        partial.replace(path)
    except SafetensorError as error:
        raise OSError(errno.EIO, str(error)) from None
    finally:
        partial.unlink(missing_ok=True)


def stored_bytes(states: Mapping[str, Mapping[str, Tensor]], dtype: torch.dtype | None) -> int:
    """Size of the tensors in a file."""
    return sum(
        tensor.numel() * (tensor.element_size() if dtype is None else dtype.itemsize)
        for state in states.values()
        for tensor in state.values()
    )
