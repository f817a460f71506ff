"""Options of streams, and what comes out of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from seamless_server.streaming import (
    Output,
    Stream,
    Target,
    TextOutput,
)

NOTHING = np.zeros(0, np.float32)
TEXT, BOTH = Target(text=True), Target(text=True, speech=True)
TALKATIVE: dict[str, Any] = {
    "decision_method": "mean",
    "decision_threshold": 0.3,
    "max_len_a": 0,
    "max_len_b": 40,
    "min_unit_chunk_size": 20,
    "max_consecutive_write": 6,
}
"""Writes at nearly every push, and ends sentences early."""
PATIENT: dict[str, Any] = {
    "min_starting_wait_w2vbert": 192,
    "no_early_stop": True,
    "max_len_a": 0,
    "max_len_b": 40,
}
AT_THE_END: dict[str, Any] = {"min_starting_wait": 10_000, "max_len_a": 0, "max_len_b": 30}


def play(stream: Stream, samples: Any, size: int = 5120) -> list[Output]:
    """Push a recording in pieces and finish the stream."""
    outputs: list[Output] = []
    for start in range(0, len(samples), size):
        outputs += stream.push(samples[start : start + size])
    outputs += stream.finish()
    return outputs


def described(outputs: list[Output], lang: str | None = None) -> list[tuple[Any, ...]]:
    """Outputs (of one language) as plain values."""
    return [
        (x.lang, x.segment_id, x.start_ms, x.end_ms, x.finished)
        + ((x.text,) if isinstance(x, TextOutput) else (x.samples.tolist(), x.units))
        for x in outputs
        if lang in (None, x.lang)
    ]


def assert_alike(got: list[Output], wanted: list[Output]) -> None:
    """The same outputs; speech up to the rounding of another thread's kernels."""
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        if isinstance(a, TextOutput) or isinstance(b, TextOutput):
            assert a == b
            continue
        assert a.units == b.units
        assert described([replace(a, samples=NOTHING)]) == described([replace(b, samples=NOTHING)])
        np.testing.assert_allclose(a.samples, b.samples, atol=1e-4)


def text(outputs: list[Output], lang: str | None = None) -> str:
    """Text (of one language)."""
    return "".join(x.text for x in outputs if isinstance(x, TextOutput) and lang in (None, x.lang))
