"""What crosses the wire between a front and an engine."""

from __future__ import annotations

import numpy as np
import pytest

from seamless_server.agents.outputs import Decision, SpeechOutput, TextOutput
from seamless_server.cluster.wire import pack, unpack

TEXTS = (
    TextOutput("spa", " hola", 3, 10.0, 330.0, False, confidence=0.75),
    TextOutput("spa", "", 3, 330.0, 650.0, True, confidence=0.1, understood=False),
    TextOutput("deu", "", 4, 650.0, 970.0, True),
)


@pytest.mark.parametrize("output", TEXTS)
def test_text_comes_out_as_it_went_in(output: TextOutput) -> None:
    assert unpack(pack(output)) == output


def test_speech_and_decisions_come_out_as_they_went_in() -> None:
    sound = np.linspace(-1, 1, 50, dtype=np.float32)
    got = unpack(pack(SpeechOutput("fra", sound, 16_000, [1, 2], 0, 0.0, 320.0, True)))
    assert isinstance(got, SpeechOutput)
    assert np.array_equal(got.samples, sound)
    assert (got.lang, got.sample_rate, got.units, got.finished) == ("fra", 16_000, [1, 2], True)
    decision = Decision(type="read", lang="fra", p_choose=[0.5])
    assert unpack(pack(decision)) == decision
