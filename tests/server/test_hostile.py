"""What ill-meant or broken clients send. After each, the server serves the next one as ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import httpx
import pytest
import socketio

from seamless_server.doors.running import BackgroundServer

from .conftest import Connect, Peer, speech

Start = Callable[..., BackgroundServer]


@pytest.fixture
async def then_it_serves(shared_server: BackgroundServer, connect: Connect) -> AsyncIterator[None]:
    """A normal client gets its translation after the test's client did its worst."""
    yield
    await serves(shared_server, connect)


async def serves(server: BackgroundServer, connect: Connect) -> None:
    """A normal client gets its translation."""
    peer = await connect(server, "a-normal-client")
    await peer.join()
    assert (await peer.configure())["status"] == "ok"
    await peer.speak(speech("human_short"))
    await peer.call("stop_stream")
    assert peer.text()
    await peer.call("join_room", peer.client_id, None, {"roles": []})


WRONG: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, "", "x" * 300, "\x00", "../../etc", [], [[]], {}, {"a": 1},
    b"", b"\x00\xff", {"rate": b"x"}, {"roles": "speaker"}, {"roles": [1]}, {"targetLanguage": 5},
    {"targetLanguage": "../x"}, {"lockServerName": {}}, {"output": "loud"}, {"rate": 16000.5},
]  # fmt: skip

EVENTS = {
    "join_room": 3,
    "set_dynamic_config": 1,
    "configure_stream": 1,
    "incoming_audio": 1,
    "stop_stream": 0,
    "clear_transcript_for_all": 0,
    "set_name": 1,
    "set_listener_config": 1,
    "transcript": 0,
    "no_such_event": 1,
}


async def test_wrong_types_at_every_argument_are_answered(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_events_per_second=100_000)
    peer = await connect(server, "wrong")
    for event, count in EVENTS.items():
        for position in range(count + 1):
            for wrong in WRONG:
                good: list[Any] = ["wrong", None, {"roles": ["listener"]}][:count]
                arguments = [*good[:position], wrong, *good[position + 1 :]]
                answer = await peer.sio.call(event, tuple(arguments), timeout=20)
                assert answer is None or isinstance(answer, (dict, list)), (event, wrong)
    await peer.sio.emit("join_room")
    assert (await peer.call("set_name", "still here"))["status"] == "ok"
    for exception in peer.of("server_exception"):
        assert "Traceback" not in exception["message"]
        assert "seamless_server" not in exception["message"]
        assert ".py" not in exception["message"]
    await serves(server, connect)


@pytest.mark.usefixtures("then_it_serves")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": -1}, "rate"),
        ({"rate": 1e9}, "rate"),
        ({"rate": "48000"}, "rate"),
        ({"rate": None}, "rate"),
        ({"rate": True}, "rate"),
        ({"model_name": "../../models"}, "model_name"),
        ({"model_name": 7}, "model_name"),
        ({"model_type": "s2x"}, "model_type"),
        ({"buffer_limit": -1}, "buffer_limit"),
        ({"buffer_limit": "many"}, "buffer_limit"),
        ({"debug": "yes"}, "debug"),
        ({"wait": 1}, "wait"),
    ],
)
async def test_a_bad_configuration_is_refused_by_the_field_s_name(
    shared_server: BackgroundServer, connect: Connect, change: dict[str, Any], field: str
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    answer = await peer.configure(**change)
    assert answer["status"] == "error"
    assert answer["field"] == field
    assert field in answer["message"]
    exception = await peer.until("server_exception")
    assert exception["field"] == field


@pytest.mark.usefixtures("then_it_serves")
async def test_audio_that_is_none(shared_server: BackgroundServer, connect: Connect) -> None:
    peer = await connect(shared_server)
    await peer.join()
    answer = await peer.call("incoming_audio", b"\x00\x00")
    assert answer["status"] == "error"  # no stream yet
    await peer.configure()
    for audio, part in [(b"\x00" * 4001, "even"), ("text", "audio"), ([0, 1], "audio")]:
        answer = await peer.call("incoming_audio", audio)
        assert answer["status"] == "error"
        assert part in answer["message"]
    noise = random.Random(7).randbytes(64_000)
    assert "queuedMs" in await peer.call("incoming_audio", noise)
    assert "queuedMs" in await peer.call("incoming_audio", b"")
    assert (await peer.call("stop_stream"))["status"] == "ok"


@pytest.mark.usefixtures("then_it_serves")
async def test_packets_that_are_none(shared_server: BackgroundServer) -> None:
    chance = random.Random(5)
    packets: list[str | bytes] = [
        "", "9", "4", "42", '42["', '42[]', "42{}", "42null", '42"x"', "4", "43", "4399999999",
        '42["join_room",' + "[" * 5000, '4599999999-["incoming_audio",{"_placeholder":true}]',
        '451-["incoming_audio",{"_placeholder":true,"num":77}]', '42["\\ud800"]', "40{bad",
        '42["set_name","' + "\u202e" * 40 + '"]', chance.randbytes(500), b"", b"4",
    ]  # fmt: skip
    packets += [chance.randbytes(chance.randrange(1, 80)).decode("latin1") for _ in range(60)]
    url = shared_server.url.replace("http", "ws")
    async with aiohttp.ClientSession() as session:
        for packet in packets:
            address = f"{url}/ws/socket.io/?EIO=4&transport=websocket&clientID=broken"
            async with session.ws_connect(address) as ws:
                await ws.send_str("40")
                if isinstance(packet, bytes):
                    await ws.send_bytes(packet)
                else:
                    await ws.send_str(packet)
                await ws.send_str('420["set_name","x"]')


@pytest.mark.usefixtures("then_it_serves")
async def test_a_client_cannot_make_the_server_hold_endless_attachments(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    url = shared_server.url.replace("http", "ws")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}/ws/socket.io/?EIO=4&transport=websocket&clientID=hoarder") as ws,
    ):
        await ws.send_str("40")
        await ws.receive()
        await ws.send_str('45999999-["incoming_audio",{"_placeholder":true,"num":0}]')
        for _ in range(20):
            await ws.send_bytes(b"x" * 100_000)
        peer = await connect(shared_server, "beside-the-hoarder")
        await peer.call("set_name", "x")
    held = shared_server.app.state.parts.sio._binary_packet
    assert held == {}


@pytest.mark.parametrize("number", ["7", '"x"', "-7.5e16", "null", "{}"])
async def test_an_event_that_names_a_part_which_did_not_come_is_refused_and_the_next_is_not(
    shared_server: BackgroundServer, connect: Connect, number: str
) -> None:
    peer = await connect(shared_server)
    part = f'{{"_placeholder":true,"num":{number}}}'
    await peer.sio.eio.ws.send_str(f'451-["set_name",{part}]')
    await peer.sio.eio.ws.send_bytes(b"the only part")
    assert (await peer.call("set_name", "a name"))["status"] == "ok"
    assert peer.of("server_exception")[0]["code"] == "invalid"


@pytest.mark.usefixtures("then_it_serves")
async def test_text_that_is_no_text_ends_its_connection_without_a_trace(
    shared_server: BackgroundServer, caplog: pytest.LogCaptureFixture
) -> None:
    url = shared_server.url.replace("http", "ws")
    address = f"{url}/ws/socket.io/?EIO=4&transport=websocket&clientID=no-text"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as ws:
        await ws.send_str("40")
        await ws.send_frame(b"42\xff\xfe", aiohttp.WSMsgType.TEXT)
        async for _ in ws:
            pass
        assert ws.close_code == 1007
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.usefixtures("then_it_serves")
@pytest.mark.parametrize("text", ["Z", "", "b!", "\x00", "½", "42" + "[" * 100_000])
@pytest.mark.parametrize("greeted", [True, False])
async def test_text_that_is_no_packet_leaves_no_trace(
    shared_server: BackgroundServer, caplog: pytest.LogCaptureFixture, text: str, greeted: bool
) -> None:
    url = shared_server.url.replace("http", "ws")
    address = f"{url}/ws/socket.io/?EIO=4&transport=websocket&clientID=no-packet"
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as ws:
        if greeted:
            await ws.send_str("40")
        await ws.send_str(text)
        await ws.send_str("1")  # and goodbye, where it is still heard
        async for _ in ws:
            pass
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.usefixtures("then_it_serves")
@pytest.mark.parametrize("megabytes", [2, 100])
async def test_a_huge_message_ends_its_connection_only(
    shared_server: BackgroundServer, connect: Connect, megabytes: int
) -> None:
    witness = await connect(shared_server)
    peer = await connect(shared_server)
    await peer.join()
    await peer.configure()
    await peer.sio.emit("incoming_audio", b"\x00" * megabytes * 1_000_000)
    await peer.until("disconnect")
    assert (await witness.call("set_name", "unharmed"))["status"] == "ok"


async def test_a_flood_of_events_is_refused_and_others_are_not(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_events_per_second=50)
    flooder = await connect(server, "flooder")
    witness = await connect(server, "witness")

    async def flood(peer: Peer) -> None:
        for number in range(3000):
            if not peer.sio.connected:
                break
            await peer.sio.emit("set_name", f"name {number}")

    flooding = asyncio.create_task(flood(flooder))
    for _ in range(20):
        assert (await witness.call("set_name", "quiet"))["status"] == "ok"
        await asyncio.sleep(0.05)
    await flooder.until("disconnect")
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    assert any(exception["code"] == "rate" for exception in flooder.of("server_exception"))
    assert witness.of("server_exception") == []
    await serves(server, connect)


async def test_room_codes_cannot_be_tried_in_numbers(start_server: Start, connect: Connect) -> None:
    server = start_server(wait_ready=False)
    peer = await connect(server, "guesser")
    answers = [
        await peer.call("join_room", "guesser", f"AA{number:02}", {"roles": ["listener"]})
        for number in range(80)
    ]
    assert answers[0]["roomID"] == "AA00"
    assert answers[-1]["status"] == "error"


@pytest.mark.usefixtures("then_it_serves")
async def test_names_are_data(shared_server: BackgroundServer, connect: Connect) -> None:
    peer = await connect(shared_server)
    await peer.join()
    name = "<img src=x onerror=alert(1)>\x00\x1b[31m\u202e"
    await peer.call("set_name", name)
    state = await peer.until(
        "room_state_update", lambda s: s["members"][peer.client_id]["name"] is not None
    )
    shown = state["members"][peer.client_id]["name"]
    assert shown == "<img src=x onerror=alert(1)>  [31m"
    for room in ("../../etc", "a/b", "a b", "x" * 65, "", "ROOM|v1"):
        answer = await peer.call("join_room", peer.client_id, room, {"roles": ["listener"]})
        assert answer["field"] == "roomID", room


async def test_nobody_speaks_in_another_s_name(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer, other = await connect(shared_server), await connect(shared_server)
    await other.join()
    answer = await peer.call("join_room", other.client_id, None, {"roles": ["speaker"]})
    assert answer["field"] == "clientID"


async def test_connections_are_limited(start_server: Start, connect: Connect) -> None:
    server = start_server(max_connections=2, wait_ready=False)
    await connect(server, "one")
    two = await connect(server, "two")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await connect(server, "three")
    await two.sio.disconnect()
    await connect(server, "four")
    narrow = start_server(max_connections_per_address=1, wait_ready=False)
    await connect(narrow, "one")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await connect(narrow, "two")


async def test_pages_of_other_origins_are_refused_unless_allowed(start_server: Start) -> None:
    async def status(server: BackgroundServer, origin: str) -> tuple[int, str | None]:
        async with httpx.AsyncClient() as http:
            answer = await http.get(
                f"{server.url}/ws/socket.io/?EIO=4&transport=polling", headers={"Origin": origin}
            )
            rest = await http.get(f"{server.url}/healthz", headers={"Origin": origin})
            return answer.status_code, rest.headers.get("access-control-allow-origin")

    closed = start_server(wait_ready=False)
    assert await status(closed, "https://evil.example") == (400, None)
    assert await status(closed, closed.url) == (200, None)
    open_ = start_server(cors_origins="https://good.example", wait_ready=False)
    assert await status(open_, "https://good.example") == (200, "https://good.example")
    assert await status(open_, "https://evil.example") == (400, None)


async def test_a_file_sent_all_at_once_is_no_flood(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    peer = await connect(shared_server)
    await peer.join()
    await peer.configure(model_type="s2t")
    audio = speech("human_pauses")
    await peer.speak(audio, chunk=320)  # 713 messages
    await peer.call("stop_stream")
    assert peer.of("server_exception") == []
    assert max(text["endMs"] for text in peer.of("translation_text")) > 8_000


async def test_long_polling_takes_many_events_at_once_and_tells_of_too_many(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    spoken = await connect(shared_server)
    peer = Peer("polling")
    await peer.sio.connect(
        f"{shared_server.url}?clientID=polling&protocol=2",
        socketio_path="/ws/socket.io",
        transports=["polling"],
        wait_timeout=30,
    )
    audio = speech("human_short")
    for one, size in ((spoken, 5461), (peer, len(audio) // 16 + 1)):
        await one.join()
        await one.configure(model_type="s2t")
        await one.speak(audio, chunk=size)
        await one.call("stop_stream")
    assert peer.text() == spoken.text()
    assert peer.of("server_exception") == []

    address = f"{shared_server.url}/ws/socket.io/?EIO=4&transport=polling&sid={peer.sio.eio.sid}"
    async with httpx.AsyncClient() as http:
        for body in ("\x1e".join(['42["set_name","x"]'] * 300), "\x1e\x1e", "\xff"):
            before = len(peer.events)
            await http.post(address, content=body)
            told = await peer.until("server_exception", after=before)
            assert told["code"] == "invalid"
            assert "256" in told["message"]
    assert (await peer.call("set_name", "still here"))["status"] == "ok"
    await peer.sio.disconnect()


async def test_who_floods_is_cut_off_soon_leaves_nothing_and_is_borne_with_less_next_time(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_events_per_second=50, wait_ready=False, grace_seconds=0.2)
    witness = await connect(server, "witness")
    room = await witness.join(None, "listener")
    parts = server.app.state.parts

    async def flood() -> int:
        """How many events were answered before the connection ended."""
        address = f"{server.url.replace('http', 'ws')}/ws/socket.io/?EIO=4&transport=websocket"
        answers = 0
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{address}&clientID=flooder") as ws,
        ):
            await ws.send_str("40")
            join = ["join_room", "flooder", room, {"roles": ["listener"]}]
            await ws.send_str("42" + json.dumps(join))
            for number in range(5_000):  # nothing is read meanwhile
                try:
                    await ws.send_str(f'42{number}["set_name","x"]')
                except ConnectionError:
                    break
            async for message in ws:
                answers += str(message.data).startswith("43")
        return answers

    first = await flood()
    assert 100 <= first <= 2_000  # of the 5,000; the first hundred are nobody's flood
    for _ in range(100):
        if "flooder" not in parts.rooms.members:
            break
        await asyncio.sleep(0.1)
    assert "flooder" not in parts.rooms.members  # it left as everybody does
    assert await flood() < first / 5
    assert (await witness.call("set_name", "quiet"))["status"] == "ok"
    assert witness.of("server_exception") == []


@pytest.mark.usefixtures("then_it_serves")
async def test_a_body_without_end_is_not_waited_for(shared_server: BackgroundServer) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 65_536

    async with httpx.AsyncClient(timeout=60) as http:
        secret = "/v1/realtime/translations/client_secrets"
        answer = await http.post(shared_server.url + secret, content=endless())
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"
        polling = "/ws/socket.io/?EIO=4&transport=polling"
        answer = await http.post(shared_server.url + polling, content=endless())
        assert answer.status_code in (400, 413)


@pytest.mark.parametrize("path", ["/ws/nothing", "/nothing", "/api/translate", "/"])
async def test_websockets_where_there_are_none_are_refused_without_a_trace(
    shared_server: BackgroundServer, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(shared_server.url.replace("http", "ws") + path)
    assert refused.value.status == 403
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_flood_by_long_polling_is_cut_off_too(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(max_events_per_second=50, wait_ready=False)
    witness = await connect(server, "witness")
    flooder = Peer("polling")
    await flooder.sio.connect(
        f"{server.url}?clientID=polling&protocol=2",
        socketio_path="/ws/socket.io",
        transports=["polling"],
        wait_timeout=30,
    )
    address = f"{server.url}/ws/socket.io/?EIO=4&transport=polling&sid={flooder.sio.eio.sid}"
    body = "\x1e".join(f'42{number}["set_name","x"]' for number in range(200))
    sent = 0
    async with httpx.AsyncClient(timeout=60) as http:
        while (await http.post(address, content=body)).status_code == 200:
            sent += 1
            assert sent < 20
    await flooder.until("disconnect")
    assert (await witness.call("set_name", "quiet"))["status"] == "ok"
    assert witness.of("server_exception") == []
    assert server.app.state.parts.connections.addresses.of("127.0.0.1").suspect
    # It may come back, and is borne with less.
    again = await connect(server, "polling")
    assert (await again.call("set_name", "me"))["status"] == "ok"


async def test_who_is_thrown_out_counts_until_its_connection_is_gone(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(wait_ready=False)
    sockets = server.app.state.parts.connections.sockets
    host, port = server.url.removeprefix("http://").split(":")
    hello = (
        b"GET /ws/socket.io/?EIO=4&transport=websocket&clientID=deaf HTTP/1.1\r\n"
        b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    deaf = [await asyncio.open_connection(host, int(port)) for _ in range(8)]
    for reader, writer in deaf:
        writer.write(hello)
        await reader.readuntil(b"\r\n\r\n")
    assert sockets.count() == len(deaf)
    # They never say anything, not even that they close when they are told to.
    for reader, writer in deaf:
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(reader.read(1_000), 30):
                if reader is deaf[0][0]:
                    assert sockets.count() > 0
        writer.close()
    for _ in range(50):
        if not sockets.count():
            break
        await asyncio.sleep(0.1)
    assert sockets.count() == 0
