"""``seamless-server translate`` as its users run it: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from recorded import CHECKPOINT, RECORDINGS, arrays, audio, details

from seamless_server.streaming import SpeechOutput, System, Target, TextOutput

SHORT = RECORDINGS / "audio" / "human_short.flac"
PAUSES = RECORDINGS / "audio" / "human_pauses.flac"
TALKATIVE = [
    "--decision-method=mean",
    "--decision-threshold=0.3",
    "--max-len-a=0",
    "--max-len-b=40",
    "--min-unit-chunk-size=20",
    "--max-consecutive-write=6",
]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}
Run = subprocess.CompletedProcess[str]


def command(*arguments: object, model: object = CHECKPOINT) -> list[str]:
    """The command line."""
    start = [sys.executable, "-m", "seamless_server", "translate", "--device", "cpu"]
    return [*start, "--model", str(model), *map(str, arguments)]


def translate(*arguments: object, **kwargs: Any) -> Run:
    """Run the command in a fresh interpreter and wait for it."""
    return subprocess.run(
        command(*arguments, **kwargs), capture_output=True, text=True, env=ENVIRONMENT, check=False
    )


FORKER = """
import json, os, sys, traceback
import torch
import seamless_server.commands.translate_job
from seamless_server.cli import main

torch.set_num_threads(1)
for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if child == 0:
        for number, name in enumerate((os.devnull, job["out"], job["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC * (number > 0)), number)
        code = 0
        try:
            sys.argv = job["argv"]
            main()
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Importing PyTorch takes longer than most tests: one process has done it, and forks for each."""

Translate = Callable[..., Run]


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Translate]:
    """As :func:`translate`, in a fork of a process that has imported everything."""
    folder = tmp_path_factory.mktemp("forked")
    out, err = folder / "out", folder / "err"
    with subprocess.Popen(
        [sys.executable, "-c", FORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def run(*arguments: object, model: object = CHECKPOINT) -> Run:
            assert process.stdin is not None
            assert process.stdout is not None
            argv = ["seamless-server", *command(*arguments, model=model)[3:]]
            job = {"argv": argv, "out": str(out), "err": str(err)}
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
            code = int(process.stdout.readline())
            return Run(argv, code, out.read_text("utf-8"), err.read_text("utf-8"))

        yield run
        process.stdin.close()


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Lines of a trace."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def outputs_of(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Outputs of one type."""
    return [x for line in lines for x in line["outputs"] if x["type"] == kind]


def test_everything_at_once(tmp_path: Path, system: System) -> None:
    """Text on the terminal, a WAV, captions and a trace, equal to what a stream gives."""
    wav, srt, trace = tmp_path / "out.wav", tmp_path / "out.srt", tmp_path / "out.jsonl"
    answer = translate(
        PAUSES, "--tgt-lang", "spa", *TALKATIVE, "--wav", wav, "--srt", srt, "--jsonl", trace
    )
    assert answer.returncode == 0, answer.stderr
    options: dict[str, Any] = {}
    for option in TALKATIVE:
        name, _, value = option[2:].replace("-", "_").partition("=")
        options[name] = value if value.isalpha() else json.loads(value)
    stream = system.open_stream({"spa": Target(text=True, speech=True)}, **options)
    wanted = []
    samples = audio("human_pauses")
    for start in range(0, len(samples), 5120):
        wanted.append(list(stream.push(samples[start : start + 5120])))
    wanted[-1] += stream.finish()

    lines = lines_of(trace)
    assert [line["chunk"] for line in lines] == list(range(45))
    assert [line["source_ms"] for line in lines] == [
        min((i + 1) * 320, len(samples) / 16) for i in range(45)
    ]
    for line, outputs in zip(lines, wanted, strict=True):
        assert line.keys() == {"chunk", "source_ms", "outputs"}
        for entry, output in zip(line["outputs"], outputs, strict=True):
            if isinstance(output, TextOutput):
                content = {"content": output.text, "finished": output.finished}
                assert entry == {"type": "text", **content}
            else:
                assert entry == {
                    "type": "speech",
                    "samples": len(output.samples),
                    "sample_rate": 16_000,
                    "units": output.units,
                    "finished": output.finished,
                }
    speech = [x.samples for push in wanted for x in push if isinstance(x, SpeechOutput)]
    written, rate = soundfile.read(wav, dtype="float32")
    assert rate == 16_000
    assert len(written) == sum(x["samples"] for x in outputs_of(lines, "speech")) > 0
    assert np.abs(written - np.concatenate(speech)).max() < 1e-4

    for entry in outputs_of(lines, "text"):
        assert entry["content"].strip() in answer.stdout
    times = re.findall(r"^ *(\d+\.\d\d) s  \S", answer.stdout, re.MULTILINE)
    assert len(times) >= 3
    assert [float(x) for x in times] == sorted(float(x) for x in times)
    assert "audio              14.27 s in 45 chunks" in answer.stdout
    assert re.search(r"real-time factor +\d", answer.stdout)
    assert re.search(r"first output at +\d+\.\d\d s", answer.stdout)
    for stage in ("vad", "features", "encode", "decode", "units", "vocode"):
        assert re.search(rf"^{stage} +\d+\.\d+ s in \d+ calls", answer.stdout, re.MULTILINE)
    assert_subtitles(srt.read_text("utf-8"), [x["content"] for x in outputs_of(lines, "text")])


def assert_subtitles(srt: str, texts: list[str]) -> None:
    """Numbered captions whose times go on, with all that was said."""
    blocks = [block.split("\n") for block in srt.strip().split("\n\n")]
    assert [block[0] for block in blocks] == [str(i + 1) for i in range(len(blocks))]
    stamp = r"(\d\d):(\d\d):(\d\d),(\d\d\d)"
    last = 0
    for block in blocks:
        match = re.fullmatch(f"{stamp} --> {stamp}", block[1])
        assert match
        h1, m1, s1, ms1, h2, m2, s2, ms2 = map(int, match.groups())
        start = ((h1 * 60 + m1) * 60 + s1) * 1000 + ms1
        end = ((h2 * 60 + m2) * 60 + s2) * 1000 + ms2
        assert last <= start < end
        last = start
        assert block[2:]
    said = "".join("".join(texts).split())
    assert "".join("".join(line for b in blocks for line in b[2:]).split()) == said


def test_a_trace_on_standard_output_stands_there_alone() -> None:
    answer = translate(SHORT, "--tgt-lang", "spa", *TALKATIVE, "--jsonl", "-")
    assert answer.returncode == 0, answer.stderr
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["chunk"] for line in lines] == list(range(9))
    assert outputs_of(lines, "text")
    assert outputs_of(lines, "speech")
    assert "real-time factor" in answer.stderr


def official_options(trace: dict[str, Any], *leave_out: str) -> list[str]:
    """A recording's parameters as options of the command line."""
    out = ["--compat", "official", "--chunk-ms", str(trace["chunk"] // 16)]
    for name, value in trace["params"].items():
        option = "--" + name.replace("_", "-")
        if name in leave_out or value is None:
            continue
        if isinstance(value, bool):
            out += [option] if value else []
        else:
            out += [option, str(value)]
    return out


def test_official_without_vad_equals_the_recording(forked: Translate, tmp_path: Path) -> None:
    trace = details("traces/s2st_eval_human")
    wav, jsonl = tmp_path / "out.wav", tmp_path / "out.jsonl"
    lang = trace["sessions"][0]["tgt_lang"]
    answer = forked(
        PAUSES,
        "--no-vad",
        "--tgt-lang",
        lang,
        *official_options(trace),
        "--wav",
        wav,
        "--jsonl",
        jsonl,
    )
    assert answer.returncode == 0, answer.stderr
    assert_recorded(trace, lines_of(jsonl), wav, arrays("traces/s2st_eval_human"))


def test_official_with_vad_equals_the_recording(forked: Translate, tmp_path: Path) -> None:
    trace = details("traces/joint_demo60_human")
    wav, jsonl = tmp_path / "out.wav", tmp_path / "out.jsonl"
    lang = trace["sessions"][0]["tgt_lang"]
    answer = forked(
        PAUSES, "--tgt-lang", lang, *official_options(trace), "--wav", wav, "--jsonl", jsonl
    )
    assert answer.returncode == 0, answer.stderr
    lines = lines_of(jsonl)
    assert_recorded(trace, lines, wav, arrays("traces/joint_demo60_human"))
    for line, push in zip(lines, trace["sessions"][0]["pushes"], strict=True):
        texts = [x["content"] for x in line["outputs"] if x["type"] == "text" and x["content"]]
        wanted = [x["content"] for x in push["out"] if x["type"] == "TextSegment"]
        assert texts == [x for x in wanted if x]


def assert_recorded(
    trace: dict[str, Any], lines: list[dict[str, Any]], wav: Path, waves: dict[str, Any]
) -> None:
    """Speech of every push is the recorded one, in number, units and samples."""
    written, _ = soundfile.read(wav, dtype="float32")
    position = spoken = 0
    pushes = trace["sessions"][0]["pushes"]
    for line, push in zip(lines, pushes, strict=True):
        speech = [x for x in line["outputs"] if x["type"] == "speech" and x["samples"]]
        wanted = [x for x in push["out"] if x.get("n_samples")]
        units = [x["units"] for x in push["events"] if x["ev"] == "units" and x.get("units")]
        assert [x["samples"] for x in speech] == [x["n_samples"] for x in wanted]
        assert [x["units"] for x in speech] == units
        for output in wanted:
            wave = written[position : position + output["n_samples"]]
            position += output["n_samples"]
            if output["wave_stored"] != "full":
                wave = np.concatenate([wave[:640], wave[-640:]])
            assert np.abs(wave - waves[output["wave"]]).max() < 1e-3
            spoken += 1
    assert position == len(written)
    assert spoken >= 2


def test_text_alone(forked: Translate, tmp_path: Path) -> None:
    jsonl = tmp_path / "out.jsonl"
    answer = forked(
        SHORT,
        "--task",
        "s2tt",
        "--tgt-lang",
        "kan",
        "--no-vad",
        "--no-early-stop",
        "--max-len-b",
        30,
        "--jsonl",
        jsonl,
    )
    assert answer.returncode == 0, answer.stderr
    lines = lines_of(jsonl)
    assert not outputs_of(lines, "speech")
    assert "".join(x["content"] for x in outputs_of(lines, "text")).strip()
    assert outputs_of(lines, "text")[-1]["finished"]
    assert "vocode" not in answer.stdout


def test_a_transcript_needs_no_target(forked: Translate) -> None:
    answer = forked(SHORT, "--task", "asr", "--no-vad", *TALKATIVE)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^ *\d\.\d\d s  \S", answer.stdout, re.MULTILINE)


def test_any_rate_and_channel_count(forked: Translate, tmp_path: Path) -> None:
    """Stereo at 44.1 kHz."""
    import soxr

    stereo = tmp_path / "stereo.wav"
    fast = soxr.resample(audio("human_pauses")[:80_000], 16_000, 44_100)
    soundfile.write(stereo, np.stack([fast * 1.5, fast * 0.5], 1) / 2, 44_100, subtype="FLOAT")
    jsonl = tmp_path / "out.jsonl"
    answer = forked(
        stereo, "--task", "s2tt", "--tgt-lang", "spa", "--max-len-b", 20, "--jsonl", jsonl
    )
    assert answer.returncode == 0, answer.stderr
    lines = lines_of(jsonl)
    assert abs(lines[-1]["source_ms"] - 5000) < 0.2
    assert outputs_of(lines, "text")


BAD_FILES: dict[str, tuple[Any, str]] = {
    "text": (b"this is no sound", "is not a sound file"),
    "nothing": (b"", "is not a sound file"),
    "empty": (np.zeros(0, np.float32), "holds no audio"),
    "short": (np.zeros(160, np.float32), "is too short: 10 ms"),
    "nan": (np.full(16_000, np.nan, np.float32), "not numbers"),
    "missing": (None, "there is no such file"),
}


def assert_refused(answer: Run, *parts: str) -> None:
    """Exit code 2, one sentence with the given parts, no traceback, nothing on stdout."""
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1
    assert answer.stdout == ""
    for part in parts:
        assert part in answer.stderr


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_speech_is_refused(forked: Translate, tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    path = tmp_path / f"{name}.wav"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, 16_000, subtype="FLOAT")
    wav = tmp_path / "out.wav"
    assert_refused(forked(path, "--tgt-lang", "spa", "--wav", wav), path.name, message)
    assert not wav.exists()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--tgt-lang", "kan"], ["no speech output in 'kan'"]),
        (["--tgt-lang", "spanish"], ["spanish"]),
        (["--tgt-lang", "xxx", "--task", "s2tt"], ["xxx"]),
        (["--task", "s2tt", "--tgt-lang", "spa", "--wav", "out.wav"], ["--wav", "s2tt"]),
        (["--tgt-lang", "spa", "--chunk-ms", "0"], ["--chunk-ms"]),
        (["--tgt-lang", "spa", "--decision-threshold", "2"], ["decision_threshold"]),
        (["--tgt-lang", "spa", "--compat", "unofficial"], ["compat", "unofficial"]),
        (["--tgt-lang", "spa", "--device", "abacus"], ["abacus"]),
        (["--tgt-lang", "spa", "--jsonl", "/nowhere/out.jsonl"], ["/nowhere/out.jsonl"]),
        (["--tgt-lang", "spa", "--wav", "/nowhere/out.wav"], ["/nowhere/out.wav"]),
        (["--tgt-lang", "spa", "--srt", "/nowhere/out.srt"], ["/nowhere/out.srt"]),
    ],
)
def test_impossible_requests_are_refused(
    forked: Translate, arguments: list[str], parts: list[str]
) -> None:
    assert_refused(forked(SHORT, *arguments), *parts)


def test_missing_and_broken_checkpoints_are_refused(forked: Translate, tmp_path: Path) -> None:
    assert_refused(forked(SHORT, model=tmp_path / "nowhere"), "nowhere", "neither a folder")
    folder = shutil.copytree(CHECKPOINT, tmp_path / "model")
    (folder / "vocoder_v2.pt").write_text("<html>")
    assert_refused(forked(SHORT, model=folder), "vocoder_v2.pt", "is not a PyTorch checkpoint")


def test_an_interrupt_leaves_valid_files(tmp_path: Path) -> None:
    wav, srt, jsonl = tmp_path / "out.wav", tmp_path / "out.srt", tmp_path / "out.jsonl"
    process = subprocess.Popen(
        command(
            PAUSES,
            "--tgt-lang",
            "spa",
            *TALKATIVE,
            "--realtime",
            "--wav",
            wav,
            "--srt",
            srt,
            "--jsonl",
            jsonl,
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**ENVIRONMENT, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    # Some words are there: now it is in the middle of the recording.
    for _ in range(3):
        assert process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in err + out
    lines = lines_of(jsonl)
    assert 0 < len(lines) < 45
    samples, rate = soundfile.read(wav)
    assert rate == 16_000
    assert len(samples) >= sum(x["samples"] for x in outputs_of(lines, "speech")) > 0
    assert "-->" in srt.read_text("utf-8")
