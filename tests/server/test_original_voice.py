"""A speaker's own voice goes to listeners who ask for it, where the speaker sends it."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from seamless_server.client.messages import SpeechReader
from seamless_server.doors.running import BackgroundServer

from .conftest import Connect, Pcm, Peer, speech


async def listener_of(
    server: BackgroundServer, connect: Connect, room: str, *, protocol: int = 2, **wish: object
) -> Peer:
    peer = await connect(server, protocol=protocol)
    await peer.join(room, "listener")
    if protocol == 2:
        await peer.call("set_listener_config", {"targetLanguage": "deu", "output": "s2t", **wish})
    return peer


def heard(peer: Peer) -> Pcm:
    reader = SpeechReader()
    pieces = [
        reader.read(
            {**event, "lang": "", "segmentID": 0, "seq": 0, "startMs": 0, "endMs": 0}
            | {"latencyMs": 0, "eos": False}
        ).samples
        for event in peer.of("original_speech")
    ]
    return np.concatenate([np.zeros(0, np.int16), *pieces])


@pytest.mark.parametrize("rate", [16_000, 48_000])
async def test_who_asks_hears_the_speaker_as_samples_or_opus(
    shared_server: BackgroundServer, connect: Connect, rate: int
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join()
    await speaker.call("set_listener_config", {"original": True})
    await speaker.call("set_dynamic_config", {"sendVoice": True})
    plain = await listener_of(shared_server, connect, room, original=True)
    packed = await listener_of(shared_server, connect, room, original=True, encoding="opus")
    await speaker.configure(rate)
    audio = speech("human_short", rate, seconds=1.6)
    await speaker.speak(audio)
    for peer in (plain, packed):
        await peer.until("original_speech", lambda _, peer=peer: len(heard(peer)) > 19_200)
    assert {event["speakerID"] for event in plain.of("original_speech")} == {speaker.client_id}
    assert {event["encoding"] for event in packed.of("original_speech")} == {"opus"}
    sound, copy = heard(plain), heard(packed)
    length = min(len(sound), len(copy))
    wanted = speech("human_short", 16_000, seconds=1.6)[:length].astype(float)
    for found in (sound, copy):
        likeness = np.corrcoef(found[:length].astype(float), wanted)[0, 1]
        assert likeness > 0.9
    assert speaker.of("original_speech") == []  # nobody hears themselves


async def test_nobody_hears_a_voice_unasked(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    asks = await listener_of(shared_server, connect, room, original=True)
    silent = await listener_of(shared_server, connect, room)
    first = await listener_of(shared_server, connect, room, protocol=1)
    left = await listener_of(shared_server, connect, room, original=True)
    stranger = await connect(shared_server)
    await stranger.join(None, "listener")
    await stranger.call("set_listener_config", {"original": True})
    await speaker.configure()
    await speaker.speak(speech("human_short", seconds=1))
    await asks.call("set_name", "x")
    assert asks.of("original_speech") == []  # the speaker does not send it
    await speaker.call("set_dynamic_config", {"sendVoice": True})
    await left.join(room)
    await left.call("join_room", left.client_id, room, {"roles": []})
    refused = await silent.call("set_dynamic_config", {"sendVoice": True})
    assert refused["code"] == "forbidden"
    await asyncio.sleep(1)  # as fast as speech, no faster
    await speaker.speak(speech("human_short", seconds=1))
    await asks.until("original_speech")

    def sent(state: dict[str, Any]) -> bool:
        config = state["members"][speaker.client_id]["transcoder_dynamic_config"]
        return (config or {}).get("sendVoice", False)

    await asks.until("room_state_update", sent)
    await speaker.call("set_dynamic_config", {"sendVoice": False})
    before = len(asks.of("original_speech"))
    await speaker.speak(speech("human_short", seconds=1))
    await speaker.call("stop_stream")
    await asks.call("set_name", "y")
    assert len(asks.of("original_speech")) <= before + 1  # one was on its way
    for peer in (silent, first, left, stranger):
        assert peer.of("original_speech") == [], peer.client_id


async def test_more_than_was_spoken_is_not_relayed(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server)
    room = await speaker.join(None, "speaker")
    await speaker.call("set_dynamic_config", {"sendVoice": True})
    listener = await listener_of(shared_server, connect, room, original=True)
    await speaker.configure()
    audio = np.concatenate([speech("human_short")] * 4)
    begun = asyncio.get_running_loop().time()
    await speaker.speak(audio)
    took = asyncio.get_running_loop().time() - begun
    await listener.until("original_speech")
    await speaker.call("stop_stream")
    await listener.call("set_name", "x")
    assert len(heard(listener)) / 16_000 <= took + 2.5
