"""Speech probabilities by Silero VAD (https://github.com/snakers4/silero-vad, MIT), on ONNX.

One ONNX session serves all streams: a stream's recurrent state travels through the call.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seamless_server.errors import DependencyError

WINDOW = 512
CONTEXT = 64

Samples = npt.NDArray[np.float32]


def _zeros(*shape: int) -> Samples:
    return np.zeros(shape, np.float32)


@dataclass
class SileroState:
    """Recurrent state of one stream and the samples before its next window."""

    recurrent: Samples = field(default_factory=lambda: _zeros(2, 1, 128))
    context: Samples = field(default_factory=lambda: _zeros(1, CONTEXT))


@lru_cache(maxsize=1)
def _session() -> Any:
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise DependencyError("silero-vad", "voice activity detection", "pip install silero-vad")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    path = Path(spec.submodule_search_locations[0]) / "data" / "silero_vad.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def speech_probabilities(samples: Samples, state: SileroState, window: int = WINDOW) -> list[float]:
    """Probability of speech in each whole window of 32 ms; a shorter rest is not scored.

    Args:
        samples: (N,) at 16 kHz.
        state: moves on with every window.
    """
    session = _session()
    rate = np.array(16_000, np.int64)
    probabilities = []
    for start in range(0, len(samples) - window + 1, window):
        x = np.concatenate([state.context, samples[None, start : start + window]], axis=1)
        out, state.recurrent = session.run(
            None, {"input": x.astype(np.float32), "state": state.recurrent, "sr": rate}
        )
        state.context = x[:, -CONTEXT:]
        probabilities.append(float(out[0, 0]))
    return probabilities
