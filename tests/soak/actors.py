"""Who comes and goes in a soak run: people, broken clients, ill-meant ones, and misfortune."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

import aiohttp
import httpx
import socketio
from hypothesis import HealthCheck, Phase, given, settings

from tests.recorded import RECORDINGS
from tests.server.conftest import Peer, speech
from tests.server.fuzzing import Fuzzer, Step, scenarios
from tests.server.programs import Program

from .world import REPLICAS, World

CLIPS = {"human_short": 5.0, "espeak": 5.0, "human_pauses": 6.0}
"""Recordings, and how many seconds of each are said."""
LANGS = ("spa", "deu", "fra")
CHUNK_SECONDS = 0.1
STRUCK = {"stream_failed", "numerical"}
"""What an injected fault is told as."""
_GONE = (
    socketio.exceptions.SocketIOError,
    socketio.exceptions.ConnectionError,
    httpx.TransportError,
    aiohttp.ClientError,
    asyncio.TimeoutError,
    ConnectionError,
)
_PATIENCE = 30.0
"""Seconds in which what was missed must have come, on a busy machine."""


async def acting(world: World, act: Callable[[World, Random], Awaitable[None]], seed: int) -> None:
    """Lets somebody act again and again until the end; what it does not expect is a failure."""
    random = Random(seed)
    while not world.is_over():
        try:
            await act(world, random)
        except Exception as error:
            world.failures.append(f"{act.__name__} {seed}: {error!r}")
            await world.pause(1.0)


# -- people ----------------------------------------------------------------------------------------


async def say_alone(world: World, url: str) -> None:
    """What every clip becomes in every language, before anybody else is there."""
    for clip in CLIPS:
        for lang in LANGS:
            speaker = await world.connect(url, "127.0.0.2")
            await speaker.join()
            await _speak(speaker, clip, lang, pace=0.0)
            world.alone[clip, lang] = speaker.text()
            await world.leave(speaker)
            assert world.alone[clip, lang].strip(), (clip, lang)


async def _speak(speaker: Peer, clip: str, lang: str, pace: float = CHUNK_SECONDS) -> None:
    await speaker.call("set_dynamic_config", {"targetLanguage": lang})
    answer = await speaker.configure()
    assert answer["status"] == "ok", answer
    chunk = int(CHUNK_SECONDS * 16_000)
    await speaker.speak(speech(clip, seconds=CLIPS[clip]), chunk=chunk, pause=pace)
    await speaker.call("stop_stream")


async def talk(world: World, random: Random) -> None:
    """Somebody speaks, others listen here and on the other replica; all get what they should."""
    here = random.randrange(REPLICAS)
    program, other = world.replicas[here], world.replicas[1 - here]
    if program is None:
        await world.pause(0.5)
        return
    kills = list(world.kills)
    peers: list[Peer] = []
    try:
        await _talk(world, random, here, program, other, peers)
    except _GONE as error:
        if world.kills == kills:
            raise
        world.counts["talks cut off by a killed replica"] += 1
        del error
    finally:
        await world.leave(*peers)


async def _talk(
    world: World,
    random: Random,
    here: int,
    program: Program,
    other: Program | None,
    peers: list[Peer],
) -> None:
    clip, lang, another = random.choice(list(CLIPS)), random.choice(LANGS), random.choice(LANGS)
    address = f"127.0.1.{random.randrange(1, 250)}"
    kills = list(world.kills)

    async def come(url: str, protocol: int = 2) -> Peer:
        peers.append(await world.connect(url, address, protocol))
        return peers[-1]

    speaker, near, first = (
        await come(program.url),
        await come(program.url),
        await come(program.url, protocol=1),
    )
    room = await speaker.join(None, "speaker", "listener")
    await near.join(room, "listener")
    await near.call("set_listener_config", {"targetLanguage": another, "output": "s2t"})
    await first.join(room, "listener")
    far = None
    if other is not None and world.redis_is_well:
        far = await come(other.url)
        await far.join(room, "listener")
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(
                far.until("room_state_update", lambda state: speaker.client_id in state["members"]),
                5,
            )
        if not world.redis_is_well:
            far = None
    if here == 0:
        world.rooms.append(room)
    try:
        await _speak(speaker, clip, lang)
    finally:
        if here == 0:
            world.rooms.remove(room)
    codes = {told["code"] for told in speaker.of("server_exception")} - {"replicas"}
    if codes & STRUCK:
        world.counts["talks struck by an injected fault"] += 1
        return
    if world.kills != kills and (speaker.of("disconnect") or near.of("disconnect")):
        world.counts["talks cut off by a killed replica"] += 1
        return
    expected = world.alone[clip, lang]
    assert codes == set(), codes
    assert speaker.text() == expected, (clip, lang, speaker.text(), expected)
    for listener, said in ((near, world.alone[clip, another]), (first, expected)):
        heard = await _hears(listener, said, lambda: world.kills != kills)
        if world.kills != kills and listener.of("disconnect"):
            world.counts["talks cut off by a killed replica"] += 1
            return
        assert _letters(heard) == _letters(said), (
            f"{clip}: a listener got {heard!r} and not {said!r} at {world.elapsed:.0f} s, "
            f"the speaker {speaker.text()!r}, disconnected: {len(listener.of('disconnect'))}"
        )
    world.counts["talks as alone"] += 1
    if far is not None and world.kills == kills:
        heard = await _hears(far, expected, lambda: world.kills != kills)
        assert heard == expected or world.kills != kills, (heard, expected)
        world.counts["talks heard on the other replica"] += world.kills == kills


def _letters(text: str) -> str:
    """Without spaces: protocol 1 does not say which of them are in the text."""
    return "".join(text.split())


async def _hears(listener: Peer, said: str, is_over: Callable[[], bool]) -> str:
    """What it has heard when that is what was said, or there is nothing to wait for any more."""
    until = time.monotonic() + _PATIENCE
    while _letters(listener.text()) != _letters(said):
        if time.monotonic() > until or (is_over() and listener.of("disconnect")):
            break
        await asyncio.sleep(0.1)
    return listener.text()


async def upload(world: World, random: Random) -> None:
    """Files of sound, damaged and whole."""
    whole = (RECORDINGS / "audio" / "human_short.flac").read_bytes()
    kind = random.choice(["whole", "cut", "flipped", "noise", "empty"])
    content = bytearray(whole)
    if kind == "cut":
        del content[random.randrange(len(content)) :]
    elif kind == "flipped":
        for _ in range(random.randrange(1, 50)):
            content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    elif kind != "whole":
        content = bytearray(random.randbytes(5_000) if kind == "noise" else b"")
    program = world.replicas[0]
    assert program is not None
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.3")
    async with httpx.AsyncClient(transport=transport, timeout=120) as http:
        answer = await http.post(
            f"{program.url}/api/translate",
            files={"file": (f"{kind}.flac", bytes(content))},
            data={"targetLanguage": "spa", "stream": random.choice(["true", "false"])},
        )
    # A fault that was injected into its stream is a failure of the server's, as it should be.
    assert answer.status_code in (200, 413, 422, 500, 503), answer.text
    if kind == "whole" and answer.status_code == 422:
        assert answer.json()["code"] in STRUCK, answer.text
    world.counts[f"uploads answered {answer.status_code}"] += 1
    await world.pause(random.uniform(1, 4))


# -- broken and ill-meant clients ------------------------------------------------------------------


async def stall(world: World, random: Random) -> None:
    """A listener that does not read."""
    program = world.replicas[0]
    if not world.rooms or program is None:
        await world.pause(0.5)
        return
    room = random.choice(world.rooms)
    async with _websocket(program.url, "127.0.0.4", random) as (socket, client_id):
        join = ["join_room", client_id, room, {"roles": ["listener"]}]
        await socket.send_str("42" + json.dumps(join))
        await world.pause(random.uniform(5, 20))
        world.counts["stalled readers"] += 1
        transport = socket._conn.transport if socket._conn is not None else None
        if transport is not None:
            transport.abort()


async def flood(world: World, random: Random) -> None:
    """Sends events as fast as it can; loses its connection for it."""
    program = world.replicas[0]
    assert program is not None
    sent, until = 0, time.monotonic() + 60
    async with _websocket(program.url, "127.0.0.5", random) as (socket, _):
        with suppress(*_GONE):
            while not socket.closed:
                assert time.monotonic() < until, f"a flood of {sent} events went on for a minute"
                for _ in range(100):
                    await socket.send_str('421["transcript"]')
                sent += 100
                with suppress(asyncio.TimeoutError):
                    await socket.receive(timeout=0.001)
    world.counts["floods cut off"] += 1
    await world.pause(random.uniform(5, 15))


class _websocket:
    """A bare websocket of Socket.IO, from an address."""

    def __init__(self, url: str, address: str, random: Random) -> None:
        self._client_id = f"bare-{random.getrandbits(64):x}"
        path = "/ws/socket.io/?EIO=4&transport=websocket&protocol=2&clientID="
        self._url = f"{url.replace('http', 'ws')}{path}{self._client_id}"
        connector = aiohttp.TCPConnector(local_addr=(address, 0))
        self._session = aiohttp.ClientSession(connector=connector)

    async def __aenter__(self) -> tuple[aiohttp.ClientWebSocketResponse, str]:
        try:
            self._socket = await self._session.ws_connect(self._url, timeout=1.0)
            await self._socket.send_str("40")
        except BaseException:
            await self._session.close()
            raise
        return self._socket, self._client_id

    async def __aexit__(self, *_: object) -> None:
        with suppress(*_GONE):
            await self._socket.close()
        await self._session.close()


async def babble(world: World, random: Random) -> None:
    """Bytes that are no request, and connections that never say what they want."""
    program = world.replicas[random.randrange(REPLICAS)]
    if program is None:
        await world.pause(0.5)
        return
    port = int(program.url.rpartition(":")[2])
    said = random.choice(
        [
            b"",
            random.randbytes(random.randrange(1, 3_000)),
            b"GET /ws/socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n",
            b"POST /api/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx",
            b"POST /ws/socket.io/?EIO=4&transport=polling&sid=no HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 4\r\n\r\n\xff\xfe\x00\x1e",
        ]
    )
    with suppress(*_GONE):
        _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.6", 0))
        writer.write(said)
        await world.pause(random.uniform(0, 3))
        writer.transport.abort()
    world.counts["connections that said nothing sensible"] += 1


def fuzz(world: World, events: int) -> None:
    """Events in all orders, spread over the run; for a thread of its own."""
    program = world.replicas[0]
    assert program is not None
    fuzzer = Fuzzer(program.url, lambda told: world.failures.append(f"fuzz: {told}"))

    @given(steps=scenarios(20))
    @settings(
        max_examples=10,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        database=None,
        derandomize=False,
        deadline=None,
    )
    def play(steps: list[Step]) -> None:
        asyncio.run(fuzzer.play(steps))

    while not world.is_over() and fuzzer.events < events:
        if fuzzer.events >= events * world.elapsed / (0.9 * world.seconds):
            time.sleep(0.5)
            continue
        try:
            play()
        except Exception as error:
            world.failures.append(f"fuzz: {error!r}")
    world.counts["fuzzed events"] = fuzzer.events


# -- misfortune ------------------------------------------------------------------------------------


async def misfortune(world: World) -> None:
    """A Redis that hangs and dies, a replica that is killed; in turn."""
    period = max(9.0, world.seconds / 30)
    blows: list[Any] = [_redis_hangs, _replica_dies, _redis_dies]
    for number in range(1_000):
        if world.elapsed + 2 * period > world.seconds:
            return
        await world.pause(period)
        await blows[number % len(blows)](world)


async def _redis_hangs(world: World) -> None:
    await _redis_away(world, "Redis hung", world.redis.hang, world.redis.wake)


async def _redis_dies(world: World) -> None:
    await _redis_away(world, "Redis died", world.redis.kill, world.redis.start)


async def _redis_away(
    world: World, mark: str, leave: Callable[[], None], come_back: Callable[[], None]
) -> None:
    world.redis_is_well = False
    world.mark(mark)
    leave()
    await world.pause(3)
    come_back()
    await asyncio.sleep(2)
    world.redis_is_well = True


async def _replica_dies(world: World) -> None:
    world.mark("replica killed")
    world.kill(1)
    await world.start(1)
