"""Any SimulEval agent is a model: a folder with a YAML names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from seamless_server.cli import app
from seamless_server.errors import SeamlessError
from seamless_server.streaming import SpeechOutput, Target, describe_model, load_model
from tests.evaluation.toy_agents import speak
from tests.streaming.playing import TEXT, play, text

WAIT_K = Path(__file__).parents[2] / "examples" / "wait_k"
TOYS, OTHERS = "tests.evaluation.toy_agents", "tests.streaming.other_agents"
SAID = "uno dos tres cuatro"


def system(folder: Path, agent_class: str, *lines: str) -> Path:
    """A folder with a system file."""
    folder.mkdir(parents=True, exist_ok=True)
    head = [f"agent_class: {agent_class}", "target_langs: [eng, spa]", "vad: false"]
    (folder / "main.yaml").write_text("\n".join([*head, *lines]))
    return folder


def sound(folder: Path, words: str) -> Any:
    """Samples in which the toy agents hear these words."""
    import soundfile

    return soundfile.read(speak(folder / "words.wav", words), dtype="float32")[0]


def test_a_folder_with_a_yaml_is_a_model(tmp_path: Path) -> None:
    path = system(tmp_path / "Toy", f"{TOYS}.WordAgent", "description: hears tones", "wait: 1")
    info = describe_model(path)
    assert (info.name, info.description) == ("Toy", "hears tones")
    assert (info.text_languages, info.speech_languages) == (("eng", "spa"), ())
    assert info.translates("deu", "spa")
    assert not info.translates("deu", "spa", speech=True)
    model = load_model(path, "cpu")
    outputs = play(model.open({"eng": TEXT, "spa": TEXT}), sound(tmp_path, SAID))
    for lang in ("eng", "spa"):
        assert text(outputs, lang).split() == SAID.split()
        assert [x.finished for x in outputs if x.lang == lang][-1]
    with pytest.raises(SeamlessError, match="no speech output in 'spa'"):
        model.open({"spa": Target(speech=True)})


def test_agents_that_speak_are_heard(tmp_path: Path) -> None:
    model = load_model(system(tmp_path, f"{TOYS}.ToneAgent", "task: s2st"), "cpu")
    outputs = play(model.open({"eng": Target(speech=True)}), sound(tmp_path, SAID))
    assert sum(len(x.samples) for x in outputs if isinstance(x, SpeechOutput)) == 4 * 9_600


@pytest.mark.parametrize("agent", [f"{TOYS}.StatefulWordAgent", f"{OTHERS}.Forgetful"])
def test_agents_that_keep_state_mix_nobody(
    tmp_path: Path, agent: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = load_model(system(tmp_path, agent), "cpu")
    assert f"{agent.rpartition('.')[2]} keeps its own state" in caplog.text
    samples = sound(tmp_path, SAID)
    alone = text(play(model.open({"spa": TEXT}), samples), "spa")
    one, two = model.open({"spa": TEXT}), model.open({"spa": TEXT})
    said = []
    for start in range(0, len(samples), 5120):
        said += one.push(samples[start : start + 5120])
        list(two.push(samples[:9_000]))
    said += one.finish()
    assert text(said, "spa") == alone


def test_an_agent_that_fails_ends_its_own_stream(tmp_path: Path) -> None:
    model = load_model(system(tmp_path, f"{OTHERS}.Fragile"), "cpu")
    one, two = model.open({"spa": TEXT}), model.open({"spa": TEXT})
    with pytest.raises(RuntimeError, match="no more than a second"):
        list(one.push(np.zeros(20_000, np.float32)))
    with pytest.raises(SeamlessError, match="closed"):
        list(one.push(np.zeros(10, np.float32)))
    said = [*two.push(np.zeros(16_000, np.float32)), *two.finish()]
    assert text(said, "spa") == " spa1 end"


def test_a_language_comes_and_goes(tmp_path: Path) -> None:
    model = load_model(system(tmp_path, f"{OTHERS}.Counter"), "cpu")
    stream = model.open({"spa": TEXT})
    said = list(stream.push(np.zeros(16_000, np.float32)))
    stream.set_targets({"eng": TEXT})
    said += stream.push(np.zeros(16_000, np.float32))
    said += stream.finish()
    assert (text(said, "spa"), text(said, "eng")) == (" spa1 end", " eng1 end")
    assert [x.segment_id for x in said if x.lang == "eng"] == [1, 1]


@pytest.mark.parametrize(
    ("agent", "lines", "message"),
    [
        ("nowhere.Agent", [], "no module 'nowhere'"),
        (f"{TOYS}.NoSuchAgent", [], "has no 'NoSuchAgent'"),
        (f"{TOYS}.WordAgent", ["wait: soon"], "invalid int value: 'soon'"),
        (f"{TOYS}.WordAgent", ["target_langs: [xyz]"], "unknown language 'xyz'"),
        (f"{TOYS}.WordAgent", ["task: s2st"], "gives text and no speech"),
        (f"{TOYS}.WordAgent", ["hears_with: SeamlessStreaming-mini"], "takes speech, not text"),
        ("agent.WaitK", ["glossary: none.tsv"], "cannot be built: FileNotFoundError"),
        ("agent.WaitK", ["glossary: glossary.tsv"], "name the model that hears"),
        (f"{TOYS}.WordAgent", ["weights: 3"], "weights: needs files"),
        (f"{TOYS}.WordAgent", ["sure_from: often"], "sure_from must be a number from 0 to 1"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, agent: str, lines: list[str], message: str) -> None:
    path = system(tmp_path / "Wrong", agent, *lines)
    shutil.copytree(WAIT_K, path, dirs_exist_ok=True, ignore=lambda *_: ["main.yaml"])
    with pytest.raises(SeamlessError) as caught:
        load_model(path, "cpu")
    assert message in caught.value.message


def test_a_folder_is_evaluated(tmp_path: Path) -> None:
    path = system(tmp_path / "Toy", f"{TOYS}.WordAgent", "wait: 1")
    speak(tmp_path / "a.wav", SAID)
    data = tmp_path / "data.tsv"
    data.write_text(f"id\taudio\ttgt_lang\ttgt_text\na\ta.wav\tspa\t{SAID}\n")
    arguments = ["evaluate", "--task", "s2tt", "--data", data, "--output", tmp_path / "out"]
    arguments += ["--model", path, "--no-strip-silence", "--device", "cpu"]
    done = CliRunner().invoke(app, [str(word) for word in arguments])
    assert done.exit_code == 0, done.output
    (line,) = (tmp_path / "out" / "instances.log").read_text().splitlines()
    assert json.loads(line)["prediction"].split() == SAID.split()
