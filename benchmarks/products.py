"""What the forms that the scheduled engine uses on a CPU are worth, each beside the plain one.

    python benchmarks/products.py --size small

Processor time of one thread, the best of several: products of PyTorch and of oneDNN with weights
laid out beforehand, the stages of a chunk with plain and with fitted networks, and the choice of
a token.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.checkpoints.random_model import random_checkpoint
from seamless_server.engine.sample import best_tokens
from seamless_server.nn.fitted import fit
from seamless_server.nn.fitted_vocoder import fit_vocoder
from seamless_server.nn.linears import Int8Linear
from seamless_server.nn.onednn import packed_product, packed_weight
from seamless_server.nn.ragged import encode_ragged

FRAMES, UNITS = 125, 64
"""A segment of 1.25 s and a piece of 1.3 s of speech: the usual ones of a simulated speaker."""


def milliseconds(call: Callable[[], object]) -> float:
    """Processor time of a call, the best of several."""
    call()
    best, spent = float("inf"), 0.0
    while spent < 0.5:
        start = time.thread_time()
        call()
        took = time.thread_time() - start
        best, spent = min(best, took), spent + took
    return best * 1000


def product(rows: int, columns: int, inputs: int = 256) -> dict[str, Any]:
    """Rows by inputs by columns: PyTorch's product, oneDNN's, its bf16, and int8."""
    x, weight, bias = torch.randn(rows, inputs), torch.randn(columns, inputs), torch.randn(columns)
    packed, half = packed_weight(weight), packed_weight(weight.bfloat16())
    few, whole = x.bfloat16(), nn.Linear(inputs, columns)
    plain = milliseconds(lambda: F.linear(x, weight, bias))
    ours = milliseconds(lambda: packed_product(x, packed, bias))
    return {
        "rows": rows,
        "inputs": inputs,
        "columns": columns,
        "plain_ms": plain,
        "onednn_ms": ours,
        "onednn_bf16_ms": milliseconds(lambda: packed_product(few, half, None)),
        "int8_ms": milliseconds(partial(fit(Int8Linear(whole.weight, whole.bias)), x)),
        "plain_over_onednn": plain / ours,
    }


def products() -> list[dict[str, Any]]:
    """Products of a decoder step, a segment, several segments, the logits; full size."""
    shapes = [(rows, columns) for columns in (256, 1024) for rows in (1, 8, 64, 256)]
    shapes += [(1, 32_000), (8, 32_000), (16, 32_000)]
    full = [(rows, 4096, 1024) for rows in (1, 16, 64, 256)]
    return [product(*shape) for shape in (*shapes, *full)]


def stages(size: str) -> dict[str, float]:
    """One segment and four of them, and one piece of speech, with what was heard before or not."""
    checkpoint = random_checkpoint(size)
    encoder, fitted = checkpoint.encoder, fit(checkpoint.encoder)
    assert checkpoint.vocoder is not None
    vocoder, quick = checkpoint.vocoder, fit_vocoder(checkpoint.vocoder)
    segments = [torch.randn(FRAMES + 10 * n, 80) for n in range(4)]
    units, zero = torch.randint(0, 90, (1, UNITS)), torch.zeros(1, dtype=torch.long)
    heard = vocoder.receptive_units
    logits = torch.randn(8, 32_000)

    def choose() -> Tensor:
        scores, _ = logits.max(-1)
        return (scores - logits.logsumexp(-1)).exp()

    return {
        "encoder, plain": milliseconds(lambda: encoder(segments[0][None])),
        "encoder, fitted": milliseconds(lambda: fitted(segments[0][None])),
        "encoder, 4 segments, plain": milliseconds(lambda: [encoder(x[None]) for x in segments]),
        "encoder, 4 segments, fitted": milliseconds(lambda: [fitted(x[None]) for x in segments]),
        "encoder, 4 segments, fitted, together": milliseconds(
            lambda: encode_ragged(fitted, segments)
        ),
        "vocoder, plain": milliseconds(lambda: vocoder(units, zero, zero)),
        "vocoder, plain, without what was heard": milliseconds(
            lambda: vocoder(units, zero, zero, None, heard)
        ),
        "vocoder, fitted": milliseconds(lambda: quick(units, zero, zero)),
        "vocoder, fitted, without what was heard": milliseconds(
            lambda: quick(units, zero, zero, None, heard)
        ),
        "choice of 8 tokens, plain": milliseconds(choose),
        "choice of 8 tokens, here": milliseconds(lambda: best_tokens(logits, None)),
    }


def main() -> None:
    """Measure, print, and write a file if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="small", choices=["tiny", "small"])
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        found = products()
        for row in found:
            print(
                f"{row['rows']:>4} x {row['inputs']:>4} x {row['columns']:<6}"
                f" plain {row['plain_ms']:.3f} ms  oneDNN {row['onednn_ms']:.3f}"
                f"  in bf16 {row['onednn_bf16_ms']:.3f}  int8 {row['int8_ms']:.3f}"
                f"  plain / oneDNN {row['plain_over_onednn']:.2f}"
            )
        times = stages(args.size)
    for name, took in times.items():
        kind = name.split(",")[0]
        plain = times[f"{kind}, 4 segments, plain" if "4 segments" in name else f"{kind}, plain"]
        print(f"{name:<42} {took:7.2f} ms   plain / this {plain / took:.2f}")
    if args.output is not None:
        result = {"size": args.size, "products": found, "stages_ms": times}
        args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
