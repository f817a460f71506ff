"""Every public pipeline class and the stream say the same: there is one walk, whoever takes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seamless_server
from seamless_server.agents import pipelines
from seamless_server.agents.loading import AgentSystem, load_system
from seamless_server.checkpoints.tokenizers import SPACE
from seamless_server.evaluation.audio import AudioRef, Source
from seamless_server.evaluation.manifest import Sentence
from seamless_server.evaluation.sentences import SentenceRunner
from seamless_server.evaluation.units import Unit
from seamless_server.streaming import SpeechOutput, Target
from seamless_server.streaming.seamless_model import SeamlessModel
from tests.agents.spying import build, run
from tests.recorded import CHECKPOINT, RECORDINGS, audio
from tests.streaming.playing import AT_THE_END, PATIENT, TALKATIVE, play, text

CHUNK = 5120
OPTIONS: list[dict[str, Any]] = [
    TALKATIVE,
    PATIENT,
    {**TALKATIVE, "block_ngrams": True, "denormalize": True},
    {**PATIENT, "decision_method": "median", "decision_threshold": 0.4, "d_factor": 1.2},
    AT_THE_END,
]
CASES = [
    (name, options)
    for name in sorted(path.stem for path in (RECORDINGS / "audio").glob("*.flac"))
    for options in (OPTIONS if name in ("human_pauses", "espeak", "very_short") else OPTIONS[:1])
]
CLASSES = {
    "SeamlessStreamingS2TAgent": (False, False),
    "SeamlessStreamingS2TDetokAgent": (False, False),
    "SeamlessStreamingS2TVADAgent": (True, False),
    "SeamlessStreamingS2STAgent": (False, True),
    "SeamlessStreamingS2STVADAgent": (True, True),
    "SeamlessStreamingS2STJointAgent": (False, True),
    "SeamlessStreamingS2STJointVADAgent": (True, True),
}
"""Name -> with VAD, with speech."""
EXPRESSIVE = {
    "SeamlessS2STAgent": False,
    "SeamlessS2STJointVADAgent": True,
    "SeamlessS2STDualVocoderVADAgent": True,
}
"""Name -> with VAD."""
ONLY_SPEECH = ("min_unit_chunk_size", "d_factor")
VOICE = RECORDINGS / "expressive" / "24khz" / "pretssel_melhifigan_wm.pt"


def test_no_pipeline_class_is_left_out() -> None:
    public = {name for name in vars(pipelines) if re.fullmatch(r"Seamless\w+Agent", name)}
    made = {name for name in public if getattr(pipelines, name).__module__ == pipelines.__name__}
    assert made == set(CLASSES) | set(EXPRESSIVE)


def said(pushes: list[list[Any]]) -> tuple[str, list[int], bool]:
    """Text without spaces and units of a pipeline's segments, and whether it gives text at all."""
    words, units, writes = "", [], False
    for segment in (segment for push in pushes for segment in push):
        if segment.is_empty:
            continue
        if isinstance(segment.content, str):
            writes = True
            words += segment.content.replace(SPACE, " ")
        else:
            units += list(getattr(segment, "units", []))
    return "".join(words.split()), units, writes


def assert_alike(
    agents: AgentSystem, kind: str, name: str, vad: bool, speech: bool, options: dict[str, Any]
) -> None:
    """A pipeline class and a stream say the same of a recording."""
    samples = audio(name)
    given = {k: v for k, v in options.items() if speech or k not in ONLY_SPEECH}
    pipeline, _ = build(kind, agents, **given)
    words, units, writes = said(run(pipeline, samples, CHUNK, states=pipeline.build_states()))
    model = SeamlessModel(agents, "tiny", "", {})
    stream = model.open({"spa": Target(text=True, speech=speech)}, options, vad=vad)
    outputs = []
    for start in range(0, len(samples), CHUNK):
        last = start + CHUNK >= len(samples)
        outputs += list(stream.push(samples[start : start + CHUNK], last=last))
    spoken = [unit for x in outputs if isinstance(x, SpeechOutput) for unit in x.units]
    if writes:
        assert words == "".join(text(outputs, "spa").split()), kind
    if speech:
        assert units == spoken, kind
    assert all(np.isfinite(x.samples).all() for x in outputs if isinstance(x, SpeechOutput))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_pipelines_say_what_streams_say(
    agent_system: AgentSystem, name: str, options: dict[str, Any]
) -> None:
    for kind, (vad, speech) in CLASSES.items():
        assert_alike(agent_system, kind, name, vad, speech, options)


@pytest.mark.parametrize("name", ["human_pauses"])
def test_expressive_pipelines_say_what_streams_say(name: str) -> None:
    agents = load_system(CHECKPOINT, "cpu", "fp32", voice=VOICE)
    for kind, vad in EXPRESSIVE.items():
        assert_alike(agents, kind, name, vad, True, {**TALKATIVE, "expressive": True})


@pytest.mark.parametrize("kind", ["SeamlessStreamingS2TAgent", "SeamlessStreamingS2TVADAgent"])
@pytest.mark.parametrize("name", ["human_pauses", "espeak"])
def test_evaluation_says_what_streams_say(
    agent_system: AgentSystem, tmp_path: Path, kind: str, name: str
) -> None:
    pipeline, _ = build(kind, agent_system, **TALKATIVE)
    path = RECORDINGS / "audio" / f"{name}.flac"
    sentence = Sentence(0, name, AudioRef(path), str(path), "una frase", "spa")
    record = SentenceRunner(pipeline, tmp_path, 320, Unit.word).run(
        sentence, Source(audio(name), 0.0)
    )
    model = SeamlessModel(agent_system, "tiny", "", {})
    stream = model.open({"spa": Target()}, TALKATIVE, vad=CLASSES[kind][0])
    assert "".join(record.prediction.split()) == "".join(
        text(play(stream, audio(name), CHUNK), "spa").split()
    )


def test_nothing_but_a_stream_drives_an_agent() -> None:
    """Agents are pushed by the two walks that streams have behind them, and by nobody else."""
    package = Path(seamless_server.__file__).parent
    found = {
        file.relative_to(package).parts[0]
        for file in package.rglob("*.py")
        if ".pushpop(" in file.read_text(encoding="utf-8")
    }
    assert found == {"agents", "streaming"}  # the corridor its own agents
