"""Which weights of a system become whole numbers, and how they lie in a file."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from seamless_server.nn.linears import Int8Linear, is_pointwise, quantize, quantize_rows
from seamless_server.nn.text_decoder import TextDecoder

INT8 = ("int8", "int8-weights")
"""Whole numbers: for weights and inputs on processors, or for weights alone on any device."""
OUTPUT = "output."
"""The decoder's output projection; its embedding table is kept beside it, to be looked up in."""

N = TypeVar("N", bound=nn.Module)


def keeps_precision(name: str) -> bool:
    """Layers that stay as they are: the energies of p_choose, which decide between READ and WRITE
    at a threshold, and the few small layers behind which everything is rounded to whole numbers."""
    return "energy_proj" in name or "duration_predictor" in name or name == "final_proj"


def quantized_network(network: N, kind: str) -> N:
    """The same network with linear layers of int8; ``kind`` is one of :data:`INT8`.

    On processors the output projection too, which is read for every token. Embeddings stay, and
    convolutions of more than one frame. Networks without memory become such without memory.
    """
    made = quantize(network, kind, keeps_precision)
    if isinstance(made, TextDecoder) and kind == "int8":
        made.output = Int8Linear(made.embed.weight)
    return made


def quantized_state(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a network as :func:`quantized_network` would have them, the rest in float32.

    Args:
        network: without memory; says which tensors are weights of linear layers.
    """
    made: dict[str, Tensor] = {}
    linear = {
        f"{name}.weight"
        for name, module in network.named_modules()
        if (type(module) is nn.Linear or is_pointwise(module)) and not keeps_precision(name)
    }
    for key, tensor in state.items():
        if key in linear:
            made[key], made[f"{key.removesuffix('weight')}scales"] = quantize_rows(
                tensor.flatten(1)
            )
        else:
            made[key] = tensor.to(torch.float32)
    if isinstance(network, TextDecoder):
        table = quantize_rows(state["embed.weight"])
        made[f"{OUTPUT}weight"], made[f"{OUTPUT}scales"] = table
    return made
