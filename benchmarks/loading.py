"""Seconds to read a model: the published layout (.pt files) beside the converted one.

    python benchmarks/loading.py --size small

Writes random weights of the size in both forms into a temporary folder, then reads each to tensors
in memory, every one touched, as loading a model does.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from seamless_server.checkpoints import published, store
from seamless_server.checkpoints.loader import States, read_states
from seamless_server.checkpoints.random_model import SIZES, random_checkpoint


def published_layout(states: States) -> dict[str, dict[str, Tensor]]:
    """The same tensors as the published files hold them: other names, weight norm unfolded."""
    unity: dict[str, Tensor] = {}
    for key, tensor in states["encoder"].items():
        if key.startswith(("post_extract_layer_norm.", "model_dim_proj.")):
            name = f"speech_encoder_frontend.{key}"
        elif key.startswith("layers."):
            name = f"speech_encoder.inner.{key.replace('.rel_k_embed', '.sdpa.rel_k_embed')}"
        else:
            name = f"speech_encoder.{key}"
        unity[name] = tensor
    for key, tensor in states["t2u"].items():
        key = re.sub(r"^(encoder|decoder)_", r"\1.", key)
        key = re.sub(r"^(embed_char|pos_emb)", r"decoder_frontend.\1", key)
        key = re.sub(r"^duration", "decoder_frontend.variance_adaptor.duration", key)
        unity[f"t2u_model.{key}"] = tensor
    decoder = {
        f"text_decoder_frontend.{k}" if k.startswith("embed.") else f"text_decoder.{k}": v
        for k, v in states["decoder"].items()
    }
    vocoder: dict[str, Tensor] = {}
    for key, tensor in states["vocoder"].items():
        name = f"code_generator.{key}"
        if re.search(r"(conv_pre|conv_post|ups\.\d+|convs[12]\.\d+)\.weight$", key):
            dims = tuple(range(1, tensor.dim()))
            vocoder[f"{name}_g"] = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)
            vocoder[f"{name}_v"] = tensor
        else:
            vocoder[name] = tensor
    return {published.UNITY: unity, published.DECODER: decoder, published.VOCODER: vocoder}


def seconds(read: Callable[[], States], repeat: int) -> float:
    """The fastest of several readings."""
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        for state in read().values():
            for tensor in state.values():
                tensor.sum()
        best = min(best, time.perf_counter() - began)
    return best


def main() -> None:
    """Write, read, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = random_checkpoint(args.size)
    parts = ("encoder", "decoder", "t2u", "vocoder")
    states: States = {part: getattr(checkpoint, part).state_dict() for part in parts}
    with tempfile.TemporaryDirectory() as name:
        official, converted = Path(name, "official"), Path(name, "converted")
        official.mkdir()
        converted.mkdir()
        for file, tensors in published_layout(states).items():
            torch.save({"model": tensors}, official / file)
        store.write_store(converted / store.FILE, states)
        times = {
            "published": seconds(lambda: read_states(official, checkpoint.config), args.repeat),
            "converted": seconds(lambda: read_states(converted, checkpoint.config), args.repeat),
        }
        first, second = (read_states(x, checkpoint.config) for x in (official, converted))
        assert {p: set(s) for p, s in first.items()} == {p: set(s) for p, s in second.items()}
    ratio = times["published"] / times["converted"]
    print(json.dumps({"size": args.size, "seconds": times, "ratio": ratio}, indent=2))


if __name__ == "__main__":
    main()
