"""What people notice of a Redis that hangs and dies: those on one server, and those on another.

    python -m benchmarks.redis_away --seconds 30

Two servers share a Redis. On the first somebody speaks to a listener beside, in a room opened in
each phase anew, whose latency is measured; somebody else speaks to a listener on the second server,
who must get every sentence once and in order, when Redis is back.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.bench.server_load import Pcm, ServerLoad, run_load, speech_to_send
from seamless_server.bench.started_server import started_server
from seamless_server.client import StreamingClient, Text
from tests.server.programs import Redis

PHASES = ("before", "hung", "woken", "dead", "restarted")
LANG = "spa"


class Remote:
    """Somebody who speaks on one server to a listener on the other."""

    def __init__(self, speaker: StreamingClient, listener: StreamingClient) -> None:
        self._speaker, self._listener = speaker, listener
        self.said: list[str] = []
        self.heard: list[tuple[float, str]] = []

    async def listen(self) -> None:
        """Until it is cancelled."""
        async for event in self._listener.listen():
            if isinstance(event, Text):
                self.heard.append((time.monotonic(), event.text))

    async def speak(self, pcm: Pcm, rate: int) -> None:
        """All of it, in real time."""
        async for event in self._speaker.translate(pcm, rate=rate):
            if isinstance(event, Text):
                self.said.append(event.text)

    async def caught_up(self) -> bool:
        """Whether the listener gets all that was said, waiting a while for it."""
        for _ in range(100):
            if self.is_even():
                return True
            await asyncio.sleep(0.1)
        return self.is_even()

    def is_even(self) -> bool:
        """Whether it has every sentence, once and in order."""
        return "".join(text for _, text in self.heard) == "".join(self.said)


async def measure(first: str, second: str, redis: Redis, given: argparse.Namespace) -> Any:
    """All phases, one after the other."""
    pcm, rate = speech_to_send(given.audio)
    load = ServerLoad(first, pcm, rate, listeners=1, seconds=given.seconds, output="s2t")
    talk = np.resize(pcm, int(given.seconds * rate))
    blows: dict[str, Callable[[], None]] = {
        "hung": redis.hang, "woken": redis.wake, "dead": redis.kill, "restarted": redis.start,
    }  # fmt: skip
    found: dict[str, Any] = {}
    async with (
        StreamingClient(first, target_language=LANG, output="s2t") as speaker,
        StreamingClient(second, room=speaker.room, output="s2t") as listener,
    ):
        remote = Remote(speaker, listener)
        listening = asyncio.create_task(remote.listen())
        await run_load(ServerLoad(first, pcm, rate, seconds=5.0, output="s2t"))  # warms up
        for phase in PHASES:
            missed = not remote.is_even()
            blows.get(phase, lambda: None)()
            at, before = time.monotonic(), len(remote.heard)
            measured, _ = await asyncio.gather(run_load(load), remote.speak(talk, rate))
            text, heard = measured["text_latency_ms"], measured["listener_latency_ms"]
            found[phase] = {"speaker_p95_ms": text["p95"], "listener_p95_ms": heard["p95"]}
            if missed:
                found[phase]["first_missed_after_s"] = round(remote.heard[before][0] - at, 2)
            if phase not in ("hung", "dead"):
                found[phase]["remote_has_all"] = await remote.caught_up()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening
    usual = found["before"]["speaker_p95_ms"]
    for phase in PHASES[1:]:
        found[phase]["over_before"] = round(found[phase]["speaker_p95_ms"] / usual, 2)
    return {"seconds": given.seconds, **found}


def main() -> None:
    """Starts Redis and both servers, measures, prints JSON."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--model", default="SeamlessStreaming-mini", help="name or folder")
    parser.add_argument("--audio", type=Path, help="what is said")
    parser.add_argument("--seconds", type=float, default=30.0, help="of speech in each phase")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(Path(folder))
        try:
            shared = {"SEAMLESS_REDIS_URL": redis.url}
            with (
                started_server(None, given.model, shared) as (first, _, _),
                started_server(None, given.model, shared) as (second, _, _),
            ):
                found = asyncio.run(measure(first, second, redis, given))
            print(json.dumps(found, indent=2))
        finally:
            redis.wake()
            redis.kill()


if __name__ == "__main__":
    main()
