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

from seamless_server.checkpoints import model_file, published
from seamless_server.checkpoints.keys import States, official_name
from seamless_server.checkpoints.loader import read_tensors
from seamless_server.checkpoints.random_model import SIZES, random_checkpoint

FILES = {
    "encoder": published.UNITY,
    "t2u": published.UNITY,
    "decoder": published.DECODER,
    "vocoder": published.VOCODER,
}


def published_layout(states: States) -> dict[str, dict[str, Tensor]]:
    """The same tensors as the published files hold them: other names, weight norm unfolded."""
    files: dict[str, dict[str, Tensor]] = {name: {} for name in FILES.values()}
    for part, state in states.items():
        tensors = files[FILES[part]]
        for key, tensor in state.items():
            name = official_name(part, key, "fairseq2")
            if re.search(r"(conv_pre|conv_post|ups\.\d+|convs[12]\.\d+)\.weight$", name):
                dims = tuple(range(1, tensor.dim()))
                tensors[f"{name}_g"] = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)
                tensors[f"{name}_v"] = tensor
            else:
                tensors[name] = tensor
    return files


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
        model_file.write_model_file(converted / model_file.FILE, states)

        def read(folder: Path) -> States:
            found = read_tensors(folder, config=checkpoint.config)
            assert not found.problems, found.problems[0]
            return found.states

        times = {
            "published": seconds(lambda: read(official), args.repeat),
            "converted": seconds(lambda: read(converted), args.repeat),
        }
        first, second = (read(x) for x in (official, converted))
        assert {p: set(s) for p, s in first.items()} == {p: set(s) for p, s in second.items()}
    ratio = times["published"] / times["converted"]
    print(json.dumps({"size": args.size, "seconds": times, "ratio": ratio}, indent=2))


if __name__ == "__main__":
    main()
