"""The audio that waits for a session: bounded, in order, with its times of arrival."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.int16] | npt.NDArray[np.float32]
"""Mono samples, shape (n,): 16-bit integers, or floats in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class QueuedAudio:
    """A stretch of audio on its way into the stream."""

    pcm: Audio
    """Mono samples at the queue's rate, shape (n,)."""
    skipped: int
    """Samples that were dropped right before it."""


class AudioQueue:
    """Mono audio at `rate` Hz; holds at most `limit_seconds`, then forgets the oldest."""

    def __init__(self, rate: int, limit_seconds: float) -> None:
        self.rate = rate
        self._limit = max(1, int(min(limit_seconds * rate, 2**62)))
        self._parts: deque[Audio] = deque()
        self._skipped = 0
        self.samples = 0

    @property
    def waiting_ms(self) -> float:
        """How much audio waits."""
        return self.samples * 1000 / self.rate

    def put(self, pcm: Audio) -> int:
        """Adds audio; returns how many of the oldest samples had to go for it."""
        self._parts.append(pcm)
        self.samples += len(pcm)
        excess = max(0, self.samples - self._limit)
        dropped = excess
        while excess:
            head = self._parts[0]
            if len(head) <= excess:
                self._parts.popleft()
                excess -= len(head)
            else:
                self._parts[0] = head[excess:]
                excess = 0
        self.samples -= dropped
        self._skipped += dropped
        return dropped

    def take(self, count: int) -> QueuedAudio:
        """Removes up to `count` samples from the front."""
        parts: list[Audio] = []
        wanted = min(count, self.samples)
        self.samples -= wanted
        while wanted:
            head = self._parts[0]
            if len(head) <= wanted:
                parts.append(self._parts.popleft())
                wanted -= len(head)
            else:
                parts.append(head[:wanted])
                self._parts[0] = head[wanted:]
                wanted = 0
        pcm: Any = np.concatenate(parts) if parts else np.zeros(0, np.int16)
        skipped, self._skipped = self._skipped, 0
        return QueuedAudio(pcm, skipped)

    def clear(self) -> None:
        """Forgets everything that waits."""
        self._parts.clear()
        self.samples = 0
