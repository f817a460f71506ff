"""What people notice when parts of a cluster die, hang or are replaced under load.

    make cluster-bars ARGS="--speakers 12 --listeners 300"

Starts a cluster on this machine. Speakers talk in rooms of their own at one front, their
listeners are at the other; when that is gone, a proxy brings them to the one that is left. While
they talk, something happens. Afterwards every listener must have every sentence once, complete
and in order, as in a run in which nothing happened. Prints a table and JSON, and ends with 1 if
anybody missed anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from scripts.cluster import ROOT, LocalCluster, wait_until_ready
from seamless_server.audio.resample import at_rate
from seamless_server.client import StreamingClient, Text
from tests.server.programs import Proxy

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


class Listener:
    """What came to somebody in a room, and when."""

    def __init__(self, client: StreamingClient) -> None:
        self.client = client
        self.texts: dict[int, str] = defaultdict(str)
        self.seen: set[tuple[int, int]] = set()
        self.doubled = 0
        self.last = time.monotonic()
        self.longest_gap = 0.0
        self.back_after: list[float] = []

    async def listen(self) -> None:
        """Until the task is ended."""
        async for event in self.client.listen():
            if not isinstance(event, Text):
                continue
            place = (event.segment_id, event.seq)
            self.doubled += place in self.seen
            self.seen.add(place)
            self.texts[event.segment_id] += event.text
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - self.last)
            self.last = now

    async def watch(self) -> None:
        """Notes how long the connection is away, whenever it is lost."""
        while True:
            await self.client.until_lost()
            lost = time.monotonic()
            await self.client.until_online()
            self.back_after.append(time.monotonic() - lost)

    def sentences(self) -> list[str]:
        """Complete text by segment, in order."""
        return [self.texts[segment].strip() for segment in sorted(self.texts)]


async def talk(client: StreamingClient, pcm: Any, late: float) -> None:
    """Speaks in real time."""
    await asyncio.sleep(late)
    async for _ in client.translate(pcm, rate=16_000, chunk_ms=PACKET_MS):
        pass


async def run(
    cluster: LocalCluster, speakers: int, listeners: int, pcm: Any, happens: Happens | None
) -> list[Listener]:
    """One talk of everybody, in the middle of which something happens."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(Proxy(*cluster.urls))
        there = await stack.enter_async_context(Proxy(*reversed(cluster.urls)))
        talking, hearing = [], []
        for _ in range(speakers):
            speaker = StreamingClient(here.url, target_language="spa")
            talking.append(await stack.enter_async_context(speaker))
            for _ in range(listeners // speakers):
                listener = StreamingClient(there.url, room=speaker.room)
                hearing.append(Listener(await stack.enter_async_context(listener)))
        beside = [asyncio.create_task(each.listen()) for each in hearing]
        beside += [asyncio.create_task(each.watch()) for each in hearing]

        async def event() -> None:
            await asyncio.sleep(len(pcm) / 16_000 * 0.4)
            await (happens or nothing)(cluster)

        talks = [talk(speaker, pcm, 0.3 * number) for number, speaker in enumerate(talking)]
        await asyncio.gather(event(), *talks)
        before = None
        for _ in range(60):  # what is under way arrives
            now = [len(each.seen) for each in hearing]
            if now == before:
                break
            before = now
            await asyncio.sleep(1.0)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
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


async def kill_speakers_front(cluster: LocalCluster) -> None:
    """kill -9 of the speakers' own front, in mid-sentence."""
    cluster.fronts[0].kill()


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
    "listeners' front killed": kill_front,
    "speakers' front killed": kill_speakers_front,
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
        reference = (await run(cluster, 1, 1, pcm, None))[0].sentences()
        print(f"{len(reference)} sentences in {given.seconds:.0f} s\n")
        print("| what happens | complete | doubled | longest gap p95 | usual | back after p95 |")
        print("|---|---|---|---|---|---|")
        usual, figures = 0.0, {}
        for name, happens in {"nothing": nothing, **EVENTS}.items():
            if given.only and name not in (*given.only, "nothing"):
                continue
            heard = await run(cluster, given.speakers, given.listeners, pcm, happens)
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
            figures[name] = {
                "listeners": len(heard), "complete": complete, "doubled": doubled,
                "gap_p95_s": round(gap, 2), "usual_gap_s": round(usual, 2),
                "back_after_p95_s": round(back, 2),
            }  # fmt: skip
            for client in heard:
                if client.sentences() != reference and given.verbose:
                    print(client.sentences(), reference, file=sys.stderr)
            for number, front in enumerate(cluster.fronts):
                if front.poll() is not None:
                    cluster.start_front(number)
                    await asyncio.to_thread(wait_until_ready, cluster.urls[number])
        print("\n" + json.dumps(figures))
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
    given = parser.parse_args()
    # Whatever ends it, nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(asyncio.run(measure(given)))


if __name__ == "__main__":
    main()
