"""`models verify --deep` and `models try`: does a model work here, and what is wrong with it?"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

from seamless_server.checkpoints.download import git_hash
from seamless_server.trial import RECORDINGS, likeness, recording, report, try_model

CHECKPOINT = Path(__file__).parent / "recordings" / "checkpoint"


def models(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seamless_server", "models", *args]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **env}
    )


def spoil(folder: Path, key: str, value: float) -> None:
    path = folder / "seamless_streaming_unity.pt"
    data = torch.load(path, weights_only=True)
    data["model"][key].fill_(value)
    torch.save(data, path)


def test_the_bundled_recordings_are_there() -> None:
    for name in RECORDINGS:
        assert len(recording(name)) > 16_000


def test_a_deep_check_says_what_every_network_did() -> None:
    done = models("verify", "--deep", str(CHECKPOINT), "--device", "cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    for part in ("encoder", "decoder", "t2u", "vocoder"):
        assert f"\n{part}: " in done.stdout
    assert "go forward ten meters" in done.stdout
    assert done.stdout.rstrip().endswith("every network works")


def test_a_deep_check_names_the_layer_that_breaks(tmp_path: Path) -> None:
    folder = shutil.copytree(CHECKPOINT, tmp_path / "model")
    spoil(folder, "t2u_model.encoder.layers.1.ffn.inner_proj.bias", float("nan"))
    done = models("verify", "--deep", str(folder), "--device", "cpu")
    assert done.returncode == 2
    assert "all tensors fit" in done.stdout
    assert "t2u: encoder_layers.1.ffn.inner_proj gives infinite or undefined" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """A hub that states the checksums of the files in a folder."""
    folder = tmp_path / "stated"
    folder.mkdir()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            path = folder / self.path.rpartition("/")[2]
            self.send_response(200 if path.is_file() else 404)
            if path.is_file():
                self.send_header("ETag", f'"{path.read_text()}"')
                self.send_header("X-Repo-Commit", "0" * 40)
                self.send_header("Content-Length", "1")
            else:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


COMPARE = """
import json, sys
from pathlib import Path
from seamless_server.checkpoints.download import compare_with_hub
print(json.dumps(compare_with_hub(Path(sys.argv[1]))))
"""


def compared(folder: Path, endpoint: str) -> dict[str, tuple[bool | None, str]]:
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1"},
    )
    return {name: (right, phrase) for name, right, phrase in json.loads(done.stdout)}


def test_checksums_are_compared_with_the_hubs(tmp_path: Path, hub: str) -> None:
    folder, stated = tmp_path / "model", tmp_path / "stated"
    shutil.copytree(CHECKPOINT, folder)
    right = folder / "seamless_streaming_unity.pt"
    (stated / right.name).write_text(hashlib.sha256(right.read_bytes()).hexdigest())
    (stated / "vocoder_v2.pt").write_text("0" * 64)
    (stated / "tokenizer.model").write_text(git_hash(folder / "tokenizer.model"))
    found = compared(folder, hub)
    assert found[right.name] == (True, "as in facebook/seamless-streaming")
    assert found["vocoder_v2.pt"][0] is False
    assert found["vocoder_v2.pt"][1].startswith("differs from facebook/seamless-streaming")
    assert found["tokenizer.model"][0] is True
    assert found["spm_char_lang38_tc.model"] == (None, "not on the hub")
    offline = compared(folder, "http://127.0.0.1:9")
    assert set(offline.values()) == {(None, "not compared, for the hub cannot be reached")}


def test_gits_hash_is_gits(tmp_path: Path) -> None:
    path = tmp_path / "hello"
    path.write_bytes(b"hello\n")
    assert git_hash(path) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_a_trial_of_a_working_model_is_good() -> None:
    said: list[str] = []
    trial = try_model(
        "SeamlessStreaming-mini", device="cpu", langs=["eng"], recordings=["human_short"],
        hear=lambda path, lang: f"{path.stat().st_size} {lang}", recogniser="an ear",
        say=said.append,
    )  # fmt: skip
    assert trial.good, report(trial)
    assert [x.compat for x in trial.translations] == ["mended", "official"]
    for done in trial.translations:
        assert done.text
        assert done.speech_seconds > 0.5
        assert done.speech_share > 0.5
        assert done.units
        assert done.heard is not None
        assert int(done.heard.split()[0]) > 16_000
    assert trial.memory["process"] > 2**26
    assert "2/2: human_short into eng, official" in said
    text = report(trial)
    assert "all good" in text
    assert trial.translations[0].text in text
    assert "heard by an ear" in text
    kept = json.loads(text.partition("```json\n")[2].partition("\n```")[0])
    assert kept["translations"][1]["text"] == trial.translations[1].text


def test_a_trial_of_a_model_that_says_nothing_good_tells(tmp_path: Path) -> None:
    """Random weights: it writes and sounds, but that is no speech."""
    output = tmp_path / "trial.md"
    done = models(
        "try", str(CHECKPOINT), "--output", str(output), "--langs", "spa", "--asr-model", "none",
        "--no-compat", "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "something is wrong" in done.stdout
    text = output.read_text("utf-8")
    assert "## What is wrong" in text
    assert "into spa (mended): the sound is" in text


def test_a_trial_of_what_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for words in (
        ["try", str(tmp_path / "nowhere"), "--output", str(tmp_path / "out.md")],
        ["try", str(CHECKPOINT), "--output", str(tmp_path / "no" / "out.md")],
        ["try", str(CHECKPOINT), "--output", str(tmp_path / "out.md"), "--langs", "xxx"],
    ):
        done = models(*words, "--asr-model", "none", "--device", "cpu")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_likeness_looks_at_letters_and_digits() -> None:
    assert likeness("Hello, world!", "hello world") == 1.0
    assert likeness("hello", "") == 0.0
