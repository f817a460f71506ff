"""What people notice when parts of a cluster die, hang or are replaced under load.

    make cluster-bars ARGS="--speakers 12 --listeners 300"

Starts a cluster on this machine. Speakers talk in rooms of their own at one front, their
listeners are at the other; when that is gone, a proxy brings them to the one that is left. While
they talk, something happens. Afterwards every listener must have every sentence once, complete
and in order, text and sound, as in a run in which nothing happened. Prints a table and JSON, and
ends with 1 if anybody missed anything.
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
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from scripts.cluster import ROOT, LocalCluster, wait_until_ready
from seamless_server.audio.resample import at_rate
from seamless_server.client import Speech, StreamingClient, Text, Waiting
from seamless_server.cluster.wire import SILENCE_SECONDS
from seamless_server.streaming import Target, TextOutput, load_model
from tests.server.programs import Proxy

MODEL = "SeamlessStreaming-mini"
PACKET_MS = 100
AUTOSCALE_SECONDS = 240.0
"""That somebody speaks, the while engines start and, a minute after they are not needed, stop."""
Happens = Callable[["Stage"], Awaitable[None]]


def speech(seconds: float) -> Any:
    """Talk with pauses, 16-bit at 16 kHz."""
    path = ROOT / "seamless_server" / "data" / "recordings" / "human_pauses.flac"
    samples, rate = soundfile.read(path, dtype="float32")
    samples = at_rate(samples, rate, 16_000)
    samples = np.tile(np.concatenate([samples, np.zeros(16_000, np.float32)]), 20)
    return (np.clip(samples[: int(seconds * 16_000)], -1, 1) * 32767).astype(np.int16)


class Talk:
    """What somebody says."""

    def __init__(self, client: StreamingClient, pcm: Any, late: float) -> None:
        self.client, self.pcm, self._late = client, pcm, late
        self.began = 0.0
        """Monotonic seconds."""

    async def run(self) -> None:
        """Speaks in real time."""
        await asyncio.sleep(self._late)
        self.began = time.monotonic()
        async for event in self.client.translate(self.pcm, rate=16_000, chunk_ms=PACKET_MS):
            if isinstance(event, Waiting):
                self.began = time.monotonic()


class Listener:
    """What came to somebody in a room, and when."""

    def __init__(self, client: StreamingClient, talk: Talk) -> None:
        self.client, self._talk = client, talk
        self.texts: dict[int, str] = defaultdict(str)
        self.sound: dict[int, int] = defaultdict(int)
        """Samples."""
        self.ended: list[int] = []
        """Sentences, as they ended."""
        self.seen: set[tuple[str, int, int]] = set()
        self.doubled = 0
        self.longest_wait = 0.0
        """Seconds from what was said to its text, at most."""
        self.back_after: list[float] = []

    async def listen(self) -> None:
        """Until the task is ended."""
        async for event in self.client.listen():
            if not isinstance(event, Text | Speech):
                continue
            place = (type(event).__name__, event.segment_id, event.seq)
            self.doubled += place in self.seen
            self.seen.add(place)
            if isinstance(event, Speech):
                self.sound[event.segment_id] += len(event.samples)
                continue
            self.texts[event.segment_id] += event.text
            if event.finished:
                self.ended.append(event.segment_id)
            waited = event.received_at - self._talk.began - event.end_ms / 1000
            self.longest_wait = max(self.longest_wait, waited)

    async def watch(self) -> None:
        """Notes how long the connection is away, whenever it is lost."""
        while True:
            await self.client.until_lost()
            lost = time.monotonic()
            await self.client.until_online()
            self.back_after.append(time.monotonic() - lost)

    def heard(self) -> list[tuple[str, int]]:
        """Text and samples of each sentence, as they ended."""
        left = [segment for segment in self.texts if segment not in self.ended]
        return [(self.texts[each].strip(), self.sound[each]) for each in [*self.ended, *left]]


@dataclass
class Stage:
    """What things happen to."""

    cluster: LocalCluster
    here: Proxy
    """The speakers' way in."""


async def run(
    cluster: LocalCluster, talks: list[Any], listeners: int, happens: Happens
) -> list[Listener]:
    """Everybody talks, and in the middle of the first talk something happens.

    Args:
        talks: what is said, 16-bit at 16 kHz.
        listeners: of each.
    """
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(Proxy(*cluster.urls))
        there = await stack.enter_async_context(Proxy(*reversed(cluster.urls)))
        talking, hearing = [], []
        for number, pcm in enumerate(talks):
            speaker = StreamingClient(here.url, target_language="spa")
            talk = Talk(await stack.enter_async_context(speaker), pcm, 0.3 * number)
            talking.append(talk)
            for odd in range(listeners):
                listener = StreamingClient(there.url, room=speaker.room, opus=odd % 2 == 1)
                hearing.append(Listener(await stack.enter_async_context(listener), talk))
        beside = [asyncio.create_task(each.listen()) for each in hearing]
        beside += [asyncio.create_task(each.watch()) for each in hearing]

        async def event() -> None:
            await asyncio.sleep(len(talks[0]) / 16_000 * 0.4)
            await happens(Stage(cluster, here))

        await asyncio.gather(event(), *(talk.run() for talk in talking))
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


async def nothing(stage: Stage) -> None:
    """Nothing happens."""


async def kill_engine(stage: Stage) -> None:
    """kill -9 of an engine in mid-sentence."""
    os.kill(engine_pids(stage.cluster)[0], signal.SIGKILL)


async def cut_off_engine(stage: Stage) -> None:
    """An engine is not heard of for so long that it is given up, and then goes on."""
    pid = engine_pids(stage.cluster)[0]
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(1.5 * SILENCE_SECONDS)
    os.kill(pid, signal.SIGCONT)


async def replace_engines(stage: Stage) -> None:
    """All engines are replaced by newer ones, one after the other."""
    await asyncio.to_thread(stage.cluster.start_engines, SEAMLESS_THREADS_PER_WORKER="1")


async def replace_fronts(stage: Stage) -> None:
    """All fronts are replaced, one after the other."""
    for number, front in enumerate(stage.cluster.fronts):
        front.terminate()
        await asyncio.to_thread(front.wait)
        await start_front(stage.cluster, number)


async def kill_front(stage: Stage) -> None:
    """kill -9 of the listeners' front."""
    stage.cluster.fronts[-1].kill()


async def kill_speakers_front(stage: Stage) -> None:
    """kill -9 of the speakers' own front, in mid-sentence."""
    stage.cluster.fronts[0].kill()


async def move_speakers(stage: Stage) -> None:
    """The speakers come to the other front, while their own still has them: each clientID is at
    both."""
    stage.here.abandon()


async def hang_redis(stage: Stage) -> None:
    """Redis hangs for 9 s and then starts empty."""
    redis = stage.cluster.redis
    assert redis is not None
    redis.send_signal(signal.SIGSTOP)
    await asyncio.sleep(9)
    redis.kill()
    redis.wait()
    stage.cluster.start_redis()


async def start_front(cluster: LocalCluster, number: int) -> None:
    """Starts a front where another one was; returns when it is ready."""
    cluster.start_front(number)
    await asyncio.to_thread(wait_until_ready, cluster.urls[number])


EVENTS: dict[str, Happens] = {
    "engine killed": kill_engine,
    "engine cut off for 9 s": cut_off_engine,
    "engines replaced": replace_engines,
    "fronts replaced": replace_fronts,
    "Redis hung 9 s, then empty": hang_redis,
    "listeners' front killed": kill_front,
    "speakers' front killed": kill_speakers_front,
    "speakers at two fronts": move_speakers,
}
AUTOSCALING = "1 to 3 engines and back"


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


def alone(pcm: Any) -> list[tuple[str, int]]:
    """Text and samples of each sentence, as the model gives them without a server."""
    texts: dict[int, str] = defaultdict(str)
    sound: dict[int, int] = defaultdict(int)
    stream = load_model(MODEL, "cpu").open({"spa": Target(speech=True)})
    samples = pcm.astype(np.float32) / 32768
    steps = [stream.push(samples[start : start + 5120]) for start in range(0, len(samples), 5120)]
    for output in chain(*steps, stream.finish()):
        if isinstance(output, TextOutput):
            texts[output.segment_id] += output.text
        else:
            sound[output.segment_id] += len(output.samples)
    # What is not understood is not shown.
    return [(text.strip(), sound[each]) for each, text in texts.items() if text]


def percentile(values: list[float], share: float) -> float:
    """The value below which a share lies."""
    return float(np.quantile(values, share)) if values else 0.0


class Table:
    """Compares what was heard with what was to be heard, line by line."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._usual = 0.0
        self.figures: dict[str, dict[str, Any]] = {}
        self.missed = 0
        print("| what happens | complete | doubled | longest wait p95 | usual | back after p95 |")
        print("|---|---|---|---|---|---|")

    def add(self, name: str, heard: list[Listener], due: list[list[tuple[str, int]]]) -> None:
        """A line.

        Args:
            due: what was to be heard, listener by listener.
        """
        complete = sum(each.heard() == all_ for each, all_ in zip(heard, due, strict=True))
        doubled = sum(each.doubled for each in heard)
        wait = percentile([each.longest_wait for each in heard], 0.95)
        self._usual = self._usual or wait
        back = percentile([x for each in heard for x in each.back_after], 0.95)
        cells = (name, f"{complete} of {len(heard)}", doubled, f"{wait:.1f} s")
        print(
            "|", " | ".join(map(str, (*cells, f"{self._usual:.1f} s", f"{back:.1f} s"))), "|",
            flush=True,
        )  # fmt: skip
        self.missed += complete < len(heard) or doubled > 0
        self.figures[name] = {
            "listeners": len(heard), "complete": complete, "doubled": doubled,
            "longest_wait_p95_s": round(wait, 2), "usual_s": round(self._usual, 2),
            "back_after_p95_s": round(back, 2),
        }  # fmt: skip
        for each, all_ in zip(heard, due, strict=True):
            if each.heard() != all_ and self._verbose:
                print(f"heard {each.heard()}\n  due {all_}", file=sys.stderr)


def local_cluster(engines: str, places: int) -> LocalCluster:
    """A cluster in which what is said does not depend on the load."""
    return LocalCluster(
        model=MODEL,
        engines=engines,
        places=places,
        SEAMLESS_JOIN_LIMIT_MS="320",  # one chunk a step, however late it is
        SEAMLESS_DEVICE="cpu",
        SEAMLESS_MAX_CONNECTIONS_PER_ADDRESS="0",
        # However busy this machine is, that is no reason to lose words here.
        SEAMLESS_QUEUE_SECONDS="600",
        SEAMLESS_FLUSH_SECONDS="60",
        SEAMLESS_STOP_SECONDS="600",
    )


async def disturb(given: argparse.Namespace, table: Table) -> None:
    """All that happens to a cluster of a fixed size."""
    pcm = speech(given.seconds)
    with local_cluster(str(given.engines), max(8, given.speakers)) as cluster:
        reference = (await run(cluster, [pcm], 1, nothing))[0].heard()
        for name, happens in {"nothing": nothing, **EVENTS}.items():
            if given.only and name not in (*given.only, "nothing"):
                continue
            per_talk = given.listeners // given.speakers
            heard = await run(cluster, [pcm] * given.speakers, per_talk, happens)
            table.add(name, heard, [reference] * len(heard))
            for number, front in enumerate(cluster.fronts):
                if front.poll() is not None:
                    await start_front(cluster, number)
        if given.verbose:
            print(cluster.logs()[-20_000:], file=sys.stderr)


async def autoscale(given: argparse.Namespace, table: Table) -> None:
    """One speaker goes on while five come and go, for whom engines start and stop again."""
    counts = [1]

    async def watch() -> None:
        began = time.monotonic()
        while True:
            if (now := len(engine_pids(cluster))) != counts[-1]:
                counts.append(now)
                if given.verbose:
                    print(f"{now} engines after {time.monotonic() - began:.0f} s", file=sys.stderr)
            await asyncio.sleep(0.5)

    with local_cluster("1..3", 2) as cluster:
        long, short = speech(AUTOSCALE_SECONDS), speech(given.seconds)
        calm = [await asyncio.to_thread(alone, pcm) for pcm in (long, short)]
        watching = asyncio.create_task(watch())
        heard = await run(cluster, [long, *[short] * 5], 1, nothing)
        watching.cancel()
        table.add(AUTOSCALING, heard, [calm[0], *[calm[1]] * 5])
        table.figures[AUTOSCALING]["engines"] = counts
        table.missed += (max(counts), counts[-1]) != (3, 1)
        if given.verbose:
            print(cluster.logs()[-20_000:], file=sys.stderr)


async def measure(given: argparse.Namespace) -> int:
    """Everything; returns the exit status."""
    table = Table(given.verbose)
    if not given.only or given.only != [AUTOSCALING]:
        await disturb(given, table)
    if not given.only or AUTOSCALING in given.only:
        await autoscale(given, table)
    print("\n" + json.dumps(table.figures))
    return 1 if table.missed else 0


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speakers", type=int, default=12)
    parser.add_argument("--listeners", type=int, default=300)
    parser.add_argument("--engines", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30.0, help="that everybody speaks")
    parser.add_argument(
        "--only", action="append", choices=[*EVENTS, AUTOSCALING], help="one event alone"
    )
    parser.add_argument("--verbose", action="store_true", help="print what went wrong")
    given = parser.parse_args()
    # Whatever ends it, nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(asyncio.run(measure(given)))


if __name__ == "__main__":
    main()
