"""Seconds by stage: the official algorithm ("naive") beside ours, on the same audio, in one run.

    python benchmarks/stages.py --sizes tiny small --output stages.json

Both run the complete pipeline (speech to speech and text) over the same chunks with the same random
weights. The policy writes a fixed number of tokens a chunk, so that both do the same work:
``naive`` is the official agents' behaviour with nothing cached, ``inline`` is what this package
does. benchmarks/README.md says how to read the figures.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from seamless_server.agents.loading import DTYPES, AgentSystem, choose_device, choose_dtype
from seamless_server.bench.naive import NaiveEngine
from seamless_server.checkpoints.random_model import SIZES, random_checkpoint
from seamless_server.engine import InlineEngine
from seamless_server.streaming import Model, SpeechOutput, Target
from seamless_server.streaming.seamless_model import SeamlessModel

SPEECH = (
    Path(__file__).resolve().parents[1] / "tests" / "recordings" / "audio" / "human_pauses.flac"
)
STAGES = ("features", "encode", "decode", "units", "vocode")


def speech(seconds: float) -> np.ndarray:
    """Human speech of the given length, repeated if need be."""
    samples, _ = soundfile.read(SPEECH, dtype="float32")
    return np.resize(samples, int(seconds * 16_000))


def run(
    model: Model,
    samples: np.ndarray,
    chunk_ms: int,
    options: dict[str, Any],
    clock: Callable[[], float],
) -> dict[str, Any]:
    """One pass over the audio; seconds and calls by stage, and the seconds of speech made."""
    stream = model.open({"spa": Target(text=True, speech=True)}, options, vad=False)
    stream.caller.clock = clock
    size = chunk_ms * 16
    chunks = 0
    spoken = 0
    began = clock()
    for start in range(0, len(samples), size):
        for output in stream.push(samples[start : start + size]):
            if isinstance(output, SpeechOutput):
                spoken += len(output.samples)
        chunks += 1
    total = clock() - began
    return {
        "seconds": total,
        "chunks": chunks,
        "speech_seconds": spoken / 16_000,
        "stages": {name: stream.stats.get(name, (0.0, 0)) for name in STAGES},
    }


def best(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The fastest of several passes, stage by stage."""
    result = min(runs, key=lambda x: x["seconds"])
    for name in STAGES:
        result["stages"][name] = min((x["stages"][name] for x in runs), key=lambda x: x[0])
    return result


def compare(size: str, args: argparse.Namespace) -> dict[str, Any]:
    """Both modes at one size, in turn, after a warm-up."""
    device = choose_device(args.device)
    dtype = choose_dtype(args.dtype, device)
    checkpoint = random_checkpoint(size, device=device, dtype=dtype)
    options = {
        "decision_threshold": 0.0,
        "no_early_stop": True,
        "max_len_a": 0,
        "max_len_b": 1000,
        "max_consecutive_write": args.tokens,
        "min_unit_chunk_size": 50,
    }
    models = {
        "naive": SeamlessModel(
            AgentSystem(checkpoint, NaiveEngine(checkpoint)), size, "", {}, compat="official"
        ),
        "inline": SeamlessModel(AgentSystem(checkpoint, InlineEngine(checkpoint)), size, "", {}),
    }
    samples = speech(args.seconds)
    # Processor time is not disturbed by other programs, but only one thread's can be told.
    clock = time.thread_time if device.type == "cpu" and args.threads == 1 else time.perf_counter
    for model in models.values():
        run(model, samples[: 5120 * 3], args.chunk_ms, options, clock)
    passes: dict[str, list[dict[str, Any]]] = {name: [] for name in models}
    for _ in range(args.repeat):
        for name, model in models.items():
            passes[name].append(run(model, samples, args.chunk_ms, options, clock))
    modes = {name: best(runs) for name, runs in passes.items()}
    naive, ours = modes["naive"], modes["inline"]
    ratios = {
        name: naive["stages"][name][0] / ours["stages"][name][0]
        for name in STAGES
        if ours["stages"][name][0]
    }
    vocode = ours["stages"]["vocode"][0]
    return {
        "size": size,
        "parameters": checkpoint.parameters,
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "clock": clock.__name__,
        "modes": modes,
        "naive_over_inline": {**ratios, "chunk": naive["seconds"] / ours["seconds"]},
        "vocoder_seconds_per_second_of_speech": vocode / max(ours["speech_seconds"], 1e-9),
        "real_time_factor": ours["seconds"] / args.seconds,
    }


def report(result: dict[str, Any]) -> None:
    """A table for people, on standard error."""
    naive, ours = result["modes"]["naive"], result["modes"]["inline"]
    print(f"\n{result['size']}: {result['parameters'] / 1e6:.1f} M parameters", file=sys.stderr)
    print(f"{'ms a chunk':<12}{'naive':>10}{'inline':>10}{'ratio':>8}", file=sys.stderr)
    for name in STAGES:
        a, b = naive["stages"][name][0], ours["stages"][name][0]
        a, b = 1000 * a / naive["chunks"], 1000 * b / ours["chunks"]
        ratio = result["naive_over_inline"].get(name, float("nan"))
        print(f"{name:<12}{a:>10.1f}{b:>10.1f}{ratio:>8.2f}", file=sys.stderr)
    a, b = 1000 * naive["seconds"] / naive["chunks"], 1000 * ours["seconds"] / ours["chunks"]
    ratio = result["naive_over_inline"]["chunk"]
    print(f"{'whole chunk':<12}{a:>10.1f}{b:>10.1f}{ratio:>8.2f}", file=sys.stderr)
    vocoder = result["vocoder_seconds_per_second_of_speech"]
    print(f"vocoder: {vocoder:.3f} s for a second of speech", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["tiny", "small"])
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of speech")
    parser.add_argument("--chunk-ms", type=int, default=320)
    parser.add_argument("--tokens", type=int, default=5, help="tokens written for each chunk")
    parser.add_argument("--repeat", type=int, default=3, help="passes of which the best counts")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto", choices=["auto", *DTYPES])
    parser.add_argument("--output", type=Path, help="JSON file; standard output if absent")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    results = []
    for size in args.sizes:
        results.append(compare(size, args))
        report(results[-1])
    document = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "processor": platform.processor() or platform.machine(),
            "threads": args.threads,
        },
        "options": {k: str(v) for k, v in vars(args).items()},
        "results": results,
    }
    text = json.dumps(document, indent=2)
    if args.output is None:
        print(text)
    else:
        args.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
