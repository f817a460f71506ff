"""The doors for clients of OpenAI's wires, with the official Python client and with bad events."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import numpy as np
import openai
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from seamless_server.doors.running import BackgroundServer

from .conftest import CHECKPOINT, RECORDINGS, Connect, speech, timeout

Start = Callable[..., BackgroundServer]
AUDIO = RECORDINGS / "audio" / "human_short.flac"


def client(server: BackgroundServer, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(api_key=key, base_url=f"{server.url}/v1", max_retries=0)


# -- files -----------------------------------------------------------------------------------------


def test_the_official_client_lists_models(shared_server: BackgroundServer) -> None:
    [model] = client(shared_server).models.list().data
    assert client(shared_server).models.retrieve(model.id).id == model.id
    with pytest.raises(openai.NotFoundError) as refused:
        client(shared_server).models.retrieve("nothing")
    assert refused.value.code == "model_not_found"


def test_the_official_client_translates_and_transcribes(shared_server: BackgroundServer) -> None:
    api = client(shared_server).audio
    english = api.translations.create(model="default", file=AUDIO)
    again = api.transcriptions.create(model="default", file=AUDIO, language="en")
    assert english.text
    assert again.text == english.text  # English is written in both
    spanish = api.translations.create(
        model="default", file=AUDIO, extra_body={"target_language": "es"}
    )
    assert spanish.text not in ("", english.text)
    whole = api.translations.create(model="default", file=AUDIO, response_format="verbose_json")
    assert whole.text == english.text
    assert whole.language == "eng"
    assert whole.segments
    assert " ".join(segment.text.strip() for segment in whole.segments) == whole.text
    plain, srt, vtt = (
        str(api.translations.create(model="default", file=AUDIO, response_format=form))
        for form in ("text", "srt", "vtt")
    )
    assert plain.strip() == english.text
    assert srt.startswith("1\n00:00:0")
    assert vtt.startswith("WEBVTT\n")


def test_what_cannot_be_done_is_said_in_their_shape(shared_server: BackgroundServer) -> None:
    api = client(shared_server).audio
    for fields, code in (
        ({}, "input_language_required"),
        ({"language": "xx"}, "language"),
        ({"language": "en", "response_format": "opus"}, "invalid"),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            api.transcriptions.create(model="default", file=AUDIO, **fields)  # type: ignore[call-overload]
        assert refused.value.code == code
    with pytest.raises(openai.BadRequestError) as refused:
        api.translations.create(model="default", file=("x.wav", io.BytesIO(b"no sound")))
    assert refused.value.code == "audio"


def test_a_token_is_asked_for(start_server: Start) -> None:
    server = start_server(auth_secret="s3cret")
    with pytest.raises(openai.AuthenticationError):
        client(server).audio.translations.create(model="default", file=AUDIO)
    assert client(server, "s3cret").audio.translations.create(model="default", file=AUDIO).text


# -- live ------------------------------------------------------------------------------------------


@asynccontextmanager
async def session(
    server: BackgroundServer,
    *,
    room: str = "",
    passcode: str = "",
    model: str = "default",
    **options: Any,
) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
    address = server.url.replace("http", "ws") + f"/v1/realtime/translations?model={model}"
    if room:
        address += f"&room={room}&{urlencode({'passcode': passcode})}"
    async with open_websocket(address, max_size=None, **options) as socket:
        yield socket, json.loads(await socket.recv())


async def say(socket: ClientConnection, **event: Any) -> None:
    await socket.send(json.dumps(event))


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with timeout(60):
        while True:
            event: dict[str, Any] = json.loads(await socket.recv())
            if event["type"] == kind:
                return event


async def append(socket: ClientConnection, pcm: np.ndarray[Any, Any]) -> None:
    for start in range(0, len(pcm), 4_800):
        audio = base64.b64encode(pcm[start : start + 4_800].tobytes()).decode()
        await say(socket, type="session.input_audio_buffer.append", audio=audio)


async def test_the_official_client_speaks_and_hears(shared_server: BackgroundServer) -> None:
    api = openai.AsyncOpenAI(
        api_key="none",
        base_url=f"{shared_server.url}/v1",
        websocket_base_url=shared_server.url.replace("http", "ws") + "/v1",
    )
    text, sound, kinds = "", b"", []
    async with api.realtime.translations.connect(model="default") as connection:
        first = await connection.recv()
        assert first.type == "session.created"
        await connection.session.update(session={"audio": {"output": {"language": "es"}}})
        pcm = speech("human_short", rate=24_000)
        async for event in connection:
            kinds.append(event.type)
            if event.type == "session.updated":
                for start in range(0, len(pcm), 4_800):
                    audio = base64.b64encode(pcm[start : start + 4_800].tobytes()).decode()
                    await connection.session.input_audio_buffer.append(audio=audio)
                await connection.session.close()
            elif event.type == "session.output_transcript.delta":
                text += event.delta
            elif event.type == "session.output_audio.delta":
                frame = base64.b64decode(event.delta)
                assert len(frame) <= 9_600
                sound += frame
            elif event.type == "session.closed":
                break
    assert kinds[0] == "session.updated"
    assert text.strip()
    assert len(sound) > 9_600
    assert np.abs(np.frombuffer(sound, "<i2").astype(int)).max() > 0


async def test_a_session_hears_and_changes_its_language(shared_server: BackgroundServer) -> None:
    async with session(shared_server) as (socket, created):
        assert created["session"]["model"]
        assert created["session"]["audio"]["output"] == {"language": "spa"}
        audio = {
            "input": {"language": "en", "transcription": {}},
            "output": {"language": "German"},
        }
        await say(socket, type="session.update", session={"audio": audio})
        updated = await until(socket, "session.updated")
        assert updated["session"]["audio"]["output"] == {"language": "deu"}
        await append(socket, speech("human_short", rate=24_000))
        await say(socket, type="session.close")
        kinds = set()
        async for message in socket:
            event = json.loads(message)
            kinds.add(event["type"])
            if "elapsed_ms" in event:
                assert event["elapsed_ms"] % 200 == 0
        assert {
            "session.input_transcript.delta",
            "session.output_transcript.delta",
            "session.closed",
        } <= kinds


BAD: list[tuple[dict[str, Any] | str, str, str | None]] = [
    ("no json", "invalid_json", None),
    ("[]", "invalid_value", None),
    ({"type": "response.create"}, "unknown_event", "type"),
    ({"type": "session.update"}, "invalid_value", "session"),
    ({"type": "session.close", "extra": 1}, "unknown_parameter", "extra"),
    (
        {"type": "session.update", "session": {"model": "another"}},
        "invalid_value",
        "session.model",
    ),
    (
        {"type": "session.update", "session": {"audio": {"output": {"language": "xx"}}}},
        "invalid_language",
        "session.audio.output.language",
    ),
    (
        {"type": "session.update", "session": {"audio": {"input": {"transcription": {}}}}},
        "input_language_required",
        "session.audio.input.language",
    ),
    ({"type": "session.input_audio_buffer.append", "audio": "*"}, "invalid_value", "audio"),
    ({"type": "session.input_audio_buffer.append", "audio": "AAAA"}, "invalid_value", "audio"),
    ({"type": "session.input_audio_buffer.append", "audio": 5}, "invalid_value", "audio"),
]


async def test_a_bad_event_is_an_error_and_the_session_goes_on(
    shared_server: BackgroundServer,
) -> None:
    async with session(shared_server) as (socket, _):
        for event, code, param in BAD:
            if isinstance(event, dict):
                event = {**event, "event_id": "mine"}
                await say(socket, **event)
            else:
                await socket.send(event)
            error = (await until(socket, "error"))["error"]
            assert (error["code"], error["param"]) == (code, param), event
            assert error["event_id"] == ("mine" if isinstance(event, dict) else None)
        await say(socket, type="session.close")
        await until(socket, "session.closed")


async def test_a_model_that_is_not_served_is_an_error(shared_server: BackgroundServer) -> None:
    async with session(shared_server, model="nosuch") as (socket, first):
        assert first["error"]["code"] == "model_not_found"
        assert "'nosuch'" in first["error"]["message"]
        await socket.wait_closed()
    assert socket.close_code == 1013


async def test_three_ways_to_send_a_token(start_server: Start) -> None:
    server = start_server(auth_secret="s3cret")
    ways: list[dict[str, Any]] = [
        {"additional_headers": {"Authorization": "Bearer s3cret"}},
        {"additional_headers": {"api-key": "s3cret"}},
        {"subprotocols": ["realtime", "openai-insecure-api-key.s3cret"]},
    ]
    for way in ways:
        async with session(server, **way) as (socket, created):
            assert created["type"] == "session.created"
            await say(socket, type="session.close")
            await until(socket, "session.closed")
    with pytest.raises(InvalidStatus):
        async with session(server):
            pass


async def test_a_session_takes_a_place(start_server: Start) -> None:
    server = start_server(max_speakers=1, models=(str(CHECKPOINT),))
    async with session(server) as (_, created):
        assert created["type"] == "session.created"
        async with session(server) as (_, refused):
            assert refused["type"] == "error"
            assert refused["error"]["code"] == "max_speakers"


async def test_the_stream_of_a_session_may_end_by_itself(start_server: Start) -> None:
    server = start_server()
    async with session(server) as (socket, _):
        parts = server.app.state.parts
        assert server.loop is not None
        asyncio.run_coroutine_threadsafe(parts.service.drain(), server.loop).result(30)
        await until(socket, "session.closed")


async def test_what_is_no_event_harms_nothing(
    shared_server: BackgroundServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with session(shared_server) as (socket, _):
        for event in (b"\x00\xff", b"{}", "[" * 5_000, '{"type": ["x"]}'):
            await socket.send(event)
            assert (await until(socket, "error"))["error"]["code"]
        update = {"type": "session.update", "session": {}}
        await socket.send(json.dumps(update).encode())
        await until(socket, "session.updated")
    assert [record for record in caplog.records if record.exc_info] == []


async def test_limits_hold_here_too(start_server: Start) -> None:
    server = start_server(max_connections_per_address=2, max_events_per_second=50)
    async with session(server) as (socket, _):
        async with session(server):
            with pytest.raises(InvalidStatus):
                async with session(server):
                    pass
        # Audio at once is read as fast as the client may send it.
        for _ in range(300):
            await say(socket, type="session.input_audio_buffer.append", audio="AAAA" * 64)
        await say(socket, type="session.update", session={})
        assert (await until(socket, "session.updated"))["type"]

        async def told() -> int:
            answers = 0
            with suppress(ConnectionClosed):
                async for _ in socket:
                    answers += 1
            return answers

        telling = asyncio.create_task(told())
        with suppress(ConnectionClosed):
            for _ in range(20_000):
                await say(socket, type="session.update", session={})
        assert await asyncio.wait_for(telling, 60) < 1_000  # the rest of it was not even read
        assert socket.close_code in (None, 1006)  # without a word
    parts = server.app.state.parts
    for _ in range(100):
        if not parts.service.admission.places and not parts.connections.sockets.count():
            break
        await asyncio.sleep(0.1)
    assert parts.service.admission.places == {}
    assert parts.connections.sockets.count() == 0


async def test_a_foreign_page_needs_a_client_secret(start_server: Start) -> None:
    server = start_server()
    foreign = {"Origin": "https://elsewhere.example"}
    with pytest.raises(InvalidStatus):
        async with session(server, additional_headers=foreign):
            pass
    made = client(server).realtime.translations.client_secrets.create(session={"model": "default"})
    for headers in (
        {"Origin": server.url},
        {**foreign, "Authorization": f"Bearer {made.value}"},
    ):
        async with session(server, additional_headers=headers) as (_, created):
            assert created["type"] == "session.created"


async def test_a_session_ends_with_the_token_that_opened_it(start_server: Start) -> None:
    key = "k" * 32
    server = start_server(auth_jwt_key=key)
    token = jwt.encode({"roles": ["speaker"], "exp": time.time() + 3}, key, algorithm="HS256")
    async with session(server, additional_headers={"api-key": token}) as (socket, _):
        codes = [(await until(socket, "error"))["error"]["code"] for _ in range(2)]
        assert codes == ["token_expires", "unauthorized"]
        await until(socket, "session.closed")


# -- in rooms --------------------------------------------------------------------------------------


async def test_a_session_speaks_in_a_room(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    listener, follower = await connect(shared_server), await connect(shared_server)
    room = await listener.join()
    await follower.join(room, "listener")
    await listener.call("set_listener_config", {"targetLanguage": "deu", "output": "s2t"})
    await follower.call("set_listener_config", {"targetLanguage": None, "output": "s2t"})
    heard = ""
    async with session(shared_server, room=room) as (socket, _):
        audio = {"output": {"language": "fr"}}
        await say(socket, type="session.update", session={"audio": audio})
        await until(socket, "session.updated")
        state = await listener.until("room_state_update", lambda state: len(state["members"]) == 3)
        [guest] = set(state["members"]) - {listener.client_id, follower.client_id}
        await append(socket, speech("human_short", rate=24_000))
        await say(socket, type="session.close")
        async for message in socket:
            event = json.loads(message)
            heard += event["delta"] if event["type"].endswith("output_transcript.delta") else ""
    await follower.until("translation_text", lambda text: text["eos"])
    await listener.until("translation_text", lambda text: text["eos"])
    assert {text["lang"] for text in listener.of("translation_text")} == {"deu"}
    assert {text["speakerID"] for text in listener.of("translation_text")} == {guest}
    # The session's own client and those who follow it read the same, and nothing of the others'.
    assert heard.strip()
    assert heard.split() == follower.text("fra").split()
    await listener.until(
        "room_state_update",
        lambda state: len(state["members"]) == 2,
        after=len(listener.events) - 1,
    )


async def test_a_room_keeps_sessions_out_as_it_keeps_out_members(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    host = await connect(shared_server)
    room = await host.join()
    await host.call("set_room", {"passcode": "open sesame"})
    for query, code in (
        ({"room": "NONE"}, "no_room"),
        ({"room": room}, "passcode"),
        ({"room": room, "passcode": "guess"}, "passcode"),
    ):
        async with session(shared_server, **query) as (_, refused):
            assert refused["error"]["code"] == code
    async with session(shared_server, room=room, passcode="open sesame") as (socket, created):
        assert created["type"] == "session.created"
        state = await host.until("room_state_update", lambda state: len(state["members"]) == 2)
        [guest] = set(state["members"]) - {host.client_id}
        assert (await host.call("remove_member", guest))["status"] == "ok"
        assert (await until(socket, "error"))["error"]["code"] == "removed"
        await until(socket, "session.closed")


# -- secrets for browsers --------------------------------------------------------------------------


async def test_a_client_secret_opens_sessions_and_nothing_else(start_server: Start) -> None:
    server = start_server(auth_secret="s3cret")
    secrets = client(server, "s3cret").realtime.translations.client_secrets
    with pytest.raises(openai.AuthenticationError):
        client(server).realtime.translations.client_secrets.create(session={"model": "default"})
    with pytest.raises(openai.BadRequestError) as refused:
        secrets.create(session={"model": "default", "audio": {"output": {"language": "xx"}}})
    assert refused.value.param == "session.audio.output.language"
    with pytest.raises(openai.BadRequestError) as refused:
        secrets.create(session={"model": "default"}, expires_after={"seconds": 5})
    assert refused.value.param == "expires_after.seconds"
    made = secrets.create(
        session={"model": "default", "audio": {"output": {"language": "German"}}},
        expires_after={"seconds": 60},
    )
    assert 0 < made.expires_at - time.time() <= 60
    assert made.session.audio.output is not None
    assert made.session.audio.output.language == "deu"
    ways: list[dict[str, Any]] = [
        {"subprotocols": ["realtime", f"openai-insecure-api-key.{made.value}"]},
        {"additional_headers": {"Authorization": f"Bearer {made.value}"}},
    ]
    for way in ways:
        async with session(server, **way) as (_, created):
            assert created["session"]["audio"]["output"] == {"language": "deu"}
    with pytest.raises(openai.AuthenticationError):
        client(server, made.value).audio.translations.create(model="default", file=AUDIO)
    with pytest.raises(InvalidStatus):
        async with session(server, additional_headers={"api-key": f"{made.value}x"}):
            pass


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_client_secret_ends_with_the_token_that_asked_for_it(
    start_server: Start, way: str
) -> None:
    key = "a key of at least thirty-two bytes, for HS256"
    server = start_server(auth_jwt_key=key)
    ends = int(time.time()) + 30
    token = jwt.encode({"roles": ["speaker"], "exp": ends}, key, algorithm="HS256")
    shown: dict[str, Any] = (
        {"headers": {"Authorization": f"Bearer {token}"}}
        if way == "header"
        else {"params": {"token": token}}
    )
    address = f"{server.url}/v1/realtime/translations/client_secrets"
    made = httpx.post(address, json={"expires_after": {"seconds": 600}}, **shown)
    assert made.status_code == 200
    assert made.json()["expires_at"] <= ends
