"""Where the time of one stream goes, part by part.

    python benchmarks/breakdown.py --size full --dtype bf16

One speaker talks for some seconds through the complete pipeline (VAD to vocoder, inline engine,
random weights, a fixed number of tokens for each chunk). Every part counts its own time without
that of the parts in it; on a GPU the device is waited for at both ends of each part, so that the
figures say where the work is, not how well it overlaps. What is left is agents and Python.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seamless_server.bench.simulation import SimulatedSpeaker, make_model, simulate, speech_for_load
from seamless_server.checkpoints.fitting import INT8, PRECISIONS, converted
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.random_model import random_checkpoint
from seamless_server.nn.conformer import ConformerBlock

Label = str | Callable[..., str]


class Breakdown:
    """Seconds by part, each without its inner parts. One thread computes."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        self._device = device
        self._inner = threading.local()

    def now(self) -> float:
        """Seconds, when the device has done all that it was given."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def watch(self, owner: nn.Module, method: str, label: Label) -> None:
        """Count the calls of a method; the label may depend on what it is called with."""
        call: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            outer, self._inner.seconds = getattr(self._inner, "seconds", 0.0), 0.0
            began = self.now()
            try:
                return call(*args, **kwargs)
            finally:
                took = self.now() - began
                name = label if isinstance(label, str) else label(*args)
                self.seconds[name] = self.seconds.get(name, 0.0) + took - self._inner.seconds
                self.calls[name] = self.calls.get(name, 0) + 1
                self._inner.seconds = outer + took

        setattr(owner, method, timed)


def watch_all(parts: Breakdown, checkpoint: Checkpoint) -> None:
    """Every part of the networks that is worth a line."""
    encoder, decoder = checkpoint.encoder, checkpoint.decoder
    t2u, vocoder = checkpoint.t2u, checkpoint.vocoder
    assert t2u is not None
    assert vocoder is not None
    parts.watch(encoder, "forward", "encoder: adaptor, norms and the rest")
    for block in encoder.layers:
        assert isinstance(block, ConformerBlock)
        parts.watch(block.ffn1, "forward", "encoder: feed-forward")
        parts.watch(block.ffn2, "forward", "encoder: feed-forward")
        parts.watch(block.self_attn, "forward_relative", "encoder: attention")
        parts.watch(block.conv, "forward", "encoder: convolution")
    parts.watch(decoder, "project_source", "decoder: projections of the source")
    parts.watch(
        decoder,
        "forward",
        lambda tokens, *_: "decoder: steps" if tokens.size(1) == 1 else "decoder: taking in text",
    )
    parts.watch(decoder, "choose", "decoder: p_choose")
    parts.watch(decoder, "logits", "decoder: logits")
    parts.watch(t2u, "predict_durations", "text to units: durations")
    parts.watch(t2u, "unit_states", "text to units: units")
    parts.watch(t2u, "best_units", "text to units: units")
    parts.watch(vocoder, "forward", "vocoder")


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
    load = SimulatedSpeaker(speech_for_load(None))
    model = make_model("inline", checkpoint)
    simulate(model, "inline", 1, 2.0, load, realtime=False)
    parts = Breakdown(torch.device(args.device))
    watch_all(parts, checkpoint)
    outcome = simulate(model, "inline", 1, args.seconds, load, realtime=False)
    if outcome.errors:
        raise SystemExit(outcome.errors[0])
    for name in ("vad", "features"):
        parts.seconds[name], parts.calls[name] = outcome.stages[name]
    rest = outcome.seconds - sum(parts.seconds.values())
    parts.seconds["agents and Python"] = rest
    for name, seconds in sorted(parts.seconds.items(), key=lambda item: -item[1]):
        share = 100 * seconds / outcome.seconds
        print(f"{name:<40} {seconds:8.3f} s  {share:5.1f}%  {parts.calls.get(name, 0):>6} calls")
    print(f"{'all':<40} {outcome.seconds:8.3f} s for {outcome.audio_seconds:.1f} s of speech")
    if args.output is not None:
        result = {
            "size": args.size,
            "dtype": args.dtype,
            "threads": args.threads,
            "seconds": outcome.seconds,
            "audio_seconds": outcome.audio_seconds,
            "parts": parts.seconds,
            "calls": parts.calls,
        }
        args.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
