"""Socket.IO clients that send anything in any order, and what they may be answered with.

`scenarios()` makes lists of steps for hypothesis; `Fuzzer.play` plays one against a running server
and fails at the first thing that the protocol does not document.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import socketio
from hypothesis import strategies as st
from pydantic import TypeAdapter

from seamless_server.doors.socketio.schema import (
    OUTBOUND,
    Ack,
    AudioAck,
    InviteAck,
    JoinAck,
    ListenerAck,
    MembersAck,
    StreamAck,
    TranscriptSentence,
)
from tests.recorded import audio

PROTOCOL = Path(__file__).resolve().parent.parent.parent / "docs" / "protocol.md"
CLIENTS = 3
ANSWER_SECONDS = 30.0


def documented_codes() -> frozenset[str]:
    """The codes of `server_exception`, as docs/protocol.md lists them."""
    [told] = re.findall(r"`server_exception` has a `code`.*", PROTOCOL.read_text("utf-8"))
    return frozenset(re.findall(r"`([a-z_]+)`", told)) - {"server_exception", "code", "internal"}


ANSWERS: dict[str, TypeAdapter[Any]] = {
    "join_room": TypeAdapter(JoinAck | Ack),
    "set_dynamic_config": TypeAdapter(Ack),
    "configure_stream": TypeAdapter(StreamAck),
    "incoming_audio": TypeAdapter(AudioAck | Ack),
    "stop_stream": TypeAdapter(Ack),
    "clear_transcript_for_all": TypeAdapter(Ack),
    "set_name": TypeAdapter(Ack),
    "set_listener_config": TypeAdapter(ListenerAck | Ack),
    "transcript": TypeAdapter(list[TranscriptSentence] | Ack),
    "set_room": TypeAdapter(Ack),
    "remove_member": TypeAdapter(Ack),
    "invite_token": TypeAdapter(InviteAck | Ack),
    "members": TypeAdapter(MembersAck | Ack),
    "mute_member": TypeAdapter(Ack),
    "end_room": TypeAdapter(Ack),
    "no_such_event": TypeAdapter(Ack),
}
"""What each event may be answered with."""
_FIRST = {"translation_text": {"event", "payload", "eos"}}
_FIRST["translation_speech"] = _FIRST["translation_text"] | {"sample_rate"}
"""The fields of protocol 1."""


# -- what is sent ----------------------------------------------------------------------------------

_WORDS = ("roles", "config", "rate", "targetLanguage", "output", "passcode", "_placeholder", "num")
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
_JUNK = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_WORDS) | st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
_LANGS = st.sampled_from(["spa", "deu", "fra", "cmn"])
_WHO = st.integers(0, CLIENTS - 1)


def _fields(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_ROLES = st.lists(st.sampled_from(["speaker", "listener"]), max_size=2, unique=True)
_ROOM = st.sampled_from([None, "FUZZ", "FUZA"])
_LOCKS = st.sampled_from([None, "Ana", ""])
_PASSCODES = st.sampled_from([None, "", "1234"])


@dataclass(frozen=True)
class Whose:
    """In place of a client ID: that of one of the clients of the scenario."""

    number: int


_SPEECH = (audio("human_short")[:24_000] * 32767).astype("<i2").tobytes()
_VALID: dict[str, st.SearchStrategy[list[Any]]] = {
    "join_room": st.tuples(
        st.just(Whose(-1)),
        _ROOM,
        _fields(
            roles=_ROLES | st.just(["speaker", "listener"]),
            lockServerName=_LOCKS,
            passcode=_PASSCODES,
            open=st.booleans(),
        ),
    ).map(list),
    "set_dynamic_config": st.tuples(
        _fields(targetLanguage=_LANGS, expressive=st.none() | st.booleans())
    ).map(list),
    "configure_stream": st.tuples(
        st.fixed_dictionaries(
            {"rate": st.sampled_from([16_000, 48_000, 8_000])},
            optional={
                "model_type": st.sampled_from(["s2s&t", "s2t", "s2s"]),
                "buffer_limit": st.sampled_from([0, 0.5, 60]),
                "debug": st.booleans(),
                "wait": st.booleans(),
                "options": st.sampled_from(
                    [{}, {"decision_threshold": 0.7}, {"chunk_ms": 10**9}, {"no": 1}]
                ),
            },
        )
    ).map(list),
    "incoming_audio": st.tuples(
        st.sampled_from([b"", b"\0\0", b"\0" * 9_600, _SPEECH, _SPEECH]) | st.binary(max_size=9_600)
    ).map(list),
    "stop_stream": st.just([]),
    "clear_transcript_for_all": st.just([]),
    "set_name": st.tuples(st.text(max_size=120)).map(list),
    "set_listener_config": st.tuples(
        _fields(
            targetLanguage=st.none() | _LANGS,
            output=st.sampled_from(["s2s&t", "s2t", "s2s", "none"]),
        )
    ).map(list),
    "transcript": st.just([]),
    "set_room": st.tuples(_fields(passcode=_PASSCODES, closed=st.booleans())).map(list),
    "remove_member": st.tuples(_WHO.map(Whose)).map(list),
    "invite_token": st.just([]),
    "members": st.tuples(_fields(after=st.integers(0, 3), limit=st.integers(1, 3))).map(list),
    "mute_member": st.tuples(_WHO.map(Whose)).map(list),
    "end_room": st.just([]),
    "no_such_event": st.lists(_JUNK, max_size=2),
}


_EVENTS = [*sorted(_VALID), "configure_stream", "incoming_audio", "incoming_audio"]


@dataclass(frozen=True)
class Send:
    """An event; `waits`: the next step comes after its answer."""

    who: int
    event: str
    args: list[Any]
    waits: bool = True


@dataclass(frozen=True)
class Drop:
    """The connection is lost."""

    who: int


@dataclass(frozen=True)
class Steal:
    """A stranger comes with the client's ID."""

    who: int


@dataclass(frozen=True)
class Raw:
    """A packet as no client of Socket.IO makes it, the last one of its connection."""

    who: int
    packet: str | bytes


Step = Send | Drop | Steal | Raw


@st.composite
def _sends(draw: Any) -> Send:
    event = draw(st.sampled_from(_EVENTS))
    args = draw(_VALID[event])
    if draw(st.integers(0, 3)) == 0:
        wrong = draw(_JUNK)
        place = draw(st.integers(0, max(0, len(args))))
        if place < len(args) and isinstance(args[place], dict) and draw(st.booleans()):
            fields = [*args[place], *_WORDS[:6]]
            args[place] = {**args[place], draw(st.sampled_from(fields)): wrong}
        else:
            args = draw(st.sampled_from([[*args[:place], wrong, *args[place + 1 :]], args[:place]]))
    return Send(draw(_WHO), event, args, waits=draw(st.booleans()))


_ID = "999"  # of an acknowledgement that no client waits for
_PACKETS = st.sampled_from(
    [
        f'42{_ID}["set_name",NaN]',
        f'42{_ID}["set_name",1' + "0" * 400 + "]",
        f'42{_ID}["set_name","\\ud800"]',
        f'42{_ID}["set_room",' + "[" * 900 + "]" * 900 + "]",
        f'451-{_ID}["set_room",' + '{"a":' * 600 + "1" + "}" * 600 + "]",
        f'451-{_ID}["incoming_audio",{{"_placeholder":true,"num":7}}]',
        f'451-{_ID}["set_name",{{"_placeholder":true,"num":"x"}}]',
        f'42/x,{_ID}["set_name"]',
        f"42{_ID}[]",
        f"42{_ID}{{}}",
        f'42{_ID}["join_room"',
        "40",
        "41",
        '43["ok"]',
        "44",
        "5",
        "6",
        "2probe",
        b"\0\xff",
    ]
) | st.text(max_size=30).map(f"42{_ID}".__add__)


@st.composite
def _steps(draw: Any) -> Step:
    rare = draw(st.integers(0, 29))  # hypothesis likes the ends
    if rare == 7:
        return Steal(draw(_WHO))
    if rare == 13:
        return Raw(draw(_WHO), draw(_PACKETS))
    return Drop(draw(_WHO)) if rare in (17, 23) else draw(_sends())


def scenarios(steps: int) -> st.SearchStrategy[list[Step]]:
    """Lists of that many steps, nine of ten of them events; most begin in a room."""
    both: dict[str, Any] = {"roles": ["speaker", "listener"]}
    joins: list[Step] = [
        Send(who, "join_room", [Whose(-1), "FUZZ", both]) for who in range(CLIENTS)
    ]
    rest = steps - len(joins)
    first = st.sampled_from([joins, joins[:1], joins[1:]])
    return st.tuples(first, st.lists(_steps(), min_size=rest, max_size=rest)).map(
        lambda both: [*both[0], *both[1]]
    )


# -- playing it ------------------------------------------------------------------------------------


@dataclass
class _Client:
    client_id: str
    protocol: int
    sio: socketio.AsyncClient | None = None
    pending: list[tuple[Send, asyncio.Future[Any]]] = field(default_factory=list)


class Fuzzer:
    """Plays scenarios against the server at `url`.

    Args:
        wrong: gets everything that is not documented, one sentence each.
    """

    def __init__(self, url: str, wrong: Callable[[str], None]) -> None:
        self._url = url
        self._wrong = wrong
        self._codes = documented_codes()
        self.events = 0

    async def play(self, steps: list[Step]) -> None:
        """One scenario, with clients of its own that are gone afterwards."""
        clients = [
            _Client(f"fuzz-{uuid.uuid4().hex}", protocol=1 if number == 2 else 2)
            for number in range(CLIENTS)
        ]
        try:
            for step in steps:
                await self._play(step, clients)
            for client in clients:
                await self._settle(client)
        finally:
            for client in clients:
                if client.sio is not None:
                    await client.sio.disconnect()

    async def _play(self, step: Step, clients: list[_Client]) -> None:
        client = clients[step.who]
        if isinstance(step, Send):
            await self._send(await self._connected(client), client, step, clients)
        elif isinstance(step, Drop):
            if client.sio is not None:
                sio, client.sio, client.pending = client.sio, None, []
                await sio.disconnect()
        elif isinstance(step, Steal):
            await self._steal(client)
        else:
            sio = await self._connected(client)
            packet = step.packet
            sending = sio.eio.ws.send_str if isinstance(packet, str) else sio.eio.ws.send_bytes
            await sending(packet)
            await sio.emit("set_name", "what comes after it may be taken for a part of it")
            client.sio, client.pending = None, []
            await sio.disconnect()

    async def _connected(self, client: _Client) -> socketio.AsyncClient:
        if client.sio is None or not client.sio.connected:
            client.pending = []
            client.sio = await self._connect(client, f"key of {client.client_id}")
        return client.sio

    async def _connect(self, client: _Client, key: str) -> socketio.AsyncClient:
        sio = socketio.AsyncClient(reconnection=False)

        async def got(event: str, *args: Any) -> None:
            self._judge(client, event, *args)

        sio.on("*", got)
        version = "&protocol=2" if client.protocol == 2 else ""
        await sio.connect(
            f"{self._url}?clientID={client.client_id}{version}",
            auth={"resumeKey": key},
            socketio_path="/ws/socket.io",
            transports=["websocket"],
            wait_timeout=30,
        )
        return sio

    async def _steal(self, client: _Client) -> None:
        if client.sio is None or not client.sio.connected:
            return
        try:
            thief = await self._connect(client, "another key")
        except socketio.exceptions.ConnectionError:
            return
        await thief.disconnect()
        self._wrong("a stranger came in with another client's ID")

    async def _send(
        self, sio: socketio.AsyncClient, client: _Client, step: Send, clients: list[_Client]
    ) -> None:
        def named(value: Any) -> Any:
            if not isinstance(value, Whose):
                return value
            return client.client_id if value.number < 0 else clients[value.number].client_id

        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(*given: Any) -> None:
            if not future.done():
                future.set_result(given[0] if given else None)

        self.events += 1
        try:
            await sio.emit(step.event, tuple(map(named, step.args)) or None, callback=answered)
        except socketio.exceptions.SocketIOError:  # it was thrown out meanwhile
            return
        client.pending.append((step, future))
        if step.waits:
            await self._settle(client)

    async def _settle(self, client: _Client) -> None:
        """Judges the answers; a connection that ended owes none."""
        until = asyncio.get_running_loop().time() + ANSWER_SECONDS
        pending, client.pending = client.pending, []
        for step, future in pending:
            while not future.done() and client.sio is not None and client.sio.connected:
                await asyncio.wait([future], timeout=0.05)
                if asyncio.get_running_loop().time() > until:
                    self._wrong(f"{step} was never answered")
                    return
            if future.done():
                try:
                    answer = ANSWERS[step.event].validate_python(future.result())
                except ValueError as error:
                    self._wrong(f"{step} was answered {future.result()!r}: {error}")
                    continue
                code = getattr(answer, "code", None)
                if code is not None and code not in self._codes:
                    self._wrong(f"{step} was answered with the code {code}")

    def _judge(self, client: _Client, event: str, *args: Any) -> None:
        """Whether something that came by itself is documented."""
        if event in _FIRST and client.protocol == 1:
            if set(args[0]) != _FIRST[event]:
                self._wrong(f"{event} of protocol 1 with {sorted(args[0])}")
            return
        if event not in OUTBOUND:
            self._wrong(f"an event {event}")
        elif (model := OUTBOUND[event]) is not None:
            try:
                told = model.model_validate(args[0])
            except ValueError as error:
                self._wrong(f"{event} {args!r}: {error}")
                return
            if event == "server_exception" and told.code not in self._codes:  # type: ignore[attr-defined]
                self._wrong(f"server_exception {told!r}")
