"""Engines in this process, behind the interface of a link, that can be lost in every way."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

from seamless_server.cluster.engine_replica import EngineReplica
from seamless_server.cluster.link import Lost, NoEngine
from seamless_server.cluster.wire import OpenRequest, PushRequest
from seamless_server.errors import NoPlaceError, SeamlessError
from tests.recorded import CHECKPOINT


def make_engines(count: int) -> list[EngineReplica]:
    """Engines with two places each."""
    settings = {"models": (str(CHECKPOINT),), "device": "cpu", "engine_places": 2}
    return [EngineReplica(settings, name=f"engine {number}") for number in range(count)]


class NearbyLink:
    """Opens streams on the first engine that has a place."""

    def __init__(self, engines: list[EngineReplica]) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.engines = engines
        self.lossy = False
        """Every engine dies of the next push."""
        self.calls: list[NearbyCall] = []

    def loop_call(self, work: Any) -> Any:
        """What a coroutine of an engine gives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def open(self, request: OpenRequest) -> NearbyCall:
        if not self.engines:
            raise NoEngine
        for engine in self.engines:
            call = NearbyCall(self, engine, request)
            kind, *rest = call.came.get()
            if kind == "opened":
                self.calls.append(call)
                return call
            if kind == "refused":
                raise SeamlessError(rest[1], code=rest[0])
        raise NoPlaceError


class NearbyCall:
    """A stream on one of them."""

    def __init__(self, link: NearbyLink, engine: EngineReplica, request: OpenRequest) -> None:
        self.engine, self.facts = engine.name, {}
        self.leaving = False
        self.came: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.late: list[Any] = []
        self.partitioned = False
        self._link, self._engine, self._request = link, engine, request
        self._reading = asyncio.run_coroutine_threadsafe(self._read(), link.loop)

    async def _read(self) -> None:
        async for message in self._engine.open(self._request):
            (self.late.append if self.partitioned else self.came.put)(message)
        self.came.put(("lost", "the engine ended the stream"))

    def push(self, push: PushRequest) -> None:
        work = self._engine.push(self._request["key"], push)
        asyncio.run_coroutine_threadsafe(work, self._link.loop)

    def get(self) -> Any:
        if self._link.lossy:
            raise Lost("killed")
        message = self.came.get(timeout=60)
        if message[0] == "lost":
            raise Lost(message[1])
        return message

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._engine.cancel(self._request["key"]), self._link.loop)

    def die(self) -> None:
        """The engine is gone for good, as after a kill -9."""
        self._link.engines.remove(self._engine)
        self._reading.cancel()
        self.came.put(("lost", "killed"))

    def cut_off(self) -> None:
        """The engine computes on, but nothing of it is heard."""
        self.partitioned = True
        self._link.engines.remove(self._engine)
        self.came.put(("lost", "silent"))
