"""Options, sounds and cuts that the tests of the mends share."""

from __future__ import annotations

from typing import Any

import numpy as np

from seamless_server.audio.fbank import fbank
from tests.agents.spying import Samples

JOINT = "SeamlessStreamingS2STJointAgent"
JOINT_VAD = "SeamlessStreamingS2STJointVADAgent"
TEXT = "SeamlessStreamingS2TDetokAgent"
TEXT_VAD = "SeamlessStreamingS2TVADAgent"
SPEECH = "SeamlessStreamingS2STAgent"
PATIENT: dict[str, Any] = {
    "min_starting_wait_w2vbert": 192,
    "decision_threshold": 0.5,
    "no_early_stop": True,
    "max_len_a": 0,
    "max_len_b": 60,
    "min_unit_chunk_size": 50,
}
"""The official evaluation's options."""
AT_THE_END: dict[str, Any] = {"min_starting_wait": 10_000, "max_len_a": 0, "max_len_b": 20}
"""Decodes a segment once, when it has ended."""
SOUNDS = ["human_pauses", "human_short", "espeak", "noise", "silence", "very_short", "tiny_short"]


def features_of(samples: Samples) -> Samples:
    """Filterbanks of a whole segment, the last window filled up with silence."""
    if len(samples) <= 240:
        return np.zeros((0, 80), np.float32)
    count = -(-(len(samples) - 240) // 160)
    return fbank(np.pad(samples, (0, (count - 1) * 160 + 400 - len(samples))))


def cut(samples: Samples, sizes: list[int]) -> list[Samples]:
    """Pieces of the given sizes, over and over."""
    pieces, start, number = [], 0, 0
    while start < len(samples):
        end = start + sizes[number % len(sizes)]
        pieces.append(samples[start:end])
        start, number = end, number + 1
    return pieces
