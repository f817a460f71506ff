"""Where the time of one stream goes, part by part.

    python benchmarks/breakdown.py --size full --dtype bf16

One speaker talks for some seconds through the complete pipeline (VAD to vocoder, inline engine,
random weights, a fixed number of tokens for each chunk). Every part counts its own time without
that of the parts in it. What is left is agents and Python.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from seamless_server.bench.breakdown import breakdown_run
from seamless_server.bench.simulation import SimulatedSpeaker, speech_for_load
from seamless_server.checkpoints.fitting import PRECISIONS, converted
from seamless_server.checkpoints.int8 import INT8
from seamless_server.checkpoints.random_model import random_checkpoint


def main() -> None:
    """Measure, print, and write a file if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="small", choices=["tiny", "small", "full"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="fp32", choices=["fp32", "bf16", "fp16", "int8"])
    parser.add_argument("--seconds", type=float, default=8.0, help="of speech")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    dtype = PRECISIONS.get(args.dtype, torch.float32)
    checkpoint = random_checkpoint(args.size, device=args.device, dtype=dtype)
    if args.dtype in INT8:
        checkpoint = converted(checkpoint, args.dtype)
    result = breakdown_run(checkpoint, args.seconds, SimulatedSpeaker(speech_for_load(None)))
    for name, seconds in result["parts"].items():
        share = 100 * seconds / result["seconds"]
        calls = result["calls"].get(name, 0)
        print(f"{name:<40} {seconds:8.3f} s  {share:5.1f}%  {calls:>6} calls")
    print(f"{'all':<40} {result['seconds']:8.3f} s for {result['audio_seconds']:.1f} s of speech")
    if args.output is not None:
        named = {"size": args.size, "dtype": args.dtype, "threads": args.threads}
        text = json.dumps({**named, **result}, indent=2)
        args.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
