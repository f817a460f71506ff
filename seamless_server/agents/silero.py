"""Speech probabilities by Silero VAD (https://github.com/snakers4/silero-vad, MIT).

The package brings the weights; the network is written down here in PyTorch, for it is small, and
for what the package offers another runtime (ONNX: 45 MB of memory), or one stream for each loaded
model (TorchScript), would be needed. All windows of a chunk go through the convolutions at once. A
stream's state travels through the call, so that one network serves all streams.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.errors import DependencyError, NumericalError
from seamless_server.nn.threads import settle_thread

WINDOW = 512
CONTEXT = 64
HIDDEN = 128
BINS = 129

Samples = npt.NDArray[np.float32]


@dataclass
class SileroState:
    """Recurrent state of one stream and the samples before its next window."""

    hidden: Tensor = field(default_factory=lambda: torch.zeros(1, 1, HIDDEN))
    cell: Tensor = field(default_factory=lambda: torch.zeros(1, 1, HIDDEN))
    context: Tensor = field(default_factory=lambda: torch.zeros(CONTEXT))

    def snapshot(self) -> list[npt.NDArray[np.float32]]:
        """All that `resumed` needs, as arrays."""
        return [x.numpy().copy() for x in (self.hidden, self.cell, self.context)]

    @classmethod
    def resumed(cls, state: Sequence[npt.NDArray[np.float32]]) -> SileroState:
        """The state of which `snapshot` was taken."""
        return cls(*map(torch.tensor, state))


class Silero(nn.Module):
    """Silero VAD 5 and 6 at 16 kHz: a learnt spectrum, four convolutions, and a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrum = nn.Conv1d(1, 2 * BINS, 256, stride=128, bias=False)
        sizes = ((BINS, 128, 1), (128, 64, 2), (64, 64, 2), (64, HIDDEN, 1))
        self.encoder = nn.ModuleList(nn.Conv1d(a, b, 3, stride=s, padding=1) for a, b, s in sizes)
        self.rnn = nn.LSTM(HIDDEN, HIDDEN, batch_first=True)
        self.final = nn.Conv1d(HIDDEN, 1, 1)

    def forward(self, samples: Tensor, state: SileroState) -> Tensor:
        """Probabilities (N,) of N windows of samples (N * 512,); ``state`` moves on."""
        heard = torch.cat([state.context, samples])
        state.context = heard[-CONTEXT:].clone()
        x = heard.unfold(0, CONTEXT + WINDOW, WINDOW)
        real, imaginary = self.spectrum(F.pad(x, (0, 64), mode="reflect")[:, None]).chunk(2, dim=1)
        x = torch.hypot(real, imaginary)
        for layer in self.encoder:
            x = F.relu(layer(x))
        x, (state.hidden, state.cell) = self.rnn(
            x.mT.reshape(1, -1, HIDDEN), (state.hidden, state.cell)
        )
        probabilities: Tensor = self.final(F.relu(x).mT)[0, 0].sigmoid()
        return probabilities


@lru_cache(maxsize=1)
def _network() -> Silero:
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise DependencyError("silero-vad", "voice activity detection", "pip install silero-vad")
    path = Path(spec.submodule_search_locations[0]) / "data" / "silero_vad.jit"
    found = torch.jit.load(str(path), map_location="cpu")._model.state_dict()
    network = Silero()
    weights = {"spectrum.weight": found["stft.forward_basis_buffer"]}
    for name in ("weight", "bias"):
        for layer in range(len(network.encoder)):
            weights[f"encoder.{layer}.{name}"] = found[f"encoder.{layer}.reparam_conv.{name}"]
        for part in ("ih", "hh"):
            weights[f"rnn.{name}_{part}_l0"] = found[f"decoder.rnn.{name}_{part}"]
        weights[f"final.{name}"] = found[f"decoder.decoder.2.{name}"]
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def speech_probabilities(samples: Samples, state: SileroState, window: int = WINDOW) -> list[float]:
    """Probability of speech in each whole window of 32 ms; a shorter rest is not scored.

    Args:
        samples: (N,) at 16 kHz.
        state: moves on with every window.
        window: must be 512 samples, which the network was trained on.

    Raises:
        ValueError: another window.
        NumericalError: a probability is NaN.
    """
    if window != WINDOW:
        raise ValueError(f"Silero VAD scores windows of {WINDOW} samples, not of {window}")
    whole = len(samples) // WINDOW * WINDOW
    if whole == 0:
        return []
    settle_thread()
    heard = torch.from_numpy(np.ascontiguousarray(samples[:whole], np.float32))
    probabilities: list[float] = _network()(heard, state).tolist()
    if not all(map(math.isfinite, probabilities)):
        raise NumericalError("the voice activity detection")
    return probabilities
