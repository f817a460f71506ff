"""A normal speaker's latency without a flood, beside one, and after it.

    python benchmarks/flood.py --flooders 1 --seconds 30

The server is a process of its own, and so is each flooder: it sends events as fast as it can and
connects again whenever it is thrown out. The speaker comes from the same address.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import aiohttp

from seamless_server.bench.server_load import ServerLoad, run_load, speech_to_send
from seamless_server.bench.started_server import started_server

PHASES = ("before", "beside", "after")


async def flood(url: str, sent: Any, cut: Any) -> None:
    """Floods until it is ended from outside."""
    path = "/ws/socket.io/?EIO=4&transport=websocket&protocol=2&clientID=flooder"
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.ws_connect(url.replace("http", "ws") + path) as socket:
                    await socket.send_str("40")
                    while not socket.closed:
                        for _ in range(100):
                            await socket.send_str('421["transcript"]')
                        sent.value += 100
                        with contextlib.suppress(asyncio.TimeoutError):
                            await socket.receive(timeout=0.001)
            except (aiohttp.ClientError, ConnectionError):
                await asyncio.sleep(0.05)
            cut.value += 1


def _flood(url: str, sent: Any, cut: Any) -> None:
    os.nice(10)  # it stands for another machine, whose processors are not the server's
    asyncio.run(flood(url, sent, cut))


async def measure(url: str, pid: int | None, given: argparse.Namespace) -> dict[str, Any]:
    """All phases, in one run."""
    pcm, rate = speech_to_send(given.audio)
    load = ServerLoad(url, pcm, rate, seconds=given.seconds, output="s2t")
    await run_load(ServerLoad(url, pcm, rate, seconds=5.0, output="s2t"))  # everything is warm
    sent, cut = multiprocessing.Value("q", 0), multiprocessing.Value("q", 0)
    found: dict[str, Any] = {}
    for phase in PHASES:
        flooders = [
            multiprocessing.Process(target=_flood, args=(url, sent, cut), daemon=True)
            for _ in range(given.flooders if phase == "beside" else 0)
        ]
        for flooder in flooders:
            flooder.start()
        while flooders and not sent.value:  # noqa: ASYNC110 - they are other processes
            await asyncio.sleep(0.1)
        found[phase] = await run_load(load, pid)
        for flooder in flooders:
            flooder.kill()
            flooder.join()
    p95 = {phase: found[phase]["text_latency_ms"]["p95"] for phase in PHASES}
    return {
        "flooders": given.flooders,
        "seconds": given.seconds,
        "events_sent": sent.value,
        "times_thrown_out": cut.value,
        "p95_ms": p95,
        "beside_over_before": round(p95["beside"] / p95["before"], 2),
        "after_over_before": round(p95["after"] / p95["before"], 2),
        "server_cores": {phase: found[phase]["server_cpu_cores"] for phase in PHASES},
        "notices": found["beside"]["notices"],
    }


def main() -> None:
    """Starts a server, measures, prints JSON."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--model", default="SeamlessStreaming-mini", help="name or folder")
    parser.add_argument("--audio", type=Path, help="what the speaker says")
    parser.add_argument("--flooders", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="of speech in each phase")
    given = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    with started_server(None, given.model, {}) as (url, pid, _):
        print(json.dumps(asyncio.run(measure(url, pid, given)), indent=2))


if __name__ == "__main__":
    main()
