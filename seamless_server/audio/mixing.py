"""From channels to one: the mix, unless the channels cancel each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from seamless_server.errors import UsageError

Samples = npt.NDArray[np.float32]

_WINDOW_MS = 100
_MEMORY = 0.8
"""How much of a window's energy is left one window later: half a second or so is looked at."""
_CANCELS = 10 ** (-12 / 10)
_MIXES_AGAIN = 10 ** (-6 / 10)


class Mixer:
    """Mixes channels down, (n, c) to (n,), piece by piece; what it gives depends on no cut.

    The mix is the mean. Where it is more than 12 dB below the loudest channel (right = -left, or
    speech in one of six channels), the loudest channel so far is given instead.

    Args:
        rate: in Hz.
        channel: ``"auto"`` for that; ``"mix"`` always the mean; ``"loudest"`` the channel that is
            the loudest so far; or a channel's number from 1.
    """

    def __init__(self, rate: int, channel: str | int = "auto") -> None:
        self._channel = channel
        self._size = max(1, rate * _WINDOW_MS // 1000)
        self._rest: Samples | None = None
        self._energy: npt.NDArray[np.float64] | None = None
        self._total: npt.NDArray[np.float64] | None = None
        self._mix_energy = 0.0
        self._picking = channel == "loudest"
        self.cancelled = False
        """Whether a channel had to be taken instead of the mix."""

    def process(self, samples: Samples, *, last: bool = False) -> Samples:
        """The next samples; with `last` also what still waits for its window to be full."""
        channels = samples.shape[1]
        if isinstance(self._channel, int) and self._channel > channels:
            are = "is 1 channel" if channels == 1 else f"are {channels} channels"
            raise UsageError(f"channel: there {are}, not {self._channel}")
        if channels == 1:
            return samples[:, 0]
        if self._channel == "mix":
            return _mean(samples)
        if isinstance(self._channel, int):
            return samples[:, self._channel - 1]
        if self._rest is not None and self._rest.shape[1] == channels:
            samples = np.concatenate([self._rest, samples])
        end = len(samples) if last else len(samples) // self._size * self._size
        self._rest = None if last else samples[end:]
        windows = [self._window(samples[at : at + self._size]) for at in range(0, end, self._size)]
        return np.concatenate(windows) if windows else np.zeros(0, np.float32)

    def _window(self, samples: Samples) -> Samples:
        mix = _mean(samples)
        energy = np.array([_energy(samples[:, i]) for i in range(samples.shape[1])])
        mix_energy = _energy(mix)
        if self._energy is None or self._total is None or len(self._energy) != len(energy):
            self._energy, self._total, self._mix_energy = energy, energy.copy(), mix_energy
        else:
            self._energy = _MEMORY * self._energy + energy
            self._total += energy
            self._mix_energy = _MEMORY * self._mix_energy + mix_energy
        if self._channel == "auto":
            below = _MIXES_AGAIN if self._picking else _CANCELS
            self._picking = self._mix_energy < below * float(self._energy.max())
            self.cancelled = self.cancelled or self._picking
        return samples[:, int(self._total.argmax())] if self._picking else mix


def _mean(samples: Samples) -> Samples:
    # Channel by channel: many times faster than NumPy's mean over a short axis.
    total = samples[:, 0].copy()
    for i in range(1, samples.shape[1]):
        total += samples[:, i]
    total /= np.float32(samples.shape[1])
    return total


def _energy(samples: Samples) -> float:
    plane = np.ascontiguousarray(samples)
    return float(np.dot(plane, plane))


def parse_channel(text: str) -> str | int:
    """What a command line calls a channel: a number from 1, ``mix``, ``loudest`` or ``auto``.

    Raises:
        UsageError: none of these.
    """
    wanted = text.strip().lower()
    if wanted in ("auto", "mix", "loudest"):
        return wanted
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= 64:
        return int(wanted)
    raise UsageError("channel: say auto, mix, loudest, or a channel's number from 1")
