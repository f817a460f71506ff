"""Every public pipeline class and the stream say the same: there is one walk, whoever takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seamless_server.agents.loading import AgentSystem
from seamless_server.streaming import Model, SpeechOutput, Target
from tests.agents.spying import build, run
from tests.recorded import audio
from tests.streaming.playing import AT_THE_END, PATIENT, TALKATIVE, text

CHUNK = 5120
OPTIONS: list[dict[str, Any]] = [
    TALKATIVE,
    PATIENT,
    {**TALKATIVE, "block_ngrams": True, "denormalize": True},
    {**PATIENT, "decision_method": "median", "decision_threshold": 0.4, "d_factor": 1.2},
    AT_THE_END,
]
CLASSES = {
    "S2TDetokAgent": (False, False),
    "S2TVADAgent": (True, False),
    "S2STAgent": (False, True),
    "S2STVADAgent": (True, True),
    "S2STJointAgent": (False, True),
    "S2STJointVADAgent": (True, True),
}
"""Name -> with VAD, with speech."""
ONLY_SPEECH = ("min_unit_chunk_size", "d_factor")


def said(pushes: list[list[Any]]) -> tuple[str, list[int], bool]:
    """Text without spaces and units of a pipeline's segments, and whether it gives text at all."""
    words, units, writes = "", [], False
    for segment in (segment for push in pushes for segment in push):
        if segment.is_empty:
            continue
        if isinstance(segment.content, str):
            writes = True
            words += segment.content
        else:
            units += list(getattr(segment, "units", []))
    return "".join(words.split()), units, writes


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
@pytest.mark.parametrize("name", ["human_pauses", "espeak", "tiny_short", "very_short"])
def test_pipelines_say_what_streams_say(
    system: Model, agent_system: AgentSystem, name: str, options: dict[str, Any]
) -> None:
    samples = audio(name)
    for kind, (vad, speech) in CLASSES.items():
        given = {k: v for k, v in options.items() if speech or k not in ONLY_SPEECH}
        pipeline, _ = build(f"SeamlessStreaming{kind}", agent_system, **given)
        pushes = run(pipeline, samples, CHUNK, states=pipeline.build_states())
        words, units, writes = said(pushes)
        target = Target(text=True, speech=speech)
        stream = system.open({"spa": target}, options, vad=vad)
        starts = range(0, len(samples), CHUNK)
        outputs = [
            output
            for start in starts
            for output in stream.push(
                samples[start : start + CHUNK], last=start + CHUNK >= len(samples)
            )
        ]
        outputs += stream.finish()
        spoken = [unit for x in outputs if isinstance(x, SpeechOutput) for unit in x.units]
        if writes:
            assert words == "".join(text(outputs, "spa").split()), kind
        if speech:
            assert units == spoken, kind
        assert all(np.isfinite(x.samples).all() for x in outputs if isinstance(x, SpeechOutput))
