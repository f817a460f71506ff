"""A stream goes on elsewhere: from any pause, another one gives what the first would have given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seamless_server.errors import UsageError
from seamless_server.streaming import Model, Target
from tests.recorded import audio
from tests.streaming.playing import assert_alike

TARGETS = {"spa": Target(speech=True)}


def chunks(heard: Any) -> list[Any]:
    """Pushes of a size that leaves the voice detection with half of a chunk now and then."""
    return [heard[start : start + 4000] for start in range(0, len(heard), 4000)]


@pytest.mark.parametrize("options", [{}, {"speech_pad_ms": 192}], ids=["usual", "padded"])
def test_another_stream_goes_on_from_any_pause(model: Model, options: dict[str, Any]) -> None:
    pushes = chunks(audio("human_pauses"))
    stream = model.open(TARGETS, options)
    undisturbed, snapshots = [], {}
    for number, push in enumerate(pushes):
        undisturbed.append(list(stream.push(push, last=push is pushes[-1])))
        if (snapshot := stream.snapshot()) is not None:
            snapshots[number] = snapshot
    first_of_segment = {state["place"][-1]: number for number, state in snapshots.items()}
    assert len(first_of_segment) > 1
    for number in first_of_segment.values():
        again = model.open(TARGETS, options, resume=snapshots[number])
        rest = [out for p in pushes[number + 1 :] for out in again.push(p, last=p is pushes[-1])]
        assert_alike(rest, [output for step in undisturbed[number + 1 :] for output in step])


def test_a_segment_leaves_nothing_to_the_voice_detection_of_the_next(model: Model) -> None:
    fresh = model.open(TARGETS).snapshot()
    stream = model.open(TARGETS)
    assert fresh is not None
    ends = 0
    heard = audio("human_pauses")
    for start in range(0, len(heard), 5120):
        spoke = stream.state == "speech"
        list(stream.push(heard[start : start + 5120]))
        if spoke and (snapshot := stream.snapshot()) is not None:
            ends += 1
            for left, new in zip(snapshot["vad"]["silero"], fresh["vad"]["silero"], strict=True):
                np.testing.assert_array_equal(left, new)
            assert snapshot["vad"]["tracker"] == fresh["vad"]["tracker"]
    assert ends > 1


def test_there_is_no_snapshot_within_a_segment(model: Model) -> None:
    stream = model.open({"spa": Target()})
    for push in chunks(audio("human_short")):
        for _ in stream.push(push):
            pass
        assert (stream.snapshot() is None) == (stream.state == "speech")
    with pytest.raises(UsageError, match="voice detection"):
        model.open(TARGETS, vad=False, resume=model.open(TARGETS).snapshot())
