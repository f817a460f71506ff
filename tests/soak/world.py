"""The servers of a soak run, what happened there, and what is wrong."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.server.conftest import Peer
from tests.server.programs import Program, Redis

REPLICAS = 2
SETTINGS = {
    "SEAMLESS_IDLE_MS": "60000",  # nobody pauses here, but the machine may
    "SEAMLESS_GRACE_SECONDS": "3",
    "SEAMLESS_ROOM_EXPIRY_SECONDS": "3",
    "SEAMLESS_SERVER_LOCK": "off",  # it is made to end everybody else's stream
    "SEAMLESS_LOG_JSON": "true",
}
"""One chunk a step (which `Program` sets) makes what is said independent of how busy it is."""

_EXPECTED = ("InjectedFault", "NumericalError", "Redis cannot be reached")


class World:
    """Two replicas that share a Redis, and everything that is told of them.

    Args:
        seconds: how long the run takes.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self.redis = Redis(folder)
        self.redis_is_well = True
        self.replicas: list[Program | None] = [None] * REPLICAS
        self.kills = [0] * REPLICAS
        self.rooms: list[str] = []
        """Rooms in which somebody speaks on the first replica."""
        self.alone: dict[tuple[str, str], str] = {}
        """What a clip becomes in a language when nobody else is there."""
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.marks: list[tuple[float, str]] = []
        self.samples: list[dict[str, Any]] = []
        self.baseline: dict[str, float] = {}
        self._programs: list[Program] = []
        self._faults: list[Path] = []
        self._begun = float("inf")

    # -- time --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """From here on it counts."""
        self._begun = time.monotonic()
        for switch in self._faults:
            switch.touch()

    def end_faults(self) -> None:
        """From here on no engine fails."""
        for switch in self._faults:
            switch.unlink(missing_ok=True)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return max(0.0, time.monotonic() - self._begun)

    def is_over(self) -> bool:
        """Whether actors begin nothing new."""
        return self.elapsed >= self.seconds

    async def pause(self, seconds: float) -> None:
        """Until then, or the end."""
        await asyncio.sleep(max(0.0, min(seconds, self.seconds - self.elapsed)))

    # -- servers -----------------------------------------------------------------------------------

    async def start(self, number: int) -> None:
        """Starts a replica, again if need be; its engine fails only when it is ready."""
        switch = self.folder / f"faults-{len(self._faults)}"
        self._faults.append(switch)
        shared = {"SEAMLESS_REDIS_URL": self.redis.url, "SOAK_FAULTS": str(switch)}
        program = await asyncio.to_thread(
            Program, self.folder, "tests.soak.server", **SETTINGS, **shared
        )
        self._programs.append(program)
        if self.elapsed:
            switch.touch()
        self.replicas[number] = program

    def kill(self, number: int) -> None:
        """Kills a replica without a word."""
        program, self.replicas[number] = self.replicas[number], None
        self.kills[number] += 1
        if program is not None:
            program.process.kill()
            program.process.wait()

    def close(self) -> None:
        """Kills everything."""
        for program in self._programs:
            program.process.kill()
            program.process.wait()
        self.redis.wake()
        self.redis.kill()

    def mark(self, what: str) -> None:
        """Something was done to the servers."""
        self.marks.append((self.elapsed, what))
        self.counts[what] += 1

    async def connect(self, url: str, address: str, protocol: int = 2) -> Peer:
        """A client from an address of its own, so that no limit of addresses is shared."""
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(address, 0)))
        peer = Peer(f"soak-{uuid.uuid4().hex}", http_session=http)
        version = "&protocol=2" if protocol == 2 else ""
        try:
            await peer.sio.connect(
                f"{url}?clientID={peer.client_id}{version}",
                socketio_path="/ws/socket.io",
                transports=["websocket"],
                wait_timeout=30,
            )
        except BaseException:
            await http.close()
            raise
        return peer

    @staticmethod
    async def leave(*peers: Peer) -> None:
        """Ends connections."""
        for peer in peers:
            await peer.sio.disconnect()
            await peer.sio.eio.http.close()

    # -- measures ----------------------------------------------------------------------------------

    async def measure(self, number: int) -> dict[str, float]:
        """Memory (MB), threads, open files, tasks, connections and streams of a replica."""
        program = self.replicas[number]
        if program is None:
            return {}
        process = Path("/proc") / str(program.process.pid)
        try:
            async with httpx.AsyncClient(timeout=10) as http:
                text = (await http.get(f"{program.url}/metrics")).text
            status = dict(
                line.split(":", 1) for line in (process / "status").read_text().splitlines()
            )
            files = len(list((process / "fd").iterdir()))
        except (OSError, httpx.TransportError):
            return {}  # it was killed meanwhile
        told = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        return {
            "memory": int(status["VmRSS"].split()[0]) / 1024,
            "threads": int(status["Threads"]),
            "files": files,
            "tasks": told["seamless_tasks"],
            "connections": told["seamless_connections"],
            "streams": told["seamless_sessions"],
            "rooms": told["seamless_rooms"],
        }

    async def sample(self) -> None:
        """Measures until the end."""
        while not self.is_over():
            for number in range(REPLICAS):
                if found := await self.measure(number):
                    self.samples.append({"at": self.elapsed, "replica": number, **found})
            await self.pause(max(1.0, self.seconds / 200))

    def complaints(self) -> list[str]:
        """Faults that the servers logged, except those that were made on purpose."""
        found = []
        for program in self._programs:
            for line in program.log.splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                expected = any(word in line for word in _EXPECTED)
                if entry["level"] in ("error", "critical") and not expected:
                    found.append(line)
        return found
