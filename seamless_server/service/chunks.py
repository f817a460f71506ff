"""How much audio a step takes: more while the server is busy, before audio begins to wait.

Every step encodes the segment anew, so longer steps cost less for a second of speech. A stream sees
how busy the server is by how long its own steps take, waiting for the engine included.
"""

from __future__ import annotations

LENGTHS = (1.0, 1.5, 2.0, 3.0)
"""Multiples of the shortest step: 320, 480, 640 and 960 ms."""
GROWS = 0.6
"""Seconds of work for a second of audio from which steps become longer."""
SHRINKS = 0.3
"""And below which, counted for the shorter steps, they become shorter again."""
_QUICK = 1.0
"""Seconds of speech after a change before the next longer step."""
_CALM = 5.0
"""Seconds of speech in which nothing was slow before a shorter one."""
_MEMORY = 1.0
"""Seconds of speech over which work is averaged."""


class ChunkLength:
    """The length of a stream's steps, between two lengths, with hysteresis.

    Args:
        least: ms of a step while the server is idle.
        most: ms of a step at most; `least` or less never changes it.
    """

    def __init__(self, least: int, most: int) -> None:
        inner = [int(least * factor) for factor in LENGTHS if least * factor < most]
        self._lengths = [*inner, most] if most > least else [least]
        self._at = 0
        self._pace: float | None = None
        self._since = 0.0
        self._calm = 0.0

    @property
    def ms(self) -> int:
        """Of the next step."""
        return self._lengths[self._at]

    def took(self, seconds: float, audio: float) -> None:
        """A step took so long for so many seconds of speech."""
        if audio <= 0:
            return
        keep = _MEMORY / (_MEMORY + audio)
        pace = seconds / audio
        self._pace = pace if self._pace is None else keep * self._pace + (1 - keep) * pace
        self._since += audio
        shorter = self._lengths[max(0, self._at - 1)]
        # What a step costs hardly depends on its length, so shorter ones cost more for a second.
        calm = self._pace * self.ms / shorter < SHRINKS
        self._calm = self._calm + audio if calm else 0.0
        if self._pace > GROWS and self._since >= _QUICK:
            self._change(+1)
        elif self._calm >= _CALM:
            self._change(-1)

    def _change(self, by: int) -> None:
        at = min(max(self._at + by, 0), len(self._lengths) - 1)
        if at != self._at:
            # What the old length cost says what the new one will.
            assert self._pace is not None
            self._pace *= self._lengths[self._at] / self._lengths[at]
            self._at = at
        self._since = self._calm = 0.0
