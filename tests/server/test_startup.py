"""Every way to start the server, as a process of its own, and to stop it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from seamless_server import settings as settings_module
from seamless_server.doors.running import BackgroundServer
from seamless_server.doors.socketio.schema import INBOUND, OUTBOUND, export
from seamless_server.errors import ConfigError
from seamless_server.service.model_loader import model_loader
from seamless_server.settings import Settings, read_settings, settings_table

from .conftest import CHECKPOINT, RECORDINGS

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "seamless_server"
UVICORN = [sys.executable, "-m", "uvicorn"]
WAYS: dict[str, tuple[list[str], Path]] = {
    "uvicorn, from anywhere": ([*UVICORN, "seamless_server.app_pubsub:app"], ROOT),
    "uvicorn, from the package": (
        ["uvicorn", "app_pubsub:app", "--reload", "--host", "localhost"],
        PACKAGE,
    ),
    "the command": ([sys.executable, "-m", "seamless_server", "serve"], ROOT),
}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture(params=WAYS)
def process(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, str, Path]]:
    arguments, folder = WAYS[request.param]
    port = free_port()
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "SEAMLESS_MODELS": str(CHECKPOINT),
        "SEAMLESS_DEVICE": "cpu",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with log.open("w") as output:
        running = subprocess.Popen(
            [*arguments, "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    yield running, f"http://localhost:{port}", log
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def until(url: str, status: int, log: Path, running: Any) -> httpx.Response:
    while True:
        assert running.poll() is None, log.read_text()
        try:
            answer = httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if answer.status_code == status:
            return answer
        assert answer.status_code == 503, answer.text
        time.sleep(0.05)


def test_it_starts_loads_and_stops(process: tuple[Any, str, Path]) -> None:
    running, url, log = process
    assert until(f"{url}/healthz", 200, log, running).json()["status"] == "ok"
    # Alive at once; the model comes later, and meanwhile it tells how far it is.
    first = httpx.get(f"{url}/readyz")
    assert first.status_code == 503
    assert first.json()["state"] == "loading"
    ready = until(f"{url}/readyz", 200, log, running).json()
    assert ready["loaded"] == ["tiny"]
    assert httpx.get(url).status_code == 200
    hello = httpx.get(f"{url}/ws/socket.io/?EIO=4&transport=polling")
    assert hello.text.startswith('0{"sid"')
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(timeout=60) in (0, -signal.SIGINT, 130)
    assert "Traceback" not in log.read_text()


def test_the_start_is_a_few_lines_and_the_last_is_the_address(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-m", "seamless_server", "serve", "--model", str(CHECKPOINT)]
    with log.open("w") as output:
        running = subprocess.Popen(
            [*command, "--device", "cpu", "--port", str(port)], stderr=output, stdout=output
        )
    try:
        until(f"http://127.0.0.1:{port}/readyz", 200, log, running)
        while f"Open http://127.0.0.1:{port}" not in log.read_text():
            assert running.poll() is None, log.read_text()
            time.sleep(0.05)
        httpx.get(f"http://127.0.0.1:{port}/")
    finally:
        running.terminate()
        running.wait()
    lines = [line for line in log.read_text().split("Shutting")[0].splitlines() if line.strip()]
    assert lines[-1].strip() == f"Open http://127.0.0.1:{port}"
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 80


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seamless_server", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_what_cannot_be_is_said_in_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            (command("--port", port), port),
            (command("--port", "99999"), "SEAMLESS_PORT"),
            (command(SEAMLESS_MAX_SPEAKERS="many"), "SEAMLESS_MAX_SPEAKERS"),
            (command("--ssl-certfile", "nowhere.pem"), "nowhere.pem"),
        ]
    for done, part in cases:
        assert done.returncode == 2
        assert part in done.stderr
        assert "Traceback" not in done.stderr


def test_settings_come_from_the_environment_and_flags_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_PORT", "1234")
    monkeypatch.setenv("MAX_SPEAKERS", "3")
    monkeypatch.setenv("LOCK_SERVER_COMPLETELY", "1")
    monkeypatch.setenv("MODELS_OVERRIDE", "one, two")
    monkeypatch.setenv("SEAMLESS_AUTH_FOR", "speaker,listener")
    found = read_settings(port=99, max_connections=None)
    assert found.port == 99
    assert found.max_speakers == 3
    assert found.lock_server_completely is True
    assert [choice.name for choice in found.models] == ["one", "two"]
    assert found.auth_for == ("speaker", "listener")
    for name in ("MAX_SPEAKERS", "SEAMLESS_PORT", "LOCK_SERVER_COMPLETELY", "SEAMLESS_LOG_LEVEL"):
        monkeypatch.setenv(name, "")  # as a compose file leaves them
    found = read_settings()
    assert (found.max_speakers, found.port, found.log_level) == (None, 8000, "info")
    assert found.lock_server_completely is False
    monkeypatch.setenv("SEAMLESS_PUBLIC_URL", "talks.example")
    with pytest.raises(ConfigError, match="SEAMLESS_PUBLIC_URL: begins with http"):
        read_settings()
    monkeypatch.setenv("SEAMLESS_PUBLIC_URL", "")
    monkeypatch.setenv("SEAMLESS_MAX_SPEAKERS", "-1")
    with pytest.raises(ConfigError, match="SEAMLESS_MAX_SPEAKERS"):
        read_settings()


def test_models_come_in_the_originals_form_too(monkeypatch: pytest.MonkeyPatch) -> None:
    choices = [
        {"name": "SeamlessStreaming", "modalities": ["s2t", "s2s"], "targetLangs": ["eng", "spa"]},
        {"name": "SeamlessStreaming-mini"},
    ]
    monkeypatch.setenv("MODELS_OVERRIDE", json.dumps(choices))
    first, second = read_settings().models
    assert (first.name, first.modalities) == ("SeamlessStreaming", ("s2t", "s2s"))
    assert first.target_langs == ("eng", "spa")
    assert (second.name, second.modalities, second.target_langs) == (
        "SeamlessStreaming-mini", None, None
    )  # fmt: skip
    for nonsense, part in (
        ('[{"name": "a", "modalities": ["s2x"]}]', "0.modalities.0"),
        ('[{"model": "a"}]', "0.name"),
        ('[{"name": "a"', "no JSON"),
        ('{"name": "a"}', "valid tuple"),
        ("[]", "at least 1"),
        ("null", "valid tuple"),
        ("5", "valid tuple"),
        ('["a"]', "0: "),
        ('[{"name": " "}]', "0.name"),
        ('[{"name": "a", "modalities": []}]', "0.modalities"),
        ('[{"name": "a", "targetLangs": []}]', "0.targetLangs"),
        ('[{"name": "a"}, {"name": "a", "targetLangs": ["eng"]}]', "a more than once"),
        ('"a", "b"', "names separated by commas"),
        (" , ", "names separated by commas"),
    ):
        monkeypatch.setenv("MODELS_OVERRIDE", nonsense)
        with pytest.raises(ConfigError) as error:
            read_settings()
        message = str(error.value)
        assert message.startswith("MODELS_OVERRIDE: takes names separated by commas")
        assert '"targetLangs"' in message
        assert part in message


def test_an_empty_choice_of_models_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_OVERRIDE", "")
    assert [choice.name for choice in read_settings().models] == ["auto"]


def test_the_documented_settings_are_the_settings() -> None:
    table = settings_table()
    for name, field in Settings.model_fields.items():
        assert f"`SEAMLESS_{name.upper()}`" in table
        assert field.description, name
    documented = (ROOT / "docs" / "settings.md").read_text()
    assert table in documented, f"put the output of `python -m {settings_module.__name__}` there"


def test_the_protocol_document_names_every_event_and_field() -> None:
    documented = (ROOT / "docs" / "protocol.md").read_text()
    for event in (*INBOUND, *OUTBOUND):
        assert f"`{event}`" in documented, event
    schema = export()
    for name in ("StreamStatus", "TranslationText", "TranslationSpeech", "TranscriptSentence"):
        for field in schema["$defs"][name]["properties"]:
            assert re.search(rf"\b{field}\b", documented), (name, field)


@pytest.mark.parametrize("number", [0, 1])
def test_the_documented_clients_work(
    shared_server: BackgroundServer, tmp_path: Path, number: int
) -> None:
    examples = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "protocol.md").read_text(), re.DOTALL
    )
    assert len(examples) == 2
    sound = RECORDINGS / "audio" / "human_short.flac"
    code = examples[number].replace("http://localhost:8000", shared_server.url)
    done = subprocess.run(
        [sys.executable, "-c", code.replace("talk.wav", str(sound))],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("threads", [0, 3])
def test_the_setting_says_how_many_threads_a_call_has(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    settings = Settings(threads_per_worker=threads, dtype="int8-weights", device="cpu")
    (model,) = model_loader(settings, workers=2)(str(CHECKPOINT), lambda step: None)
    try:
        assert torch.get_num_threads() == (threads or 1), "one is enough for a small model"
    finally:
        model.close()
        torch.set_num_threads(before)
