"""Two replicas that share a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis import Redis as RedisClient
from redis import asyncio as aioredis

from seamless_server import tracing
from seamless_server.doors.running import BackgroundServer
from seamless_server.rooms.members import Member
from seamless_server.rooms.store import Change
from seamless_server.rooms.store_redis import RedisStore

from .conftest import Connect, speech
from .programs import Redis

Start = Callable[..., BackgroundServer]


@pytest.fixture
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


Pair = tuple[BackgroundServer, BackgroundServer]


@pytest.fixture
def replicas(start_server: Start, redis: Redis, tmp_path: Path) -> Pair:
    shared = {"redis_url": redis.url, "redis_prefix": tmp_path.name}
    return start_server(**shared), start_server(**shared)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What is traced from now on."""
    exporter = InMemorySpanExporter()
    tracing.start_with(SimpleSpanProcessor(exporter), "all")
    yield exporter
    tracing.stop()


async def test_a_room_spans_replicas(
    replicas: Pair, connect: Connect, spans: InMemorySpanExporter
) -> None:
    here, there = replicas
    speaker = await connect(here, "speaker")
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"targetLanguage": "spa"})
    german = await connect(there, "german")
    await german.join(room, "listener")
    await german.call("set_listener_config", {"targetLanguage": "deu", "output": "s2s&t"})
    original = await connect(there, "original", protocol=1)
    await original.join(room, "listener")
    state = await speaker.until(
        "room_state_update", lambda s: {"german", "original"} <= set(s["members"])
    )
    assert state["members"]["german"]["listener_config"]["targetLanguage"] == "deu"
    assert state["members"]["german"]["connection_status"] == "connected"
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    await german.until("translation_text", lambda text: text["eos"])
    sound = await german.until("translation_speech")
    assert isinstance(sound["payload"], bytes)
    assert {text["lang"] for text in german.of("translation_text")} == {"deu"}
    await original.until("translation_text", lambda text: text["eos"])
    sound = await original.until("translation_speech")
    assert isinstance(sound["payload"][0], float)
    # The transcript is there too, and is cleared everywhere.
    transcript = await german.call("transcript")
    assert {entry["lang"] for entry in transcript} == {"spa", "deu"}
    own = " ".join(entry["text"] for entry in transcript if entry["lang"] == "deu")
    assert own.split() == german.text().split()
    await speaker.call("clear_transcript_for_all")
    await german.until("clear_transcript")
    assert await speaker.call("transcript") == []
    # Who leaves there is gone here.
    await german.call("join_room", "german", None, {"roles": []})
    await speaker.until("room_state_update", lambda s: "german" not in s["members"])
    # Each delivery there belongs to the trace of the chunk of audio that was said here.
    traced = spans.get_finished_spans()
    by_id = {span.context.span_id: span for span in traced}
    events = {"seamless.event": "translation_text"}.items()
    found = [span for span in traced if span.attributes and events <= span.attributes.items()]
    assert found
    for span in found:
        way = [span.name]
        while span.parent is not None:
            span = by_id[span.parent.span_id]
            way.append(span.name)
        assert way == ["deliver", "deliver", "chunk"]
    chunks = {span.context.trace_id for span in traced if span.name == "chunk"}
    assert len(chunks) == sum(span.name == "push" for span in traced)


async def test_the_speaker_is_heard_on_another_replica(replicas: Pair, connect: Connect) -> None:
    here, there = replicas
    speaker = await connect(here)
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"sendVoice": True})
    asks, silent = await connect(there), await connect(there)
    for peer, original in ((asks, True), (silent, False)):
        await peer.join(room, "listener")
        await peer.call("set_listener_config", {"output": "s2t", "original": original})
        await speaker.until("room_state_update", lambda s, p=peer: p.client_id in s["members"])
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    piece = await asks.until("original_speech")
    assert piece["speakerID"] == speaker.client_id
    assert len(piece["payload"]) >= 2 * 3200  # 0.2 s at 16 kHz
    await speaker.call("stop_stream")
    await silent.until("translation_text", lambda text: text["eos"])
    assert silent.of("original_speech") == []


async def test_an_owner_rules_members_that_another_replica_has(
    replicas: Pair, connect: Connect
) -> None:
    here, there = replicas
    owner, guest, other = await connect(here), await connect(there), await connect(there)
    room = await owner.join()
    for peer in (guest, other):
        await peer.join(room)
        await owner.until("room_state_update", lambda s, p=peer: p.client_id in s["members"])
    assert (await guest.configure())["status"] == "ok"
    await owner.call("mute_member", guest.client_id)
    await guest.until("server_exception", lambda error: error["code"] == "muted")
    muted = await owner.until(
        "room_state_update",
        lambda s: s["members"].get(guest.client_id, {}).get("roles") == ["listener"],
    )
    assert guest.client_id not in muted["speakers"]
    assert (await guest.configure())["status"] == "error"
    await owner.call("remove_member", guest.client_id)
    await guest.until("server_exception", lambda error: error["code"] == "removed")
    await owner.until("room_state_update", lambda s: guest.client_id not in s["members"])
    assert (await guest.call("transcript"))["code"] == "no_room"
    await owner.call("end_room")
    await other.until("server_exception", lambda error: error["code"] == "room_ended")
    assert (await other.call("transcript"))["code"] == "no_room"


async def test_another_replica_takes_over_by_client_id(replicas: Pair, connect: Connect) -> None:
    here, there = replicas
    peer = await connect(here, "traveller", auth={"resumeKey": "mine"})
    room = await peer.join(None, "speaker", "listener")
    await peer.call("set_dynamic_config", {"targetLanguage": "fra"})
    await peer.call("set_name", "Ana")
    await peer.sio.disconnect()
    again = await connect(there, "traveller", auth={"resumeKey": "mine"})
    state = await again.until("room_state_update")
    member = state["members"]["traveller"]
    assert state["room_id"] == room
    assert member["name"] == "Ana"
    assert set(member["roles"]) == {"speaker", "listener"}
    assert member["transcoder_dynamic_config"] == {"targetLanguage": "fra"}
    assert (await again.configure())["status"] == "ok"
    await again.speak(speech("human_short"))
    await again.call("stop_stream")
    assert {text["lang"] for text in again.of("translation_text")} == {"fra"}
    # The first replica does not hold on to it.
    assert "traveller" not in here.app.state.parts.rooms.members


async def test_without_redis_a_replica_goes_on_alone(start_server: Start, connect: Connect) -> None:
    server = start_server(redis_url="redis://127.0.0.1:9/0")
    peer = await connect(server, "alone")
    assert await peer.join()
    assert (await peer.configure())["status"] == "ok"
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    assert peer.text()


@pytest.mark.parametrize("ends", ["hang", "kill"])
async def test_redis_hurts_nobody_who_does_not_need_it(
    replicas: Pair, redis: Redis, connect: Connect, ends: str
) -> None:
    here, there = replicas
    speaker, near = await connect(here), await connect(here)
    far, german = await connect(there), await connect(there)
    room = await speaker.join(None, "speaker")
    for peer in (near, far, german):
        await peer.join(room, "listener")
    await german.call("set_listener_config", {"targetLanguage": "deu", "encoding": "opus"})
    for peer in (speaker, far):  # each replica knows of everybody
        await peer.until("room_state_update", lambda state: len(state["members"]) == 4)
    await speaker.configure()
    getattr(redis, ends)()
    await speaker.speak(speech("human_pauses"))
    await speaker.call("stop_stream")
    assert near.text()
    assert far.text() == ""
    newcomer = await connect(here)
    assert await newcomer.join()
    await far.until("server_exception", lambda error: error["code"] == "replicas")
    if ends == "hang":
        redis.wake()
    else:
        redis.start()
    last = near.of("translation_text")[-1]
    await far.until(
        "translation_text", lambda text: (text["segmentID"], text["seq"]) == _place(last)
    )
    assert far.of("translation_text") == near.of("translation_text")  # each once, in order

    async def written() -> list[str]:
        return [entry["text"] for entry in await far.call("transcript")]

    own = [entry["text"] for entry in await near.call("transcript")]
    for _ in range(600):
        if await written() == own:
            break
        await asyncio.sleep(0.1)
    assert await written() == own
    # What only somebody there wants is wanted still, also if Redis has forgotten who is there.
    for peer in (far, german):
        peer.events.clear()
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    await far.until("translation_text", lambda text: text["eos"])
    assert {text["lang"] for text in german.of("translation_text")} == {"deu"}
    assert {sound["encoding"] for sound in german.of("translation_speech")} == {"opus"}


async def test_segment_numbers_never_repeat_whatever_dies(
    replicas: Pair, redis: Redis, connect: Connect
) -> None:
    here, there = replicas
    speaker = await connect(here, "survivor", auth={"resumeKey": "k"})
    room = await speaker.join()
    await speaker.configure()
    # Its server is cut off in mid-stream: nobody is told any more how far its segments went.
    record = here.app.state.parts.rooms.members["survivor"].record()
    assert record["streaming"]
    again = await connect(there, "survivor", auth={"resumeKey": "k"})
    await again.until("room_state_update", lambda state: state["room_id"] == room)
    await again.configure()
    await again.speak(speech("human_short"))
    await again.call("stop_stream")
    assert min(text["segmentID"] for text in again.of("translation_text")) > 1_000


def _place(text: dict[str, int]) -> tuple[int, int]:
    return text["segmentID"], text["seq"]


async def test_the_newer_of_two_connections_wins_once(
    replicas: Pair, redis: Redis, connect: Connect
) -> None:
    here, there = replicas
    first = await connect(here, "twin", auth={"resumeKey": "k"})
    room = await first.join()
    witness = await connect(there)
    await witness.join(room, "listener")
    second = await connect(there, "twin", auth={"resumeKey": "k"})
    await first.until("server_exception", lambda error: error["code"] == "replaced")
    await first.until("disconnect")
    await second.until("room_state_update", lambda state: "twin" in state["members"])
    await asyncio.sleep(2)
    counts = []
    for _ in range(2):
        counts.append(len(second.of("room_state_update")))
        await asyncio.sleep(1)
    assert counts[0] == counts[1]  # no further claims
    assert second.sio.connected


async def test_a_crowd_elsewhere_is_not_read_anew_with_each_join(
    replicas: Pair, redis: Redis, connect: Connect
) -> None:
    here, there = replicas
    speaker = await connect(here)
    room = await speaker.join()
    listeners = await asyncio.gather(*(connect(there) for _ in range(20)))
    await asyncio.gather(*(peer.join(room, "listener") for peer in listeners))
    await speaker.until("room_state_update", lambda s: s["counts"]["connected"] == 21)
    await listeners[0].until("room_state_update", lambda s: s["counts"]["connected"] == 21)
    client = aioredis.from_url(redis.url)
    calls = await client.info("commandstats")
    # Each replica reads the room when it opens it, and when it first hears of the other.
    assert calls["cmdstat_hgetall"]["calls"] <= 6
    await client.aclose()


async def test_members_of_a_replica_that_died_are_forgotten(
    start_server: Start, redis: Redis, connect: Connect, tmp_path: Path
) -> None:
    server = start_server(redis_url=redis.url, redis_prefix=tmp_path.name, grace_seconds=1)
    witness = await connect(server)
    room = await witness.join()
    other = RedisStore(redis.url, tmp_path.name, 10)

    async def ignore(change: Change) -> None:
        pass

    await other.start(ignore)
    ghost = Member("ghost", sid="there", roles=frozenset({"listener"}), room_id=room)
    await other.save_member(ghost.record(), 2)
    await witness.until("room_state_update", lambda s: "ghost" in s["members"])
    await other.close()
    await witness.until(
        "room_state_update",
        lambda s: s["counts"]["members"] == 1,
        after=len(witness.events),
    )


async def test_a_rooms_events_go_only_where_somebody_is(
    replicas: Pair, redis: Redis, connect: Connect, tmp_path: Path
) -> None:
    here, _ = replicas
    speaker, near = await connect(here), await connect(here)
    room = await speaker.join(None, "speaker")
    await near.join(room, "listener")
    await near.call("set_listener_config", {"targetLanguage": "deu", "output": "s2s&t"})
    client = RedisClient.from_url(redis.url)
    await speaker.configure()
    await speaker.speak(speech("human_short"))
    await speaker.call("stop_stream")
    read = client.info("stats")["total_net_output_bytes"]
    sound = b"".join(data["payload"] for data in near.of("translation_speech"))
    assert read < 1.5 * len(sound)  # the one replica that has somebody there reads it
    for _ in range(100):  # until it has been written
        entries = client.xrange(f"{tmp_path.name}:events:{room}")
        held = b"".join(part for _, fields in entries for part in fields.values())
        if sound and all(data["payload"] in held for data in near.of("translation_speech")):
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail("the room's stream does not hold its sound as it is")


async def test_a_replica_that_was_cut_off_from_redis_catches_up(
    replicas: Pair, redis: Redis, connect: Connect
) -> None:
    here, there = replicas
    speaker, near = await connect(here), await connect(here)
    far = await connect(there)
    room = await speaker.join(None, "speaker")
    await near.join(room, "listener")
    await far.join(room, "listener")
    await speaker.until("room_state_update", lambda state: len(state["members"]) == 3)
    client = RedisClient.from_url(redis.url)
    await speaker.configure()
    pcm = speech("human_pauses")
    for start in range(0, len(pcm), 16_000):
        await speaker.speak(pcm[start : start + 16_000])
        client.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0.05)
    await speaker.call("stop_stream")
    last = near.of("translation_text")[-1]
    await far.until("translation_text", lambda text: _place(text) == _place(last))
    assert far.of("translation_text") == near.of("translation_text")
    heard = [data["payload"] for data in near.of("translation_speech")]
    await far.until("translation_speech", lambda data: data["payload"] == heard[-1])
    assert [data["payload"] for data in far.of("translation_speech")] == heard
