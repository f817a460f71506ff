"""Filterbanks against the recordings: whole, in chunks of 320 ms, and in irregular chunks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from simuleval.data.segments import EmptySegment

from seamless_server.agents.features import OnlineFeatureExtractorAgent
from seamless_server.agents.loading import AgentSystem
from seamless_server.audio.fbank import fbank
from tests.agents.spying import build, speech
from tests.recorded import arrays, audio

Features = npt.NDArray[np.float32]
RECORDED = arrays("fbank")
TOLERANCE = 1e-5
"""On log energies up to 25."""
WHOLE = [key for key in RECORDED if key.endswith(".whole") and not key.startswith("zeros")]
CHUNKED = [key[:-6] for key in RECORDED if key.endswith(".sizes")]


def assert_close(got: Features, recorded: Features) -> None:
    """Features are the recorded ones, up to single precision."""
    assert got.shape == recorded.shape
    assert np.abs(got - recorded).max() < TOLERANCE


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_equal_the_recording(name: str) -> None:
    sound, denormalize, _ = name.split(".")
    got = fbank(audio(sound)[:80_000], 2.0**15 if denormalize == "denorm1" else 1.0)
    assert_close(got, RECORDED[name])


def test_silence_equals_the_recording() -> None:
    recorded = RECORDED["zeros1600.denorm0.whole"]
    assert np.abs(fbank(np.zeros(1600, np.float32)) - recorded).max() < TOLERANCE
    assert np.allclose(recorded, -15.942385)


@pytest.mark.parametrize("compat", [None, "official"])
@pytest.mark.parametrize("name", CHUNKED)
def test_chunks_equal_the_recording(
    agent_system: AgentSystem, name: str, compat: str | None
) -> None:
    sound, denormalize, _ = name.split(".")
    pipeline, _ = build(
        "SeamlessStreamingS2TAgent",
        agent_system,
        denormalize=denormalize == "denorm1",
        compat=compat,
    )
    agent = pipeline.module_list[0]
    assert isinstance(agent, OnlineFeatureExtractorAgent)
    states = agent.build_states()
    start, frames = 0, []
    for size in RECORDED[f"{name}.sizes"]:
        out = agent.pushpop(speech(audio(sound)[start : start + size]), states)
        frames.append(np.zeros((0, 80), np.float32) if out.is_empty else out.content)
        start += int(size)
    assert [len(x) for x in frames] == RECORDED[f"{name}.frames"].tolist()
    together = np.concatenate(frames)
    assert_close(together, RECORDED[name])
    # Online features are those of the whole, bit by bit.
    scale = 2.0**15 if denormalize == "denorm1" else 1.0
    assert np.array_equal(together, fbank(audio(sound)[:80_000], scale)[: len(together)])


def test_the_end_of_a_segment_fills_its_last_window(agent_system: AgentSystem) -> None:
    pipeline, _ = build("SeamlessStreamingS2TAgent", agent_system)
    agent = pipeline.module_list[0]
    for count in (240, 241, 399, 400, 401, 559, 560, 561, 5120):
        states = agent.build_states()
        first = agent.pushpop(speech(audio("human_short")[:count]), states)
        last = agent.pushpop(EmptySegment(finished=True), states)
        assert last.finished
        total = sum(0 if x.is_empty else len(x.content) for x in (first, last))
        assert total == max(0, -(-(count - 240) // 160))
