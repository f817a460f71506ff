"""A speaker's own server is killed in mid-sentence: another one goes on, and nobody notices."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from seamless_server.client import Speech, StreamingClient, Text

from .conftest import Run, speech
from .programs import Program, Redis

PCM = np.concatenate([speech("human_pauses"), np.zeros(24_000, np.int16)])


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


class Proxy:
    """What stands before several servers: brings each connection to the first that is there."""

    def __init__(self, *servers: Program) -> None:
        self._ports = [int(server.url.rpartition(":")[2]) for server in servers]

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._ports:
            try:
                there = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            await asyncio.wait(
                [
                    asyncio.ensure_future(_copy(reader, there[1])),
                    asyncio.ensure_future(_copy(there[0], writer)),
                ],
                return_when="FIRST_COMPLETED",
            )
            there[1].close()
            break
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    except OSError:
        pass


class Heard:
    """What came to a client, by language and segment."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, int], str] = defaultdict(str)
        self.sound: dict[tuple[str, int], int] = defaultdict(int)
        self.finished: list[tuple[str, int]] = []

    def add(self, event: Any) -> None:
        if isinstance(event, Text):
            self.texts[event.lang, event.segment_id] += event.text
            if event.finished:
                self.finished.append((event.lang, event.segment_id))
        elif isinstance(event, Speech):
            self.sound[event.lang, event.segment_id] += len(event.samples)


async def packets() -> AsyncIterator[np.ndarray]:
    for start in range(0, len(PCM), 1600):
        yield PCM[start : start + 1600]


async def talk(url: str, kill: Program | None) -> tuple[Heard, Heard, list[dict[str, Any]], int]:
    """Somebody speaks and somebody listens; what both heard, the transcript, and streams begun.

    Args:
        kill: the server that is killed while a sentence is open.
    """
    mine, others = Heard(), Heard()
    async with (
        StreamingClient(url, target_language="spa") as speaker,
        StreamingClient(url, room=speaker.room, target_language="deu") as listener,
    ):

        async def listen() -> None:
            async for event in listener.listen():
                others.add(event)

        listening = asyncio.create_task(listen())
        async for event in speaker.translate(packets(), rate=16_000):
            mine.add(event)
            open_now = isinstance(event, Text) and not event.finished and event.text
            if kill is not None and open_now and mine.finished:
                kill.end(signal.SIGKILL)
                kill = None
        for _ in range(100):
            if len(others.finished) == len(mine.finished):
                break
            await asyncio.sleep(0.1)
        listening.cancel()
        assert kill is None
        return mine, others, await speaker.transcript(), len(mine.finished)


async def test_a_kill_in_mid_sentence_is_not_noticed(run: Run, redis: Redis) -> None:
    shared = {"SEAMLESS_REDIS_URL": redis.url}
    first, second = run(**shared), run(**shared)
    async with Proxy(second) as calm, Proxy(first, second) as proxy:
        undisturbed = await talk(calm.url, None)
        disturbed = await talk(proxy.url, first)
    for before, now in zip(undisturbed[:2], disturbed[:2], strict=True):
        assert dict(now.texts) == dict(before.texts)
        assert now.finished == before.finished
        assert dict(now.sound) == dict(before.sound)
        assert len(now.finished) > 2

    def written(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return sorted((entry["lang"], entry["text"]) for entry in entries)

    assert written(disturbed[2]) == written(undisturbed[2])
