"""Our own agents under evaluation, with the tiny checkpoint: here, and under SimulEval itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from seamless_server.cli import app
from seamless_server.errors import UsageError

RECORDINGS = Path(__file__).parents[1] / "recordings"
TINY = RECORDINGS / "checkpoint"
AGENTS = "seamless_server.agents.pipelines.SeamlessStreaming"
LOADER = "seamless_server.evaluation.dataloader.SeamlessDataloader"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """A manifest of two recordings of people."""
    path = tmp_path / "spoken.tsv"
    path.write_text(
        "id\taudio\tsrc_lang\ttgt_lang\ttgt_text\n"
        "short\taudio/human_short.flac\teng\tspa\tsiga adelante diez metros\n"
        "tiny\taudio/very_short.flac\teng\tspa\tya\n"
    )
    return path


def evaluate(spoken: Path, output: Path, *more: object, task: str = "s2tt") -> Result:
    arguments = ["evaluate", "--task", task, "--data", spoken, "--audio-root", RECORDINGS]
    arguments += ["--model", TINY, "--device", "cpu", "--output", output, "--no-strip-silence"]
    result = CliRunner().invoke(app, [str(word) for word in [*arguments, *more]])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "instances.log").read_text().splitlines()]


def simuleval(*arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "simuleval.cli", *(str(word) for word in arguments)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


OPTIONS = ["--min-starting-wait-w2vbert", 192, "--decision-threshold", 0.5, "--no-early-stop"]
OPTIONS += ["--max-len-a", 0, "--max-len-b", 100]


@pytest.fixture
def lists(tmp_path: Path, spoken: Path) -> Path:
    """The same data as SimulEval's lists."""
    rows = [line.split("\t") for line in spoken.read_text().splitlines()[1:]]
    (tmp_path / "source.txt").write_text("".join(f"{RECORDINGS / row[1]}\n" for row in rows))
    (tmp_path / "target.txt").write_text("".join(f"{row[4]}\n" for row in rows))
    (tmp_path / "lang.txt").write_text("".join(f"{row[3]}\n" for row in rows))
    return tmp_path


def test_text_as_simuleval_computes_it(spoken: Path, lists: Path, tmp_path: Path) -> None:
    evaluate(spoken, tmp_path / "ours")
    arguments = ["--agent-class", f"{AGENTS}S2TAgent", "--model", TINY, "--device", "cpu"]
    arguments += ["--source", "source.txt", "--target", "target.txt", "--tgt-lang", "lang.txt"]
    arguments += ["--dataloader", "speech-to-text", "--source-segment-size", 320]
    arguments += [
        "--eval-latency-unit",
        "spm",
        "--eval-latency-spm-model",
        TINY / "tokenizer.model",
    ]
    arguments += ["--latency-metrics", "AL", "LAAL", "DAL", "ATD", "--output", "theirs", *OPTIONS]
    simuleval(*arguments, cwd=lists)
    for ours, theirs in zip(log(tmp_path / "ours"), log(lists / "theirs"), strict=True):
        for key in ("prediction", "prediction_spm", "delays", "source_length", "reference"):
            assert ours[key] == theirs[key], key
    names, values = (lists / "theirs/scores.tsv").read_text().splitlines()
    theirs = dict(zip(names.split("\t"), map(float, values.split("\t")), strict=True))
    metrics = json.loads((tmp_path / "ours/metrics.json").read_text())
    for name in ("AL", "LAAL", "DAL", "ATD"):
        assert metrics["latency"][name]["value"] == pytest.approx(theirs[name], abs=0.002)
        assert metrics["latency"][name]["simuleval"] == pytest.approx(theirs[name], abs=0.002)
    assert metrics["latency_unit"] == "spm"
    assert metrics["quality"][0]["value"] == pytest.approx(theirs["BLEU"], abs=0.002)


def test_speech_as_simuleval_computes_it(spoken: Path, lists: Path, tmp_path: Path) -> None:
    result = evaluate(spoken, tmp_path / "ours", "--asr-model", "none", task="s2st")
    assert "StartOffset" in result.output
    arguments = ["--agent-class", f"{AGENTS}S2STAgent", "--model", TINY, "--device", "cpu"]
    arguments += ["--source", "source.txt", "--target", "target.txt", "--tgt-lang", "lang.txt"]
    arguments += ["--dataloader", "speech-to-speech", "--source-segment-size", 320, "--no-scoring"]
    arguments += ["--output", "theirs", "--min-unit-chunk-size", 50, *OPTIONS]
    simuleval(*arguments, cwd=lists)
    for ours, theirs in zip(log(tmp_path / "ours"), log(lists / "theirs"), strict=True):
        for key in ("delays", "durations", "intervals", "prediction_offset", "source_length"):
            assert ours[key] == theirs[key], key
    metrics = json.loads((tmp_path / "ours/metrics.json").read_text())
    for name in ("StartOffset", "EndOffset"):
        assert metrics["latency"][name]["value"] == pytest.approx(
            metrics["latency"][name]["simuleval"]
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_simulevals_remote_mode(spoken: Path, tmp_path: Path) -> None:
    evaluate(spoken, tmp_path / "ours")
    port = free_port()
    command = [sys.executable, "-m", "simuleval.cli", "--standalone", "--remote-port", str(port)]
    command += ["--agent-class", f"{AGENTS}S2TAgent", "--model", str(TINY), "--device", "cpu"]
    command += [*map(str, OPTIONS), "--tgt-lang", "spa"]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if server.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            arguments = ["--remote-eval", "--remote-port", port, "--output", "theirs"]
            arguments += ["--dataloader", "seamless", "--dataloader-class", LOADER]
            arguments += ["--data-file", spoken, "--audio-root-dir", RECORDINGS]
            arguments += ["--no-strip-silence", "--eval-latency-unit", "spm"]
            arguments += ["--eval-latency-spm-model", TINY / "tokenizer.model"]
            simuleval(*arguments, cwd=tmp_path)
        finally:
            server.terminate()
    for ours, theirs in zip(log(tmp_path / "ours"), log(tmp_path / "theirs"), strict=True):
        assert (ours["prediction"], ours["delays"]) == (theirs["prediction"], theirs["delays"])


def test_the_documented_command_with_our_loader(spoken: Path, tmp_path: Path) -> None:
    """docs/evaluation.md's second call of SimulEval, on the data and the model here."""
    page = (Path(__file__).parents[2] / "docs/evaluation.md").read_text(encoding="utf-8")
    section = page[page.index("## With SimulEval itself") :]
    command = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)[1].replace("\\\n", " ")
    for name, here in (
        ("MODEL_FOLDER", TINY),
        ("SeamlessStreaming-mini", TINY),
        ("data.tsv", spoken),
        ("--audio-root-dir audio", f"--audio-root-dir {RECORDINGS}"),
    ):
        assert name in command
        command = command.replace(name, str(here))
    program, *arguments = shlex.split(command)
    assert program == "simuleval"
    simuleval(*arguments, *OPTIONS, cwd=tmp_path)
    evaluate(spoken, tmp_path / "ours", "--strip-silence")
    for ours, theirs in zip(log(tmp_path / "ours"), log(tmp_path / "out"), strict=True):
        for key in ("prediction", "prediction_spm", "delays", "source_length"):
            assert ours[key] == theirs[key], key


def test_one_output_of_an_agent_with_two(spoken: Path, tmp_path: Path) -> None:
    joint = ["--agent-class", f"{AGENTS}S2STJointAgent", "--limit", 1]
    with pytest.raises(UsageError, match="gives text_speech"):
        evaluate(spoken, tmp_path / "both", *joint)
    evaluate(spoken, tmp_path / "text", *joint, "--output-index", 0)
    assert log(tmp_path / "text")[0]["prediction"]


@pytest.mark.parametrize("task", ["s2tt", "s2st"])
def test_workers_share_one_engine(spoken: Path, tmp_path: Path, task: str) -> None:
    lines = spoken.read_text().splitlines()
    spoken.write_text("\n".join([lines[0], *lines[1:] * 3]) + "\n")
    more = [] if task == "s2tt" else ["--asr-model", "none"]
    evaluate(spoken, tmp_path / "one", *more, task=task)
    evaluate(spoken, tmp_path / "four", *more, "--workers", 4, task=task)
    for one, four in zip(log(tmp_path / "one"), log(tmp_path / "four"), strict=True):
        assert one["delays"] == four["delays"]
        assert one.get("durations") == four.get("durations")
        if task == "s2tt":
            assert one["prediction"] == four["prediction"]


def test_a_sweep_of_the_decision_threshold(spoken: Path, tmp_path: Path) -> None:
    evaluate(
        spoken, tmp_path / "out", "--sweep", "decision_threshold=0.3,0.9", "--compat", "official"
    )
    runs = json.loads((tmp_path / "out/metrics.json").read_text())["runs"]
    assert [run["options"] for run in runs] == [
        {"decision_threshold": "0.3"},
        {"decision_threshold": "0.9"},
    ]
    starts = [run["latency"]["StartOffset"]["value"] for run in runs]
    assert starts[0] <= starts[1]


def test_the_checkpoint_is_hashed(spoken: Path, tmp_path: Path) -> None:
    evaluate(spoken, tmp_path / "out", "--limit", 1)
    run = json.loads((tmp_path / "out/run.json").read_text())
    hashes = run["inputs"]["checkpoint_sha256"]
    assert {"seamless_streaming_unity.pt", "tokenizer.model", "config.json"} <= set(hashes)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes.values())
    assert run["settings"]["agent_options"]["min_starting_wait_w2vbert"] == "192"


def test_a_models_own_options_come_before_the_published_ones(spoken: Path, tmp_path: Path) -> None:
    model = tmp_path / "mine"
    model.mkdir()
    for file in TINY.iterdir():
        (model / file.name).symlink_to(file)
    (model / "main.yaml").write_text(
        "agent_class: seamless_server.agents.pipelines.SeamlessStreamingS2STAgent\n"
        "task: s2st\ntgt_lang: deu\nmin_starting_wait_w2vbert: 16\nblock_ngrams: true\nunknown: 1\n"
    )
    evaluate(spoken, tmp_path / "out", "--model", model, "--max-len-b", 7, "--limit", 1)
    options = json.loads((tmp_path / "out/run.json").read_text())["settings"]["agent_options"]
    assert options["min_starting_wait_w2vbert"] == "16"
    assert options["block_ngrams"] is True
    assert options["max_len_b"] == "7"
    assert options["decision_threshold"] == "0.5"
    assert options["model"] == "mine"
    assert not {"task", "tgt_lang", "unknown"} & set(options)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--decision-treshold", "0.5"], "has no option --decision-treshold"),
        (
            ["--decision-threshold", "3"],
            "decision_threshold: Input should be less than or equal to 1",
        ),
        (["--sweep", "threshold=1,2"], "has no option --threshold"),
        (["--sweep", "decision_threshold"], "--sweep takes name=value"),
        (["--sweep", "tgt_lang=spa,deu"], "name the languages with --tgt-lang"),
        (["--sweep", "max_len_b=1", "--sweep", "max-len-b=2"], "max_len_b is given twice"),
        (["--sweep", "source_segment_size=320,fast"], "takes milliseconds: 'fast'"),
        (["--tgt-lang", "xxx"], "unknown language 'xxx'"),
        (["--model", "nowhere"], "neither a folder with a model nor the name of one"),
        (["--device", "abacus"], "'abacus' is not a device"),
        (["--device", "cuda:77"], "cuda"),
        (["--dtype", "fp8"], "invalid choice: 'fp8'"),
        (["--latency-spm", "nowhere"], "nowhere is not a SentencePiece model"),
        (["--ids", "nowhere"], "--ids nowhere: no such file"),
    ],
)
def test_wrong_requests_are_named_before_anything_is_computed(
    spoken: Path, tmp_path: Path, more: list[str], reason: str
) -> None:
    with pytest.raises(Exception, match=re.escape(reason)):
        evaluate(spoken, tmp_path / "out", *more)
    assert not (tmp_path / "out").exists()
