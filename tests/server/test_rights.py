"""Rights belong to connections: what guests, listeners, speakers, owners and operators may do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
import socketio
from websockets.asyncio.client import connect as open_websocket

from seamless_server.doors import audio_api, client_secrets, examples, openai_audio, operation, rest
from seamless_server.doors.guards import masked
from seamless_server.doors.running import BackgroundServer
from seamless_server.doors.socketio.schema import INBOUND
from seamless_server.rooms.rights import RIGHTS

from .conftest import Connect, Peer, silence, speech, timeout

Start = Callable[..., BackgroundServer]
ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "k" * 32


def token(*roles: str, seconds: float = 600.0, **claims: Any) -> str:
    return jwt.encode(
        {"roles": list(roles), "exp": time.time() + seconds, **claims}, KEY, algorithm="HS256"
    )


# -- the table -------------------------------------------------------------------------------------


def test_every_event_and_route_is_in_the_table_and_in_the_document() -> None:
    routes = {
        f"{method} {route.path}"
        for router in (
            door.router
            for door in (operation, rest, examples, audio_api, openai_audio, client_secrets)
        )
        for route in router.routes
        for method in route.methods - {"HEAD"}
    }
    assert set(INBOUND) | routes <= set(RIGHTS)
    document = (ROOT / "docs" / "security.md").read_text()
    for what, who in RIGHTS.items():
        assert f"| `{what}` | {', '.join(sorted(who))} |" in document, what


# -- guests ----------------------------------------------------------------------------------------


async def test_a_guest_without_a_token_sees_and_touches_nothing(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(auth_secret="s3cret", auth_for=("speaker", "listener"))
    host = await connect(server, auth={"token": "s3cret"})
    room = await host.join()
    guest = await connect(server)
    refused = await guest.call(
        "join_room", guest.client_id, room, {"roles": ["listener"], "lockServerName": None}
    )
    assert refused["code"] == "unauthorized"
    await guest.call("join_room", guest.client_id, room, {"roles": [], "lockServerName": None})
    for event in ("transcript", "clear_transcript_for_all"):
        assert (await guest.call(event))["code"] == "forbidden"
    assert (await guest.call("configure_stream", {"rate": 16_000}))["status"] == "error"
    await asyncio.sleep(0.7)
    assert guest.of("room_state_update") == []
    assert host.of("clear_transcript") == []
    seen = {code for state in guest.of("server_state_update") for code in state["statusByRoom"]}
    assert seen <= {room}  # nothing of rooms that it does not know


async def test_a_state_names_only_the_own_room(start_server: Start, connect: Connect) -> None:
    server = start_server()
    peers = [await connect(server) for _ in range(3)]
    rooms = [await peer.join() for peer in peers[:2]]
    await peers[0].until("server_state_update", lambda s: s["totalActiveConnections"] == 3)
    await asyncio.sleep(0.7)
    for peer, room in zip(peers, rooms, strict=False):
        latest = peer.of("server_state_update")[-1]
        assert set(latest["statusByRoom"]) == {room}
    assert peers[2].of("server_state_update")[-1]["statusByRoom"] == {}


async def test_a_listener_may_not_clear(shared_server: BackgroundServer, connect: Connect) -> None:
    host = await connect(shared_server)
    room = await host.join()
    guest = await connect(shared_server)
    await guest.join(room, "listener")
    assert (await guest.call("clear_transcript_for_all"))["code"] == "forbidden"
    assert (await guest.call("set_room", {"closed": True}))["code"] == "forbidden"
    assert (await guest.call("remove_member", host.client_id))["code"] == "forbidden"


async def test_a_host_mutes_keeps_speakers_out_and_ends_the_room(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    host, guest, late = [await connect(shared_server) for _ in range(3)]
    room = await host.join()
    await guest.join(room)
    await guest.configure()
    for event, args in (("mute_member", [host.client_id]), ("end_room", [])):
        assert (await guest.call(event, *args))["code"] == "forbidden"
    assert (await host.call("mute_member", guest.client_id))["status"] == "ok"
    await guest.until("server_exception", lambda error: error["code"] == "muted")
    assert (await guest.configure())["status"] == "error"
    assert (await host.call("set_room", {"speakersClosed": True}))["status"] == "ok"
    await host.until("room_state_update", lambda state: state["speakersClosed"])
    for peer in (guest, late):
        roles = {"roles": ["speaker", "listener"], "lockServerName": None}
        answer = await peer.call("join_room", peer.client_id, room, roles)
        assert answer["code"] == "speakers_closed"
    await late.join(room, "listener")
    await host.join(room)  # the owner may drop the role and take it again
    assert (await host.call("end_room"))["status"] == "ok"
    for peer in (guest, late):
        await peer.until("server_exception", lambda error: error["code"] == "room_ended")
        assert (await peer.call("transcript"))["code"] == "no_room"


@pytest.mark.parametrize(
    "changes", [{"auth_secret": "s3cret"}, {"auth_jwt_key": KEY, "auth_jwt_audience": "hall"}]
)
async def test_an_invitation_lets_people_listen_and_nothing_else(
    start_server: Start, connect: Connect, changes: Any
) -> None:
    server = start_server(wait_ready=False, auth_for=("speaker", "listener"), **changes)
    secret = changes.get("auth_secret") or token("speaker", "listener", aud="hall")
    host = await connect(server, auth={"token": secret})
    room = await host.join()
    invitation = (await host.call("invite_token"))["token"]
    assert invitation not in (None, "s3cret")
    guest = await connect(server, auth={"token": invitation})
    await guest.join(room, "listener")
    assert (await guest.call("invite_token"))["code"] == "forbidden"
    roles = {"roles": ["speaker"], "lockServerName": None}
    assert (await guest.call("join_room", guest.client_id, room, roles))["code"] == "unauthorized"


async def test_where_anybody_may_listen_an_invitation_needs_no_token(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    host = await connect(shared_server)
    await host.join()
    answer = await host.call("invite_token")
    assert (answer["status"], answer["token"]) == ("ok", None)


# -- identity --------------------------------------------------------------------------------------


async def refuses(connect: Connect, server: BackgroundServer, name: str, **auth: Any) -> bool:
    try:
        await connect(server, name, auth=auth or None)
    except socketio.exceptions.ConnectionError:
        return True
    return False


async def test_a_client_id_proves_nothing(start_server: Start, connect: Connect) -> None:
    server = start_server()
    victim = await connect(server, "victim", auth={"resumeKey": "only mine"})
    room = await victim.join()
    before = len(victim.events)
    for auth in ({}, {"resumeKey": ""}, {"resumeKey": "guessed"}):
        assert await refuses(connect, server, "victim", **auth)
    assert (await victim.call("set_name", "still me"))["status"] == "ok"
    news = {event for event, _ in victim.events[before:]}
    assert news <= {"room_state_update", "server_state_update"}
    again = await connect(server, "victim", auth={"resumeKey": "only mine"})
    await again.until("room_state_update", lambda state: state["room_id"] == room)


async def test_a_page_without_a_key_keeps_its_place_while_it_lives(
    start_server: Start, connect: Connect
) -> None:
    server = start_server()
    victim = await connect(server, "old page", protocol=1)
    await victim.join()
    thief = socketio.AsyncClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await thief.connect(
            f"{server.url}?clientID=old page",
            socketio_path="/ws/socket.io",
            transports=["websocket"],
            wait_timeout=10,
        )
    assert victim.sio.connected
    assert (await victim.call("set_name", "still here"))["status"] == "ok"


async def test_a_half_open_connection_is_replaced(start_server: Start, connect: Connect) -> None:
    server = start_server()
    url = server.url.replace("http", "ws")
    query = "EIO=4&transport=websocket&clientID=sleeper"
    async with open_websocket(f"{url}/ws/socket.io/?{query}") as socket:
        await socket.recv()
        await socket.send("40")
        await socket.recv()  # connected; from here on it answers nothing, pings neither
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(
            f"{server.url}?clientID=sleeper",
            socketio_path="/ws/socket.io",
            transports=["websocket"],
            wait_timeout=10,
        )
        assert client.connected
        await client.disconnect()


async def test_with_tokens_a_client_without_proof_does_not_come_back(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(auth_jwt_key=KEY, grace_seconds=30)
    ana = await connect(server, "ana", auth={"token": token("speaker", sub="ana")})
    await ana.join()
    await ana.sio.disconnect()
    assert await refuses(connect, server, "ana", token=token("speaker", sub="eve"))
    assert not await refuses(connect, server, "ana", token=token("speaker", sub="ana"))


# -- rooms that have an owner ----------------------------------------------------------------------


async def test_an_owner_rules_its_room(start_server: Start, connect: Connect) -> None:
    server = start_server()
    owner = await connect(server)
    room = await owner.join()
    state = await owner.until("room_state_update", lambda state: state["owner"] is not None)
    assert state["owner"] == owner.client_id

    async def tries(peer: Peer, **config: Any) -> str:
        answer = await peer.call(
            "join_room", peer.client_id, room, {"roles": ["listener"], **config}
        )
        return str(answer.get("code", "in"))

    assert (await owner.call("set_room", {"passcode": "open sesame"}))["status"] == "ok"
    guest = await connect(server)
    assert await tries(guest) == "passcode"
    assert await tries(guest, passcode="sesame") == "passcode"
    assert await tries(guest, passcode="open sesame") == "in"
    assert await tries(guest) == "in"  # who is in a room stays in it
    await owner.call("set_room", {"closed": True})
    late = await connect(server)
    assert await tries(late, passcode="open sesame") == "room_closed"
    await owner.call("remove_member", guest.client_id)
    await guest.until("server_exception", lambda error: error["code"] == "removed")
    assert await tries(guest, passcode="open sesame") == "room_closed"
    latest = await owner.until(
        "room_state_update", lambda s: len(s["members"]) == 1 and s["closed"]
    )
    assert latest["hasPasscode"]
    assert "open sesame" not in str(owner.events)


async def test_a_room_passes_to_its_longest_standing_speaker(
    start_server: Start, connect: Connect
) -> None:
    server = start_server()
    owner, listener, speaker = [await connect(server) for _ in range(3)]
    room = await owner.join()
    await listener.join(room, "listener")
    await speaker.join(room, "speaker")
    await owner.join(None)
    await speaker.until("room_state_update", lambda state: state["owner"] == speaker.client_id)
    assert (await speaker.call("set_room", {"closed": True}))["status"] == "ok"


async def test_an_operator_may_do_what_owners_may(start_server: Start, connect: Connect) -> None:
    server = start_server(operator_secret="boss")
    owner = await connect(server)
    room = await owner.join()
    await owner.call("set_room", {"passcode": "x", "closed": True})
    boss = await connect(server, auth={"token": "boss"})
    await boss.join(room, "listener")
    assert (await boss.call("set_room", {"closed": False}))["status"] == "ok"
    assert (await boss.call("clear_transcript_for_all"))["status"] == "ok"


# -- the server lock -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "auth", "allowed"),
    [
        ({}, {}, True),
        ({"server_lock": "off"}, {}, False),
        ({"server_lock": "operator", "operator_secret": "boss"}, {}, False),
        ({"operator_secret": "boss"}, {}, False),
        ({"operator_secret": "boss"}, {"token": "boss"}, True),
    ],
)
async def test_who_may_lock_the_server(
    start_server: Start, connect: Connect, changes: Any, auth: Any, allowed: bool
) -> None:
    server = start_server(wait_ready=False, **changes)
    peer = await connect(server, auth=auth)
    config = {"roles": ["speaker"], "lockServerName": "mine"}
    answer = await peer.call("join_room", peer.client_id, None, config)
    assert ("roomID" in answer) is allowed


async def test_the_lock_ends_with_the_connection_that_took_it(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(grace_seconds=60)
    holder, other = await connect(server), await connect(server)
    await holder.join(None, "speaker", lock="mine")
    await other.until("server_state_update", lambda state: state["serverLock"] is not None)
    await holder.sio.disconnect()
    after = len(other.events)
    await other.until(
        "server_state_update", lambda state: state["serverLock"] is None, after=after - 1
    )


@pytest.mark.parametrize(
    "how", ["drops the role", "goes elsewhere", "is sent away", "gives it back"]
)
async def test_the_lock_ends_with_what_its_holder_was(
    start_server: Start, connect: Connect, how: str
) -> None:
    server = start_server(wait_ready=False)
    host, holder, other = [await connect(server) for _ in range(3)]
    room = await host.join()
    both = {"roles": ["speaker", "listener"]}
    join = ("join_room", holder.client_id, room)
    assert "roomID" in await holder.call(*join, {**both, "lockServerName": "mine"})
    await other.until("server_state_update", lambda state: state["serverLock"] is not None)
    after = len(other.events)
    if how == "drops the role":
        await holder.call(*join, {"roles": ["listener"]})
    elif how == "goes elsewhere":
        await holder.call("join_room", holder.client_id, None, {"roles": ["listener"]})
    elif how == "is sent away":
        await host.call("remove_member", holder.client_id)
    else:
        await holder.call(*join, {**both, "lockServerName": None})
    await other.until("server_state_update", lambda state: not state["serverLock"], after=after - 1)


async def test_who_left_a_room_hears_no_more_of_it(start_server: Start, connect: Connect) -> None:
    server = start_server()
    host, guest = await connect(server), await connect(server)
    room = await host.join()
    await guest.join(room, "listener")
    await guest.call("set_listener_config", {"targetLanguage": "deu", "output": "s2s&t"})
    await guest.join(None, "listener")
    before = len(guest.events)
    await host.configure()
    await host.speak(speech("human_short"))
    await host.call("stop_stream")
    await host.call("set_name", "host")
    await host.call("clear_transcript_for_all")
    assert host.text()
    await guest.call("set_name", "gone")  # all that was sent before its answer has come
    told = {event for event, _ in guest.events[before:]}
    assert told <= {"room_state_update", "server_state_update"}
    rooms = {state["room_id"] for state in guest.of("room_state_update")[-1:]}
    assert room not in rooms
    assert (await guest.call("transcript")) == []


async def test_who_goes_while_its_room_is_looked_up_is_in_none(
    start_server: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(wait_ready=False, grace_seconds=0.2, room_expiry_seconds=0.2)
    rooms = server.app.state.parts.rooms
    opened, asked, gone = rooms.open, threading.Event(), threading.Event()

    async def slow(room_id: str) -> Any:
        room = await opened(room_id)
        asked.set()
        await asyncio.to_thread(gone.wait, 20)
        return room

    monkeypatch.setattr(rooms, "open", slow)
    peer = await connect(server, "hasty")
    await peer.sio.emit("join_room", ("hasty", None, {"roles": ["listener"]}))
    assert await asyncio.to_thread(asked.wait, 20)
    await peer.sio.disconnect()
    for _ in range(200):
        if "hasty" not in rooms.members:
            break
        await asyncio.sleep(0.05)
    assert rooms.rooms
    gone.set()
    for _ in range(200):
        if not rooms.rooms:
            break
        await asyncio.sleep(0.05)
    assert rooms.rooms == {}


async def test_nothing_is_kept_of_who_came_and_went_without_a_room(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(wait_ready=False, grace_seconds=600)
    members = server.app.state.parts.rooms.members
    passer = await connect(server, "passer-by")
    assert "passer-by" in members
    await passer.sio.disconnect()
    for _ in range(100):
        if "passer-by" not in members:
            break
        await asyncio.sleep(0.05)
    assert "passer-by" not in members


# -- tokens ----------------------------------------------------------------------------------------


async def test_a_token_that_expires_ends_what_it_allowed_after_a_notice(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(auth_jwt_key=KEY)
    peer = await connect(server, auth={"token": token("speaker", seconds=4)})
    await peer.join(None, "speaker", "listener")
    assert (await peer.configure())["status"] == "ok"
    await peer.until("server_exception", lambda error: error["code"] == "token_expires")
    await peer.until("server_exception", lambda error: error["code"] == "unauthorized")
    state = await peer.until(
        "room_state_update", lambda s: s["members"][peer.client_id]["roles"] == ["listener"]
    )
    assert state["speakers"] == []
    assert (await peer.call("incoming_audio", silence(0.1).tobytes()))["status"] == "error"


@pytest.mark.parametrize("claims", [{}, {"exp": 1}])
async def test_tokens_without_a_future_are_as_good_as_none(
    start_server: Start, connect: Connect, claims: dict[str, Any]
) -> None:
    server = start_server(wait_ready=False, auth_jwt_key=KEY)
    bad = jwt.encode({"roles": ["speaker"], **claims}, KEY, algorithm="HS256")
    peer = await connect(server, auth={"token": bad})
    answer = await peer.call("join_room", peer.client_id, None, {"roles": ["speaker"]})
    assert answer["code"] == "unauthorized"


async def test_a_token_may_come_in_a_header(start_server: Start) -> None:
    server = start_server(wait_ready=False, auth_secret="s3cret")
    client = socketio.AsyncClient()
    await client.connect(
        f"{server.url}?clientID=a&protocol=2",
        headers={"Authorization": "Bearer s3cret"},
        socketio_path="/ws/socket.io",
        transports=["websocket"],
    )
    answer = await client.call("join_room", ("a", None, {"roles": ["speaker"]}))
    assert "roomID" in answer
    await client.disconnect()


@pytest.mark.parametrize(
    "line",
    [
        'GET /ws/socket.io/?token=hunter2&clientID=a HTTP/1.1" 200',
        "Authorization: Bearer hunter2",
        "{'path': '/x', 'query_string': b'token=hunter2'}",
        "GET /metrics?a=b%26token%3Dhunter2 HTTP/1.1",
        "GET /v1/models?api-key=hunter2&auth=hunter2&SECRET=hunter2 HTTP/1.1",
        "WebSocket /v1/realtime/translations?room=AAAA&passcode=hunter2",
        "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.hunter2",
        "authorization%3A%20bearer%20hunter2",
        f"GET /{jwt.encode({'sub': 'x'}, KEY).rpartition('.')[0]}.hunter2 HTTP/1.1",
    ],
)
def test_tokens_reach_no_log(line: str) -> None:
    assert "hunter2" not in masked(line)


def test_what_is_no_token_stays_in_the_log() -> None:
    for line in ("GET /ws/socket.io/?clientID=a&EIO=4 HTTP/1.1", "the keyboard: eyJ is no token"):
        assert masked(line) == line


def test_routes_ask_for_tokens_where_tokens_are_used(start_server: Start) -> None:
    server = start_server(
        wait_ready=False,
        auth_secret="s3cret",
        operator_secret="boss",
        auth_for=("speaker", "listener"),
    )

    def status(path: str, given: str | None) -> int:
        headers = {"Authorization": f"Bearer {given}"} if given else {}
        return httpx.get(f"{server.url}{path}", headers=headers).status_code

    assert status("/healthz", None) == 200
    assert [status("/metrics", given) for given in (None, "s3cret", "boss")] == [401, 401, 200]
    room = "/api/rooms/ABCD"
    assert [status(room, given) for given in (None, "no", "s3cret")] == [401, 401, 404]


# -- other sites -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("talks.example.org", True),
        ("a.b.example.net:443", True),
        ("evil.example", False),
        ("example.net", False),
        ("talks.example.org.evil.example", False),
    ],
)
def test_only_own_names_are_answered(start_server: Start, host: str, own: bool) -> None:
    server = start_server(
        wait_ready=False, allowed_hosts=("*.example.net",), public_url="https://talks.example.org/"
    )
    answer = httpx.get(f"{server.url}/healthz", headers={"Host": host})
    assert answer.status_code == (200 if own else 421)
    if not own:
        assert f"SEAMLESS_ALLOWED_HOSTS={host}" in answer.json()["detail"]


def test_foreign_pages_may_not_change_anything(shared_server: BackgroundServer) -> None:
    for origin, refused in (("https://evil.example", True), (shared_server.url, False)):
        answer = httpx.post(f"{shared_server.url}/api/translate", headers={"Origin": origin})
        assert (answer.status_code == 403) is refused


@pytest.mark.parametrize("path", ["/healthz", "/api/models", "/", "/api/rooms/NONE", "/nowhere"])
def test_head_answers_wherever_get_does(shared_server: BackgroundServer, path: str) -> None:
    got, head = (ask(f"{shared_server.url}{path}") for ask in (httpx.get, httpx.head))
    assert head.status_code == got.status_code
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.content == b""


# -- sockets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["silent", "refused"])
async def test_a_socket_without_a_client_is_closed(start_server: Start, step: str) -> None:
    server = start_server(wait_ready=False)
    url = server.url.replace("http", "ws")
    client = "" if step == "refused" else "&clientID=a"
    async with open_websocket(f"{url}/ws/socket.io/?EIO=4&transport=websocket{client}") as socket:
        if step == "refused":
            await socket.send("40")
        async with timeout(20):
            async for _ in socket:
                pass  # until the server closes it


async def test_sockets_count_before_they_have_a_client(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(wait_ready=False, max_connections_per_address=2)
    url = server.url.replace("http", "ws")
    address = f"{url}/ws/socket.io/?EIO=4&transport=websocket&clientID=a"
    async with open_websocket(address) as one, open_websocket(address) as two:
        await one.recv()
        await two.recv()
        assert await refuses(connect, server, "third")


async def test_rooms_and_joins_of_one_address_are_limited(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(wait_ready=False, max_rooms_per_address=3)
    peers = [await connect(server) for _ in range(2)]
    answers = [
        await peers[n % 2].call("join_room", peers[n % 2].client_id, None, {"roles": ["listener"]})
        for n in range(4)
    ]
    assert ["roomID" in answer for answer in answers] == [True, True, True, False]
    assert answers[-1]["code"] == "rate"


async def test_codes_of_rooms_cannot_be_tried_over_http(
    start_server: Start, connect: Connect
) -> None:
    server = start_server(wait_ready=False, max_joins_per_address=2)
    room = await (await connect(server)).join()
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get(f"/api/rooms/{room}")).json()["members"] == 1
        tries = [(await http.get(f"/api/rooms/NO{number:02}")) for number in range(40)]
    assert tries[0].status_code == 404
    assert (tries[-1].status_code, tries[-1].json()["code"]) == (429, "rate")


async def test_a_room_may_be_called_like_somebody_s_session(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    victim, stranger = await connect(shared_server), await connect(shared_server)
    await victim.join()
    room = victim.sio.get_sid()
    assert await stranger.join(room) == room
    assert (await stranger.call("clear_transcript_for_all"))["status"] == "ok"
    await stranger.until("clear_transcript")
    await victim.call("incoming_audio", b"odd")  # is told something, and nobody else is
    await victim.until("server_exception")
    await stranger.call("set_name", "Eve")
    assert victim.of("clear_transcript") == []
    assert stranger.of("server_exception") == []
