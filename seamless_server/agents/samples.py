"""Audio in segments: arrays inside this package, lists of floats from SimulEval."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from simuleval.data.segments import Segment, SpeechSegment

from seamless_server.audio.checks import checked

Samples = npt.NDArray[np.float32]


@dataclass
class AudioSegment(SpeechSegment):  # type: ignore[misc]
    """A speech segment whose content is an array; turned into a list only where JSON needs it."""

    def json(self) -> str:
        """As SimulEval's remote protocol wants it."""
        fields = {**self.__dict__, "content": [float(x) for x in self.content]}
        fields["tgt_lang"] = self.tgt_lang if isinstance(self.tgt_lang, str) else None
        fields.pop("units", None)
        return json.dumps(fields)


def as_samples(segment: Segment) -> Samples:
    """Content of a speech segment as an array.

    Raises:
        UsageError: it is no audio, see :func:`~seamless_server.audio.checks.checked`.
    """
    return checked(segment.content)


def with_lists(segment: Segment) -> Segment:
    """The same segment as SimulEval's evaluator takes it: it adds the content to a list."""
    if isinstance(segment.content, np.ndarray):
        segment.content = segment.content.tolist()
    return segment
