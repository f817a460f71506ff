"""The embedded model knows when it does not understand: people who say something else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from seamless_server.audio.reader import Samples, read_audio
from seamless_server.checkpoints.cards import EMBEDDED, find_model
from seamless_server.checkpoints.loader import CONFIDENCE, read_confidence, read_folder_config
from seamless_server.errors import CheckpointError
from seamless_server.streaming import Model, SpeechOutput, Target, TextOutput, load_model
from tests.recorded import CHECKPOINT, RECORDINGS

FOLDER = find_model(EMBEDDED)
OUTSIDE = Path(__file__).parents[1] / "training" / "outside"
RUSSIAN = sorted(OUTSIDE.glob("*.ogg"))
NOVEL = RECORDINGS / "audio" / "human_pauses.flac"
"""A reader of Jane Austen."""
CLIPS = sorted((FOLDER / "samples").glob("*.flac"))
BOTH = Target(text=True, speech=True)


@pytest.fixture(scope="module")
def mini() -> Model:
    return load_model(EMBEDDED, "cpu")


def outputs_of(
    system: Model, samples: Samples, langs: tuple[str, ...] = ("spa",), **options: float
) -> list[TextOutput | SpeechOutput]:
    stream = system.open(dict.fromkeys(langs, BOTH), options)
    found = [x for i in range(0, len(samples), 5120) for x in stream.push(samples[i : i + 5120])]
    return [*found, *stream.finish()]


def texts_of(outputs: list[TextOutput | SpeechOutput]) -> list[TextOutput]:
    return [x for x in outputs if isinstance(x, TextOutput)]


@pytest.mark.parametrize("path", RUSSIAN, ids=lambda path: path.stem)
def test_people_of_another_language_are_not_understood(mini: Model, path: Path) -> None:
    silence = np.zeros(8_000, np.float32)
    samples = np.concatenate([silence, read_audio(path), silence])
    outputs = outputs_of(mini, samples, ("eng", "spa", "fra", "deu"))
    # Three first words may slip through before it knows, of more than thirty in four languages.
    assert len("".join(x.text for x in texts_of(outputs)).split()) <= 3
    assert sum(len(x.samples) for x in outputs if isinstance(x, SpeechOutput)) < 16_000
    assert {x.lang for x in texts_of(outputs) if not x.understood} == {"eng", "spa", "fra", "deu"}
    free = texts_of(outputs_of(mini, samples, ("eng",), min_confidence=0.0))
    assert len("".join(x.text for x in free).split()) > 3


def test_the_command_line_says_what_was_not_understood(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    command = [sys.executable, "-m", "seamless_server", "translate", str(NOVEL), "--device", "cpu"]
    command += ["--model", EMBEDDED, "--tgt-lang", "eng", "--jsonl", str(trace)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[not understood]" in done.stdout
    entries = [x for line in trace.read_text().splitlines() for x in json.loads(line)["outputs"]]
    lost = [x for x in entries if not x.get("understood", True)]
    assert lost
    assert all(x["content"] == "" and x["finished"] and x["confidence"] < 1 for x in lost)


def test_its_own_clips_are_as_they_were(mini: Model) -> None:
    for path in CLIPS:
        samples = read_audio(path)
        sure, all_of_it = (
            outputs_of(mini, samples, **options) for options in ({}, {"min_confidence": 0.0})
        )
        assert [x.text for x in texts_of(sure)] == [x.text for x in texts_of(all_of_it)]
        assert all(x.understood for x in texts_of(sure))
        assert (texts_of(sure)[-1].confidence or 0) > 0.3


def test_what_waited_comes_as_soon_as_the_model_is_sure(mini: Model) -> None:
    samples = read_audio(CLIPS[0])
    free = outputs_of(mini, samples, min_confidence=0.0)
    values = [x.confidence for x in texts_of(free) if x.confidence is not None]
    bar = (values[-1] + min(values)) / 2
    assert min(values) < bar < values[-1]
    late = outputs_of(mini, samples, min_confidence=bar)
    whole = "".join(x.text for x in texts_of(free))
    assert "".join(x.text for x in texts_of(late)) == whole
    assert all(x.confidence is not None and x.confidence >= bar for x in texts_of(late) if x.text)
    assert len(texts_of(late)) < len(texts_of(free))
    units = [[y for x in o if isinstance(x, SpeechOutput) for y in x.units] for o in (free, late)]
    assert 0.8 < len(units[1]) / len(units[0]) < 1.25


def test_every_engine_is_equally_sure(mini: Model) -> None:
    samples = read_audio(CLIPS[1])
    batched = load_model(EMBEDDED, "cpu", engine="scheduled")
    alone, together = (texts_of(outputs_of(x, samples)) for x in (mini, batched))
    assert [x.text for x in alone] == [x.text for x in together]
    assert [x.confidence for x in alone] == pytest.approx(
        [x.confidence for x in together], abs=2e-3
    )


def test_other_models_have_no_head_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    config, _ = read_folder_config(FOLDER)
    assert read_confidence(CHECKPOINT, read_folder_config(CHECKPOINT)[0]) is None
    head = read_confidence(FOLDER, config)
    assert head is not None
    assert 0 < float(head(torch.randn(5, 192), torch.randn(3, 192))) < 1
    shutil.copy(FOLDER / CONFIDENCE, tmp_path / CONFIDENCE)
    with pytest.raises(CheckpointError, match="does not fit the model"):
        read_confidence(tmp_path, read_folder_config(CHECKPOINT)[0])
    (tmp_path / CONFIDENCE).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        read_confidence(tmp_path, config)
