"""Places for speakers: how many there are, and the line of those who wait for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from seamless_server.client import ClientError, StreamingClient, Text, Waiting
from seamless_server.doors.running import BackgroundServer
from seamless_server.service.load import LIMIT, Load, Pace
from seamless_server.service.served_models import engine_has_room

from .conftest import RECORDINGS, Connect, Peer, speech

Start = Callable[..., BackgroundServer]
AUDIO = RECORDINGS / "audio" / "human_short.flac"


async def speaker(connect: Connect, server: BackgroundServer, name: str, **options: Any) -> Peer:
    peer: Peer = await connect(server, name, **options)
    await peer.join()
    return peer


def places(peer: Peer) -> list[tuple[str, int, int]]:
    return [(at["state"], at["position"], at["waiting"]) for at in peer.of("place_in_line")]


# -- the line ------------------------------------------------------------------------------------


async def test_those_who_wait_are_told_their_place_and_start_in_order(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1)
    first, second, third = [await speaker(connect, server, name) for name in "abc"]
    assert (await first.configure())["status"] == "ok"
    waiting = {"status": "waiting", "message": "max_speakers"}
    assert await second.configure(wait=True) == {**waiting, "position": 1, "waiting": 1}
    assert await third.configure(wait=True) == {**waiting, "position": 2, "waiting": 2}
    await third.until("place_in_line", lambda at: at["position"] == 2)
    await first.until("server_state_update", lambda state: state["waitingSpeakers"] == 2)
    async with httpx.AsyncClient(base_url=server.url) as http:
        metrics = (await http.get("/metrics")).text
    assert "seamless_waiting_speakers 2.0" in metrics
    # Nobody overtakes: the place that is about to be free is the next one's.
    await first.call("stop_stream")
    await second.until("place_in_line", lambda at: at["state"] == "admitted")
    await third.until("place_in_line", lambda at: at["position"] == 1)
    assert (await first.configure())["message"] == "max_speakers"
    await second.speak(speech("human_short"))
    await second.call("stop_stream")
    assert second.text()
    await third.until("place_in_line", lambda at: at["state"] == "admitted")
    assert places(third) == [("waiting", 2, 2), ("waiting", 1, 1), ("admitted", 0, 0)]
    await third.speak(speech("human_short"))
    await third.call("stop_stream")
    assert third.text()
    assert first.of("place_in_line") == []


async def test_audio_of_those_who_wait_is_refused_and_harms_nobody(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1)
    first, second = [await speaker(connect, server, name) for name in "ab"]
    await first.configure()
    await second.configure(wait=True)
    answer = await second.call("incoming_audio", speech("human_short").tobytes())
    assert answer["code"] == "waiting"
    assert "number 1 in line" in answer["message"]
    notice = await second.until("server_exception")
    assert notice["code"] == "waiting"
    await first.speak(speech("human_short"))
    await first.call("stop_stream")
    assert first.text()
    await second.until("place_in_line", lambda at: at["state"] == "admitted")
    await second.call("stop_stream")
    assert second.text() == ""  # what was sent too early was not kept


@pytest.mark.parametrize("way", ["stop", "disconnect", "listen", "leave", "configure"])
async def test_who_leaves_the_line_makes_room_in_it(
    start_server: Start, connect: Connect, way: str
) -> None:
    server = start_server(max_speakers=1)
    first, second, third = [await speaker(connect, server, name) for name in "abc"]
    await first.configure()
    await second.configure(wait=True)
    await third.configure(wait=True)
    if way == "stop":
        assert (await second.call("stop_stream"))["status"] == "ok"
    elif way == "disconnect":
        await second.sio.disconnect()
    elif way == "listen":
        await second.join(second.room, "listener")
    elif way == "leave":
        await second.join(None, "speaker")
    else:
        assert (await second.configure())["message"] == "max_speakers"  # without `wait`
    await third.until("place_in_line", lambda at: (at["position"], at["waiting"]) == (1, 1))
    await first.call("stop_stream")
    await third.until("place_in_line", lambda at: at["state"] == "admitted")
    parts = server.app.state.parts
    assert list(parts.service.admission.places) == ["c"]
    assert len(parts.service.admission.line) == 0


async def test_who_comes_back_at_once_has_its_place_again(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1)
    first, second, third = [await speaker(connect, server, name) for name in "abc"]
    await first.configure()
    await second.configure(wait=True)
    await third.configure(wait=True)
    await second.sio.disconnect()
    again = await connect(server, "b")
    assert (await again.configure(wait=True))["position"] == 1
    await again.until("place_in_line", lambda at: at["position"] == 1)
    # Who is away is passed over, and still does not lose its place.
    await again.sio.disconnect()
    await first.until(
        "server_state_update", lambda _: not server.app.state.parts.rooms.members["b"].connected
    )
    await first.call("stop_stream")
    await third.until("place_in_line", lambda at: at["state"] == "admitted")
    back = await connect(server, "b")
    assert (await back.configure(wait=True))["position"] == 1


async def test_the_line_has_an_end_and_older_clients_are_refused_as_ever(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1, waiting_places=1)
    first, second, third = [await speaker(connect, server, name) for name in "abc"]
    original = await speaker(connect, server, "d", protocol=1)
    await first.configure()
    refused = {"status": "error", "message": "max_speakers"}
    assert await original.configure(wait=True) == refused
    assert await third.configure() == refused
    assert (await second.configure(wait=True))["status"] == "waiting"
    assert await third.configure(wait=True) == refused
    # Asking again keeps the place.
    assert (await second.configure(wait=True))["position"] == 1


async def test_who_starts_anew_keeps_its_place(start_server: Start, connect: Connect) -> None:
    server = start_server(max_speakers=1)
    first, second = [await speaker(connect, server, name) for name in "ab"]
    await first.configure()
    await second.configure(wait=True)
    await first.speak(speech("human_short"))
    assert (await first.configure(wait=True))["status"] == "ok"
    assert places(second) == [("waiting", 1, 1)]


async def test_who_cannot_start_does_not_wait(start_server: Start, connect: Connect) -> None:
    server = start_server(max_speakers=1)
    first, second = [await speaker(connect, server, name) for name in "ab"]
    await first.configure()
    answer = await second.configure(wait=True, model_name="no such model")
    assert answer["field"] == "model_name"
    owner = await speaker(connect, server, "owner")
    await owner.join(None, "speaker", lock="Ana")
    assert (await second.configure(wait=True))["message"] == "server_locked"
    # Who has the lock has the server, places or not.
    assert (await owner.configure(wait=True))["status"] == "ok"
    await first.until("server_exception", lambda e: e["code"] == "server_locked")


async def test_a_stream_that_cannot_be_opened_gives_its_place_on(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1)
    first, second, third = [await speaker(connect, server, name) for name in "abc"]
    await first.configure()
    await second.configure(wait=True)
    await third.configure(wait=True)
    # The model goes away while they wait.
    models = server.app.state.parts.models
    models.progress.state = "failed"
    models.progress.error = "The disk is gone."
    await first.call("stop_stream")
    ended = await second.until("place_in_line", lambda at: at["state"] == "ended")
    assert ended["message"] == "The disk is gone."
    await third.until("place_in_line", lambda at: at["state"] == "ended")
    assert server.app.state.parts.service.admission.places == {}


async def test_the_python_client_waits_and_then_speaks(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1)
    first = await speaker(connect, server, "first")
    await first.configure()
    async with StreamingClient(server.url, wait=False) as hasty:
        with pytest.raises(ClientError) as error:
            _ = [event async for event in hasty.translate(AUDIO)]
    assert error.value.code == "max_speakers"
    async with StreamingClient(server.url) as client:
        events = []
        async for event in client.translate(AUDIO, realtime=False):
            events.append(event)
            if isinstance(event, Waiting):
                assert client.sent_ms == 0
                await first.call("stop_stream")
    assert events[0] == Waiting(position=1, waiting=1)
    said = "".join(event.text for event in events if isinstance(event, Text))
    assert said.strip()


async def test_the_python_client_stands_in_line_again_after_a_lost_connection(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers=1)
    first = await speaker(connect, server, "first")
    await first.configure()
    others = set(server.server.server_state.connections)
    assert server.loop is not None
    async with StreamingClient(server.url) as client:
        seen: list[Waiting] = []
        texts: list[Text] = []
        async for event in client.translate(AUDIO, realtime=False):
            if isinstance(event, Text):
                texts.append(event)
            if isinstance(event, Waiting):
                seen.append(event)
                if len(seen) == 1:
                    for connection in server.server.server_state.connections - others:
                        server.loop.call_soon_threadsafe(connection.transport.abort)
                else:
                    await first.call("stop_stream")
    assert len(seen) == 2
    assert "".join(text.text for text in texts).strip()


# -- how many there are --------------------------------------------------------------------------


async def test_auto_lets_in_as_many_as_the_measured_load_allows(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers="auto")
    parts = server.app.state.parts
    assert parts.service.admission.load.cost is not None  # from the warm-up
    now = [0.0]
    parts.service.admission.load = load = Load(1, clock=lambda: now[0])

    def measured(busy: float) -> None:
        """What streams took for a second of speech, until it outweighs what was before."""
        for _ in range(400):
            with load.step(1.0, speech=True):
                now[0] += busy

    first, second, third = [await speaker(connect, server, name) for name in "abc"]
    measured(LIMIT / 2.5)
    assert (await first.configure(wait=True))["status"] == "ok"
    assert (await second.configure(wait=True))["status"] == "ok"
    assert (await third.configure(wait=True))["status"] == "waiting"
    state = await third.until("server_state_update", lambda s: s["waitingSpeakers"] == 1)
    assert state["maxSpeakers"] is None
    # The load falls, and nobody does anything: the next one is called in all the same.
    measured(LIMIT / 10)
    await third.until("place_in_line", lambda at: at["state"] == "admitted")
    measured(10.0)
    fourth = await speaker(connect, server, "d")
    assert (await fourth.configure())["message"] == "max_speakers"
    for peer in (first, second, third):
        await peer.call("stop_stream")
    # A machine that carries none at all still serves one.
    assert (await fourth.configure())["status"] == "ok"


async def test_auto_lets_nobody_in_while_a_stream_is_late(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_speakers="auto")
    parts = server.app.state.parts
    first, second = [await speaker(connect, server, name) for name in "ab"]
    await first.configure()
    # Far more audio than can be worked through at once: it waits, and so does the next speaker.
    spoken = np.resize(speech("human_pauses"), 50 * 16_000)
    await first.speak(spoken, chunk=160_000)
    await first.call("incoming_audio", spoken[:320].tobytes())  # all of it has arrived
    assert (await second.configure(wait=True))["status"] == "waiting"
    await first.call("stop_stream")
    await second.until("place_in_line", lambda at: at["state"] == "admitted")
    assert list(parts.service.admission.places) == ["b"]


def test_the_load_counts_work_of_speech_and_what_is_shared_once() -> None:
    now = [0.0]
    load = Load(1, clock=lambda: now[0])
    at_first = load.cost
    assert at_first is None
    assert load.allows(5)  # nothing is known yet
    load.expect(0.3)
    assert load.cost == 0.3
    assert load.allows(1)
    assert not load.allows(2)

    def step(took: float, audio: float, *, speech: bool = True) -> None:
        with load.step(audio, speech=speech):
            now[0] += took

    for _ in range(20):
        step(0.1, 0.5)
        now[0] += 5.0  # idle
    step(9.0, 1.0, speech=False)
    assert load.cost == pytest.approx(0.2)
    assert load.allows(3)
    assert not load.allows(4)
    # Two streams in one batch: the machine works once for both.
    for _ in range(400):
        with load.step(0.5, speech=True), load.step(0.5, speech=True):
            now[0] += 0.1
    assert load.cost == pytest.approx(0.1, abs=0.01)
    assert load.allows(0)
    for _ in range(400):
        step(2.0, 0.5)
    assert not load.allows(1)
    assert load.allows(0)


def test_the_engine_has_its_say(shared_server: BackgroundServer) -> None:
    [model] = shared_server.app.state.parts.models.loaded()
    assert engine_has_room(model, 1)
    assert not engine_has_room(model, model.engine.load().slots)


def test_workers_of_their_own_share_the_machine() -> None:
    now = [0.0]
    load = Load(2, clock=lambda: now[0])
    for _ in range(20):
        with load.step(0.5, speech=True):
            now[0] += 0.2
    assert load.cost == pytest.approx(0.2)  # half of the workers, 0.4 of the time


def test_the_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    assert pace.factor is None
    for _ in range(50):
        pace.add(0.4, 0.32)
    assert pace.factor == pytest.approx(1.25)
    for _ in range(50):
        pace.add(0.08, 0.32)
    assert pace.factor == pytest.approx(0.25, abs=0.06)
