"""Where the time of one stream goes, part by part: each without that of the parts in it.

On a GPU the device is waited for at both ends of each part, so that the figures say where the work
is, not how well it overlaps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from seamless_server.bench.simulation import SimulatedSpeaker, make_model, simulate
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine import InlineEngine
from seamless_server.errors import SeamlessError
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


def breakdown_run(checkpoint: Checkpoint, seconds: float, load: SimulatedSpeaker) -> dict[str, Any]:
    """One speaker through the complete pipeline, with the inline engine.

    The methods of the engine's networks, which may be the checkpoint's, are watched from then on.
    """
    model = make_model("inline", checkpoint)
    simulate(model, "inline", 1, 2.0, load, realtime=False)
    parts = Breakdown(checkpoint.decoder.embed.weight.device)
    assert isinstance(model.engine, InlineEngine)
    watch_all(parts, model.engine.checkpoint)
    outcome = simulate(model, "inline", 1, seconds, load, realtime=False)
    if outcome.errors:
        raise SeamlessError(outcome.errors[0])
    for name in ("vad", "features"):
        parts.seconds[name], parts.calls[name] = outcome.stages[name]
    parts.seconds["agents and Python"] = outcome.seconds - sum(parts.seconds.values())
    return {
        "seconds": outcome.seconds,
        "audio_seconds": outcome.audio_seconds,
        "parts": dict(sorted(parts.seconds.items(), key=lambda item: -item[1])),
        "calls": parts.calls,
    }
