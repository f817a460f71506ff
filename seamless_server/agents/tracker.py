"""The accumulators that cut a stream into segments, with the official agent's rules.

A segment ends after ``silence_limit_ms`` of silence, or half of it once the segment is long.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from typing import Literal

from seamless_server.audio.fbank import SAMPLE_RATE

MOST_DECAYS = 3

Verdict = Literal["speech", "end"]


class SpeechTracker:
    """Decides for each chunk whether it is kept, and whether it ends the segment."""

    def __init__(self, args: Namespace) -> None:
        self.silence_limit_ms: int = args.silence_limit_ms
        self.speech_soft_limit_ms: int = args.speech_soft_limit_ms
        self.window_ms = args.window_size_samples * 1000 / SAMPLE_RATE
        self.init_speech_prob: float = args.init_speech_prob
        self.vad_threshold: float = args.vad_threshold
        self.restart()

    def restart(self) -> None:
        """Begin to wait for a new segment."""
        self.silence_ms: float = 0
        self.speech_ms: float = 0
        self.fresh = True
        self.decays = 0

    @property
    def threshold(self) -> float:
        """Probability beyond which the next window counts as speech."""
        return self.vad_threshold + (max(0.0, self.init_speech_prob) if self.fresh else 0.0)

    def hear(self, probabilities: Sequence[float], chunk_ms: float, ended: bool) -> list[Verdict]:
        """What to do with a chunk: keep it ("speech"), end the segment, both in order, or nothing.

        ended: the segment before has ended but nobody has taken note of it yet.
        """
        threshold = self.threshold
        spoken = [p > threshold for p in probabilities]
        if not any(spoken):
            if ended or self.fresh:
                return []
            self.silence_ms += chunk_ms
            return self._end_if_silent()
        if not spoken[-1]:
            self._keep(chunk_ms)
            self.silence_ms += self.window_ms * spoken[::-1].index(True)
            return ["speech", *self._end_if_silent()]
        if not spoken[0]:
            self.silence_ms += self.window_ms * spoken.index(True)
            # Do not cut right before speech.
            self.silence_ms //= 2
            verdicts = self._end_if_silent()
            self.speech_ms += chunk_ms
            self.fresh = False
            self.decays = 0
            return [*verdicts, "speech"]
        self._keep(chunk_ms)
        return ["speech"]

    def _keep(self, chunk_ms: float) -> None:
        self.speech_ms += chunk_ms
        self.fresh = False
        if self.decays < MOST_DECAYS:
            self.silence_ms //= 2
            self.decays += 1

    def _end_if_silent(self) -> list[Verdict]:
        limit = self.silence_limit_ms
        if self.speech_ms >= self.speech_soft_limit_ms:
            limit //= 2
        if self.silence_ms < limit:
            return []
        self.silence_ms = self.speech_ms = 0
        return ["end"]
