"""The server as a process of its own, for what ends or cripples a whole process."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.recorded import CHECKPOINT


class Program:
    """`seamless-server serve` as a process of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            "SEAMLESS_JOIN_LIMIT_MS": "320",
            "SEAMLESS_DEFAULT_TARGET_LANGUAGE": "spa",
            "SEAMLESS_FLUSH_SECONDS": "60",  # a busy machine is no reason to lose words here
            "SEAMLESS_DEBUG_DIR": str(folder / "debug"),
            "SEAMLESS_DEBUG_MIN_FREE_MB": "0",
            **settings,
        }
        command = [sys.executable, "-m", "seamless_server", "serve", "--model", str(CHECKPOINT)]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--device", "cpu"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 120
        while not self._ready():
            assert self.process.poll() is None, self.process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def limit_files(self, size: int) -> None:
        """From now on the disk takes no more than `size` bytes of any file."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def end(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def code(self) -> tuple[int, str]:
        """The exit code, and what was logged."""
        log = (await asyncio.to_thread(self.process.communicate, timeout=120))[1]
        return self.process.returncode, log
