"""How loud sound is, and what to say when that is a problem."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

QUIET_DB = -40.0
"""Speech below this level (dBFS, RMS of its loudest 100 ms) is not heard well."""
_FULL_SCALE = 0.98
"""What counts as full scale: the largest value of mu-law is 0.98, that of 8 bits 0.992."""
_CLIPPED = 0.01
_LIVE_WINDOWS = 50
"""100 ms each: what is listened to before a live speaker is told anything."""
_ROOM_DB = -65.0
"""Below this it is the noise of a room in which nobody speaks."""


class LevelMeter:
    """Measures sound piece by piece.

    Args:
        rate: in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._size = max(1, rate // 10)
        self._rest = np.zeros((0, 1), np.float32)
        self.samples = 0
        """A channel's."""
        self.loudest_rms = 0.0
        """Of any 100 ms of any channel."""
        self.peak = 0.0
        self._clipped: npt.NDArray[np.int64] | None = None

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """The next samples, (n,) or (n, c)."""
        frames = samples[:, None] if samples.ndim == 1 else samples
        if not len(frames):
            return
        size = np.abs(np.ascontiguousarray(frames.T))
        clipped = (size >= _FULL_SCALE).sum(axis=1)
        same = self._clipped is not None and len(self._clipped) == len(clipped)
        self._clipped = self._clipped + clipped if same and self._clipped is not None else clipped
        self.samples += len(frames)
        self.peak = max(self.peak, float(size.max()))
        if self._rest.shape[1] == frames.shape[1]:
            frames = np.concatenate([self._rest, frames])
        end = len(frames) // self._size * self._size
        self._rest = frames[end:]
        if end:
            planes = np.ascontiguousarray(frames[:end].T)
            power = np.square(planes.reshape(-1, self._size)).mean(axis=1)
            self.loudest_rms = max(self.loudest_rms, float(np.sqrt(power.max())))

    @property
    def level_db(self) -> float:
        """Of the loudest 100 ms, in dBFS; -200 for silence."""
        return 20 * float(np.log10(max(self.loudest_rms, 1e-10)))

    @property
    def is_clipped(self) -> bool:
        """Whether more than 1 % of a channel's samples are at full scale."""
        if self._clipped is None:
            return False
        return int(self._clipped.max()) > _CLIPPED * self.samples

    def live_notice(self) -> str | None:
        """The same of somebody who may not have spoken yet: silence is no fault."""
        if self.samples < _LIVE_WINDOWS * self._size or self.level_db < _ROOM_DB:
            return None
        return self.notice()

    def notice(self) -> str | None:
        """One sentence about a level that makes speech hard to understand."""
        if not self.samples:
            return None
        if self.peak == 0.0:
            return "There is only silence: every sample is 0."
        if self.is_clipped:
            return (
                "The sound is clipped (more than 1 % of it at full scale): record at a lower level."
            )
        if self.samples >= self._size and self.level_db < QUIET_DB:
            return f"The sound is very quiet ({self.level_db:.0f} dBFS): record at a higher level."
        return None
