"""Speech probabilities equal those of the package's own model."""

import numpy as np
import pytest
import silero_vad
import soundfile
import torch
from numpy.typing import NDArray

from seamless_server.agents.silero import SileroState, speech_probabilities
from tests.test_embedded_model import CLIPS


@pytest.fixture(scope="module")
def samples() -> NDArray[np.float32]:
    """Seconds of speech, with silence and noise about it."""
    clip, _ = soundfile.read(sorted(CLIPS.glob("*.flac"))[0], dtype="float32")
    noise = np.random.default_rng(3).normal(0, 0.05, 16_000).astype(np.float32)
    return np.concatenate([np.zeros(8000, np.float32), clip, noise])


def reference(samples: NDArray[np.float32]) -> list[float]:
    """What the package's TorchScript model says of each window."""
    model = silero_vad.load_silero_vad()
    windows = torch.from_numpy(samples[: len(samples) // 512 * 512]).view(-1, 512)
    with torch.inference_mode():
        return [float(model(window, 16_000)) for window in windows]


def test_probabilities_equal_the_packages_model(samples: NDArray[np.float32]) -> None:
    found = speech_probabilities(samples, SileroState())

    assert found == pytest.approx(reference(samples), abs=1e-5)
    assert max(found) > 0.9
    assert min(found) < 0.1


def test_the_sizes_of_pushes_change_nothing(samples: NDArray[np.float32]) -> None:
    whole = speech_probabilities(samples[:51_200], SileroState())

    state, pieces = SileroState(), []
    for start in range(0, 51_200, 5120):
        pieces += speech_probabilities(samples[start : start + 5120], state)

    assert pieces == pytest.approx(whole, abs=1e-5)


def test_two_streams_do_not_hear_one_another(samples: NDArray[np.float32]) -> None:
    alone = speech_probabilities(samples[:20_480], SileroState())

    state, other, heard = SileroState(), SileroState(), []
    for start in range(0, 20_480, 2048):
        heard += speech_probabilities(samples[start : start + 2048], state)
        speech_probabilities(samples[-2048:], other)

    assert heard == pytest.approx(alone, abs=1e-5)


def test_less_than_a_window_has_no_probability() -> None:
    assert speech_probabilities(np.zeros(511, np.float32), SileroState()) == []


def test_another_window_is_refused() -> None:
    with pytest.raises(ValueError, match="512"):
        speech_probabilities(np.zeros(2048, np.float32), SileroState(), window=256)
