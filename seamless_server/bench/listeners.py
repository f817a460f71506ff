"""A crowd of listeners for a server to carry, in processes of their own.

Each is a bare websocket that speaks as much of Socket.IO as listening takes: thousands of complete
clients in one process would measure themselves. What arrives is noted with its time and looked at
afterwards.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from seamless_server.errors import UsageError

EACH = 500
"""Listeners of one process."""
AT_ONCE = 20
"""Of those, who connect at the same time."""
_SPARE_FILES = 100


@dataclass
class HeardByListeners:
    """What all listeners of a process got.

    texts: speaker, end of the source audio in ms, whether anything was written, and when it came
    (monotonic, in s; the same clock in all processes). events: of each listener, texts and speech.
    """

    texts: list[tuple[str, float, bool, float]] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    cpu_seconds: float = 0.0
    speech_bytes: int = 0
    """Of speech, with what stands around it."""
    state_bytes: int = 0
    """Of what the server told of rooms and of itself."""
    lost: int = 0
    """Connections that ended before they should."""


class Crowd:
    """Listeners in one room.

    Use as a context manager: all have joined when it is entered.

    Raises:
        UsageError: the system or the server does not let so many in.
    """

    def __init__(
        self, url: str, room: str, count: int, encoding: str, say: Callable[[str], None]
    ) -> None:
        self._url, self._room, self._count, self._say = url, room, count, say
        self._encoding = encoding
        self._processes: list[multiprocessing.process.BaseProcess] = []
        self._pipes: list[Connection] = []

    def __enter__(self) -> Crowd:
        context = multiprocessing.get_context("spawn")
        for number, size in enumerate(_shares(self._count)):
            ours, theirs = context.Pipe()
            tag = f"crowd-{os.getpid()}-{number}"
            arguments = (theirs, self._url, self._room, size, tag, self._encoding)
            process = context.Process(target=_listen, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)
        joined = dict.fromkeys(range(len(self._pipes)), 0)
        try:
            while sum(joined.values()) < self._count:
                for number, pipe in enumerate(self._pipes):
                    if pipe.poll(0.1):
                        joined[number] = self._answer(pipe)
                        self._say(f"{sum(joined.values())} of {self._count} listeners are in")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _answer(self, pipe: Connection) -> int:
        try:
            told: int | str = pipe.recv()
        except EOFError:
            told = "a process of listeners ended"
        if isinstance(told, str):
            raise UsageError(f"not all of {self._count} listeners could come in: {told}")
        return told

    def heard(self) -> HeardByListeners:
        """Ends all connections and says what they got."""
        total = HeardByListeners()
        for pipe in self._pipes:
            pipe.send("stop")
        for pipe in self._pipes:
            one: HeardByListeners = pipe.recv()
            total.texts += one.texts
            total.events += one.events
            total.cpu_seconds += one.cpu_seconds
            total.speech_bytes += one.speech_bytes
            total.state_bytes += one.state_bytes
            total.lost += one.lost
        return total

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
            process.join()


def _shares(count: int) -> Iterator[int]:
    parts = -(-count // EACH)
    for number in range(parts):
        yield count // parts + (number < count % parts)


def allow_files(count: int) -> None:
    """Lets this process open so many files, as far as the system lets it.

    Raises:
        UsageError: it does not; says which limit is in the way.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise UsageError(
            f"{count} connections need {wanted} open files, but the system allows {hard}: raise "
            "the hard limit (`ulimit -Hn`) or take fewer"
        )
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# -- in the process of the listeners ---------------------------------------------------------------


def _listen(pipe: Connection, url: str, room: str, count: int, tag: str, encoding: str) -> None:
    try:
        allow_files(count)
        asyncio.run(_listen_all(pipe, url, room, count, tag, encoding))
    except UsageError as error:
        pipe.send(error.message)
    except (OSError, WebSocketException, TimeoutError) as error:
        pipe.send(f"{type(error).__name__}: {error}")
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        pass


async def _listen_all(
    pipe: Connection, url: str, room: str, count: int, tag: str, encoding: str
) -> None:
    heard = HeardByListeners()
    gate = asyncio.Semaphore(AT_ONCE)
    joined = 0
    listening: list[asyncio.Task[None]] = []
    stopping = asyncio.Event()

    async def one(number: int) -> None:
        nonlocal joined
        async with gate:
            name = f"{tag}-{number}"
            address = url.replace("http", "ws", 1) + "/ws/socket.io/?EIO=4&transport=websocket"
            socket = await connect(
                f"{address}&clientID={name}&protocol=2",
                compression=None,
                max_size=None,
                open_timeout=60,
                ping_interval=None,
            )
            await _join(socket, name, room, encoding, heard)
        joined += 1
        if joined % 50 == 0 or joined == count:
            pipe.send(joined)
        heard.events.append(0)
        task = _hear(socket, heard, len(heard.events) - 1, stopping)
        listening.append(asyncio.create_task(task))

    came = await asyncio.gather(*(one(n) for n in range(count)), return_exceptions=True)
    for problem in came:
        if problem is not None:
            raise problem
    await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    stopping.set()
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    heard.cpu_seconds = time.process_time()
    pipe.send(heard)


async def _join(
    socket: ClientConnection, name: str, room: str, encoding: str, heard: HeardByListeners
) -> None:
    await _until(socket, "0", heard)
    await socket.send("40")
    answer = await _until(socket, "4", heard)
    if answer.startswith("44"):
        raise UsageError(f"the server refused: {_reason(answer)}")
    config = {"roles": ["listener"], "lockServerName": None}
    await socket.send("420" + json.dumps(["join_room", name, room, config]))
    joined = await _until(socket, "430", heard)
    if '"roomID"' not in joined:
        raise UsageError(f"the server refused: {_reason(joined)}")
    if encoding != "pcm16":
        wish = {"targetLanguage": None, "output": "s2s&t", "encoding": encoding}
        await socket.send("421" + json.dumps(["set_listener_config", wish]))
        answer = await _until(socket, "431", heard)
        if '"ok"' not in answer:
            raise UsageError(f"the server refused: {_reason(answer)}")


def _reason(packet: str) -> str:
    try:
        found: Any = json.loads(packet.lstrip("0123456789"))
    except ValueError:
        return packet
    found = found[0] if isinstance(found, list) else found
    return str(found.get("message", found))


async def _until(socket: ClientConnection, prefix: str, heard: HeardByListeners) -> str:
    """The next packet of a kind; pings are answered, others passed over."""
    while True:
        packet = await asyncio.wait_for(socket.recv(), 60)
        if packet == "2":
            await socket.send("3")
        elif isinstance(packet, str):
            _count_state(packet, heard)
            if packet.startswith(prefix):
                return packet


def _count_state(packet: str, heard: HeardByListeners) -> None:
    if packet.startswith(('42["room_state_update"', '42["server_state_update"')):
        heard.state_bytes += len(packet)


async def _hear(
    socket: ClientConnection, heard: HeardByListeners, number: int, stopping: asyncio.Event
) -> None:
    try:
        async for packet in socket:
            if not isinstance(packet, str):
                heard.speech_bytes += len(packet)  # nothing else is binary
                continue
            if packet == "2":
                await socket.send("3")
            elif packet.startswith('42["translation_text"'):
                now = time.monotonic()
                data = json.loads(packet[2:])[1]
                heard.events[number] += 1
                heard.texts.append((data["speakerID"], data["endMs"], bool(data["payload"]), now))
            elif packet.startswith("451-") and '"translation_speech"' in packet[:40]:
                heard.events[number] += 1
                heard.speech_bytes += len(packet)
            else:
                _count_state(packet, heard)
    except WebSocketException:
        pass
    heard.lost += not stopping.is_set()
