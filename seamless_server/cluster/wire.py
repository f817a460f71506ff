"""What fronts and engines say to each other: plain values, so that versions may differ.

A front opens a stream with one long streaming call (`open`), whose messages are the stream's life,
and brings it audio with calls of their own (`push`). Every output carries the stream's epoch, which
counts the engines that had it, and its number there: what comes late, twice or not at all is
noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

import numpy as np

from seamless_server.agents.outputs import Decision, Output, SpeechOutput, TextOutput
from seamless_server.streaming import Target

PROTOCOL = 1
"""Changes when a front and an engine of different versions would misunderstand each other."""
APPLICATION = "seamless"
"""Of Ray Serve."""
DEPLOYMENT = "engine"

BEAT_SECONDS = 1.0
"""An engine that computes says so this often."""
SILENCE_SECONDS = 6.0
"""An engine that owes an answer and says nothing for so long counts as lost."""
KEEP_SECONDS = 2.0
"""A front says this often that it still wants a stream that gets no audio."""
LEASE_SECONDS = 10.0
"""Without a word from its front for so long, a stream ends."""


class OpenRequest(TypedDict):
    """What a stream is to be."""

    protocol: int
    key: str
    """Of the stream and its epoch."""
    epoch: int
    model: str
    targets: dict[str, tuple[bool, bool]]
    options: dict[str, Any]
    vad: bool
    resume: Mapping[str, Any] | None


class PushRequest(TypedDict):
    """Audio for a stream."""

    number: int
    """Of the push in its epoch; the message that ends it says it again."""
    audio: Any
    """(N,) float32 at the model's rate."""
    last: bool
    targets: dict[str, tuple[bool, bool]] | None
    """In force from this push on; None changes nothing."""
    whole: bool
    """See ``Stream.set_targets``."""
    expressive: bool | None
    trace: bool
    """Whether decisions are wanted among the outputs."""
    parent: str | None
    """Traceparent of the span that it belongs to (`seamless_server.tracing`)."""


def pack_targets(targets: Mapping[str, Target]) -> dict[str, tuple[bool, bool]]:
    """Targets for the wire."""
    return {lang: (target.text, target.speech) for lang, target in targets.items()}


def unpack_targets(targets: Mapping[str, tuple[bool, bool]]) -> dict[str, Target]:
    """The inverse of `pack_targets`."""
    return {lang: Target(text, speech) for lang, (text, speech) in targets.items()}


def pack(output: Output | Decision) -> tuple[Any, ...]:
    """An output for the wire."""
    if isinstance(output, Decision):
        return ("decision", dict(output))
    where = (output.lang, output.segment_id, output.start_ms, output.end_ms, output.finished)
    if isinstance(output, TextOutput):
        return ("text", *where, output.text, output.confidence, output.understood)
    samples = np.asarray(output.samples, np.float32)
    return ("speech", *where, samples.tobytes(), output.sample_rate, list(output.units))


def unpack(packed: tuple[Any, ...]) -> Output | Decision:
    """The inverse of `pack`."""
    kind, *rest = packed
    if kind == "decision":
        return Decision(rest[0])
    lang, segment_id, start_ms, end_ms, finished, *rest = rest
    if kind == "text":
        text, sure, understood = rest
        where = (segment_id, start_ms, end_ms, finished)
        return TextOutput(lang, text, *where, confidence=sure, understood=understood)
    sound, rate, units = rest
    samples = np.frombuffer(sound, np.float32)
    return SpeechOutput(lang, samples, rate, units, segment_id, start_ms, end_ms, finished)
