"""Reading of PyTorch files: mapped, weights only, with one clear sentence when they are bad.

Files of the training code hold, beside their tensors, the options that they were trained with:
``argparse.Namespace``, omegaconf's nodes, numpy's scalars. Nothing here needs them, so neither
library is imported for them and none of their code is run: PyTorch's weights-only reader gets a
stand-in for exactly these names, which takes what it is given and forgets it. Any other name is
refused.
"""

from __future__ import annotations

import pickle
import re
import struct
import threading
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from seamless_server.errors import CheckpointError

PARTS = ("model", "generator")
"""Where the published files keep their tensors: networks, resp. the vocoder's original file."""


class _Forgotten:
    """Stands for an object that is not needed."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def _plain_dict(*_: object) -> dict[Any, Any]:
    return {}


_FORGOTTEN = (
    "argparse.Namespace",
    "builtins.bool",
    "builtins.bytes",
    "builtins.dict",
    "builtins.float",
    "builtins.int",
    "builtins.list",
    "builtins.object",
    "builtins.str",
    "builtins.tuple",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.base.Node",
    "omegaconf.base.SCMode",
    "omegaconf.base.UnionNode",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.nodes.AnyNode",
    "omegaconf.nodes.BooleanNode",
    "omegaconf.nodes.BytesNode",
    "omegaconf.nodes.EnumNode",
    "omegaconf.nodes.FloatNode",
    "omegaconf.nodes.IntegerNode",
    "omegaconf.nodes.InterpolationResultNode",
    "omegaconf.nodes.PathNode",
    "omegaconf.nodes.StringNode",
    "omegaconf.nodes.ValueNode",
    "pathlib.PosixPath",
    "typing.Any",
    "typing.Dict",
    "typing.List",
    "typing.Optional",
    "typing.Tuple",
    "typing.Union",
)
_STAND_INS: list[Any] = [
    *((_Forgotten, name) for name in _FORGOTTEN),
    (_plain_dict, "collections.defaultdict"),
]
_reading = threading.Lock()
"""PyTorch keeps the names that it lets pass for the whole process."""

_NOT_A_PICKLE = (ValueError, TypeError, LookupError, AttributeError, AssertionError)
"""What the reader stumbles over in bytes that are none of PyTorch's."""
_REFUSED = re.compile(r"GLOBAL (\S+) (?:was not an allowed|whose module)")


def read_torch_file(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a published file, mapped where its form allows; nothing in it is executed.

    Raises:
        CheckpointError: missing, truncated, no PyTorch file, unsafe, or with another content.
    """
    if not path.is_file():
        raise CheckpointError(path, "is missing")
    try:
        # Files of before PyTorch 1.6 are no archives and cannot be mapped.
        mapped = zipfile.is_zipfile(path)
        with _reading, safe_globals(_STAND_INS), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of PyTorch, on pickles not its own
            data = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(path, _why_refused(str(error))) from None
    except PermissionError:
        raise CheckpointError(path, "may not be read") from None
    except (RuntimeError, EOFError, OSError, struct.error, *_NOT_A_PICKLE):
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


def _why_refused(message: str) -> str:
    name = _REFUSED.search(message)
    if name is not None:
        return (
            f"is refused: it holds {name.group(1)} beside its tensors, which could run code when "
            "loaded"
        )
    if "Unsupported operand" in message:
        return "is truncated or is not a PyTorch checkpoint"
    return "is refused: it holds more than tensors, and could run code when loaded"
