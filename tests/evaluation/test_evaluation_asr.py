"""ASR-BLEU through faster-whisper, with a model that hears the same sentence everywhere."""

from __future__ import annotations

import csv
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from seamless_server.evaluation.quality import bleu_metric
from tests.evaluation.tiny_whisper import make_openai_whisper, make_whisper
from tests.evaluation.toy_data import SENTENCES, Evaluate

HEARD = "Uno, dos tres cuatro."


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model converted for faster-whisper."""
    return make_whisper(tmp_path_factory.mktemp("asr") / "tiny", HEARD)


def metrics(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content


def transcripts(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "transcripts.log").read_text().splitlines()]


def test_translated_speech_is_heard_and_scored(
    evaluate: Evaluate, tmp_path: Path, whisper: Path
) -> None:
    result = evaluate("--asr-model", whisper, task="s2st", agent="ToneAgent")
    assert result.exit_code == 0, result.output
    assert "spa, listening: 4/4" in result.stderr
    (score,) = metrics(tmp_path / "out")["quality"]
    assert score["name"] == "ASR-BLEU"
    assert "case:lc" in score["signature"]
    assert score["signature"].endswith("/tiny/beam1/temp0")
    assert score["signature"] in result.output
    # Both sides in lower case and without punctuation.
    heard, references = ["uno dos tres cuatro"] * 4, [list(SENTENCES.values())]
    assert score["value"] == pytest.approx(bleu_metric("spa").corpus_score(heard, references).score)
    name = "whisper_audio_transcriptions.tsv"
    rows = list(csv.DictReader((tmp_path / "out" / name).open(), delimiter="\t"))
    assert list(rows[0]) == ["audio", "transcript", "reference"]
    assert [row["transcript"] for row in rows] == [HEARD] * 4
    assert [row["reference"] for row in rows] == list(SENTENCES.values())
    assert [Path(row["audio"]).name for row in rows] == [f"{n}_pred.wav" for n in range(4)]
    results = list(csv.reader((tmp_path / "out/results.tsv").open(), delimiter="\t"))
    assert results[0] == ["", "ref_tgt_text", "pred_tgt_audio"]
    official = json.loads((tmp_path / "out/s2st_asr_bleu_normalized.json").read_text())
    assert official["name"] == "BLEU"
    assert official["score"] == pytest.approx(score["value"], abs=0.1)
    for part in ("whisper_normalize:yes", "whisper_asr_model:tiny", "faster-whisper-"):
        assert part in official["signature"]
    sentences = list(csv.DictReader((tmp_path / "out/metrics.tsv").open(), delimiter="\t"))
    assert float(sentences[0]["chrF++"]) == pytest.approx(100)
    assert float(sentences[1]["chrF++"]) < 50
    assert HEARD in (tmp_path / "out/report.html").read_text()


def test_openai_whisper_hears_as_well(evaluate: Evaluate, tmp_path: Path) -> None:
    model = make_openai_whisper(tmp_path / "mine.pt", HEARD)
    options = ("--asr-engine", "openai-whisper", "--asr-model", model)
    result = evaluate(*options, task="s2st", agent="ToneAgent")
    assert result.exit_code == 0, result.output
    (score,) = metrics(tmp_path / "out")["quality"]
    version = metadata.version("openai-whisper")
    assert score["signature"].endswith(f"asr:openai-whisper-{version}/mine/beam1/temp0")
    assert {line["text"] for line in transcripts(tmp_path / "out")} == {HEARD}
    assert f"openai-whisper-{version}" in (tmp_path / "out/report.html").read_text()
    missing = evaluate(
        *options[:2], "--asr-model", "huge", "--overwrite", task="s2st", agent="ToneAgent"
    )
    assert "'huge' cannot be loaded by openai-whisper" in str(missing.exception)


def test_what_was_heard_before_is_not_heard_again(
    evaluate: Evaluate, tmp_path: Path, whisper: Path
) -> None:
    options = {"task": "s2st", "agent": "ToneAgent"}
    evaluate("--asr-model", whisper, "--limit", 2, **options)
    log = tmp_path / "out/transcripts.log"
    assert [line["index"] for line in transcripts(tmp_path / "out")] == [0, 1]
    # As if something else had been heard, and the second line were cut by a crash.
    first, second = log.read_text().replace(HEARD, "cinco seis siete").splitlines()
    log.write_text(f"{first}\n{second[:40]}")
    evaluate("--asr-model", whisper, **options)
    heard = {line["index"]: line["text"] for line in transcripts(tmp_path / "out")}
    assert heard == {0: "cinco seis siete", 1: HEARD, 2: HEARD, 3: HEARD}
    # Another sound is heard again, and so is any by another recogniser.
    other = whisper.rename(whisper.with_name("other"))
    evaluate("--asr-model", other, **options)
    other.rename(whisper)
    assert len(transcripts(tmp_path / "out")) == 8
    assert [score["value"] for score in metrics(tmp_path / "out")["quality"]] != [0.0]


def test_speech_that_is_gone_is_named(evaluate: Evaluate, tmp_path: Path, whisper: Path) -> None:
    options = {"task": "s2st", "agent": "ToneAgent"}
    evaluate("--asr-model", "none", **options)
    (tmp_path / "out/wavs/2_pred.wav").unlink()
    result = evaluate("--asr-model", whisper, **options)
    assert "2_pred.wav is gone: translate again with --overwrite" in str(result.exception)


def test_two_runs_of_speech_are_compared(evaluate: Evaluate, tmp_path: Path, whisper: Path) -> None:
    from typer.testing import CliRunner

    from seamless_server.cli import app

    for name, wait in (("a", 0), ("b", 2)):
        options = ["--asr-model", whisper, "--output", tmp_path / name, "--wait", wait]
        evaluate(*options, task="s2st", agent="ToneAgent")
    words = ["evaluate", "compare", str(tmp_path / "a"), str(tmp_path / "b")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    rows = {line.split("\u2502")[1].strip(): line for line in result.output.splitlines()
            if "\u2502" in line}  # fmt: skip
    assert "+0.000" in rows["ASR-BLEU"]
    assert "StartOffset" in rows
