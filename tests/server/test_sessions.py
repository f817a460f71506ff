"""Sessions: overload, faults, the event loop, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seamless_server.doors.running import BackgroundServer
from seamless_server.doors.socketio.connections import Connection
from seamless_server.doors.socketio.speaker import Speaker
from seamless_server.rooms.members import Member, Room
from seamless_server.service.recording import Recording
from seamless_server.service.session import Session
from seamless_server.streaming import Stream

from .conftest import Connect, Peer, silence, speech

Start = Callable[..., BackgroundServer]


# -- overload ------------------------------------------------------------------------------------


def total(server: BackgroundServer, name: str, **labels: str) -> float:
    return server.app.state.parts.metrics.registry.get_sample_value(name, labels) or 0.0


async def test_waiting_chunks_are_joined(start_server: Start, connect: Connect) -> None:
    server = start_server(join_limit_ms=2_560)
    peer = await connect(server, "hasty")
    await peer.join()
    await peer.configure()
    audio = speech("human_pauses")
    await peer.speak(audio)
    await peer.call("stop_stream")
    steps = total(server, "seamless_step_chunks_count")
    chunks = total(server, "seamless_step_chunks_sum")
    assert chunks >= len(audio) / 5120 - 1
    assert steps < chunks / 2
    assert total(server, "seamless_dropped_audio_seconds_total") == 0
    assert total(server, "seamless_queued_seconds") == pytest.approx(0, abs=1e-6)
    assert total(server, "seamless_audio_seconds_total") == pytest.approx(len(audio) / 16_000)


async def test_beyond_the_limit_the_oldest_goes_with_a_notice(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(queue_seconds=2.0)
    peer = await connect(server, "hasty")
    await peer.join()
    await peer.configure()
    audio = np.tile(speech("human_pauses"), 3)
    await peer.speak(audio, chunk=16_000)
    notice = await peer.until("server_exception")
    assert notice["code"] == "overload"
    await peer.call("stop_stream")
    assert len(peer.of("server_exception")) == 1  # not one for each chunk
    assert total(server, "seamless_dropped_audio_seconds_total") > 1
    taken = 0.32 * total(server, "seamless_step_chunks_sum")
    dropped = total(server, "seamless_dropped_audio_seconds_total")
    assert taken + dropped == pytest.approx(len(audio) / 16_000, abs=0.33)


async def test_a_stalled_listener_holds_up_nobody_and_nothing(
    start_server: Start, connect: Connect
) -> None:
    import socket

    import websockets

    server = start_server(listener_backlog=8, wait_ready=False)
    parts = server.app.state.parts
    witness = await connect(server, "witness", protocol=1)
    room = await witness.join(None, "listener")
    narrow = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1])))
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    address = server.url.replace("http", "ws") + "/ws/socket.io/?EIO=4&transport=websocket"
    async with websockets.connect(
        f"{address}&clientID=stalled", sock=narrow, max_queue=1, ping_interval=None
    ) as stalled:
        await stalled.send("40")
        await stalled.send(f'42["join_room","stalled","{room}",{{"roles":["listener"]}}]')
        await witness.until("room_state_update", lambda s: "stalled" in s["members"])
        # It reads nothing from now on.
        assert server.loop is not None
        for number in range(40):
            data = {"event": "translation_text", "payload": f"{number} " * 100_000, "eos": False}
            work = parts.sio.emit("translation_text", data, room=f"{room}|v1")
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, server.loop))
            begin = f"{number} "
            await witness.until(
                "translation_text", lambda d, begin=begin: d["payload"].startswith(begin)
            )
        queues = [socket.queue.qsize() for socket in parts.sio.eio.sockets.values()]
        assert len(witness.of("translation_text")) == 40
        assert max(queues) <= 12
        assert total(server, "seamless_skipped_messages_total") > 10


# -- faults --------------------------------------------------------------------------------------


async def test_a_fault_ends_its_own_session_only(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    parts = shared_server.app.state.parts
    broken, sound = await connect(shared_server), await connect(shared_server)
    for peer in (broken, sound):
        await peer.join()
        await peer.configure()
    # Its stream is taken away from under it: the next step fails inside the pipeline.
    parts.service.admission.places[broken.client_id].session._stream.close()
    await broken.speak(speech("human_short"))
    exception = await broken.until("server_exception")
    assert exception["clientID"] == broken.client_id
    assert "Traceback" not in exception["message"]
    assert sound.of("server_exception") == []
    await sound.speak(speech("human_short"))
    await sound.call("stop_stream")
    assert sound.text()
    # The same member can go on at once.
    assert (await broken.configure())["status"] == "ok"
    await broken.speak(speech("human_short"))
    await broken.call("stop_stream")
    assert broken.text()


async def test_many_sessions_do_not_mix(start_server: Start, connect: Connect) -> None:
    server = start_server()
    audio = [speech("human_short"), speech("human_pauses", seconds=4), speech("espeak", seconds=4)]

    async def say(name: str, pcm: Any, lang: str) -> str:
        peer: Peer = await connect(server, name)
        await peer.join()
        await peer.call("set_dynamic_config", {"targetLanguage": lang})
        await peer.configure(model_type="s2t")
        await peer.speak(pcm, pause=0.001)
        await peer.call("stop_stream")
        return peer.text(lang)

    wishes = [(pcm, lang) for pcm in audio for lang in ("spa", "deu")]
    alone = [await say(f"alone-{n}", *wish) for n, wish in enumerate(wishes)]
    together = await asyncio.gather(*(say(f"together-{n}", *wish) for n, wish in enumerate(wishes)))
    assert together == alone
    assert len(set(alone)) > 3


async def test_the_event_loop_is_never_held_up(start_server: Start, connect: Connect) -> None:
    """Measured in time that the loop's own thread computes, which other programs cannot add to."""
    server = start_server()
    loop = server.loop
    assert loop is not None
    longest: list[float] = [0.0]
    state = {"last": 0.0, "on": True}

    def tick() -> None:
        now = time.thread_time()
        longest[0] = max(longest[0], now - state["last"])
        state["last"] = now
        if state["on"]:
            loop.call_soon(tick)

    def begin() -> None:
        state["last"] = time.thread_time()
        tick()

    speaker = await connect(server, "speaker", protocol=1)
    room = await speaker.join()
    listeners = [await connect(server, f"listener-{n}", protocol=1 + n % 2) for n in range(12)]
    for listener in listeners:
        await listener.join(room, "listener")
    await speaker.configure(48_000, debug=True)
    loop.call_soon_threadsafe(begin)
    await speaker.speak(speech("human_short", 48_000), chunk=48_000, pause=0.05)
    await speaker.call("stop_stream")
    state["on"] = False
    assert speaker.of("translation_speech")
    assert longest[0] < 0.020


# -- nothing is left behind ----------------------------------------------------------------------


def alive() -> dict[str, int]:
    """Objects that outlive their use. For quiet moments: who looks at all objects holds them for an
    instant, and Python forbids that of those that another thread is just making."""
    gc.collect()
    kinds = (Session, Speaker, Recording, Stream, Member, Connection, Room)
    found = Counter(type(thing) for thing in gc.get_objects() if type(thing) in kinds)
    return {kind.__name__: found[kind] for kind in kinds}


def census(server: BackgroundServer) -> dict[str, int]:
    """What must not grow."""
    parts = server.app.state.parts
    loop = server.loop
    assert loop is not None
    # Engine.IO lets a closed connection's next ping sleep on; it ends when it wakes.
    tasks = [task for task in asyncio.all_tasks(loop) if "_send_ping" not in repr(task)]
    return {
        "threads": threading.active_count(),
        "tasks": len(tasks),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "streams": len(parts.service.admission.places),
        "members": len(parts.rooms.members),
        "rooms": len(parts.rooms.rooms),
        "sockets": len(parts.sio.eio.sockets),
    }


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def end(peer: Peer, way: int) -> None:
    if way == 0:
        await peer.call("stop_stream")
    elif way == 1:
        await peer.call("join_room", peer.client_id, peer.room, {"roles": ["listener"]})
    elif way == 2:
        await peer.configure()  # a second one in place of the first
    elif way == 3:
        await peer.call("join_room", peer.client_id, None, {"roles": ["speaker"]})
    # way 4: in mid-sentence, by leaving
    await peer.sio.disconnect()


@pytest.mark.timeout(900)
async def test_nothing_is_left_of_two_hundred_sessions(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(grace_seconds=0.2, room_expiry_seconds=0.2, workers=2)
    spoken, quiet = speech("human_short", seconds=0.7), silence(0.4)

    async def sessions(first: int, count: int) -> None:
        async def one(number: int) -> None:
            peer = await connect(server, f"visitor-{number}", protocol=1 + number // 2 % 2)
            await peer.join()
            speaks = number % 36 == 0
            kind = "s2s&t" if speaks else "s2t"
            await peer.configure(debug=number % 20 == 0, model_type=kind)
            await peer.speak(spoken if speaks or number % 4 == 0 else quiet)
            await end(peer, number % 5)
            peer.events.clear()  # what the client keeps is not the server's

        for start in range(first, first + count, 5):
            await asyncio.gather(*(one(number) for number in range(start, start + 5)))

    async def settle() -> dict[str, int]:
        """The census of a server where nothing happens any more, not even what is told later."""
        before: dict[str, int] = {}
        unchanged = 0
        while unchanged < 20:
            await asyncio.sleep(0.1)
            now = census(server)
            quiet = not any(now[kind] for kind in ("streams", "members", "rooms", "sockets"))
            unchanged = unchanged + 1 if quiet and now == before else 0
            before = now
        return {**before, **alive()}

    await sessions(0, 40)
    settled = await settle()
    memory = resident_mb()
    await sessions(40, 200)
    assert await settle() == settled
    assert settled["Session"] == settled["Stream"] == settled["members"] == 0
    # oneDNN keeps kernels for the lengths that speech has, up to a limit; a leak has none.
    assert resident_mb() - memory < 150


async def test_silence_gives_nothing_and_costs_nothing(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    await peer.configure()
    await peer.speak(silence(5.0))
    await peer.call("stop_stream")
    assert peer.of("translation_text") == []
    assert peer.of("translation_speech") == []


def test_the_first_filterbanks_of_several_threads_do_not_deadlock() -> None:
    code = """
import threading, numpy as np
from seamless_server.audio.fbank import fbank
together = threading.Barrier(4)
def work():
    together.wait()
    fbank(np.zeros(1600, np.float32))
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
