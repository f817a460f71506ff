"""The server and Redis as processes of their own, for what ends or cripples a whole process."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from seamless_server.bench.started_server import free_port
from tests.recorded import CHECKPOINT


class Program:
    """`seamless-server serve` as a process of its own.

    Args:
        folder: for its log and recordings.
        module: what is run in place of `seamless_server`.
        model: what it serves.
        settings: variables of its environment.
    """

    def __init__(
        self,
        folder: Path,
        module: str = "seamless_server",
        model: str = str(CHECKPOINT),
        **settings: str,
    ) -> None:
        port = free_port()
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
        command = [sys.executable, "-m", module, "serve", "--model", model]
        self._log = folder / f"server-{port}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(port), "--device", "cpu"], env=environment, stderr=log
            )
        until = time.monotonic() + 300
        try:
            while not self._ready():
                assert self.process.poll() is None, self.log
                assert time.monotonic() < until, self.log
                time.sleep(0.1)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

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

    @property
    def log(self) -> str:
        """What was logged so far."""
        return self._log.read_text("utf-8", errors="replace")

    async def code(self) -> tuple[int, str]:
        """The exit code, and what was logged."""
        return await asyncio.to_thread(self.process.wait, timeout=120), self.log


class Redis:
    """A real Redis that can hang, die and come back."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server")
        assert program, "install Debian's redis-server, as `make test` does"
        self._port = free_port()
        self._command = [program, "--port", str(self._port), "--save", "", "--dir", str(folder)]
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port)).close()
                return
            except OSError:
                assert self._process.poll() is None
                time.sleep(0.02)

    def hang(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Proxy:
    """What stands before several servers: brings each connection to the first that is there.

    Args:
        servers: their addresses.
    """

    def __init__(self, *servers: str) -> None:
        self._ports = [int(server.rpartition(":")[2]) for server in servers]
        self._clients: list[asyncio.StreamWriter] = []
        self._abandoned: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for there in self._abandoned:
            there.close()

    def abandon(self) -> None:
        """Every client loses its connection and comes to another server, while its old one notices
        nothing: that still has it."""
        self._ports.append(self._ports.pop(0))
        for client in self._clients:
            client.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._ports:
            try:
                there = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self._clients.append(writer)
            before = self._ports[0]
            await asyncio.wait(
                [
                    asyncio.ensure_future(_copy(reader, there[1])),
                    asyncio.ensure_future(_copy(there[0], writer)),
                ],
                return_when="FIRST_COMPLETED",
            )
            self._clients.remove(writer)
            if self._ports[0] == before:
                there[1].close()
            else:
                self._abandoned.append(there[1])
            break
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except OSError:
        pass
