"""Whole evaluations through the command line, with toy agents that translate made-up sounds."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import soundfile
from typer.testing import CliRunner

from seamless_server.cli import app
from tests.evaluation.toy_agents import speak
from tests.evaluation.toy_data import SENTENCES, Evaluate


def metrics(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return content


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "instances.log").read_text().splitlines()]


def test_a_perfect_translation(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate()
    assert result.exit_code == 0, result.output
    assert "spa: 4/4, about 0 s left" in result.stderr
    figures = metrics(tmp_path / "out")
    scores = {item["name"]: item for item in figures["quality"]}
    assert scores["BLEU"]["value"] == pytest.approx(100)
    assert "tok:13a" in scores["BLEU"]["signature"]
    assert scores["chrF++"]["value"] == pytest.approx(100)
    assert "nw:2" in scores["chrF++"]["signature"]
    assert scores["BLEU"]["signature"] in result.output
    assert (figures["sentences"], figures["failed"]) == (4, 0)
    # Words last 400 ms, segments 320 ms: word n is written once 320 k >= 400 n. Sentence "c":
    # 640, 960, 1200 at the end of its 1200 ms.
    lines = log(tmp_path / "out")
    third = next(line for line in lines if line["id"] == "c")
    assert third["prediction"] == "tres dos uno"
    assert third["delays"] == [640.0, 960.0, 1200.0]
    assert third["source_length"] == 1200.0
    assert third["prediction_length"] == 3
    sentences = list(csv.DictReader((tmp_path / "out/metrics.tsv").open(), delimiter="\t"))
    assert float(sentences[2]["AL"]) == pytest.approx((640 + 560 + 400) / 3, abs=0.001)
    assert figures["latency"]["EndOffset"]["value"] == 0


def test_outputs_have_the_formats_that_others_read(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate()
    out = tmp_path / "out"
    rows = list(csv.reader((out / "results.tsv").open(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["", "ref_tgt_text", "pred_tgt_text"]
    assert rows[1] == ["0", SENTENCES["a"], SENTENCES["a"]]
    names, values = (out / "scores.tsv").read_text().splitlines()
    assert names.split("\t")[:2] == ["BLEU", "chrF++"]
    assert values.split("\t")[0] == "100.000"
    # SimulEval itself scores our log.
    command = [sys.executable, "-m", "simuleval.cli", "--score-only", "--output", str(out)]
    command += ["--latency-metrics", "AL", "LAAL", "StartOffset"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "100.0" in done.stdout
    theirs = dict(
        zip(*(line.split()[-4:] for line in done.stdout.strip().splitlines()[-2:]), strict=True)
    )
    ours = metrics(out)["latency"]
    assert float(theirs["AL"]) == pytest.approx(ours["AL"]["value"], abs=0.001)
    assert float(theirs["LAAL"]) == pytest.approx(ours["LAAL"]["value"], abs=0.001)


def test_simuleval_runs_the_same_agent_to_the_same_result(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    evaluate("--wait", 1)
    names = list(SENTENCES)
    (tmp_path / "source.txt").write_text("".join(f"{tmp_path / name}.wav\n" for name in names))
    (tmp_path / "target.txt").write_text("".join(SENTENCES[name] + "\n" for name in names))
    (tmp_path / "lang.txt").write_text("spa\n" * len(names))
    command = [
        sys.executable,
        "-m",
        "simuleval.cli",
        "--agent-class",
        "tests.evaluation.toy_agents.WordAgent",
    ]
    command += ["--source", "source.txt", "--target", "target.txt", "--tgt-lang", "lang.txt"]
    command += ["--source-segment-size", "320", "--output", "theirs", "--wait", "1"]
    command += ["--dataloader", "speech-to-text", "--no-progress-bar"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    for ours, theirs in zip(log(tmp_path / "out"), log(tmp_path / "theirs"), strict=True):
        for key in ("prediction", "delays", "prediction_length", "source_length", "reference"):
            assert ours[key] == theirs[key], key


def test_latency_unaware_and_aware_are_told_apart(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate()
    latency = metrics(tmp_path / "out")["latency"]
    for name in ("AL", "LAAL", "AP", "DAL", "ATD", "StartOffset", "EndOffset"):
        assert latency[f"{name}_CA"]["value"] > latency[name]["value"]
        assert latency[f"{name}_CA"]["simuleval"] is not None


def test_units(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate("--latency-unit", "char", "--pieces", "--output", tmp_path / "char")
    evaluate("--pieces", "--output", tmp_path / "word")
    by_character = next(line for line in log(tmp_path / "char") if line["id"] == "c")
    assert by_character["prediction"] == "tres dos uno"
    assert by_character["delays"] == [640.0] * 4 + [960.0] * 3 + [1200.0] * 3
    by_word = next(line for line in log(tmp_path / "word") if line["id"] == "c")
    assert by_word["delays"] == [640.0, 960.0, 1200.0]


def test_transcription_is_scored_after_normalisation(
    evaluate: Evaluate, data: Path, tmp_path: Path
) -> None:
    text = (
        data.read_text().replace("\tspa\t", "\teng\t").replace("tres dos uno", "¡Tres, DOS: uno!")
    )
    data.write_text(text)
    assert evaluate("--mishear", "cuatro", task="asr").exit_code == 0
    scores = {item["name"]: item for item in metrics(tmp_path / "out")["quality"]}
    assert scores["WER"]["value"] == pytest.approx(100 * 2 / 18)
    assert "whisper" in scores["WER"]["signature"]


def test_speech(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate("--asr-model", "none", task="s2st", agent="ToneAgent")
    assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    third = next(line for line in log(out) if line["id"] == "c")
    assert third["durations"] == [600.0, 600.0, 600.0]
    assert third["intervals"] == [[640.0, 600.0], [1240.0, 600.0], [1840.0, 600.0]]
    heard, rate = soundfile.read(third["prediction"])
    assert len(heard) / rate == pytest.approx(1.8)
    rows = list(csv.DictReader((out / "metrics.tsv").open(), delimiter="\t"))
    assert float(rows[2]["StartOffset"]) == 640
    assert float(rows[2]["EndOffset"]) == 640 + 1800 - 1200
    figures = metrics(out)
    assert figures["quality"] == []
    # SimulEval takes a log of speech for one of text.
    assert figures["latency"]["ATD"]["simuleval"] < figures["latency"]["ATD"]["value"]
    assert "<audio" in (out / "report.html").read_text()


def test_workers_share_an_agent_and_change_nothing(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate("--output", tmp_path / "one")
    for agent in ("WordAgent", "StatefulWordAgent"):
        out = tmp_path / agent
        evaluate("--output", out, "--workers", 3, agent=agent)
        for ours, alone in zip(log(out), log(tmp_path / "one"), strict=True):
            for key in ("index", "prediction", "delays", "source_length"):
                assert ours[key] == alone[key]


def test_a_sentence_that_fails_is_reported_and_skipped(evaluate: Evaluate, tmp_path: Path) -> None:
    result = evaluate("--fail-on", "tres")
    assert result.exit_code == 0
    assert "not evaluated: a (a.wav): RuntimeError: cannot stand the word tres" in result.stderr
    figures = metrics(tmp_path / "out")
    assert (figures["sentences"], figures["failed"]) == (2, 2)
    report = (tmp_path / "out/report.html").read_text()
    assert "cannot stand the word tres" in report
    failures = (tmp_path / "out/failures.log").read_text().splitlines()
    assert [json.loads(line)["id"] for line in failures] == ["a", "c"]


def test_audio_that_breaks_off_midway_is_reported(evaluate: Evaluate, data: Path) -> None:
    speak(data.parent / "b.flac", SENTENCES["b"] + " uno dos tres" * 40)
    whole = (data.parent / "b.flac").read_bytes()
    (data.parent / "b.flac").write_bytes(whole[: len(whole) // 2])
    data.write_text(data.read_text().replace("b.wav", "b.flac"))
    result = evaluate()
    assert result.exit_code == 0
    assert "not evaluated: b (b.flac)" in result.stderr


def test_when_nothing_works_it_says_so(evaluate: Evaluate, data: Path) -> None:
    lines = data.read_text().splitlines()
    data.write_text("\n".join([lines[0], *[lines[1]] * 30]) + "\n")
    result = evaluate("--fail-on", "uno")
    assert result.exit_code != 0
    assert "the first 5 sentences all failed" in str(result.exception)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_run_that_was_stopped_goes_on_where_it_was(
    data: Path, tmp_path: Path, end: signal.Signals
) -> None:
    lines = data.read_text().splitlines()
    data.write_text("\n".join([lines[0], *lines[1:] * 40]) + "\n")
    command = [sys.executable, "-m", "seamless_server", "evaluate", "--task", "s2tt"]
    command += ["--data", str(data), "--output", str(tmp_path / "out"), "--no-strip-silence"]
    command += ["--agent-class", "tests.evaluation.toy_agents.WordAgent", "--report-audio", "0"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    path = tmp_path / "out/instances.log"
    # A test run in the background of a shell hands down that interrupts are ignored.
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as first:
        while first.poll() is None and not (path.exists() and path.stat().st_size > 15_000):
            time.sleep(0.01)
        first.send_signal(end)
        said = first.communicate()[1]
    if end is signal.SIGINT:
        assert "the same command goes on from here" in said
        assert "failed" not in said
    assert first.returncode == (130 if end is signal.SIGINT else -signal.SIGKILL)
    before = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"index": 5, "predi')  # what a crash may leave of a line
    kept = before[: before.rfind(b"\n") + 1].splitlines()
    assert 0 < len(kept) < 160
    subprocess.run(command, env=environment, check=True, capture_output=True)
    after = log(tmp_path / "out")
    assert [line["index"] for line in after] == list(range(160))
    for line in map(json.loads, kept):
        assert after[line["index"]] == line


def test_a_smaller_selection_keeps_what_was_computed(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate("--limit", 3)
    before = (tmp_path / "out/instances.log").read_bytes()
    result = evaluate("--limit", 1)
    assert "1 sentences were there already" in result.stderr
    assert metrics(tmp_path / "out")["sentences"] == 1
    assert (tmp_path / "out/instances.log").read_bytes() == before
    assert evaluate().exit_code == 0
    assert (tmp_path / "out/instances.log").read_bytes().startswith(before)
    assert metrics(tmp_path / "out")["sentences"] == 4


def test_another_run_in_the_same_folder_is_refused(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate()
    result = evaluate("--wait", 2)
    assert "settings.agent_options" in str(result.exception)
    assert "--overwrite" in str(result.exception)
    assert evaluate("--wait", 2, "--overwrite").exit_code == 0
    assert metrics(tmp_path / "out")["latency"]["StartOffset"]["value"] > 1000


def test_a_sweep_over_several_languages(evaluate: Evaluate, data: Path, tmp_path: Path) -> None:
    lines = data.read_text().splitlines()
    data.write_text(
        "\n".join([*lines, *(line.replace("\tspa\t", "\tdeu\t") for line in lines[1:])])
    )
    result = evaluate("--sweep", "wait=0,1,2", "--tgt-lang", "spa,deu", "--limit", 3)
    assert result.exit_code == 0, result.output
    runs = metrics(tmp_path / "out")["runs"]
    assert [run["run"] for run in runs] == [
        f"{lang}/wait={wait}" for lang in ("spa", "deu") for wait in (0, 1, 2)
    ]
    starts = [run["latency"]["StartOffset"]["value"] for run in runs[:3]]
    assert starts == sorted(starts)
    assert starts[0] < starts[2]
    assert all(run["sentences"] == 3 for run in runs)
    report = (tmp_path / "out/report.html").read_text()
    chart = report[report.index('aria-label="BLEU over LAAL in seconds (computation-unaware)"') :]
    drawn = re.findall(r"<text [^>]*>([^<]*)</text>", chart[: chart.index("</svg>")])
    assert {"spa", "deu"} <= set(drawn)
    assert all(drawn.count(wait) >= 2 for wait in "012")  # a point of each language's line
    assert "spa/wait=1/report.html" in report
    assert (tmp_path / "out/deu/wait=2/report.html").exists()


def test_a_sweep_of_the_segment_size(evaluate: Evaluate, tmp_path: Path) -> None:
    sweep = "source_segment_size=160,800,800"
    result = evaluate("--sweep", sweep, "--tgt-lang", "spa,spa", "--limit", 2)
    assert result.exit_code == 0, result.output
    small, large = metrics(tmp_path / "out")["runs"]
    # A word is over at 400 ms, and is seen at the end of a segment.
    assert small["latency"]["StartOffset"]["value"] == 480
    assert large["latency"]["StartOffset"]["value"] == 800
    assert small["sentences"] == large["sentences"] == 2
    run = json.loads((tmp_path / "out/source_segment_size=800/run.json").read_text())
    assert run["settings"]["segment_ms"] == 800


def test_comparison_finds_what_is_significant(
    evaluate: Evaluate, data: Path, tmp_path: Path
) -> None:
    lines = data.read_text().splitlines()
    data.write_text("\n".join([lines[0], *lines[1:] * 10]) + "\n")
    evaluate("--output", tmp_path / "good")
    evaluate("--output", tmp_path / "bad", "--mishear", "tres", "--wait", 1)
    evaluate("--output", tmp_path / "same")
    page = tmp_path / "pages/compare.html"
    arguments = ["evaluate", "compare", tmp_path / "good", tmp_path / "bad", "--output", page]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    rows = {line.split("│")[1].strip(): line for line in result.output.splitlines() if "│" in line}
    for name in ("BLEU", "chrF++", "AL", "LAAL", "StartOffset"):
        assert re.search(r"│\s*A\s*│$", rows[name].strip()), rows[name]
    assert "nada" in page.read_text()
    assert "wait: not set / 1" in page.read_text()
    arguments = ["evaluate", "compare", tmp_path / "good", tmp_path / "same"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    rows = {line.split("│")[1].strip(): line for line in result.output.splitlines() if "│" in line}
    for name in ("BLEU", "chrF++", "AL"):
        assert re.search(r"1\.0000\s*│\s*-\s*│$", rows[name].strip()), rows[name]


def compared(folder: Path, a: str, b: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", "compare", str(folder / a), str(folder / b)])
    assert result.exit_code == 0, result.output
    return result.output


def test_comparison_matches_by_id_and_gives_no_verdict_on_few_sentences(
    evaluate: Evaluate, data: Path, tmp_path: Path
) -> None:
    evaluate("--output", tmp_path / "a")
    header, *lines = data.read_text().splitlines()
    data.write_text("\n".join([header, *reversed(lines)]) + "\n")
    evaluate("--output", tmp_path / "b", "--wait", 1)
    output = compared(tmp_path, "a", "b")
    assert "4 sentences" in output
    assert "No verdict: 4 common sentences are too few, 30 are needed." in " ".join(output.split())
    rows = [line for line in output.splitlines() if "│" in line]
    assert rows
    assert all(line.split("│")[-2].strip() == "-" for line in rows)
    data.write_text("\n".join([header, *lines, lines[0]]) + "\n")
    evaluate("--output", tmp_path / "c")
    assert "ids more than once: a" in " ".join(compared(tmp_path, "a", "c").split())


def test_the_report_needs_no_other_file(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate("--mishear", "nueve")
    report = (tmp_path / "out/report.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?!data:)", report)
    assert report.count("data:audio/mpeg;base64,") == 4
    assert report.count('aria-label="READ and WRITE over time"') == 4
    order = re.findall(r'<div class="sentence" data-index="(\d)"', report)
    assert set(order[:2]) == {"1", "3"}  # those with the misheard word
    assert "sha256" in report
    assert "simuleval" in report


def test_the_report_shows_words_and_what_was_said(
    evaluate: Evaluate, data: Path, tmp_path: Path
) -> None:
    header, *lines = data.read_text().splitlines()
    lines = [f"{line}\twhat {line[0]} said" for line in lines]
    data.write_text("\n".join([f"{header}\tsrc_text", *lines]) + "\n")
    evaluate("--pieces", "--wait", 1)
    report = (tmp_path / "out/report.html").read_text()
    # Of pieces such as "\u2581si ete", what they spell.
    assert ">siete</text>" in report
    assert "<dd>what c said</dd>" in report
    # One row a sentence, with a figure for every heading.
    (heading,) = re.findall(r'<div class="heading">(.*?)</div>', report, re.DOTALL)
    names = re.findall(r'<span class="n">(.*?)</span>', heading)
    assert names == ["chrF++", "LAAL", "StartOffset", "EndOffset"]
    rows = re.findall(r"<summary>(.*?)</summary>", report, re.DOTALL)
    assert all(len(re.findall(r'<span class="n">[\d.-]+</span>', row)) == 4 for row in rows[:4])


def test_what_broke_before_its_first_sentence_does_not_stand_in_the_way(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    broken = evaluate("--asr-model", "none", task="s2st", agent="WordAgent")
    assert "WordAgent gives text, but the task s2st needs speech" in str(broken.exception)
    assert (tmp_path / "out/run.json").exists()
    assert evaluate().exit_code == 0


def test_what_is_needed_to_repeat_a_run_is_kept(evaluate: Evaluate, tmp_path: Path) -> None:
    evaluate("--wait", 1, "--limit", 2)
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["settings"]["agent_options"]["wait"] == "1"
    assert run["settings"]["agent_class"] == "tests.evaluation.toy_agents.WordAgent"
    assert len(run["inputs"]["data_sha256"]) == 64
    assert {"simuleval", "sacrebleu", "torch", "python"} <= set(run["conditions"]["versions"])
    assert run["conditions"]["selection"]["limit"] == 2


def test_a_folder_that_cannot_be_is_named(evaluate: Evaluate, data: Path) -> None:
    result = evaluate("--output", data / "out")
    assert f"cannot make the folder {data / 'out'}" in str(result.exception)
