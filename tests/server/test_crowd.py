"""A crowd in one room: it costs counts, not lists."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from seamless_server.doors.running import BackgroundServer
from seamless_server.doors.socketio.announcer import CROWD

from .conftest import Connect, Peer

MANY = CROWD + 20


async def come(
    connect: Connect, server: BackgroundServer, room: str, count: int, **options: Any
) -> list[Peer]:
    peers = await asyncio.gather(*(connect(server, **options) for _ in range(count)))
    await asyncio.gather(*(peer.join(room, "listener") for peer in peers))
    return list(peers)


@pytest.fixture
async def crowd(shared_server: BackgroundServer, connect: Connect) -> tuple[Peer, list[Peer]]:
    """A speaker, and more listeners than are told of everybody."""
    speaker = await connect(shared_server)
    room = await speaker.join()
    return speaker, await come(connect, shared_server, room, MANY)


async def test_a_crowd_is_told_of_speakers_and_counts(
    crowd: tuple[Peer, list[Peer]], shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker, listeners = crowd
    everybody = MANY + 1
    state = await speaker.until(
        "room_state_update", lambda s: s["counts"]["connected"] == everybody
    )
    assert state["complete"] is False
    assert set(state["members"]) == {speaker.client_id} == set(state["speakers"])
    assert state["counts"]["listeners"] == everybody
    assert state["listening"] == [{"targetLanguage": None, "count": everybody}]
    # The speaker hears of each choice, twice a second.
    await listeners[0].call("set_listener_config", {"targetLanguage": "deu", "output": "s2t"})
    await speaker.until(
        "room_state_update", lambda s: {"targetLanguage": "deu", "count": 1} in s["listening"]
    )
    # Of those who are named everybody hears at once.
    await speaker.call("set_name", "Ana")
    for listener in listeners:
        state = await listener.until(
            "room_state_update", lambda s: s["members"][speaker.client_id]["name"] == "Ana"
        )
        assert len(orjson.dumps(state)) < 1_500
    # Who comes is told how things are.
    late = await connect(shared_server)
    await late.join(speaker.room, "listener")
    await late.until("room_state_update", lambda s: speaker.client_id in s["members"])
    # The first protocol knows the full list only.
    old = await connect(shared_server, protocol=1)
    await old.join(speaker.room, "listener")
    state = await old.until("room_state_update", lambda s: old.client_id in s["members"])
    assert set(state["members"]) >= {peer.client_id for peer in listeners}
    assert len(state["listeners"]) == len(state["members"])


async def test_speakers_read_the_whole_list_in_pages(crowd: tuple[Peer, list[Peer]]) -> None:
    speaker, listeners = crowd
    names: list[str] = []
    after: int | None = 0
    while after is not None:
        page = await speaker.call("members", {"after": after, "limit": 30})
        assert page["total"] == MANY + 1
        assert len(page["members"]) <= 30
        names += page["members"]
        after = page["next"]
        if len(names) == 30:  # one that was shown leaves: nobody is skipped
            gone = next(peer for peer in listeners if peer.client_id in names)
            await gone.call("join_room", gone.client_id, None, {"roles": ["listener"]})
            break
    while after is not None:
        page = await speaker.call("members", {"after": after, "limit": 30})
        names += page["members"]
        after = page["next"]
    assert len(names) == len(set(names))
    assert set(names) == {speaker.client_id, *(peer.client_id for peer in listeners)}
    assert (await listeners[1].call("members", {}))["code"] == "forbidden"
    for wrong in ({"limit": 0}, {"limit": 101}, {"after": -1}, {"after": "x"}):
        answer = await speaker.call("members", wrong)
        assert (answer["status"], answer["field"]) == ("error", next(iter(wrong)))


async def test_joining_costs_each_member_little(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join()
    first = await come(connect, shared_server, room, CROWD)
    before = [len(peer.events) for peer in first]
    await come(connect, shared_server, room, MANY - CROWD)
    await speaker.until("room_state_update", lambda s: s["counts"]["members"] == MANY + 1)
    sizes = [
        sum(len(orjson.dumps(data)) for event, data in peer.events[start:] if "state" in event)
        for peer, start in zip(first, before, strict=True)
    ]
    # The list of all alone would be ten times as long.
    assert max(sizes) < 8_000
