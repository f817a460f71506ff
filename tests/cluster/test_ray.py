"""A front and two engines in a real Ray cluster, a real client, the embedded model."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.server.conftest import Peer, speech
from tests.server.programs import Program

MODEL = "SeamlessStreaming-mini"
EVERYTHING = {"min_confidence": 0.0}
"""What people read from a novel: it does not understand it."""


class Collector(ThreadingHTTPServer):
    """Takes traces, as OpenTelemetry's does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Collecting)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.spans: list[Span] = []
        self.news = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def until(self, found: Callable[[], list[Any]]) -> list[Any]:
        """What `found` gives, once it gives anything."""
        with self.news:
            self.news.wait_for(found, 60)
            return found()


class Collecting(BaseHTTPRequestHandler):
    """One request."""

    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                with self.server.news:
                    self.server.spans += scope.spans
                    self.server.news.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as server:
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def engines(collector: Collector) -> Iterator[str]:
    """The address of a cluster with two engines of two places."""
    folder = tempfile.mkdtemp(prefix="ray")  # pytest's would be too long for Ray's sockets
    change = pytest.MonkeyPatch()
    change.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
    change.setenv("RAY_TMPDIR", folder)
    flags = ["--ray-address", "new", "--engines", "2", "--engine-places", "2", "--model", MODEL]
    process = subprocess.Popen(
        [sys.executable, "-m", "seamless_server", "serve", "--role", "engine", *flags],
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "SEAMLESS_DEVICE": "cpu",
            "SEAMLESS_ENGINE_CPUS": "0.5",
            "SEAMLESS_TRACES_URL": collector.url,
        },
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if found := re.search(r"--role front --ray-address (\S+)`", line):
            break
    else:
        pytest.fail("the engines did not start: " + "".join(said[-20:]))
    yield found[1]
    process.terminate()
    process.wait(60)
    change.undo()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def front(
    engines: str, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    # Ray ends the process that it is shut down in, so that cannot be this one.
    folder = tmp_path_factory.mktemp("front")
    about = {"SEAMLESS_RAY_ADDRESS": engines, "SEAMLESS_TRACES_URL": collector.url}
    program = Program(folder, model="auto", SEAMLESS_ROLE="front", **about)
    yield program
    program.end(signal.SIGTERM)


class Peers:
    """Clients of a front, in a room of their own each."""

    def __init__(self, front: Program, *names: str) -> None:
        self._front, self._names = front, names

    async def __aenter__(self) -> list[Peer]:
        self._peers = []
        for name in self._names:
            peer = Peer(name)
            address = f"{self._front.url}?clientID={name}&protocol=2"
            await peer.sio.connect(address, socketio_path="/ws/socket.io", transports=["websocket"])
            await peer.join()
            await peer.call("set_dynamic_config", {"targetLanguage": "spa"})
            self._peers.append(peer)
        return self._peers

    async def __aexit__(self, *_: object) -> None:
        for peer in self._peers:
            await peer.sio.disconnect()


def said(peer: Peer) -> list[tuple[int, str]]:
    """Text by segment, from the first one on."""
    texts: dict[int, str] = {}
    for data in peer.of("translation_text"):
        texts[data["segmentID"]] = texts.get(data["segmentID"], "") + data["payload"]
    first = min(texts)
    return [(segment - first, texts[segment]) for segment in sorted(texts)]


def sound(peer: Peer) -> int:
    """Bytes of speech."""
    return sum(len(data["payload"]) for data in peer.of("translation_speech"))


def has_torch(front: Program) -> bool:
    """Whether the process has loaded the library that computes."""
    return "libtorch" in Path(f"/proc/{front.process.pid}/maps").read_text()


def of_this_cluster(name: str) -> int:
    """How many processes of Ray have names that begin so."""
    found = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            ours = os.environ["RAY_AUTH_TOKEN"].encode() in (folder / "environ").read_bytes()
            found += ours and (folder / "cmdline").read_bytes().startswith(name.encode())
    return found


async def engine_of(front: Program, name: str) -> dict[str, Any]:
    """What the engine of a speaker says of itself."""
    async with httpx.AsyncClient(base_url=front.url) as client:
        while True:
            status = (await client.get("/api/status")).json()
            mine = [stream["engine"] for stream in status["streams"] if stream["speaker"] == name]
            for engine in status["engines"]:
                if engine["engine"] in mine:
                    return dict(engine)
            await asyncio.sleep(0.1)


def test_no_ray_cluster(tmp_path: Path) -> None:
    # The first one here: Ray finds every cluster of a machine, also one of another test.
    environment = {**os.environ, "RAY_TMPDIR": str(tmp_path), "RAY_AUTH_TOKEN": "0" * 64}
    environment.pop("SEAMLESS_RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-m", "seamless_server", "doctor", "--cluster"],
        capture_output=True, text=True, timeout=120, env={**environment, "COLUMNS": "400"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "No Ray cluster runs on this machine: start an engine here first" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


async def test_a_kill_in_mid_sentence_is_not_noticed(front: Program) -> None:
    pcm = speech("human_pauses")
    async with Peers(front, "a", "b") as (undisturbed, disturbed):
        assert (await undisturbed.configure(options=EVERYTHING))["status"] == "ok"
        await undisturbed.speak(pcm)
        await undisturbed.call("stop_stream")
        assert len(said(undisturbed)) > 1
        assert sound(undisturbed) > 10_000

        await disturbed.configure(options=EVERYTHING)
        before = await engine_of(front, "b")
        await disturbed.speak(pcm[: 16_000 * 7], pause=0.1)
        await disturbed.until("translation_text")
        os.kill(before["pid"], signal.SIGKILL)
        await disturbed.speak(pcm[16_000 * 7 :], pause=0.1)
        await disturbed.until("stream_status", lambda state: state["queuedMs"] < 500)
        assert (await engine_of(front, "b"))["engine"] != before["engine"]
        await disturbed.call("stop_stream")
        assert said(disturbed) == said(undisturbed)
        assert sound(disturbed) == sound(undisturbed)
        assert not disturbed.of("server_exception")
    # A front is light: it has done all of this without what engines need.
    assert not has_torch(front)
    moves = (await asyncio.to_thread(httpx.get, f"{front.url}/metrics")).text
    assert 'seamless_stream_moves_total{reason="lost"} 1.0' in moves
    assert "seamless_slots_used " in moves


async def test_the_line_is_that_of_all_engines(front: Program) -> None:
    """Each engine has two places; a fifth speaker waits, and comes in when one of four ends."""
    async with Peers(front, "c", "d", "e", "f", "g") as five:
        for peer in five[:4]:
            while (await peer.configure(wait=True))["status"] != "ok":
                # The engine that was killed is not back yet.
                await peer.until("place_in_line", lambda place: place["state"] == "admitted")
                break
        used = {(await engine_of(front, peer.client_id))["engine"] for peer in five[:4]}
        assert len(used) == 2
        assert (await five[4].configure())["message"] == "max_speakers"
        answer = await five[4].configure(wait=True)
        assert (answer["status"], answer["position"]) == ("waiting", 1)
        await five[1].call("stop_stream")
        await five[4].until("place_in_line", lambda place: place["state"] == "admitted")
        await asyncio.gather(*(peer.call("stop_stream") for peer in five))


async def test_a_trace_leads_from_front_to_engine_to_listener(
    front: Program, collector: Collector
) -> None:
    def whole() -> list[dict[bytes, Span]]:
        traces: dict[bytes, dict[bytes, Span]] = {}
        for span in collector.spans:
            traces.setdefault(span.trace_id, {})[span.span_id] = span
        names = {"chunk", "push", "compute", "deliver"}
        return [each for each in traces.values() if names == {x.name for x in each.values()}]

    async with Peers(front, "traced") as (peer,):
        await peer.configure(options=EVERYTHING)
        await peer.speak(speech("human_short"))
        await peer.call("stop_stream")
    # Both processes send what they have every few seconds.
    found = await asyncio.to_thread(collector.until, whole)
    above = {"chunk": None, "push": "chunk", "compute": "push", "deliver": "chunk"}
    for span in found[-1].values():
        parent = found[-1].get(span.parent_span_id)
        assert (parent and parent.name) == above[span.name]


async def test_top_and_doctor_see_the_cluster(
    front: Program, engines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Peers(front, "seen") as (peer,):
        await peer.configure()
        engine = (await engine_of(front, "seen"))["engine"]
        shown = await asyncio.to_thread(command, "top", "--once", front.url, "http://127.0.0.1:9")
        assert shown.returncode == 0, shown.stderr
        assert "cannot be reached" in shown.stdout
        lines = [line for line in shown.stdout.splitlines() if engine in line]
        assert any("seen" in line for line in lines)
        assert any(os.uname().nodename in line for line in lines)
    # Serve's own proxy would cut streams when engines go; nothing runs behind it.
    assert of_this_cluster("ray::ServeReplica") == 2
    assert of_this_cluster("ray::Proxy") == 0
    monkeypatch.setenv("SEAMLESS_RAY_ADDRESS", engines)
    monkeypatch.setenv("SEAMLESS_REDIS_URL", "redis://127.0.0.1:9/0")
    said = await asyncio.to_thread(command, "doctor", "--cluster", "--json")
    found = {one["key"]: one for one in json.loads(said.stdout)["findings"]}
    assert found["ray"]["status"] == "ok"
    assert MODEL in found["engines"]["value"]
    assert "cannot be reached" in found["redis"]["value"]
    assert said.returncode == 1


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of this program."""
    environment = {**os.environ, "COLUMNS": "160"}
    line = [sys.executable, "-m", "seamless_server", *words]
    return subprocess.run(line, capture_output=True, text=True, env=environment, timeout=120)
