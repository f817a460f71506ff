"""What a stream is asked for and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Target:
    """What is wanted in one language."""

    text: bool = True
    speech: bool = False


@dataclass(frozen=True)
class TextOutput:
    """A piece of text in ``lang``.

    text: with its leading space if it begins a word; may be empty when ``finished``.
    segment_id: number of the segment of speech, from 0. start_ms, end_ms: the stretch of source
    audio that it covers, from the stream's start. finished: closes the sentence. latency_ms: how
    long ago the end of that audio arrived, where somebody keeps the time. confidence: from 0 to 1,
    how sure the decoder is of the sentence up to here: what the model's head for it says, else the
    geometric mean of its tokens' probabilities; None from agents that do not tell. understood:
    False where a sentence ended below ``min_confidence``: what was held back of it is neither
    written nor spoken.
    """

    lang: str
    text: str
    segment_id: int
    start_ms: float
    end_ms: float
    finished: bool
    latency_ms: float = 0.0
    confidence: float | None = None
    understood: bool = True


@dataclass(frozen=True)
class SpeechOutput:
    """A piece of speech in ``lang``: samples in [-1, 1] and the units they were made of.

    The other fields are those of :class:`TextOutput`.
    """

    lang: str
    samples: Samples
    sample_rate: int
    units: list[int]
    segment_id: int
    start_ms: float
    end_ms: float
    finished: bool
    latency_ms: float = 0.0


Output = TextOutput | SpeechOutput


Snapshot = Mapping[str, Any]
"""A stream between two segments, as numbers and arrays: another process may go on from there."""


class Decision(dict[str, Any]):
    """A READ, a WRITE or the end of a segment, for those who want to look on.

    ``p_choose`` is what the policy compared with its threshold, one number a decoder step; the last
    step's token was not written.
    """


Trace = Callable[[Decision], None]
"""Gets each decision as it is made, in the thread that computes."""
