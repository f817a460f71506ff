"""The Python client through lost connections and restarts, against a server that plays them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from seamless_server.client import (
    Cleared,
    ClientError,
    Notice,
    RecordingSaved,
    Speech,
    Status,
    StreamingClient,
    Text,
    Waiting,
)
from seamless_server.errors import UsageError

from .scripted import Script

CHUNK_MS = 20
PCM = np.arange(1, 16 * CHUNK_MS * 12 + 8, dtype=np.int16)


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    async with Script() as made:
        yield made


async def spoken(client: StreamingClient, **options: Any) -> list[Any]:
    given = {"rate": 16_000, "realtime": False, "chunk_ms": CHUNK_MS, **options}

    async def collect() -> list[Any]:
        return [event async for event in client.translate(PCM, **given)]

    return await asyncio.wait_for(collect(), 60)


# -- recovery --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lost",
    [
        {},
        {3: "before"},
        {3: "after"},
        {0: "after", 5: "before", 6: "after"},
        {11: "after"},
        {12: "before"},
    ],
)
async def test_every_sample_arrives_once_and_in_order(script: Script, lost: dict[int, str]) -> None:
    script.lose_at = lost
    async with StreamingClient(script.url) as client:
        await spoken(client)
        assert np.array_equal(script.heard, PCM)
        assert client.sent_ms == pytest.approx(len(PCM) / 16)
    # The stream went on; it was not begun anew.
    assert len(script.of("configure_stream")) == 1
    assert len(script.of("stop_stream")) == 1
    assert len(script.of("asked")) >= len(lost)


async def test_an_older_server_that_does_not_tell_gets_everything(script: Script) -> None:
    script.tells_received = False
    script.lose_at = {4: "before"}
    async with StreamingClient(script.url) as client:
        await spoken(client)
    assert np.array_equal(script.heard, PCM)


async def test_who_is_asked_in_vain_is_asked_again(script: Script) -> None:
    script.lose_at = {4: "after"}

    def lose_once() -> None:
        del script.answers["asked"]
        script.lose()

    script.answers["asked"] = lose_once
    async with StreamingClient(script.url) as client:
        await spoken(client)
    assert np.array_equal(script.heard, PCM)


async def test_another_server_gets_the_stream_anew_from_where_it_was(script: Script) -> None:
    script.restart_at = {5}
    async with StreamingClient(script.url, target_language="spa") as client:
        await spoken(client)
    assert len(script.of("configure_stream")) == 2
    assert [np.concatenate(one).tolist() for one in script.streams] == [
        PCM[: 5 * 16 * CHUNK_MS].tolist(),
        PCM[5 * 16 * CHUNK_MS :].tolist(),
    ]
    # It comes back as the same member, in the same room and roles, with the same language.
    assert len({auth["resumeKey"] for auth in script.auths}) == 1
    joins = script.of("join_room")
    assert {(one[0], one[1] or "ROOM", tuple(one[2]["roles"])) for one in joins[1:]} == {
        (client.client_id, "ROOM", ("speaker", "listener"))
    }
    assert script.of("set_dynamic_config") == [[{"targetLanguage": "spa"}]] * 2


async def test_what_counts_after_a_restart_is_the_new_stream_s_audio(script: Script) -> None:
    script.restart_at = {5}
    script.lose_at = {8: "after", 9: "before"}
    async with StreamingClient(script.url) as client:
        await spoken(client)
    assert np.array_equal(script.heard, PCM)


async def test_who_lost_its_place_in_line_asks_for_one_again(script: Script) -> None:
    asked = itertools.count()

    def configure() -> dict[str, Any]:
        if next(asked) == 0:
            asyncio.get_running_loop().call_later(0.05, script.lose)
            return {"status": "waiting", "message": "max_speakers", "position": 1, "waiting": 1}
        script.streams.append([])
        return {"status": "ok", "message": "server_ready"}

    script.answers["configure_stream"] = configure
    async with StreamingClient(script.url) as client:
        await spoken(client)
    assert next(asked) == 2
    assert np.array_equal(script.heard, PCM)


async def test_nothing_is_sent_before_its_turn(script: Script) -> None:
    script.answers["configure_stream"] = lambda: {
        "status": "waiting", "message": "max_speakers", "position": 2, "waiting": 3,
    }  # fmt: skip
    async with StreamingClient(script.url) as client:
        events: list[Any] = []

        async def listen() -> None:
            async for event in client.translate(PCM, rate=16_000, realtime=False):
                events.append(event)
                if event == Waiting(1, 3):
                    script.streams.append([])
                    await script.sio.emit(
                        "place_in_line", {"state": "admitted", "position": 0, "waiting": 0}
                    )

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.1)
        assert script.streams == []
        await script.sio.emit("place_in_line", {"state": "waiting", "position": 1, "waiting": 3})
        await asyncio.wait_for(listening, 60)
    assert events == [Waiting(1, 3)]
    assert np.array_equal(script.heard, PCM)


async def test_a_turn_that_came_to_nothing_is_told(script: Script) -> None:
    script.answers["configure_stream"] = lambda: {"status": "waiting", "message": "max_speakers"}
    async with StreamingClient(script.url) as client:
        speaking = asyncio.create_task(spoken(client))
        await asyncio.sleep(0.1)
        ended = {"state": "ended", "position": 0, "waiting": 0, "message": "It restarts."}
        await script.sio.emit("place_in_line", ended)
        with pytest.raises(ClientError, match="It restarts"):
            await speaking


async def test_a_server_that_still_loads_is_asked_again(script: Script) -> None:
    asked = itertools.count()

    def configure() -> dict[str, Any]:
        if next(asked) < 2:
            return {"status": "error", "message": "Wait.", "code": "loading"}
        script.streams.append([])
        return {"status": "ok", "message": "server_ready"}

    script.answers["configure_stream"] = configure
    async with StreamingClient(script.url) as client:
        await spoken(client)
    assert np.array_equal(script.heard, PCM)


async def test_a_busy_server_is_waited_for(script: Script) -> None:
    script.queued_ms = 8_001.0
    asked = itertools.count()

    def ask() -> None:
        if next(asked) == 1:
            script.queued_ms = 8_000.0

    script.answers["asked"] = ask
    async with StreamingClient(script.url) as client:
        await spoken(client)
        assert client.queued_ms == 8_000.0
    assert next(asked) == 2
    assert np.array_equal(script.heard, PCM)


async def test_a_connection_that_the_server_ends_is_not_taken_up_again(script: Script) -> None:
    async with StreamingClient(script.url) as client:
        listening = asyncio.create_task(anext(client.listen()))
        (sid,) = [sid for sid, _ in script.sio.manager.get_participants("/", None)]
        await script.sio.disconnect(sid)
        with pytest.raises(ClientError, match=r"^The server ended the connection") as error:
            await asyncio.wait_for(listening, 20)
    assert error.value.code == "closed"
    assert len(script.auths) == 1


async def test_who_has_left_asks_in_vain(script: Script) -> None:
    async with StreamingClient(script.url) as client:
        await client.transcript()
    with pytest.raises(ClientError, match=r"^The connection to the server was lost") as error:
        await client.transcript()
    assert error.value.code == "closed"


async def test_who_is_not_there_is_said_with_its_address() -> None:
    with pytest.raises(ClientError) as error:
        async with StreamingClient("http://127.0.0.1:9"):
            pass
    assert error.value.message.startswith("http://127.0.0.1:9 cannot be joined: ")
    assert "Connection error" not in error.value.message
    assert "None" not in error.value.message


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "code"),
    [("join_room", "passcode"), ("set_name", "invalid"), ("set_listener_config", "invalid")],
)
async def test_what_is_refused_at_the_door_is_said_there(
    script: Script, event: str, code: str
) -> None:
    script.answers[event] = lambda: {"status": "error", "message": "No.", "code": code}
    with pytest.raises(ClientError, match="No") as error:
        async with StreamingClient(script.url, name="Ana"):
            pass
    assert error.value.code == code


@pytest.mark.parametrize(
    ("event", "answer", "code"),
    [
        ("configure_stream", {"status": "error", "message": "max_speakers"}, "max_speakers"),
        ("configure_stream", {"status": "error", "message": "No.", "code": "c"}, "c"),
        ("incoming_audio", {"status": "error", "message": "No.", "code": "no_stream"},
         "no_stream"),
        ("stop_stream", {"status": "error", "message": "No.", "code": "c"}, "c"),
    ],
)  # fmt: skip
async def test_what_is_refused_while_speaking_is_said(
    script: Script, event: str, answer: dict[str, Any], code: str
) -> None:
    script.answers[event] = lambda: answer
    async with StreamingClient(script.url) as client:
        if event != "configure_stream":
            script.streams.append([])
        with pytest.raises(ClientError) as error:
            await spoken(client)
    assert (error.value.code, error.value.message) == (code, answer["message"])


@pytest.mark.parametrize(("size", "possible"), [(9, False), (10, True), (10_000, True),
                                                (10_001, False)])  # fmt: skip
async def test_messages_have_a_size(script: Script, size: int, possible: bool) -> None:
    async with StreamingClient(script.url) as client:
        if possible:
            await spoken(client, chunk_ms=size)
            assert np.array_equal(script.heard, PCM)
        else:
            with pytest.raises(UsageError, match="chunk_ms"):
                await spoken(client, chunk_ms=size)


async def test_an_empty_language_is_none() -> None:
    with pytest.raises(UsageError, match="empty"):
        StreamingClient("http://localhost:1", target_language=" ")


# -- what is sent and what comes -------------------------------------------------------------------


async def test_a_client_says_who_it_is_and_what_it_wants(script: Script) -> None:
    async with StreamingClient(
        script.url, room="TALK", target_language="deu", output="s2t", name="Ana", token="t0k",
        client_id="me",
    ) as client:  # fmt: skip
        assert (client.room, client.client_id) == ("TALK", "me")
        await client.set_target_language("fra")
        assert await client.transcript() == {"status": "ok", "message": "done"}
    (auth,) = script.auths
    assert (auth["token"], auth["clientID"], auth["protocol"]) == ("t0k", "me", 2)
    assert len(auth["resumeKey"]) >= 32
    # The address may be written to a log: it holds no secret.
    (query,) = script.queries
    assert query["clientID"] == ["me"]
    assert query["protocol"] == ["2"]
    assert "t0k" not in str(query)
    assert auth["resumeKey"] not in str(query)
    assert script.of("join_room") == [
        ["me", "TALK", {"roles": ["listener"], "lockServerName": None}]
    ]
    assert script.of("set_name") == [["Ana"]]
    assert script.of("set_listener_config") == [
        [{"targetLanguage": "deu", "output": "s2t"}],
        [{"targetLanguage": "fra", "output": "s2t"}],
    ]


async def test_a_speaker_configures_its_stream(script: Script) -> None:
    async with StreamingClient(
        script.url, target_language="spa", output="s2s", model="m", debug=True, wait=False
    ) as client:
        assert "token" not in script.auths[0]
        await spoken(client)
        await client.set_target_language("fra")
        await spoken(client)
    (first, again) = script.of("configure_stream")
    assert first == again == [
        {
            "event": "config", "rate": 16_000, "model_name": "m", "model_type": "s2s",
            "debug": True, "async_processing": True, "buffer_limit": 0, "wait": False,
        }
    ]  # fmt: skip
    languages = [one[0]["targetLanguage"] for one in script.of("set_dynamic_config")]
    assert languages == ["spa", "fra", "fra"]
    assert [one[2]["roles"] for one in script.of("join_room")] == [
        ["listener"], ["speaker", "listener"],
    ]  # fmt: skip
    # A speaker hears its own translation as it chose it.
    assert script.of("set_listener_config")[-1] == [{"targetLanguage": None, "output": "s2s"}]
    assert [np.concatenate(one).tolist() for one in script.streams] == [PCM.tolist()] * 2


async def test_each_message_of_the_server_is_an_event(script: Script) -> None:
    common = {
        "speakerID": "ana", "lang": "spa", "segmentID": 3, "seq": 4, "startMs": 5.0, "endMs": 6.0,
        "latencyMs": 7.0, "eos": True,
    }  # fmt: skip
    messages: list[tuple[str, Any]] = [
        ("translation_text", {**common, "payload": " hola", "confidence": 0.5}),
        ("translation_speech",
         {**common, "payload": np.array([1, -2], "<i2").tobytes(), "sample_rate": 16_000}),
        ("stream_status",
         {"state": "speech", "lagMs": 1.0, "queuedMs": 2.0, "coalesced": 3, "droppedMs": 4.0,
          "warning": "w", "realTimeFactor": 0.25}),
        ("place_in_line", {"state": "waiting", "position": 1, "waiting": 2}),
        ("server_exception", {"message": "odd", "code": "c"}),
        ("server_exception", {"message": "odd"}),
        ("recording_saved", {"name": "n", "files": ["a"], "url": "/api/debug/n/"}),
        ("clear_transcript", None),
    ]  # fmt: skip
    async with StreamingClient(script.url) as client:
        listening = client.listen()
        for event, data in messages:
            await script.sio.emit(event, data)
        got = [await asyncio.wait_for(anext(listening), 20) for _ in messages]
        assert client.queued_ms == 2.0
    text, speech, *rest = got
    assert isinstance(text, Text)
    assert isinstance(speech, Speech)
    for one in (text, speech):
        assert (one.speaker_id, one.lang, one.segment_id, one.seq) == ("ana", "spa", 3, 4)
        assert (one.start_ms, one.end_ms, one.latency_ms, one.finished) == (5.0, 6.0, 7.0, True)
    assert (text.text, text.confidence) == (" hola", 0.5)
    assert (speech.samples.tolist(), speech.sample_rate) == ([1, -2], 16_000)
    assert rest == [
        Status("speech", 1.0, 2.0, 3, 4.0, "w", 0.25),
        Waiting(1, 2),
        Notice("odd", "c"),
        Notice("odd", "error"),
        RecordingSaved("n", ("a",), f"{script.url}/api/debug/n/"),
        Cleared(),
    ]


async def test_a_client_wants_speech_and_text_and_knows_what_the_server_runs(
    script: Script,
) -> None:
    async with StreamingClient(script.url) as client:
        await script.sio.emit("server_state_update", {"agentsCapabilities": [{"name": "tiny"}]})
        await spoken(client)
        assert client.models == [{"name": "tiny"}]
        script.answers["transcript"] = lambda: [{"text": "hola"}]
        assert await client.transcript() == [{"text": "hola"}]
        await script.sio.emit("server_state_update", {})
        await spoken(client)
        assert client.models == []
    assert {one[0]["model_type"] for one in script.of("configure_stream")} == {"s2s&t"}
    assert script.of("set_listener_config")[0] == [{"targetLanguage": None, "output": "s2s&t"}]


async def test_one_channel_is_taken_where_it_is_asked_for(script: Script) -> None:
    both = np.stack([np.zeros_like(PCM), PCM], axis=1)
    async with StreamingClient(script.url) as client:
        async for _ in client.translate(both, rate=16_000, realtime=False, channel=2):
            pass
        assert np.array_equal(script.heard, PCM)


async def test_what_is_odd_with_the_sound_is_told(script: Script) -> None:
    loud = np.full(32_000, 32_767, np.int16)
    async with StreamingClient(script.url) as client:
        given = client.translate(loud, rate=16_000, realtime=False)
        told = [event async for event in given]
    (notice,) = [event for event in told if isinstance(event, Notice)]
    assert notice.code == "sound"
    assert "clipped" in notice.message
