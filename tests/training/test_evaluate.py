"""The table that the model is measured in, at a small scale: its own clips as one of the sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamless_server.audio.reader import read_audio
from seamless_server.streaming import Model, load_model
from training import conditions, config, evaluate, model_card
from training.text import sample

MODEL = Path(__file__).parents[2] / "models" / "SeamlessStreaming-mini"
CLIPS = json.loads((MODEL / "samples" / "samples.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def mini() -> Model:
    return load_model(MODEL, "cpu", speech=False)


def talk(number: int) -> conditions.Talk:
    clip = CLIPS[number]
    texts = {"eng": clip["text"], **clip["translations"]}
    words = {lang: tuple(text.split()) for lang, text in texts.items()}
    needs = {lang: tuple(range(1, len(w) + 1)) for lang, w in words.items()}
    samples = read_audio(MODEL / "samples" / clip["file"])
    return conditions.Talk([sample.Sentence(words, needs, "0")], samples)


def missing(_count: int, _seed: int) -> Any:
    raise RuntimeError("no such engine here")


def test_sets_are_measured_over_seeds_and_what_is_missing_is_named(mini: Model) -> None:
    def clips(count: int, seed: int) -> list[conditions.Talk]:
        return [talk(seed + i) for i in range(count)]

    sets = {"seen": clips, "unseen engine": missing, "-40 dBFS": lambda _n, seed: [talk(seed)]}
    report = evaluate.report_on(mini, sets, 1, [0, 2], [0.5])
    assert report["missing"] == {"unseen engine": "no such engine here"}
    assert report["seen"]["eng_wer"] == 0.0
    assert report["seen"]["eng_wer_range"] == [0.0, 0.0]
    assert report["seen"]["deu_bleu"] == 100.0
    assert 0.2 < report["seen"]["spa_laal_s"] < report["seen"]["spa_offline_s"]
    assert report["seen"]["threshold 0.5"]["eng_laal_s"] <= report["seen"]["eng_laal_s"]
    assert report["-40 dBFS"]["real_time_factor"] > 0

    rows = [("one", np.zeros(8000, np.float32)), (CLIPS[0]["text"], talk(0).samples)]
    report["numbers, people"] = numbers = evaluate.heard_numbers(mini, rows)
    assert (numbers["right"], numbers["of"], list(numbers["wrong"])) == (1, 2, ["one"])
    sounds = {"silence": np.zeros(16_000, np.float32), "speech": talk(0).samples}
    report["words_per_minute_outside"] = found = evaluate.words_a_minute(mini, sounds)
    assert found["silence"] == 0.0
    minutes = len(sounds["speech"]) / 16_000 / 60
    assert found["speech"] == round(len(CLIPS[0]["text"].split()) / minutes, 1)

    lines = model_card.table(report)
    assert "isolated numbers" in lines[0]
    assert "0.0 (0.0 to 0.0)" in lines[1]
    assert len(model_card.lags(report)) == 4 + len(config.LANGUAGES) + 1
    assert f"| speech | {found['speech']} |" in model_card.outside(report)
