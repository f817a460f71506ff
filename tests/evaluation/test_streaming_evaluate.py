"""The official command's name, options, defaults and result files."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from typer.testing import CliRunner

from seamless_server.cli import app
from seamless_server.commands.streaming_evaluate import run
from seamless_server.errors import SeamlessError, UsageError

RECORDINGS = Path(__file__).parents[1] / "recordings"
TINY = RECORDINGS / "checkpoint"
WRONG = "--task s2tt --data-file nowhere.tsv --tgt-lang spa --output out"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A manifest of two recordings of people, for translation and for transcription."""
    path = tmp_path / "data.tsv"
    path.write_text(
        "id\taudio\tsrc_lang\ttgt_text\traw\n"
        "short\taudio/human_short.flac\teng\tsiga diez metros\tgo forward ten meters\n"
        "tiny\taudio/very_short.flac\teng\tya\tgo\n"
    )
    return path


def call(data: Path, output: Path, *more: object, task: str = "s2tt", lang: str = "spa") -> None:
    words = ["--task", task, "--data-file", data, "--audio-root-dir", RECORDINGS]
    words += ["--tgt-lang", lang, "--output", output, "--model", TINY, *more]
    run([str(word) for word in words])


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_text_with_the_official_defaults_and_files(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(data, tmp_path / "out")
    told = capsys.readouterr()
    assert ("no CUDA device here, so on the CPU" in told.err) != torch.cuda.is_available()
    assert "Behaviour: official" in told.err
    settings = read(tmp_path / "out/run.json")["settings"]
    assert settings["dtype"] == "fp16"
    assert settings["segment_ms"] == 320
    assert settings["latency_unit"] == "spm"
    assert settings["strip_silence"]
    assert {k: v for k, v in settings["agent_options"].items() if k != "model"} == {
        "min_starting_wait_w2vbert": "192",
        "decision_threshold": "0.5",
        "no_early_stop": True,
        "max_len_a": "0",
        "max_len_b": "100",
        "compat": "official",
    }
    bleu = read(tmp_path / "out/s2tt_bleu.json")
    assert bleu["name"] == "BLEU"
    assert "whisper_normalize:no" in bleu["signature"]
    assert {"score", "verbose_score", "nrefs", "version"} <= bleu.keys()
    ours = {x["name"]: x["value"] for x in read(tmp_path / "out/metrics.json")["quality"]}
    assert bleu["score"] == pytest.approx(ours["BLEU"], abs=0.1)
    with (tmp_path / "out/results.tsv").open() as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["", "ref_tgt_text", "pred_tgt_text"]
    assert len(rows) == 3


def test_normalised_text_and_columns_of_other_names(data: Path, tmp_path: Path) -> None:
    names = ["--ref-text-col-name", "ref", "--pred-text-col-name", "pred"]
    call(data, tmp_path / "out", "--whisper-normalize-text-output", *names)
    bleu = read(tmp_path / "out/s2tt_bleu_normalized.json")
    assert "whisper_normalize:yes" in bleu["signature"]
    assert "case:lc" in bleu["signature"]
    assert not (tmp_path / "out/s2tt_bleu.json").exists()
    assert (tmp_path / "out/results.tsv").read_text().startswith("\tref\tpred\n")


def test_transcripts_and_their_error_rate(data: Path, tmp_path: Path) -> None:
    call(data, tmp_path / "out", "--ref-field", "raw", task="asr", lang="eng")
    rate = read(tmp_path / "out/asr_error_rate.json")
    assert rate["name"] == "WER"
    assert rate["signature"] == f"wer is {rate['score']}"
    swapped = read(tmp_path / "out/metrics.json")["quality"][1]
    assert swapped["name"] == "WER (per hypothesis length)"
    assert rate["score"] == pytest.approx(swapped["value"] / 100)


def test_speech_without_a_recogniser(data: Path, tmp_path: Path) -> None:
    call(data, tmp_path / "out", "--no-scoring", "--end-index", 1, task="s2st")
    options = read(tmp_path / "out/run.json")["settings"]["agent_options"]
    assert options["min_unit_chunk_size"] == "50"
    assert {"StartOffset", "EndOffset"} <= read(tmp_path / "out/metrics.json")["latency"].keys()
    assert (tmp_path / "out/wavs").is_dir()
    assert (tmp_path / "out/results.tsv").read_text().startswith("\tref_tgt_text\tpred_tgt_audio\n")


def test_options_of_simuleval_and_of_the_agents_are_understood(data: Path, tmp_path: Path) -> None:
    call(
        data,
        tmp_path / "out",
        *("--quality-metrics", "BLEU", "--latency-metrics", "AL", "LAAL"),
        *("--computation-aware", "--continue-unfinished", "--visualize", "--block-ngrams"),
        *("--eval-latency-unit", "word", "--decision-method", "mean", "--dtype", "fp32"),
        *("--compat", "mended", "--start-index", 1),
    )
    settings = read(tmp_path / "out/run.json")["settings"]
    assert settings["agent_options"]["block_ngrams"] is True
    assert settings["agent_options"]["decision_method"] == "mean"
    assert "compat" not in settings["agent_options"]
    assert (settings["latency_unit"], settings["dtype"]) == ("word", "fp32")


@pytest.mark.parametrize(
    ("more", "part"),
    [
        (["--expressive"], "needs --task s2st"),
        (["--slurm"], "--slurm is not offered"),
        (["--no-use-ref-len"], "--no-use-ref-len is not offered"),
        (["--decision-treshold", "0.5"], "no option --decision-treshold"),
        (["--workers", "0"], "at least 1"),
        (["--device", "cuda:7"], "cuda:7"),
        (["--tgt-lang", "xxx"], "xxx"),
    ],
)
def test_what_is_not_offered_is_said(
    data: Path, tmp_path: Path, more: list[str], part: str
) -> None:
    with pytest.raises(SeamlessError) as error:
        call(data, tmp_path / "out", *more)
    assert part in str(error.value)


def test_the_official_names_mean_the_published_model(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--task", "s2tt", "--data-file", str(data), "--tgt-lang", "spa", "--output", "out"]
    monkeypatch.setenv("SEAMLESS_CHECKPOINT_DIR", str(tmp_path))
    with pytest.raises(SeamlessError, match="models download SeamlessStreaming"):
        run(words)
    with pytest.raises(UsageError, match="name it by --model"):
        run([*words, "--unity-model-name", "mine"])


def test_expressive_speech_is_evaluated_at_its_own_rate(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    gated = RECORDINGS / "expressive" / "24khz"
    more = ("--expressive", "--gated-model-dir", gated, "--no-scoring", "--end-index", 1)
    call(data, out, *more, *("--max-len-a", 0, "--max-len-b", 40), task="s2st")
    options = read(out / "run.json")["settings"]["agent_options"]
    assert options["vocoder_name"] == "vocoder_pretssel"
    (wav,) = (out / "wavs").glob("*.wav")
    assert soundfile.info(wav).samplerate == 24_000


def test_evaluate_takes_an_expressive_voice_too(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["evaluate", "--task", "s2st", "--data", data, "--audio-root", RECORDINGS]
    words += ["--tgt-lang", "spa", "--output", out, "--model", TINY, "--asr-model", "none"]
    words += ["--expressive", "--voice", RECORDINGS / "expressive" / "24khz", "--workers", 2]
    words += ["--decision-threshold", "0.3", "--max-len-b", "40", "--device", "cpu"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    rates = [soundfile.info(wav).samplerate for wav in (out / "wavs").glob("*.wav")]
    assert rates == [24_000, 24_000]
    refused = CliRunner().invoke(
        app, ["evaluate", "--task", "s2tt", "--data", str(data), "--expressive"]
    )
    assert "needs --task s2st" in str(refused.exception)


def test_an_expressive_voice_that_is_not_there_says_how_one_gets_it(
    data: Path, tmp_path: Path
) -> None:
    more = ("--vocoder-name", "vocoder_pretssel", "--no-scoring")
    with pytest.raises(SeamlessError, match="accept the licence at"):
        call(data, tmp_path / "out", *more, task="s2st")


def test_the_command_is_there_and_explains_itself() -> None:
    command = Path(sys.executable).with_name("streaming_evaluate")
    program = [str(command)] if command.is_file() else [
        sys.executable, "-m", "seamless_server.commands.streaming_evaluate"
    ]  # fmt: skip
    help_page = subprocess.run([*program, "--help"], capture_output=True, text=True, check=True)
    for name in ("--data-file", "--whisper-model-name", "--decision-threshold", "--compat"):
        assert name in help_page.stdout
    failed = subprocess.run(
        [*program, *shlex.split(f"{WRONG} --model {TINY} --device cpu")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("streaming_evaluate: nowhere.tsv")
    assert "Traceback" not in failed.stderr
