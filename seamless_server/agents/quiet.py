"""Speech that is too quiet for the VAD: heard on a raised copy, which then takes its place.

The embedded model hears every level alike (its features are normalised frame by frame); the VAD
does not: of sentences whose loudest 100 ms are at -60 dBFS it lets one in six through whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seamless_server.agents.silero import Samples, SileroState, speech_probabilities
from seamless_server.audio.fbank import SAMPLE_RATE
from seamless_server.audio.level import QUIET_DB

_TARGET_DB = -20.0
"""The loudest 100 ms of raised speech, in dBFS."""
_NOTHING_DB = -80.0
"""Below this there is nothing to be heard: four steps of a 16-bit sample."""
_MEMORY_S = 10.0
"""How long somebody's level is remembered."""


@dataclass
class QuietSpeech:
    """One stream's: remembers how loud its last seconds were.

    Where somebody spoke louder than -40 dBFS in the last ten seconds, nothing is raised: loud
    speech stays what it is, bit by bit, with its soft sounds.
    """

    window: int
    silero: SileroState = field(default_factory=SileroState)
    _levels: deque[float] = field(default_factory=deque)
    _loud_for: int = 0
    """Samples for which it still counts that somebody spoke loudly."""
    _gain: float = 1.0

    def snapshot(self) -> dict[str, Any]:
        """All that `resume` needs, as numbers and arrays."""
        place = (list(self._levels), self._loud_for, self._gain)
        return {"silero": self.silero.snapshot(), "place": place}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from where `snapshot` was taken."""
        self.silero = SileroState.resumed(state["silero"])
        levels, self._loud_for, self._gain = state["place"]
        self._levels = deque(levels)

    def raised(
        self, chunk: Samples, scored: Samples, spoken: bool
    ) -> tuple[Samples, list[float]] | None:
        """A louder copy of quiet sound, and how sure the VAD is of it; None for all other sound.

        Args:
            chunk: the next samples, (n,).
            scored: the same, padded to whole windows.
            spoken: whether the VAD hears speech in them as they are.
        """
        level = _level_db(scored, self.window)
        is_loud = level >= QUIET_DB
        self._loud_for = max(0, self._loud_for - len(chunk))
        if is_loud and spoken:
            self._loud_for = round(_MEMORY_S * SAMPLE_RATE)
        if is_loud or self._loud_for:
            self._levels.clear()
            self._gain = 1.0
            return None
        self._levels.append(level)
        while len(self._levels) * len(chunk) > _MEMORY_S * SAMPLE_RATE:
            self._levels.popleft()
        loudest = max(self._levels)
        if loudest < _NOTHING_DB:
            return None
        before, self._gain = self._gain, 10 ** ((_TARGET_DB - loudest) / 20)
        # A step of the gain would be a click.
        ramp = np.full(len(scored), self._gain, np.float32)
        soft = min(len(ramp), SAMPLE_RATE // 100)
        ramp[:soft] = np.linspace(before if before > 1 else self._gain, self._gain, soft)
        louder = np.clip(scored * ramp, -1, 1)
        return louder[: len(chunk)], speech_probabilities(louder, self.silero, self.window)


def _level_db(samples: Samples, window: int) -> float:
    """Of the loudest three windows (96 ms) that follow each other, in dBFS; -200 for silence."""
    powers = np.square(samples[: len(samples) // window * window].reshape(-1, window)).mean(axis=1)
    near = np.convolve(powers, np.ones(3) / 3, "valid" if len(powers) >= 3 else "same")
    return 10 * float(np.log10(max(near.max(initial=0.0), 1e-20)))
