"""What Whisper base's encoder hears (MIT; arXiv 2212.04356): states that our encoder learns from.

Whisper has heard real people, which no voice here is. It listens in training only; nothing of it is
in the model. Its weights come as ``python -m training.recogniser`` fetches them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import recogniser

DIM = 512
_HOP = 160
_MEAN_OF = 2  # Whisper's states are 20 ms apart, ours 40 ms.


@cache
def _network() -> tuple[Any, Any]:
    import ctranslate2
    from faster_whisper.feature_extractor import FeatureExtractor

    if not recogniser.FOLDER.is_dir():
        raise FileNotFoundError("Whisper base is missing: run python -m training.recogniser first.")
    model = ctranslate2.models.Whisper(
        str(recogniser.FOLDER), device="cpu", compute_type="float32", intra_threads=1
    )
    return model, FeatureExtractor()


def listen(samples: NDArray[np.float32]) -> NDArray[np.float16]:
    """Mono 16 kHz (at most 30 s) -> states (T, 512), one each 40 ms."""
    import ctranslate2

    model, extract = _network()
    step = 2 * _MEAN_OF
    frames = -(-len(samples) // (_HOP * step)) * step
    features = np.zeros((1, 80, frames), np.float32)
    # Half a second of silence around: what is heard at the edges is not what speech is like.
    found = extract(np.concatenate([samples, np.zeros(8000, np.float32)]))
    features[0, :, : min(frames, found.shape[1])] = found[:, :frames]
    view = ctranslate2.StorageView.from_array(features)
    states = np.array(model.encode(view, to_cpu=True))[0]
    result: NDArray[np.float16] = states.reshape(-1, _MEAN_OF, DIM).mean(1).astype(np.float16)
    return result
