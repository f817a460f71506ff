"""The store that replicas share: Redis.

Keys, all below one prefix: `member:<clientID>` (a member's record, expires), `room:<id>` (hash of
the room's client IDs to records), `stream:<clientID>` (where one can be gone on with), `facts:<id>`
(owner, passcode, closed), `text:<id>` and `order:<id>` (transcript and its order), `told:<replica>`
(Redis has all members of a replica, and has not lost its memory since). The channel `changes`
carries what changed, so that a crowd that joins is not read anew with each of its members.

Nobody waits for a write: writes stand in a queue and are made in order, after an outage too, and
making one again does no harm. Members that change while others are written are written together.
A read waits for a second at most, and not at all while Redis is known to be away; then this
replica answers from its own memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import orjson
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from seamless_server.rooms.store import Change, MemoryStore, OnChange, StateStore, transcript_key

logger = logging.getLogger(__name__)

_ROOM_TTL = 24 * 3600
"""Seconds after which what a crashed server left behind is gone."""
_STREAM_TTL = 600
"""Seconds for which a stream can be gone on with; it is written anew at each pause."""
_RETRY_SECONDS = 0.5
_MOST_WRITES = 100_000
"""Writes that may wait for Redis; beyond it the oldest is lost."""
_TOGETHER = 500
"""Members that are written at once."""
_FEW = 50
"""Members of a room that are looked at one by one, whether they are there still."""
_AWAY = (RedisError, OSError, asyncio.TimeoutError)

Answer = TypeVar("Answer")
Write = Callable[[], Awaitable[None]]


class RedisStore(StateStore):
    """See `StateStore`.

    Args:
        url: of Redis.
        prefix: of every key.
        transcript_entries: sentences that a room remembers.
        timeout: seconds that one command may take.
    """

    shared = True

    def __init__(
        self, url: str, prefix: str, transcript_entries: int, timeout: float = 1.0
    ) -> None:
        self._redis: Any = aioredis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout
        )
        # A subscriber waits for as long as nothing is said.
        self._subscriber: Any = aioredis.from_url(url, socket_connect_timeout=timeout)
        self._prefix = prefix
        self._limit = transcript_entries
        self._timeout = timeout
        self._replica = secrets.token_hex(6)
        self._own = MemoryStore(transcript_entries)
        """What this replica's own speakers said."""
        self._members: dict[str, tuple[dict[str, Any], float]] = {}
        self._changed: dict[str, tuple[dict[str, Any], float]] = {}
        """Members that are to be written, with the seconds for which they are kept."""
        self._told: dict[str, dict[str, Any]] = {}
        """What the other replicas know of each member."""
        self._streams: dict[str, tuple[bytes, Callable[[], None]]] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        self._writes: deque[Write] = deque(maxlen=_MOST_WRITES)
        self._more = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._away = False
        self._tasks: list[asyncio.Task[None]] = []

    def _key(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))

    async def start(self, on_change: OnChange) -> None:
        """Connects and listens for what others changed."""
        subscribed = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._listen(on_change, subscribed), name="redis changes"),
            asyncio.create_task(self._write_all(), name="redis writes"),
        ]
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(subscribed.wait(), 5 * self._timeout)

    async def close(self) -> None:
        """Disconnects, after what can still be written."""
        if not self._away:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._written.wait(), self._timeout)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in (self._redis, self._subscriber):
            with contextlib.suppress(*_AWAY):
                await asyncio.wait_for(client.aclose(), self._timeout)

    # -- what runs beside -------------------------------------------------------------------------

    async def _listen(self, on_change: OnChange, subscribed: asyncio.Event) -> None:
        while True:
            try:
                async with self._subscriber.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._key("changes"))
                    if subscribed.is_set():
                        await on_change(Change(self._replica, missed=True))
                    subscribed.set()
                    async for message in channel.listen():
                        change = _read_change(message["data"])
                        if change.replica != self._replica:
                            await on_change(change)
            except _AWAY as error:
                logger.debug("changes of other replicas cannot be heard: %s", error)
            except Exception:
                logger.exception("a change of a room could not be taken over")
            await asyncio.sleep(_RETRY_SECONDS)

    async def _write_all(self) -> None:
        """Makes the writes in order; one that fails is made again when Redis is back."""
        while True:
            await self._more.wait()
            while self._writes:
                write = self._writes[0]
                try:
                    await self._check_memory()
                    await asyncio.wait_for(write(), self._timeout)
                except _AWAY as error:
                    self._tell_away(error)
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                except Exception:
                    logger.exception("a write to Redis failed")
                self._tell_back()
                if self._writes and self._writes[0] is write:
                    self._writes.popleft()
            self._more.clear()
            self._written.set()

    async def _check_memory(self) -> None:
        """After an outage: a Redis that has forgotten everything is told again."""
        if not self._away:
            return
        told = await asyncio.wait_for(
            self._redis.exists(self._key("told", self._replica)), self._timeout
        )
        self._away = False
        logger.warning("Redis is back")
        if not told:
            for room_id, facts in list(self._facts.items()):
                await self._put_facts(room_id, facts)
            self._told.clear()
            self._changed.update(self._members)
            self._later(self._put_members)
            for client_id in self._streams:
                self._later(partial(self._put_stream, client_id))
            for room_id in self._own.rooms():
                for entry in self._own.entries(room_id):
                    await self._put_text(room_id, entry)

    def _tell_away(self, error: BaseException) -> None:
        if not self._away:
            logger.error("Redis cannot be reached, this replica goes on alone: %r", error)
        self._away = True

    def _tell_back(self) -> None:
        self._away = False

    def _later(self, write: Write) -> None:
        self._writes.append(write)
        self._written.clear()
        self._more.set()

    async def _read(self, read: Callable[[], Awaitable[Answer]], default: Answer) -> Answer:
        if self._away:
            self._later(self._ping)  # so that its return is noticed
            return default
        try:
            if not self._written.is_set():
                await asyncio.wait_for(self._wrote(), self._timeout)
            return await asyncio.wait_for(read(), self._timeout)
        except _AWAY as error:
            self._tell_away(error)
            return default

    async def _wrote(self) -> None:
        """Waits until all that this replica has to write now is written."""
        done = asyncio.Event()

        async def mark() -> None:
            done.set()

        self._later(mark)
        await done.wait()

    async def _ping(self) -> None:
        await self._redis.ping()

    async def _announce(self, **change: Any) -> None:
        await self._redis.publish(self._key("changes"), self._message(**change))

    def _message(self, **change: Any) -> bytes:
        return orjson.dumps({"replica": self._replica, **change})

    # -- members ----------------------------------------------------------------------------------

    async def save_member(self, record: dict[str, Any], ttl: float) -> None:
        """See `StateStore`."""
        self._members[record["client_id"]] = (record, ttl)
        self._changed[record["client_id"]] = (record, ttl)
        self._later(self._put_members)

    async def _put_members(self) -> None:
        batch = dict(islice(self._changed.items(), _TOGETHER))
        if not batch:
            return
        async with self._redis.pipeline(transaction=True) as pipe:
            for room_id, records in self._fill(pipe, batch).items():
                news = [record for record in records if not self._knows(record)]
                pipe.expire(self._key("room", room_id), _ROOM_TTL)
                # Without news it says that they are there still.
                pipe.publish(self._key("changes"), self._message(room_id=room_id, members=news))
            if len(batch) == len(self._changed):
                pipe.set(self._key("told", self._replica), 1, ex=_ROOM_TTL)
            await pipe.execute()
        for client_id, written in batch.items():
            self._told[client_id] = written[0]
            if self._changed.get(client_id) is written:
                del self._changed[client_id]
        if self._changed:
            self._later(self._put_members)

    def _fill(
        self, pipe: Any, batch: dict[str, tuple[dict[str, Any], float]]
    ) -> dict[str, list[dict[str, Any]]]:
        rooms: dict[str, list[dict[str, Any]]] = {}
        for client_id, (record, ttl) in batch.items():
            room_id = record["room_id"]
            rooms.setdefault(room_id, []).append(record)
            expires = time.time() + ttl
            value = orjson.dumps({**record, "replica": self._replica, "expires": expires})
            pipe.set(self._key("member", client_id), value, px=int(ttl * 1000))
            pipe.hset(self._key("room", room_id), client_id, value)
        return rooms

    def _knows(self, record: dict[str, Any]) -> bool:
        return self._told.get(record["client_id"]) == record

    async def load_member(self, client_id: str) -> dict[str, Any] | None:
        """See `StateStore`."""
        return await self._read(lambda: self._get_member(client_id), None)

    async def _get_member(self, client_id: str) -> dict[str, Any] | None:
        value = await self._redis.get(self._key("member", client_id))
        if value is None:
            return None
        record: dict[str, Any] = orjson.loads(value)
        record.pop("expires", None)
        return record

    async def remove_member(self, client_id: str, room_id: str | None) -> None:
        """See `StateStore`."""
        self._members.pop(client_id, None)
        self._changed.pop(client_id, None)
        self._later(lambda: self._drop_member(client_id, room_id))

    async def _drop_member(self, client_id: str, room_id: str | None) -> None:
        held = await self._get_member(client_id)
        if held is not None and held["replica"] != self._replica:
            return  # it has gone over to another replica
        again = self._members.get(client_id)
        if again is None:
            self._told.pop(client_id, None)
            await self._redis.delete(self._key("member", client_id))
        if room_id is not None and (again is None or again[0]["room_id"] != room_id):
            await self._redis.hdel(self._key("room", room_id), client_id)
            await self._announce(room_id=room_id, gone=[client_id])

    def save_stream(
        self, client_id: str, state: dict[str, Any] | None, written: Callable[[], None]
    ) -> None:
        """See `StateStore`."""
        if state is None:
            self._streams.pop(client_id, None)
        else:
            value = orjson.dumps(state, option=orjson.OPT_SERIALIZE_NUMPY)
            self._streams[client_id] = value, written
        self._later(partial(self._put_stream, client_id))

    async def _put_stream(self, client_id: str) -> None:
        key, now = self._key("stream", client_id), self._streams.get(client_id)
        if now is None:
            await self._redis.delete(key)
            return
        value, written = now
        await self._redis.set(key, value, ex=_STREAM_TTL)
        written()

    async def load_stream(self, client_id: str) -> dict[str, Any] | None:
        """See `StateStore`."""

        async def read() -> dict[str, Any] | None:
            value = await self._redis.get(self._key("stream", client_id))
            return None if value is None else dict(orjson.loads(value))

        return await self._read(read, None)

    async def ask(self, room_id: str, client_id: str, ruling: str) -> None:
        """See `StateStore`."""
        self._later(lambda: self._announce(room_id=room_id, asked=[client_id, ruling]))

    async def has_members(self, room_id: str) -> bool:
        """See `StateStore`."""

        async def read() -> bool:
            count = await self._redis.hlen(self._key("room", room_id))
            return count > _FEW or (count > 0 and bool(await self._get_members(room_id)))

        return await self._read(read, False)

    async def members(self, room_id: str) -> list[dict[str, Any]]:
        """See `StateStore`."""
        return await self._read(lambda: self._get_members(room_id), [])

    async def _get_members(self, room_id: str) -> list[dict[str, Any]]:
        found = []
        entries = await self._redis.hgetall(self._key("room", room_id))
        for client_id, value in entries.items():
            record = orjson.loads(value)
            if record.pop("expires") < time.time():
                await self._redis.hdel(self._key("room", room_id), client_id)
            elif record["replica"] != self._replica:
                found.append(record)
        return found

    async def told(self, replicas: Collection[str]) -> set[str]:
        """See `StateStore`."""
        names = sorted(replicas)

        async def read() -> set[str]:
            values = await self._redis.mget([self._key("told", name) for name in names])
            return {name for name, value in zip(names, values, strict=True) if value is not None}

        return await self._read(read, set()) if names else set()

    # -- rooms ------------------------------------------------------------------------------------

    async def save_room(self, room_id: str, facts: dict[str, Any]) -> None:
        """See `StateStore`."""
        self._facts[room_id] = facts
        self._later(lambda: self._put_facts(room_id, facts))

    async def _put_facts(self, room_id: str, facts: dict[str, Any]) -> None:
        await self._redis.set(self._key("facts", room_id), orjson.dumps(facts), ex=_ROOM_TTL)
        await self._announce(room_id=room_id, facts=facts)

    async def load_room(self, room_id: str) -> dict[str, Any] | None:
        """See `StateStore`."""

        async def read() -> dict[str, Any] | None:
            value = await self._redis.get(self._key("facts", room_id))
            return None if value is None else dict(orjson.loads(value))

        return await self._read(read, self._facts.get(room_id))

    # -- transcripts ------------------------------------------------------------------------------

    async def add_text(self, room_id: str, entry: dict[str, Any]) -> None:
        """See `StateStore`. Only the speaker's replica writes its sentences, so none races."""
        if not self._limit:
            return
        await self._own.add_text(room_id, entry)
        # All of the sentence so far is written each time, so that writing it again does no harm.
        whole = self._own.entry(room_id, transcript_key(entry))
        if whole is not None:
            self._later(lambda: self._put_text(room_id, whole))

    async def _put_text(self, room_id: str, whole: dict[str, Any]) -> None:
        texts, order = self._key("text", room_id), self._key("order", room_id)
        key = transcript_key(whole)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(texts, key, orjson.dumps(whole))
            pipe.zadd(order, {key: time.time()}, nx=True)
            pipe.zcard(order)
            pipe.expire(texts, _ROOM_TTL)
            pipe.expire(order, _ROOM_TTL)
            *_, count, _, _ = await pipe.execute()
        if count > self._limit:
            for old, _ in await self._redis.zpopmin(order, count - self._limit):
                await self._redis.hdel(texts, old)

    async def transcript(self, room_id: str) -> list[dict[str, Any]]:
        """See `StateStore`."""

        async def read() -> list[dict[str, Any]]:
            order = await self._redis.zrange(self._key("order", room_id), 0, -1)
            if not order:
                return []
            values = await self._redis.hmget(self._key("text", room_id), order)
            entries = [orjson.loads(value) for value in values if value is not None]
            return [{**entry, "text": entry["text"].strip()} for entry in entries]

        return await self._read(read, await self._own.transcript(room_id))

    async def clear_transcript(self, room_id: str) -> None:
        """See `StateStore`."""
        await self._own.clear_transcript(room_id)
        self._facts.pop(room_id, None)

        async def clear() -> None:
            await self._redis.delete(self._key("text", room_id), self._key("order", room_id))

        self._later(clear)


def _read_change(message: bytes) -> Change:
    known = orjson.loads(message)
    asked = known.get("asked")
    return Change(
        replica=known["replica"],
        room_id=known.get("room_id"),
        members=tuple(known.get("members", ())),
        gone=tuple(known.get("gone", ())),
        facts=known.get("facts"),
        asked=None if asked is None else (asked[0], asked[1]),
    )
