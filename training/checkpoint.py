"""State of a training run on disk, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

_AVERAGED = "module."
_SCALES = ".scales"


def averaged_model(model: nn.Module, decay: float) -> torch.optim.swa_utils.AveragedModel:
    """An exponential moving average of the weights, shorter in the first steps.

    An average that still remembers the random start is worth nothing.
    """

    def update(average: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        with torch.no_grad():
            torch._foreach_lerp_(tuple(average), tuple(current), 1 - kept)

    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=update)


Network = TypeVar("Network", bound=nn.Module)


def inside(average: torch.optim.swa_utils.AveragedModel, kind: type[Network]) -> Network:
    """The averaged network itself."""
    if not isinstance(average.module, kind):
        raise TypeError(f"the average is not of a {kind.__name__}")
    return average.module


def save(
    path: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    average: nn.Module | None = None,
) -> None:
    """Write the state; the file is replaced only when the new one is complete."""
    state: dict[str, Any] = {"model": model.state_dict(), "step": step}
    if optimizer is not None:
        state["optimizer"] = optimizer.state_dict()
    if average is not None:
        state["average"] = average.state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)


def load(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    average: nn.Module | None = None,
) -> int:
    """Read the state into ``model`` and the others where it has them; the step, 0 without a file.

    A restored state (training.restore) has weights only: the average then starts from them.
    """
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    if optimizer is not None and "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    if isinstance(average, torch.optim.swa_utils.AveragedModel):
        if "average" in state:
            average.load_state_dict(state["average"])
        else:
            average.module.load_state_dict(state["model"])
            # An average that began now would forget within some steps what it began from.
            average.n_averaged.fill_(int(state["step"]))
    return int(state["step"])


def warmth(optimizer: torch.optim.Optimizer, length: int) -> float:
    """Factor of the learning rate that rises to 1 over the optimizer's own first updates.

    A restored model comes without its optimizer's state: at the full rate, the first updates would
    undo part of what was learnt.
    """
    state: dict[str, Any] = next(iter(optimizer.state.values()), {})
    return min(1.0, (int(state.get("step", 0)) + 1) / length)


def compact(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A quarter of the size: matrices as int8 with a scale for every row, the rest in fp16."""
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if tensor.dim() < 2:
            found[name] = tensor.half()
            continue
        rows = tensor.float().flatten(1)
        scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
        found[name] = (rows / scale).round().to(torch.int8).view_as(tensor).contiguous()
        found[name + _SCALES] = scale[:, 0].contiguous()
    return found


def expanded(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a :func:`compact` state, in fp32."""
    found = {}
    for name, tensor in tensors.items():
        if name.endswith(_SCALES):
            continue
        found[name] = tensor.float()
        if (scales := tensors.get(name + _SCALES)) is not None:
            found[name] = (found[name].flatten(1) * scales[:, None]).view_as(tensor)
    return found


def best_weights(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a state, the plain ones when it has no average."""
    state = torch.load(path, weights_only=True)
    if "average" not in state:
        return dict(state["model"])
    size = len(_AVERAGED)
    return {k[size:]: v for k, v in state["average"].items() if k.startswith(_AVERAGED)}
