"""A live server in a process of its own, to be measured."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from seamless_server.errors import SeamlessError, UsageError


@contextmanager
def started_server(
    url: str | None, model: str, environment: Mapping[str, str]
) -> Iterator[tuple[str, int | None, str]]:
    """Address, process and model of the server to measure: the one at `url`, or a fresh one.

    Args:
        environment: settings of a fresh one, as environment variables.
    """
    if url is not None:
        try:
            models = httpx.get(f"{url.rstrip('/')}/api/models", timeout=10).json()
        except (httpx.HTTPError, ValueError):
            raise UsageError(f"{url} does not answer as a server of ours") from None
        yield url.rstrip("/"), None, models[0]["name"] if models else "none"
        return
    port = free_port()
    settings = {**os.environ, **environment, "SEAMLESS_MODELS": model}
    process = subprocess.Popen(
        [sys.executable, "-m", "seamless_server", "serve", "--port", str(port)],
        env={**settings, "SEAMLESS_LOG_LEVEL": "warning"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        progress = _until_ready(address, process)
        yield address, process.pid, progress["loaded"][0]
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    """A port that is free, none of those that systems give connections as their own end: a client
    that tries one of these again and again connects to itself some day."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _until_ready(address: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    while True:
        if process.poll() is not None:
            raise UsageError("the server could not be started: try `seamless-server serve`")
        try:
            progress: dict[str, Any] = httpx.get(f"{address}/readyz", timeout=10).json()
        except httpx.HTTPError:
            time.sleep(0.1)
            continue
        if progress["ready"]:
            return progress
        if progress["error"]:
            raise SeamlessError(progress["error"])
        time.sleep(0.1)
