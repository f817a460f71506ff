"""``seamless-server translate`` as its users run it: in a process of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from seamless_server.streaming import Model, SpeechOutput, Target, TextOutput
from tests.recorded import RECORDINGS, arrays, audio, details
from tests.translate.translating import (
    PAUSES,
    SHORT,
    TALKATIVE,
    Translate,
    assert_refused,
    lines_of,
    outputs_of,
    translate,
)


def test_everything_at_once(tmp_path: Path, model: Model) -> None:
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
    stream = model.open({"spa": Target(text=True, speech=True)}, options)
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
                content = {
                    "content": output.text,
                    "finished": output.finished,
                    "confidence": output.confidence,
                }
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


def test_it_says_what_it_uses_and_writes_and_makes_no_speech_that_nobody_keeps(
    forked: Translate, tmp_path: Path
) -> None:
    srt = tmp_path / "out.srt"
    answer = forked(PAUSES, "--tgt-lang", "spa", *TALKATIVE, "--srt", srt)
    assert answer.returncode == 0, answer.stderr
    assert re.search(r"^model +tiny$", answer.stdout, re.MULTILINE)
    assert re.search(r"^translates +speech into Spanish \(text\)$", answer.stdout, re.MULTILINE)
    assert f"wrote              {srt}" in answer.stdout
    assert "vocode" not in answer.stdout
    # Whole sentences, not pieces: as many lines as there are sentence ends.
    lines = re.findall(r"^ *\d+\.\d\d s  \S.*$", answer.stdout, re.MULTILINE)
    trace = tmp_path / "out.jsonl"
    forked(PAUSES, "--tgt-lang", "spa", "--task", "s2tt", *TALKATIVE, "--jsonl", trace)
    texts = outputs_of(lines_of(trace), "text")
    assert len(lines) == sum(entry["finished"] for entry in texts) < len(texts)


def test_it_asks_for_a_language_that_is_not_the_speaker_s(forked: Translate) -> None:
    assert_refused(forked(SHORT), "--tgt-lang", "tiny writes", "spa")


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


def test_the_speakers_own_voice(forked: Translate, tmp_path: Path) -> None:
    wav = tmp_path / "out.wav"
    voice = RECORDINGS / "expressive" / "24khz"
    answer = forked(
        SHORT, "--tgt-lang", "spa", *TALKATIVE, "--expressive", "--voice", voice, "--wav", wav
    )
    assert answer.returncode == 0, answer.stderr
    assert "speak " in answer.stdout
    assert soundfile.info(wav).samplerate == 24_000


def test_a_voice_that_is_not_there_says_how_one_gets_it(forked: Translate) -> None:
    answer = forked(SHORT, "--tgt-lang", "spa", "--expressive")
    assert answer.returncode == 2
    assert "accept the licence at" in answer.stderr
    assert "Traceback" not in answer.stderr
