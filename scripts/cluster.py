"""A whole cluster on this machine: Redis, engines in a Ray cluster of their own, and fronts.

    make cluster                                  2 fronts, 2 engines, the best model present
    make cluster ARGS="--engines 3 --fronts 2 --model SeamlessStreaming-mini"

Prints the fronts' addresses and ends with Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300
ADDRESS = re.compile(r"--role front --ray-address (\S+)`")


class LocalCluster:
    """The processes of a cluster; all of them end with the block.

    Args:
        model: that the engines serve.
        engines: how many, or a range such as `1..3`.
        places: streams that one engine takes at once.
        ports: of the fronts; 0 is a free one.
        settings: SEAMLESS_NAME=value for all processes.
    """

    def __init__(
        self,
        *,
        model: str = "auto",
        engines: str = "2",
        places: int = 8,
        ports: tuple[int, ...] = (0, 0),
        **settings: str,
    ) -> None:
        self._model, self._engines, self._places = model, engines, places
        self._ports = [port or free_port() for port in ports]
        self._folder = Path(tempfile.mkdtemp(prefix="seamless-cluster-"))
        redis_port = free_port()
        self.redis_url = f"redis://127.0.0.1:{redis_port}/0"
        self._redis_command = ["--port", str(redis_port), "--save", "", "--dir", str(self._folder)]
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "RAY_TMPDIR": str(self._folder),
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "SEAMLESS_REDIS_URL": self.redis_url,
            "SEAMLESS_DEBUG_DIR": str(self._folder / "debug"),
            "SEAMLESS_ENGINE_CPUS": "0.25",
            **settings,
        }
        self.redis: subprocess.Popen[bytes] | None = None
        self.engine: subprocess.Popen[bytes] | None = None
        self.ray_address = ""
        self.fronts: list[subprocess.Popen[bytes]] = []
        self.urls = [f"http://127.0.0.1:{port}" for port in self._ports]

    def __enter__(self) -> LocalCluster:
        try:
            self.start_redis()
            self.start_engines()
            for number in range(len(self._ports)):
                self.start_front(number)
            for url in self.urls:
                wait_until_ready(url)
        except BaseException:
            self.close()
            raise
        return self

    def start_redis(self) -> None:
        """Starts an empty Redis."""
        program = shutil.which("redis-server")
        if program is None:
            sys.exit("redis-server is not installed: install Debian's package of that name")
        self.redis = subprocess.Popen([program, *self._redis_command], stdout=subprocess.DEVNULL)

    def start_engines(self, **settings: str) -> None:
        """Starts the engines; those that run already are replaced one after the other."""
        known = bool(self.ray_address)
        where = self.ray_address or "new"
        command = [*serve("engine"), "--ray-address", where, "--engines", self._engines]
        command += ["--engine-places", str(self._places), "--model", self._model]
        said: IO[bytes]
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, env={**self.environment, **settings}
        )
        assert process.stderr is not None
        said = process.stderr
        if not known:
            self.engine = process
        for line in said:
            sys.stderr.write(line.decode())
            if found := ADDRESS.search(line.decode()):
                self.ray_address = found[1]
                break
        else:
            sys.exit("the engines did not start")
        threading.Thread(target=_pass_on, args=(said,), daemon=True).start()
        if known:
            process.terminate()

    def start_front(self, number: int) -> None:
        """Starts a front, in place of the one of that number if there is one."""
        command = [*serve("front"), "--ray-address", self.ray_address]
        command += ["--port", str(self._ports[number])]
        log = (self._folder / f"front-{number}.log").open("ab")
        process = subprocess.Popen(command, stderr=log, stdout=log, env=self.environment)
        self.fronts[number : number + 1] = [process]

    def logs(self) -> str:
        """What the fronts said."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("front-*.log")))

    def close(self) -> None:
        """Ends everything."""
        for process in (*self.fronts, self.engine, self.redis):
            if process is not None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in (*self.fronts, self.engine, self.redis):
            if process is not None:
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(role: str) -> list[str]:
    """The command of a role."""
    return [sys.executable, "-m", "seamless_server", "serve", "--role", role]


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_until_ready(url: str) -> None:
    """Returns when a front can translate."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"{url} was not ready after {START_SECONDS} s")


def _pass_on(lines: IO[bytes]) -> None:
    for line in lines:
        sys.stderr.write(line.decode(errors="replace"))


def main() -> None:
    """Runs until Ctrl-C."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fronts", type=int, default=2, help="how many fronts")
    parser.add_argument("--engines", default="2", help="how many engines, or a range: 1..3")
    parser.add_argument("--places", type=int, default=8, help="streams of one engine")
    parser.add_argument("--port", type=int, default=8000, help="of the first front; others follow")
    parser.add_argument("--model", default="auto", help="name or folder of the model")
    given = parser.parse_args()
    ports = tuple(given.port + number for number in range(given.fronts))
    # Also while it starts, nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    cluster = LocalCluster(
        model=given.model, engines=given.engines, places=given.places, ports=ports
    )
    with cluster:
        print("\n  Fronts:  " + "\n           ".join(cluster.urls))
        print(f"  Engines: {given.engines}, Ray at {cluster.ray_address}")
        print(f"  Redis:   {cluster.redis_url}\n\n  Ctrl-C ends all of it.\n", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
