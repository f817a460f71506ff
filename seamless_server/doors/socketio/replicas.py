"""Events between replicas, through Redis: nobody waits for it, and what it missed comes later."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import orjson
import socketio
from redis import asyncio as aioredis

from seamless_server.doors.socketio.codec import Json
from seamless_server.doors.socketio.delivery import LocalManager

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
_SETTLE_SECONDS = 1.5
"""After an outage: time for the other replicas to listen again, before they are told anything."""
_PROBE_SECONDS = 1.0
_MOST_BYTES = 64 * 2**20
"""Messages that wait for Redis; beyond it the oldest is lost."""
_REMEMBERED = 8_192
"""Messages of others that are known, so that one that was sent twice counts once."""


class RedisManager(socketio.AsyncRedisManager, LocalManager):  # type: ignore[misc]
    """The manager of replicas that share Redis; each delivers to its own clients as `LocalManager`.

    Args:
        url: of Redis.
        channel: on which replicas talk.
        timeout: seconds that one command may take.
    """

    def __init__(self, url: str, channel: str, timeout: float) -> None:
        super().__init__(url, channel=channel)
        self._timeout = timeout
        self.away = False
        """Redis does not answer."""
        self.on_change: Callable[[bool], None] = lambda away: None
        """Told when Redis goes away and when it is back."""
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._numbers = itertools.count()
        self._seen: deque[str] = deque(maxlen=_REMEMBERED)
        self._known: set[str] = set()
        self._publisher: Any = aioredis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout
        )

    def initialize(self) -> None:
        """Called before the first client comes."""
        super().initialize()
        self.server.start_background_task(self._send_all)

    async def _publish(self, data: Any) -> None:
        """Stands in line; nobody waits for Redis."""
        name = f"{self.host_id}:{next(self._numbers)}"
        message = Json.dumps({**data, "uid": name}).encode()
        self._waiting.append((name, message))
        self._waiting_bytes += len(message)
        while self._waiting_bytes > _MOST_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft()[1])
        self._more.set()

    async def _send_all(self) -> None:
        """Publishes in order; what fails is published again when Redis is back."""
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._more.wait(), _PROBE_SECONDS)
            try:
                if not self._waiting:
                    self._more.clear()
                    await asyncio.wait_for(self._publisher.ping(), self._timeout)
                    self._set_away(False)
                    continue
                name, message = self._waiting[0]
                if self.away:
                    await asyncio.wait_for(self._publisher.ping(), self._timeout)
                    await asyncio.sleep(_SETTLE_SECONDS)
                await asyncio.wait_for(
                    self._publisher.publish(self.channel, message), self._timeout
                )
                self._set_away(False)
                if self._waiting and self._waiting[0][0] == name:
                    self._waiting.popleft()
                    self._waiting_bytes -= len(message)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                logger.debug("Redis: %r", error)
                self._set_away(True)
                await asyncio.sleep(_RETRY_SECONDS)

    def _set_away(self, away: bool) -> None:
        if away is not self.away:
            self.away = away
            self.on_change(away)

    async def _listen(self) -> AsyncIterator[Any]:
        """Messages of all replicas, each once."""
        while True:
            try:
                client: Any = aioredis.from_url(
                    self.redis_url, socket_connect_timeout=self._timeout
                )
                async with client, client.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self.channel)
                    async for item in channel.listen():
                        message = orjson.loads(item["data"])
                        if self._is_new(message.get("uid")):
                            yield message
            except asyncio.CancelledError:
                raise
            except Exception as error:
                logger.debug("Redis: %r", error)
            await asyncio.sleep(_RETRY_SECONDS)

    def _is_new(self, name: str | None) -> bool:
        if name is None:
            return True
        if name in self._known:
            return False
        if len(self._seen) == _REMEMBERED:
            self._known.discard(self._seen[0])
        self._seen.append(name)
        self._known.add(name)
        return True
