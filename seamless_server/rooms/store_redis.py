"""The store that replicas share: Redis.

Keys, all below one prefix: `member:<clientID>` (a member's record, expires), `room:<id>` (hash of
the room's client IDs to records), `facts:<id>` (owner, passcode, closed), `text:<id>` and
`order:<id>` (transcript and its order). The channel `changes` carries the IDs of changed rooms.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import orjson
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from seamless_server.rooms.store import RoomChanged, transcript_key

logger = logging.getLogger(__name__)

_ROOM_TTL = 24 * 3600
"""Seconds after which what a crashed server left behind is gone."""
_RECONNECT_SECONDS = 1.0


Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, Any]])


def _or(default: Callable[[], Any]) -> Callable[[Method], Method]:
    """What a method answers while Redis cannot be reached: this replica goes on alone."""

    def wrap(method: Method) -> Method:
        @functools.wraps(method)
        async def tolerant(*args: Any) -> Any:
            try:
                return await method(*args)
            except (RedisError, OSError) as error:
                logger.error("Redis cannot be reached: %s", error)
                return default()

        return cast(Method, tolerant)

    return wrap


def _nothing() -> None:
    return None


class RedisStore:
    """See `StateStore`. One that loses Redis goes on alone and says so in the log."""

    def __init__(self, url: str, prefix: str, transcript_entries: int) -> None:
        self._redis: Any = aioredis.from_url(url)
        self._prefix = prefix
        self._limit = transcript_entries
        self._replica = secrets.token_hex(6)
        self._listener: asyncio.Task[None] | None = None

    def _key(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))

    async def start(self, on_room: RoomChanged) -> None:
        """Connects and listens for rooms that others changed."""
        subscribed = asyncio.Event()
        self._listener = asyncio.create_task(self._listen(on_room, subscribed), name="redis")
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(subscribed.wait(), 5)

    async def _listen(self, on_room: RoomChanged, subscribed: asyncio.Event) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._key("changes"))
                    subscribed.set()
                    async for message in channel.listen():
                        change = orjson.loads(message["data"])
                        if change["replica"] != self._replica:
                            await on_room(change["room"])
            except (RedisError, OSError) as error:
                logger.error("Redis cannot be reached: %s", error)
                await asyncio.sleep(_RECONNECT_SECONDS)
            except Exception:
                logger.exception("a change of a room could not be taken over")
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def close(self) -> None:
        """Disconnects."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        await self._redis.aclose()

    async def _announce(self, room_id: str) -> None:
        change = orjson.dumps({"replica": self._replica, "room": room_id})
        await self._redis.publish(self._key("changes"), change)

    @_or(_nothing)
    async def save_member(self, record: dict[str, Any], ttl: float) -> None:
        """See `StateStore`."""
        room_id, client_id = record["room_id"], record["client_id"]
        expires = time.time() + ttl
        value = orjson.dumps({**record, "replica": self._replica, "expires": expires})
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(self._key("member", client_id), value, px=int(ttl * 1000))
            pipe.hset(self._key("room", room_id), client_id, value)
            pipe.expire(self._key("room", room_id), _ROOM_TTL)
            await pipe.execute()
        await self._announce(room_id)

    @_or(_nothing)
    async def load_member(self, client_id: str) -> dict[str, Any] | None:
        """See `StateStore`."""
        value = await self._redis.get(self._key("member", client_id))
        if value is None:
            return None
        record: dict[str, Any] = orjson.loads(value)
        record.pop("expires", None)
        return record

    @_or(_nothing)
    async def remove_member(self, client_id: str, room_id: str | None) -> None:
        """See `StateStore`."""
        held = await self.load_member(client_id)
        if held is not None and held["replica"] != self._replica:
            return  # it has gone over to another replica
        await self._redis.delete(self._key("member", client_id))
        if room_id is not None:
            await self._redis.hdel(self._key("room", room_id), client_id)
            await self._announce(room_id)

    @_or(list)
    async def members(self, room_id: str) -> list[dict[str, Any]]:
        """See `StateStore`."""
        found = []
        entries = await self._redis.hgetall(self._key("room", room_id))
        for client_id, value in entries.items():
            record = orjson.loads(value)
            if record.pop("expires") < time.time():
                await self._redis.hdel(self._key("room", room_id), client_id)
            elif record["replica"] != self._replica:
                found.append(record)
        return found

    @_or(_nothing)
    async def save_room(self, room_id: str, facts: dict[str, Any]) -> None:
        """See `StateStore`."""
        await self._redis.set(self._key("facts", room_id), orjson.dumps(facts), ex=_ROOM_TTL)
        await self._announce(room_id)

    @_or(_nothing)
    async def load_room(self, room_id: str) -> dict[str, Any] | None:
        """See `StateStore`."""
        value = await self._redis.get(self._key("facts", room_id))
        return None if value is None else dict(orjson.loads(value))

    @_or(_nothing)
    async def add_text(self, room_id: str, entry: dict[str, Any]) -> None:
        """See `StateStore`. Only the speaker's replica writes its sentences, so none races."""
        if not self._limit:
            return
        texts, order = self._key("text", room_id), self._key("order", room_id)
        key = transcript_key(entry)
        known = await self._redis.hget(texts, key)
        if known is None and not entry["text"]:
            return
        if known is not None:
            before = orjson.loads(known)
            entry = {
                **before,
                "text": before["text"] + entry["text"],
                "endMs": max(before["endMs"], entry["endMs"]),
                "finished": entry["finished"],
            }
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(texts, key, orjson.dumps(entry))
            if known is None:
                pipe.rpush(order, key)
            pipe.expire(texts, _ROOM_TTL)
            pipe.expire(order, _ROOM_TTL)
            await pipe.execute()
        if known is None and await self._redis.llen(order) > self._limit:
            await self._redis.hdel(texts, await self._redis.lpop(order))

    @_or(list)
    async def transcript(self, room_id: str) -> list[dict[str, Any]]:
        """See `StateStore`."""
        order = await self._redis.lrange(self._key("order", room_id), 0, -1)
        if not order:
            return []
        values = await self._redis.hmget(self._key("text", room_id), order)
        entries = [orjson.loads(value) for value in values if value is not None]
        return [{**entry, "text": entry["text"].strip()} for entry in entries]

    @_or(_nothing)
    async def clear_transcript(self, room_id: str) -> None:
        """See `StateStore`."""
        await self._redis.delete(self._key("text", room_id), self._key("order", room_id))
