"""A speaker's own server is killed in mid-sentence: another one goes on, and nobody notices."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from seamless_server.client import Speech, StreamingClient, Text

from .conftest import Peer, Run, speech
from .programs import Program, Proxy, Redis

PCM = np.concatenate([speech("human_pauses"), np.zeros(24_000, np.int16)])


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


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


async def talk(
    url: str, stays: Program, end: Program | None, number: signal.Signals = signal.SIGKILL
) -> tuple[Heard, Heard, dict[tuple[str, int], str], list[dict[str, Any]]]:
    """Somebody speaks, and somebody listens; what both heard, what came to a plain client of the
    other server, which keeps no account of what it had, and the transcript.

    Args:
        stays: a server that stays.
        end: the server that gets a signal while a sentence is open.
    """
    mine, others = Heard(), Heard()
    async with (
        StreamingClient(url, target_language="spa") as speaker,
        StreamingClient(url, room=speaker.room, target_language="deu") as listener,
    ):

        async def listen() -> None:
            async for event in listener.listen():
                others.add(event)

        plain = Peer(uuid.uuid4().hex)
        address = f"{stays.url}?clientID={plain.client_id}&protocol=2"
        await plain.sio.connect(address, socketio_path="/ws/socket.io", transports=["websocket"])
        await plain.join(speaker.room, "listener")
        await plain.call("set_listener_config", {"targetLanguage": "deu", "output": "s2t"})
        listening = asyncio.create_task(listen())
        async for event in speaker.translate(packets(), rate=16_000):
            mine.add(event)
            open_now = isinstance(event, Text) and not event.finished and event.text
            if end is not None and open_now and mine.finished:
                end.end(number)
                end = None
        for _ in range(100):
            if len(others.finished) == len(mine.finished):
                break
            await asyncio.sleep(0.1)
        listening.cancel()
        assert end is None
        texts: dict[tuple[str, int], str] = defaultdict(str)
        last = max(segment for _, segment in mine.finished)
        await plain.until(
            "translation_text", lambda data: data["eos"] and data["segmentID"] == last
        )
        for data in plain.of("translation_text"):
            texts[data["lang"], data["segmentID"]] += data["payload"]
        await plain.sio.disconnect()
        return mine, others, dict(texts), await speaker.transcript()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_an_end_in_mid_sentence_is_not_noticed(
    run: Run, redis: Redis, number: signal.Signals
) -> None:
    # A server that is asked to end may wait for a pause, but here not for long.
    shared = {"SEAMLESS_REDIS_URL": redis.url, "SEAMLESS_FLUSH_SECONDS": "0.2"}
    first, second = run(**shared), run(**shared)
    async with Proxy(second.url) as calm, Proxy(first.url, second.url) as proxy:
        undisturbed = await talk(calm.url, second, None)
        disturbed = await talk(proxy.url, second, first, number)
    for before, now in zip(undisturbed[:2], disturbed[:2], strict=True):
        assert dict(now.texts) == dict(before.texts)
        assert now.finished == before.finished
        assert dict(now.sound) == dict(before.sound)
        assert len(now.finished) > 2

    if number == signal.SIGKILL:
        # Who keeps no account may get twice what a server says while it ends.
        assert disturbed[2] == undisturbed[2]

    def written(entries: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return sorted((entry["lang"], entry["text"]) for entry in entries)

    assert written(disturbed[3]) == written(undisturbed[3])
