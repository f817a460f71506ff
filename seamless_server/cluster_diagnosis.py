"""What is wrong with a cluster, one sentence each: the facts behind `doctor --cluster`."""

from __future__ import annotations

import concurrent.futures
import importlib.util
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from seamless_server import __version__
from seamless_server.diagnosis import Finding
from seamless_server.errors import SeamlessError
from seamless_server.settings import Settings

_GROUP = "Cluster"
_JOIN_SECONDS = 45.0
_MOST_SKEW_SECONDS = 1.0
"""Clocks that are further apart mix up when a member's newest connection was made."""


def examine_cluster(settings: Settings) -> list[Finding]:
    """Redis and the Ray cluster that the settings name, and its engines."""
    return [*_redis(settings), *_ray(settings)]


def _found(key: str, name: str, status: Any, value: str, remedy: str = "") -> Finding:
    return Finding(key, _GROUP, name, status, value, remedy)


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        yield _found(
            "redis_url",
            "Redis",
            "warning",
            "none is named: fronts do not share rooms",
            "with more than one front set SEAMLESS_REDIS_URL=redis://:PASSWORD@HOST:6379/0",
        )
        return
    from redis import Redis
    from redis.exceptions import AuthenticationError, RedisError

    url = settings.redis_url.get_secret_value()
    parts = urlsplit(url)
    where = parts.hostname or parts.path
    try:
        client = Redis.from_url(url, socket_timeout=3, socket_connect_timeout=3)
        before = time.time()
        seconds, micro = client.time()
        after = time.time()
        version = str(client.info("server")["redis_version"])
    except AuthenticationError:
        yield _found(
            "redis",
            "Redis",
            "missing",
            f"{where} wants another password",
            "put the right one into SEAMLESS_REDIS_URL: redis://:PASSWORD@HOST:6379/0",
        )
        return
    except (RedisError, OSError) as error:
        yield _found(
            "redis",
            "Redis",
            "missing",
            f"{where} cannot be reached ({error})",
            "is it running, and may this machine talk to it?",
        )
        return
    old = tuple(map(int, version.split(".")[:2])) < (6, 2)
    yield _found(
        "redis",
        "Redis",
        "warning" if old else "ok",
        f"{version} at {where}",
        "install Redis 6.2 or newer" if old else "",
    )
    if not parts.password and where not in ("localhost", "127.0.0.1", "::1"):
        yield _found(
            "redis_password",
            "Password of Redis",
            "warning",
            "none: whoever reaches it reads every transcript and may speak in every room",
            "set `requirepass` in Redis and put the password into SEAMLESS_REDIS_URL",
        )
    skew = seconds + micro / 1e6 - (before + after) / 2
    apart = abs(skew) > _MOST_SKEW_SECONDS + (after - before)
    yield _found(
        "clock",
        "Clock",
        "warning" if apart else "ok",
        f"{abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} that of Redis"
        if apart
        else "that of Redis",
        "run an NTP client on all machines" if apart else "",
    )


def _ray(settings: Settings) -> Iterator[Finding]:
    if importlib.util.find_spec("ray") is None:
        yield _found(
            "ray",
            "Ray",
            "missing",
            "not installed",
            "pip install 'seamless-server[cluster]'",
        )
        return
    from seamless_server.cluster.joining import join

    try:
        _in_time(lambda: join(settings.ray_address, computes=False))
    except concurrent.futures.TimeoutError:
        yield _found(
            "ray",
            "Ray",
            "missing",
            f"{settings.ray_address or 'this machine'} did not answer within {_JOIN_SECONDS:.0f} s",
            "are its ports open to this machine, and is the token that of the cluster "
            "(RAY_AUTH_TOKEN or ~/.ray/auth_token)?",
        )
        return
    except SeamlessError as error:
        yield _found("ray", "Ray", "missing", error.message)
        return
    import ray

    yield _found("ray", "Ray", "ok", f"{ray.__version__}, {len(ray.nodes())} machines")
    gpus = ray.cluster_resources().get("GPU", 0)
    yield _found(
        "gpus",
        "GPUs",
        "ok" if gpus else "warning",
        f"{gpus:.0f}" if gpus else "none: engines compute on processors",
        "" if gpus else "start an engine on a machine with a GPU that `nvidia-smi` shows",
    )
    yield from _engines()


def _engines() -> Iterator[Finding]:
    from seamless_server.cluster.link import Link, NoEngine

    link = Link()
    try:
        facts = link.describe()
    except NoEngine:
        yield _found(
            "engines",
            "Engines",
            "missing",
            "none answers",
            "start some with `seamless-server serve --role engine`; what keeps those from starting "
            "that were is said by `ray logs` or, there, by the terminal",
        )
        return
    except SeamlessError as error:
        yield _found("engines", "Engines", "missing", error.message)
        return
    finally:
        link.close()
    models = ", ".join(model["name"] for model in facts["models"])
    same = facts["version"] == __version__
    yield _found(
        "engines",
        "Engines",
        "ok" if same else "warning",
        f"version {facts['version']}, {models}",
        "" if same else f"this machine has version {__version__}: install the same on all",
    )


def _in_time(work: Callable[[], None]) -> None:
    done: concurrent.futures.Future[None] = concurrent.futures.Future()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            done.set_exception(error)
        else:
            done.set_result(None)

    # Ray goes on trying; nobody waits for it, at the program's end either.
    threading.Thread(target=run, name="joining Ray", daemon=True).start()
    done.result(_JOIN_SECONDS)
