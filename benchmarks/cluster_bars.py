"""What people notice when parts of a cluster die, hang or are replaced under load.

    make cluster-bars ARGS="--speakers 12 --listeners 300"

Starts a cluster on this machine. Speakers talk in rooms of their own at one front, their listeners
are at the other; while they talk, something happens. Afterwards every listener must have every
sentence once, complete and in order, as in a run in which nothing happened. Prints a table, and
ends with 1 if anybody missed anything.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import socketio
import soundfile

from scripts.cluster import ROOT, LocalCluster, wait_until_ready
from seamless_server.audio.resample import at_rate

MODEL = "SeamlessStreaming-mini"
PACKET_MS = 100
Happens = Callable[[LocalCluster], Awaitable[None]]


def speech(seconds: float) -> Any:
    """Talk with pauses, 16-bit at 16 kHz."""
    path = ROOT / "seamless_server" / "data" / "recordings" / "human_pauses.flac"
    samples, rate = soundfile.read(path, dtype="float32")
    samples = at_rate(samples, rate, 16_000)
    samples = np.tile(np.concatenate([samples, np.zeros(16_000, np.float32)]), 10)
    return (np.clip(samples[: int(seconds * 16_000)], -1, 1) * 32767).astype(np.int16)


class Client:
    """Somebody in a room, who comes back to the other front when the own one is gone."""

    def __init__(self, name: str, urls: list[str]) -> None:
        self.name, self._urls = name, list(urls)
        self.texts: dict[int, str] = defaultdict(str)
        self.seen: set[tuple[int, int]] = set()
        self.doubled = 0
        self.sound = 0
        self.last = time.monotonic()
        self.longest_gap = 0.0
        self.back_after: list[float] = []
        self.ended = False
        self.ready = asyncio.Event()
        self._left: float | None = None
        self.on_back: Callable[[], Awaitable[None]] | None = None
        self._new_connection()

    def _new_connection(self) -> None:
        self.sio = socketio.AsyncClient(reconnection=False)
        self.sio.on("translation_text", self._text)
        self.sio.on("translation_speech", self._speech)
        self.sio.on("disconnect", self._gone)

    async def connect(self) -> None:
        """To the first front that answers."""
        while True:
            url = self._urls[0]
            try:
                await self.sio.connect(
                    f"{url}?clientID={self.name}&protocol=2",
                    auth={"resumeKey": self.name},
                    socketio_path="/ws/socket.io",
                    transports=["websocket"],
                    wait_timeout=5,
                )
                return
            except Exception:
                self._urls.append(self._urls.pop(0))
                self._new_connection()
                await asyncio.sleep(0.2)

    async def join(self, room: str | None, role: str) -> str:
        """Joins a room."""
        answer = await self.sio.call("join_room", (self.name, room, {"roles": [role]}), timeout=60)
        return str(answer["roomID"])

    async def _text(self, data: dict[str, Any]) -> None:
        place = (data["segmentID"], data["seq"])
        self.doubled += place in self.seen
        self.seen.add(place)
        self.texts[data["segmentID"]] += data["payload"]
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - self.last)
        self.last = now

    async def _speech(self, data: dict[str, Any]) -> None:
        self.sound += len(data["payload"])

    async def _gone(self, *_: Any) -> None:
        if self.ended:
            return
        self._left = time.monotonic()
        self._new_connection()
        await self.connect()
        self.back_after.append(time.monotonic() - self._left)
        if self.on_back is not None:
            await self.on_back()

    def sentences(self) -> list[str]:
        """Complete text by segment, in order."""
        return [self.texts[segment].strip() for segment in sorted(self.texts)]

    async def end(self) -> None:
        """Leaves."""
        self.ended = True
        await self.sio.disconnect()


async def talk(client: Client, pcm: Any, late: float) -> None:
    """Speaks in real time."""
    config = {"event": "config", "rate": 16_000, "model_type": "s2s&t", "debug": False}
    config |= {"async_processing": True, "buffer_limit": 1, "model_name": None, "wait": True}
    await client.sio.call("set_dynamic_config", {"targetLanguage": "spa"}, timeout=60)
    answer = await client.sio.call("configure_stream", config, timeout=60)
    assert answer["status"] == "ok", answer
    await asyncio.sleep(late)
    size = 16 * PACKET_MS
    began = time.monotonic()
    for number, start in enumerate(range(0, len(pcm), size)):
        await asyncio.sleep(max(0.0, began + number * PACKET_MS / 1000 - time.monotonic()))
        await client.sio.emit("incoming_audio", pcm[start : start + size].tobytes())
    await client.sio.call("stop_stream", timeout=120)


async def run(
    cluster: LocalCluster,
    name: str,
    speakers: int,
    listeners: int,
    pcm: Any,
    happens: Happens | None,
) -> list[Client]:
    """One talk of everybody, in the middle of which something happens."""
    here, there = cluster.urls[0], cluster.urls[-1]
    talking, hearing = [], []
    for number in range(speakers):
        speaker = Client(f"{name}-speaker-{number}", [here])
        await speaker.connect()
        room = await speaker.join(None, "speaker")
        talking.append(speaker)
        for each in range(listeners // speakers):
            listener = Client(f"{name}-listener-{number}-{each}", [there, here])
            await listener.connect()
            await listener.join(room, "listener")
            hearing.append(listener)

    async def event() -> None:
        await asyncio.sleep(len(pcm) / 16_000 * 0.4)
        await (happens or nothing)(cluster)

    talks = [talk(speaker, pcm, 0.3 * number) for number, speaker in enumerate(talking)]
    await asyncio.gather(event(), *talks)
    wanted = None
    for _ in range(200):  # what is under way arrives
        now = [len(client.seen) for client in hearing]
        if now == wanted:
            break
        wanted = now
        await asyncio.sleep(1.0)
    for client in (*talking, *hearing):
        await client.end()
    return hearing


async def nothing(cluster: LocalCluster) -> None:
    """Nothing happens."""


async def kill_engine(cluster: LocalCluster) -> None:
    """kill -9 of an engine in mid-sentence."""
    os.kill(engine_pids(cluster)[0], signal.SIGKILL)


async def replace_engines(cluster: LocalCluster) -> None:
    """All engines are replaced by newer ones, one after the other."""
    await asyncio.to_thread(cluster.start_engines, SEAMLESS_THREADS_PER_WORKER="1")


async def kill_front(cluster: LocalCluster) -> None:
    """kill -9 of the listeners' front."""
    cluster.fronts[-1].kill()


async def hang_redis(cluster: LocalCluster) -> None:
    """Redis hangs for 9 s and then starts empty."""
    assert cluster.redis is not None
    cluster.redis.send_signal(signal.SIGSTOP)
    await asyncio.sleep(9)
    cluster.redis.kill()
    cluster.redis.wait()
    cluster.start_redis()


EVENTS: dict[str, Happens] = {
    "engine killed": kill_engine,
    "engines replaced": replace_engines,
    "Redis hung 9 s, then empty": hang_redis,
    "front killed": kill_front,
}


def engine_pids(cluster: LocalCluster) -> list[int]:
    """Of the engines of this cluster, the busiest first."""
    found: list[tuple[int, int]] = []
    token = cluster.environment["RAY_AUTH_TOKEN"].encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if not (folder / "cmdline").read_bytes().startswith(b"ray::ServeReplica:seamless"):
                continue
            if token not in (folder / "environ").read_bytes():
                continue
            used = (folder / "stat").read_bytes().rpartition(b")")[2].split()[11]
        except OSError:
            continue
        found.append((int(used), int(folder.name)))
    return [pid for _, pid in sorted(found, reverse=True)]


def percentile(values: list[float], share: float) -> float:
    """The value below which a share lies."""
    return float(np.quantile(values, share)) if values else 0.0


async def measure(given: argparse.Namespace) -> int:
    """Everything; returns the exit status."""
    pcm = speech(given.seconds)
    bad = 0
    cluster = LocalCluster(
        model=MODEL,
        engines=str(given.engines),
        places=max(8, given.speakers),
        # One chunk a step, however late it is: what is said must not depend on the load.
        SEAMLESS_JOIN_LIMIT_MS="320",
        SEAMLESS_DEVICE="cpu",
        SEAMLESS_MAX_CONNECTIONS_PER_ADDRESS="0",
        SEAMLESS_QUEUE_SECONDS="600",
    )
    with cluster:
        reference = (await run(cluster, "alone", 1, 1, pcm, None))[0].sentences()
        print(f"{len(reference)} sentences in {given.seconds:.0f} s\n")
        print("| what happens | complete | doubled | longest gap p95 | usual | back after p95 |")
        print("|---|---|---|---|---|---|")
        usual = 0.0
        for name, happens in {"nothing": nothing, **EVENTS}.items():
            if given.only and name not in (*given.only, "nothing"):
                continue
            heard = await run(
                cluster, name.replace(" ", "-"), given.speakers, given.listeners, pcm, happens
            )
            complete = sum(client.sentences() == reference for client in heard)
            doubled = sum(client.doubled for client in heard)
            gap = percentile([client.longest_gap for client in heard], 0.95)
            usual = usual or gap
            back = percentile([x for client in heard for x in client.back_after], 0.95)
            print(
                f"| {name} | {complete} of {len(heard)} | {doubled} | {gap:.1f} s | {usual:.1f} s "
                f"| {back:.1f} s |",
                flush=True,
            )
            bad += complete < len(heard) or doubled > 0
            for client in heard:
                if client.sentences() != reference and given.verbose:
                    print(client.name, client.sentences(), reference, file=sys.stderr)
            if happens is kill_front:
                cluster.start_front(len(cluster.urls) - 1)
                await asyncio.to_thread(wait_until_ready, cluster.urls[-1])
        if given.verbose:
            print(cluster.logs()[-20_000:], file=sys.stderr)
    return 1 if bad else 0


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speakers", type=int, default=12)
    parser.add_argument("--listeners", type=int, default=300)
    parser.add_argument("--engines", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="that everybody speaks")
    parser.add_argument("--only", action="append", choices=list(EVENTS), help="one event alone")
    parser.add_argument("--verbose", action="store_true", help="print what went wrong")
    sys.exit(asyncio.run(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
