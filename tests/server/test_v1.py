"""The conversation of the original's browser client, over a real websocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import numpy as np
import pytest
import socketio

from seamless_server.doors.running import BackgroundServer

from .conftest import CHECKPOINT, Connect, Peer, silence, speech

Start = Callable[..., BackgroundServer]


async def test_a_client_is_told_who_the_server_is_and_what_it_can(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server, protocol=1)
    assert [name for name, _ in peer.events[:2]] == ["server_id", "server_state_update"]
    state = peer.of("server_state_update")[0]
    [model] = state["agentsCapabilities"]
    assert model["modalities"] == ["s2t", "s2s"]
    assert "spa" in model["targetLangs"]
    assert state["serverLock"] is None
    other = await connect(shared_server, protocol=1)
    assert peer.of("server_id") == other.of("server_id")


async def test_without_a_client_id_the_server_ends_the_connection(
    shared_server: BackgroundServer,
) -> None:
    for query in ("", "?clientID="):
        client = socketio.AsyncClient(reconnection=False)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(
                shared_server.url + query, socketio_path="/ws/socket.io", transports=["websocket"]
            )


async def test_rooms_are_made_and_joined_and_everybody_hears_of_it(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server, protocol=1)
    room = await speaker.join(None, "speaker")
    assert len(room) == 4
    assert room.isalpha()
    assert room.isupper()
    listener = await connect(shared_server, protocol=1)
    answer = await listener.call(
        "join_room", listener.client_id, room, {"roles": ["listener"], "lockServerName": None}
    )
    assert answer == {"roomsJoined": [room], "roomID": room}
    await listener.call("set_name", "Ana")
    state = await speaker.until(
        "room_state_update",
        lambda s: s["members"].get(listener.client_id, {}).get("name") == "Ana",
    )
    assert state["room_id"] == room
    assert state["speakers"] == [speaker.client_id]
    assert state["listeners"] == [listener.client_id]
    member = state["members"][listener.client_id]
    assert member["connection_status"] == "connected"
    assert member["transcoder"] is False
    await speaker.until(
        "server_state_update",
        lambda s: s["statusByRoom"].get(room) == {"activeConnections": 2, "activeTranscoders": 0},
    )


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
async def test_speech_at_any_rate_comes_back_as_text_and_speech(
    shared_server: BackgroundServer, connect: Connect, rate: int
) -> None:
    peer = await connect(shared_server, protocol=1)
    await peer.join()
    answer = await peer.call("set_dynamic_config", {"targetLanguage": "spa"})
    assert answer == {"status": "ok", "message": "dynamic_config_set"}
    ready = {"status": "ok", "message": "server_ready", "model": "tiny"}
    assert await peer.configure(rate) == ready
    await peer.until(
        "room_state_update", lambda s: s["members"][peer.client_id]["transcoder"] is True
    )
    await peer.speak(speech("human_short", rate), chunk=rate * 341 // 1000)
    assert await peer.call("stop_stream") == {"status": "ok", "message": "Stream stopped"}
    texts, sounds = peer.of("translation_text"), peer.of("translation_speech")
    assert set(texts[0]) == {"event", "payload", "eos"}
    assert " ".join(text["payload"] for text in texts).strip()
    assert all(text["payload"] == text["payload"].strip() for text in texts)
    assert texts[-1]["eos"] is True
    assert set(sounds[0]) == {"event", "payload", "sample_rate", "eos"}
    samples = np.concatenate([np.asarray(sound["payload"], float) for sound in sounds])
    assert sounds[0]["sample_rate"] == 16_000
    assert len(samples) > 320
    assert 0 < np.abs(samples).max() <= 1
    await peer.until(
        "room_state_update",
        lambda s: s["members"][peer.client_id]["transcoder"] is False,
        after=len(peer.events) - 3,
    )


async def test_output_comes_in_silence_and_while_muted(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    """The original sent output only together with new audio."""
    peer = await connect(shared_server, protocol=1)
    await peer.join()
    await peer.configure(48_000)
    await peer.speak(speech("human_short", 48_000), chunk=16_384)
    # Muted: the original's page sends one zero sample a message. The sentence must end all the
    # same.
    for _ in range(40):
        await peer.speak(silence(1 / 48_000, 48_000))
        if any(text["eos"] for text in peer.of("translation_text")):
            break
        await asyncio.sleep(0.2)
    await peer.until("translation_text", lambda text: text["eos"])


async def test_a_language_switch_in_mid_sentence_tears_nothing(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    """The old language goes on until its sentence ends; no sentence comes in both."""
    peer = await connect(shared_server, protocol=1)
    await peer.join()
    reader = await connect(shared_server, protocol=2)
    await reader.join(peer.room, "listener")
    await reader.call("set_listener_config", {"targetLanguage": None, "output": "s2t"})
    await peer.call("set_dynamic_config", {"targetLanguage": "spa"})
    await peer.configure()
    audio = speech("human_pauses")
    half = len(audio) // 2
    await peer.speak(audio[:half])
    begun = await reader.until("translation_text", lambda text: not text["eos"])
    await peer.call("set_dynamic_config", {"targetLanguage": "por"})
    await peer.speak(audio[half:])
    await peer.call("stop_stream")
    texts = reader.of("translation_text")
    sentences = {text["segmentID"]: set() for text in texts}
    for text in texts:
        sentences[text["segmentID"]].add(text["lang"])
    last = [text for text in texts if text["lang"] == "spa"][-1]
    assert last["eos"] is True
    assert last["segmentID"] >= begun["segmentID"]
    after = [text for text in texts if text["segmentID"] > last["segmentID"]]
    assert {text["lang"] for text in after} == {"por"}
    # Clients of the first protocol print what comes: one language after the other.
    printed = [text["payload"] for text in peer.of("translation_text")]
    spanish = [text for text in texts if text["lang"] == "spa"]
    portuguese = [text for text in after if text["lang"] == "por"]
    wanted = "".join(text["payload"] for text in [*spanish, *portuguese])
    assert "".join(printed).replace(" ", "") == wanted.replace(" ", "")


async def test_clearing_the_transcript_reaches_the_whole_room(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    speaker = await connect(shared_server, protocol=1)
    room = await speaker.join()
    listener = await connect(shared_server, protocol=1)
    await listener.join(room, "listener")
    await speaker.sio.emit("clear_transcript_for_all")
    await speaker.until("clear_transcript")
    await listener.until("clear_transcript")


async def test_who_comes_back_with_the_same_id_has_its_room_roles_and_settings(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server, protocol=1)
    room = await peer.join(None, "speaker", "listener")
    await peer.call("set_dynamic_config", {"targetLanguage": "fra"})
    await peer.call("set_name", "Ana")
    await peer.sio.disconnect()
    again = await connect(shared_server, peer.client_id, protocol=1)
    state = await again.until("room_state_update")
    member = state["members"][peer.client_id]
    assert state["room_id"] == room
    assert set(member["roles"]) == {"speaker", "listener"}
    assert member["name"] == "Ana"
    assert member["transcoder_dynamic_config"] == {"targetLanguage": "fra"}
    assert (await again.configure())["status"] == "ok"


async def test_who_drops_the_speaker_role_ends_its_stream(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server, protocol=1)
    room = await peer.join()
    await peer.configure()
    await peer.join(room, "listener")
    await peer.until(
        "room_state_update",
        lambda s: s["speakers"] == [] and not s["members"][peer.client_id]["transcoder"],
    )


async def test_errors_are_answered_as_the_original_names_them(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server, protocol=1)
    answer = await peer.configure()
    assert answer == {"status": "error", "message": "member_or_room_is_none"}
    await peer.join()
    answer = await peer.configure(model_name="no such model")
    assert answer["status"] == "error"
    assert "model_name" in answer["message"]
    exception = await peer.until("server_exception")
    assert exception["message"] == answer["message"]
    assert abs(exception["timeEpochMs"]) > 1e12
    assert (await peer.configure())["message"] == "server_ready"


async def test_max_speakers_refuses_the_next_one(start_server: Start, connect: Connect) -> None:
    server = start_server(max_speakers=1)
    first = await connect(server, "first", protocol=1)
    second = await connect(server, "second", protocol=1)
    await first.join()
    await second.join()
    assert (await first.configure())["status"] == "ok"
    assert await second.configure() == {"status": "error", "message": "max_speakers"}
    await first.call("stop_stream")
    assert (await second.configure())["status"] == "ok"
    # Who may never come back does not keep the place from those who are here.
    before = len(first.events)
    await second.sio.disconnect()
    await first.until(
        "server_state_update", lambda state: state["totalActiveConnections"] == 1, after=before
    )
    assert (await first.configure())["status"] == "ok"


async def test_the_server_lock_is_given_shown_and_released(
    start_server: Start, connect: Connect
) -> None:
    server = start_server()
    owner: Peer = await connect(server, "owner", protocol=1)
    other: Peer = await connect(server, "other", protocol=1)
    await other.join()
    assert (await other.configure())["status"] == "ok"
    room = await owner.join(None, "speaker", lock="Ana's talk")
    state = await other.until("server_state_update", lambda s: s["serverLock"] is not None)
    assert state["serverLock"] == {"name": "Ana's talk", "clientID": "owner", "isActive": False}
    # Who has the lock has the server: other streams end when it starts its own.
    assert (await owner.configure())["status"] == "ok"
    await other.until("server_exception", lambda e: e["code"] == "server_locked")
    await other.until("server_state_update", lambda s: (s["serverLock"] or {}).get("isActive"))
    assert await other.configure() == {"status": "error", "message": "server_locked"}
    # Nobody takes it away, not even with the original's magic name.
    await other.join(None, "speaker", lock="remove_server_lock")
    assert await other.configure() == {"status": "error", "message": "server_locked"}
    await owner.join(room, "listener")
    await other.until(
        "server_state_update", lambda s: s["serverLock"] is None, after=len(other.events) - 1
    )
    assert (await other.configure())["status"] == "ok"


async def test_the_operator_may_turn_the_escape_hatch_on(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(lock_escape_hatch=True)
    owner = await connect(server, "owner", protocol=1)
    other = await connect(server, "other", protocol=1)
    await owner.join(None, "speaker", lock="mine")
    await other.join(None, "speaker", lock="remove_server_lock")
    assert (await other.configure())["status"] == "ok"


async def test_a_server_locked_completely_refuses_everybody(
    start_server: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCK_SERVER_COMPLETELY", "1")
    server = start_server()
    peer = await connect(server, "owner", protocol=1)
    state = await peer.until("server_state_update")
    # The original page offers no start while it sees this lock.
    assert state["serverLock"] == {
        "name": "Seamless User",
        "clientID": "seamless_user",
        "isActive": True,
    }
    await peer.join(None, "speaker", lock="mine")
    assert await peer.configure() == {"status": "error", "message": "server_locked"}


async def test_models_override_narrows_what_a_model_offers(
    start_server: Start, connect: Connect
) -> None:
    choice = {"name": str(CHECKPOINT), "modalities": ["s2t"], "targetLangs": ["spa", "eng"]}
    server = start_server(models=json.dumps([choice]))
    peer = await connect(server, "owner", protocol=1)
    (offered,) = (await peer.until("server_state_update"))["agentsCapabilities"]
    assert offered["modalities"] == ["s2t"]
    assert sorted(offered["targetLangs"]) == ["eng", "spa"]
    await peer.join(None, "speaker", "listener")
    assert (await peer.configure(model_type="s2t"))["status"] == "ok"
    assert (await peer.configure(model_type="s2s"))["status"] == "error"
