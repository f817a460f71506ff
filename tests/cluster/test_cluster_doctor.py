"""What `doctor --cluster` says of each thing that can be wrong: one plain sentence."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
import ray
from redis import Redis

from seamless_server import __version__, cluster_diagnosis
from seamless_server.cluster import link
from seamless_server.cluster_diagnosis import examine_cluster
from seamless_server.diagnosis import Finding
from seamless_server.settings import Settings
from tests.server import programs


def found(**settings: Any) -> dict[str, Finding]:
    return {one.key: one for one in examine_cluster(Settings(**settings))}


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked for in a Ray cluster."""
    monkeypatch.setattr(cluster_diagnosis, "_ray", lambda settings: [])


@pytest.fixture
def redis(tmp_path: Path) -> Any:
    server = programs.Redis(tmp_path)
    yield server
    server.kill()


def test_without_redis_fronts_share_no_rooms(no_ray: None) -> None:
    one = found()["redis_url"]
    assert (one.status, "do not share rooms" in one.value) == ("warning", True)
    assert "SEAMLESS_REDIS_URL" in one.remedy


def test_a_redis_that_is_not_there(no_ray: None) -> None:
    one = found(redis_url="redis://127.0.0.1:9/0")["redis"]
    assert (one.status, "cannot be reached" in one.value) == ("missing", True)


def test_a_redis_without_a_password_that_others_can_reach(no_ray: None, redis: Any) -> None:
    port = redis.url.rpartition(":")[2].partition("/")[0]
    address = socket.gethostbyname(socket.gethostname())
    here = Redis.from_url(redis.url)
    here.config_set("protected-mode", "no")
    here.config_set("bind", "0.0.0.0")
    everything = found(redis_url=f"redis://{address}:{port}/0")
    assert everything["redis"].status == "ok"
    if not address.startswith("127."):
        assert "reads every transcript" in everything["redis_password"].value
        assert "requirepass" in everything["redis_password"].remedy
    here.config_set("requirepass", "secret")
    wrong = found(redis_url=f"redis://:other@{address}:{port}/0")["redis"]
    assert (wrong.status, "another password" in wrong.value) == ("missing", True)
    right = found(redis_url=f"redis://:secret@{address}:{port}/0")
    assert right["redis"].status == "ok"
    assert "redis_password" not in right


def test_clocks_that_are_apart(no_ray: None, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(redis_url=redis.url)["clock"].status == "ok"
    now = time.time
    monkeypatch.setattr(cluster_diagnosis.time, "time", lambda: now() - 7)
    one = found(redis_url=redis.url)["clock"]
    assert (one.status, one.value) == ("warning", "7.0 s behind that of Redis")
    assert "NTP" in one.remedy


def test_another_version_of_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Version mismatch: The cluster was started with: Ray: 2.9.0 Python: 3.9.1"

    def refuse(**options: Any) -> None:
        raise RuntimeError(said + "\nThis process was started with: ...")

    monkeypatch.setattr(ray, "init", refuse)
    one = found(ray_address="far:6379")["ray"]
    assert one.status == "missing"
    assert one.value == (
        "The Ray cluster at far:6379 runs another version of Ray or Python than this machine: "
        f"install the same on all ({said})."
    )


class Engines:
    """What the engines answer, in place of a link."""

    version = __version__

    def describe(self) -> dict[str, Any]:
        return {"version": self.version, "models": [{"name": "mini"}]}

    def close(self) -> None:
        pass


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is part of a Ray cluster, as far as it can tell."""
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: [{}])
    monkeypatch.setattr(link, "Link", Engines)


@pytest.mark.parametrize(("gpus", "status"), [(0, "warning"), (2, "ok")])
def test_no_gpu(joined: None, monkeypatch: pytest.MonkeyPatch, gpus: int, status: str) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": gpus} if gpus else {})
    one = found()["gpus"]
    assert one.status == status
    assert ("compute on processors" in one.value) == (gpus == 0)
    assert ("nvidia-smi" in one.remedy) == (gpus == 0)


def test_engines_of_another_version(joined: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "cluster_resources", dict)
    assert found()["engines"].status == "ok"
    monkeypatch.setattr(Engines, "version", "0.0.1")
    one = found()["engines"]
    assert (one.status, one.value) == ("warning", "version 0.0.1, mini")
    assert f"this machine has version {__version__}" in one.remedy


def test_no_engine_answers(joined: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(self: Engines) -> dict[str, Any]:
        raise link.NoEngine

    monkeypatch.setattr(ray, "cluster_resources", dict)
    monkeypatch.setattr(Engines, "describe", nobody)
    one = found()["engines"]
    assert (one.status, one.value) == ("missing", "none answers")
    assert "serve --role engine" in one.remedy
