"""Events between replicas, through Redis: nobody waits for it, and what it missed comes later.

Every room has a Redis stream that holds its last events, binary parts as they are; a replica reads
those of the rooms in which it has somebody, each from where it stopped reading. What is for all
replicas, or for one client elsewhere, goes through one stream more.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import socketio
from redis import asyncio as aioredis
from socketio.packet import Packet

from seamless_server import tracing
from seamless_server.doors.socketio.codec import Json
from seamless_server.doors.socketio.delivery import Emitted, LocalManager, arguments_of

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
_PROBE_SECONDS = 1.0
_MOST_BYTES = 64 * 2**20
"""Messages that wait for Redis; beyond it the oldest is lost."""
_REMEMBERED = 8_192
"""Messages of others that are known, so that one that was sent twice counts once."""
_KEPT = 400
"""Events that a room's stream holds for replicas that were away: minutes, with sound."""
_KEPT_SECONDS = 120
_REMEMBER_SECONDS = 10.0
_AT_ONCE = 64
_BLOCK_MS = 1_000
_LOOK_SECONDS = 5.0
"""How often rooms in which nobody is left are found."""

Message = dict[bytes, bytes]


class RedisManager(socketio.AsyncRedisManager, LocalManager):  # type: ignore[misc]
    """The manager of replicas that share Redis; each delivers to its own clients as `LocalManager`.

    Args:
        url: of Redis.
        channel: prefix of the streams' names.
        timeout: seconds that one command may take.
    """

    def __init__(self, url: str, channel: str, timeout: float) -> None:
        super().__init__(url, channel=channel)
        self._timeout = timeout
        self.away = False
        """Redis does not answer."""
        self.on_change: Callable[[bool], None] = lambda away: None
        """Told when Redis goes away and when it is back."""
        self.is_room: Callable[[str], bool] = lambda name: False
        """Whether there is a room of that code."""
        self._waiting: deque[tuple[str, Message]] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._numbers = itertools.count()
        self._seen: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._known: set[bytes] = set()
        self._skew = 0.0
        """Seconds that the clock of Redis is ahead."""
        self._places: dict[str, str] = {}
        """Streams that are read, and how far they were."""
        self._recent: dict[str, tuple[asyncio.Future[None], list[Emitted]]] = {}
        """What rooms said lately, by code, while somebody may want to know."""
        self._other_rooms = asyncio.Event()
        self._looked = 0.0
        self._publisher: Any = aioredis.from_url(
            url, socket_timeout=timeout, socket_connect_timeout=timeout
        )

    def initialize(self) -> None:
        """Called before the first client comes."""
        super().initialize()
        self.server.start_background_task(self._send_all)

    # -- out ------------------------------------------------------------------------------------

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str | None = None,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **others: Any,
    ) -> None:
        """To clients of this replica at once, and to those of others through Redis."""
        room = to or room
        namespace = namespace or "/"
        if callback is not None:
            await super().emit(event, data, namespace, room, skip_sid, callback, **others)
            return
        await LocalManager.emit(self, event, data, namespace, room, skip_sid)
        self._remember(event, room, arguments_of(data))
        if isinstance(room, str) and self.is_connected(room, namespace):
            return  # a client of this replica
        arguments = arguments_of(data)
        parts: list[bytes] = []
        if Packet.data_is_binary(arguments):
            arguments, parts = Packet.deconstruct_binary(arguments)
        header: dict[str, Any] = {"method": "emit", "event": event, "data": arguments}
        header |= {"namespace": namespace, "room": room, "skip_sid": skip_sid}
        header |= {"host_id": self.host_id, "trace": tracing.current()}
        self._post(self._stream(room), header, parts)

    async def _publish(self, data: Any) -> None:
        """What is not an event of ours: for all replicas."""
        self._post(self.channel, data, [])

    def _stream(self, room: Any) -> str:
        """The stream of what is emitted to a room, or to delivery groups of one."""
        name = room[0] if isinstance(room, list) and room else room
        code = name.partition("|")[0] if isinstance(name, str) else ""
        return f"{self.channel}:{code}" if code and self.is_room(code) else self.channel

    def _post(self, stream: str, header: dict[str, Any], parts: list[bytes]) -> None:
        """Stands in line; nobody waits for Redis."""
        name = f"{self.host_id}:{next(self._numbers)}".encode()
        message = {b"uid": name, b"head": Json.dumps(header).encode()}
        message |= {b"%d" % number: bytes(part) for number, part in enumerate(parts)}
        self._waiting.append((stream, message))
        self._waiting_bytes += _size(message)
        while self._waiting_bytes > _MOST_BYTES:
            self._waiting_bytes -= _size(self._waiting.popleft()[1])
        self._more.set()

    async def _send_all(self) -> None:
        """Publishes in order; what fails is published again when Redis is back."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._more.wait(), _PROBE_SECONDS)
            try:
                batch = list(itertools.islice(self._waiting, _AT_ONCE))
                if batch:
                    await asyncio.wait_for(self._add(batch), self._timeout)
                else:
                    self._more.clear()
                    seconds, micro = await asyncio.wait_for(self._publisher.time(), self._timeout)
                    self._skew = seconds + micro / 1e6 - time.time()
                self._set_away(False)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                logger.debug("Redis: %r", error)
                self._set_away(True)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for sent in batch:
                if self._waiting and self._waiting[0] is sent:
                    self._waiting.popleft()
                    self._waiting_bytes -= _size(sent[1])

    async def _add(self, batch: list[tuple[str, Message]]) -> None:
        async with self._publisher.pipeline(transaction=False) as pipe:
            for stream, message in batch:
                pipe.xadd(stream, message, maxlen=_KEPT, approximate=True)
            for stream in {stream for stream, _ in batch}:
                pipe.expire(stream, _KEPT_SECONDS)
            await pipe.execute()

    def _set_away(self, away: bool) -> None:
        if away is not self.away:
            self.away = away
            self.on_change(away)

    # -- in -------------------------------------------------------------------------------------

    def basic_enter_room(self, sid: str, namespace: str, room: Any, eio_sid: Any = None) -> None:
        """A client of this replica is in a room, whose stream is read from now on."""
        super().basic_enter_room(sid, namespace, room, eio_sid)
        if isinstance(room, str) and room != sid:
            stream = f"{self.channel}:{room.partition('|')[0]}"
            if stream not in self._places:
                self._places[stream] = self._now()
                self._other_rooms.set()

    def _now(self) -> str:
        """The place in a stream behind what is there now."""
        return f"{int((time.time() + self._skew) * 1000)}-0"

    def _forget_rooms(self) -> None:
        """Streams of rooms in which nobody is left are not read any more."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        names = {name.partition("|")[0] for name in self.rooms.get("/", {}) if name}
        wanted = {self.channel, *(f"{self.channel}:{name}" for name in names)}
        for stream in self._places.keys() - wanted:
            del self._places[stream]

    async def _listen(self) -> AsyncIterator[Any]:
        """What other replicas ask for; their events are delivered here."""
        self._places[self.channel] = self._now()
        while True:
            client: Any = aioredis.from_url(
                self.redis_url, socket_connect_timeout=self._timeout, socket_timeout=None
            )
            try:
                async with client:
                    while True:
                        for header in await self._read(client):
                            yield header
            except asyncio.CancelledError:
                raise
            except Exception as error:
                logger.debug("Redis: %r", error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _read(self, client: Any) -> list[dict[str, Any]]:
        """Reads on; delivers events and returns everything else."""
        self._forget_rooms()
        self._other_rooms.clear()
        reading = asyncio.ensure_future(
            client.xread(dict(self._places), count=_AT_ONCE, block=_BLOCK_MS)
        )
        changed = asyncio.ensure_future(self._other_rooms.wait())
        try:
            limit = _BLOCK_MS / 1000 + self._timeout
            await asyncio.wait({reading, changed}, timeout=limit, return_when="FIRST_COMPLETED")
            if not reading.done():
                if not changed.done():
                    raise TimeoutError
                # Another room is to be read too. What this read may have got is read again.
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                return []
            return await self._deliver(reading.result())
        finally:
            changed.cancel()
            reading.cancel()

    async def _deliver(self, found: Any) -> list[dict[str, Any]]:
        others: list[dict[str, Any]] = []
        for key, entries in found.items() if isinstance(found, dict) else found or ():
            stream = key.decode()
            for place, message in _flat(entries):
                if stream in self._places:
                    self._places[stream] = place.decode()
                if not self._is_new(message[b"uid"]):
                    continue
                header = orjson.loads(message.pop(b"head"))
                if header["method"] != "emit":
                    others.append(header)
                elif header["host_id"] != self.host_id:
                    await self._emit_here(header, message)
        return others

    async def last_events(self, room_id: str) -> list[Emitted]:
        """See `LocalManager`. A crowd that comes back reads a room once."""
        if room_id not in self._recent:
            self._recent[room_id] = asyncio.ensure_future(self._read_room(room_id)), []
            loop = asyncio.get_running_loop()
            loop.call_later(_REMEMBER_SECONDS, self._recent.pop, room_id, None)
        reading, events = self._recent[room_id]
        await asyncio.wait([reading])
        return events

    async def _read_room(self, room_id: str) -> None:
        try:
            reading = self._publisher.xrange(f"{self.channel}:{room_id}")
            entries = await asyncio.wait_for(reading, self._timeout)
        except Exception as error:
            logger.debug("Redis: %r", error)
            return
        found = []
        for place, message in entries:
            header = orjson.loads(message.pop(b"head"))
            if header["method"] == "emit":
                at = int(place.partition(b"-")[0]) / 1000 - self._skew
                found += _emitted(header["event"], header["room"], _data_of(header, message), at)
        if room_id in self._recent:
            self._recent[room_id][1][:0] = found

    def _remember(self, event: str, room: Any, data: Any) -> None:
        """Adds to what is being read for somebody who comes back."""
        for name, (_, events) in self._recent.items():
            if self._stream(room) == f"{self.channel}:{name}":
                events += _emitted(event, room, data, time.time())

    async def _emit_here(self, header: dict[str, Any], message: Message) -> None:
        data = _data_of(header, message)
        event, room = header["event"], header["room"]
        self._remember(event, room, data)
        to = (header["namespace"], room, header["skip_sid"])
        try:
            trace = header.get("trace")
            # What belongs to no chunk of audio is not traced.
            with tracing.span("deliver", trace, event=event) if trace else contextlib.nullcontext():
                await LocalManager.emit(self, event, tuple(data), *to)
        except Exception:
            logger.exception("an event of another replica could not be delivered")

    def _is_new(self, name: bytes) -> bool:
        if name in self._known:
            return False
        if len(self._seen) == _REMEMBERED:
            self._known.discard(self._seen[0])
        self._seen.append(name)
        self._known.add(name)
        return True


def _data_of(header: dict[str, Any], message: Message) -> list[Any]:
    """An event's arguments, of a message whose head has been taken."""
    parts = [message[b"%d" % number] for number in range(len(message) - 1)]
    data: list[Any] = header["data"]
    return Packet.reconstruct_binary(data, parts) if parts else data


def _emitted(event: str, room: Any, arguments: list[Any], at: float) -> list[Emitted]:
    if not arguments or not isinstance(arguments[0], dict):
        return []
    groups = frozenset(room if isinstance(room, list) else [room])
    return [Emitted(event, arguments[0], groups, at)]


def _size(message: Message) -> int:
    return sum(map(len, message.values()))


def _flat(entries: Any) -> list[tuple[bytes, Message]]:
    """Entries of a stream in either form in which the Redis client gives them."""
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], tuple):
        return [entry for part in entries for entry in part]
    return list(entries)
