"""What no recording of the official code covers, on trained weights: batches and half precision."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.audio.reader import read_audio
from seamless_server.checkpoints.cards import EMBEDDED, find_model
from seamless_server.streaming import Model, SpeechOutput, Target, TextOutput, load_model

SAMPLES = find_model(EMBEDDED) / "samples"


def said(model: Model, clip: str, lang: str) -> tuple[str, list[int], Any]:
    """Text, units and sound of a sample in one language."""
    samples = read_audio(SAMPLES / f"{clip}.flac")
    stream = model.open({lang: Target(text=True, speech=True)}, vad=False)
    outputs = []
    for start in range(0, len(samples), 5120):
        outputs += list(stream.push(samples[start : start + 5120]))
    outputs += stream.finish()
    text = "".join(x.text for x in outputs if isinstance(x, TextOutput))
    speech = [x for x in outputs if isinstance(x, SpeechOutput)]
    return (
        text,
        [unit for x in speech for unit in x.units],
        np.concatenate([x.samples for x in speech]) if speech else np.zeros(0, np.float32),
    )


def test_speakers_of_mixed_languages_and_lengths_get_what_each_gets_alone() -> None:
    speakers = [("clip1", "spa"), ("clip2", "fra"), ("clip3", "deu"), ("clip6", "eng")]
    alone = load_model(EMBEDDED, "cpu", "fp32")
    wanted = [said(alone, *speaker) for speaker in speakers]
    together = load_model(EMBEDDED, "cpu", "fp32", engine="scheduled")
    got: dict[int, tuple[str, list[int], Any]] = {}
    threads = [
        threading.Thread(target=lambda n=n: got.update({n: said(together, *speakers[n])}))
        for n in range(len(speakers))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, (text, units, sound) in enumerate(wanted):
        assert text.strip()
        assert units
        assert got[number][0] == text
        assert got[number][1] == units
        np.testing.assert_allclose(got[number][2], sound, atol=1e-3)


def test_half_precision_chooses_the_same_tokens(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "seamless_server", "bench", "agreement", "--device", "cpu"]
    command += ["--audio", str(SAMPLES / "clip2.flac"), "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "agreement.json").read_text("utf-8"))["result"]
    assert result["model"] == EMBEDDED
    assert result["steps"] > 50
    for form in ("fp16", "bf16"):
        # Token by token, with the same text before: a tie may fall otherwise, no more.
        assert result["forms"][form]["same_token"] >= 0.99, form
        assert result["forms"][form]["same_call"] >= 0.97, form
