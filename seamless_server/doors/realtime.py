"""`WS /v1/realtime/translations`: a live translation session for clients of OpenAI's wire.

PCM of 16 bits, mono, 24 kHz, both ways; speech comes in frames of 200 ms. With `room` in the
address the session speaks in a room: its listeners get what they asked for, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from seamless_server.doors.guards import FOREIGN
from seamless_server.doors.openai_audio import model_of, pick
from seamless_server.doors.parts import Parts
from seamless_server.doors.reading import ReadingPace
from seamless_server.doors.realtime_events import (
    Append,
    BadEvent,
    Close,
    SessionFields,
    Update,
    parse,
)
from seamless_server.doors.realtime_session import RATE, RealtimeTranslation, Send, error_event
from seamless_server.doors.socketio.room_speaker import RoomSpeaker, enter
from seamless_server.errors import Refused, SeamlessError
from seamless_server.rooms.rights import bearer, may, until_expired
from seamless_server.service.limits import ClientLimits
from seamless_server.service.owner import StreamRequest
from seamless_server.service.served_models import AUTO

if TYPE_CHECKING:
    from seamless_server.service.session import Session

logger = logging.getLogger(__name__)

router = APIRouter()

PATH = "/v1/realtime/translations"
_SUBPROTOCOL = "realtime"
_KEY_PREFIX = "insecure-api-key."


@router.websocket(PATH)
async def translations(socket: WebSocket) -> None:
    """The life of one session."""
    parts: Parts = socket.app.state.parts
    address = socket.client.host if socket.client is not None else ""
    await parts.connections.turn(address)
    try:
        with parts.connections.entered(address):
            await _translate(socket, parts, address)
    except Refused as refused:
        await socket.close(1013, refused.message)


async def _translate(socket: WebSocket, parts: Parts, address: str) -> None:
    token = _token(socket)
    described: SessionFields | None = socket.app.state.client_secrets.read(token)
    if described is None and not may(f"WS {PATH}", parts.auth.standings(token)):
        await socket.close(1008, "Send a valid token.")
        return
    if (
        described is None
        and socket.scope.get(FOREIGN)
        and may(f"WS {PATH}", parts.auth.standings(None))
    ):  # it needs no token, so a page of another site has shown no right to be here
        await socket.close(1008, "Pages of other sites may not connect without a client secret.")
        return
    await socket.accept(_SUBPROTOCOL if _SUBPROTOCOL in _offered(socket) else None)

    async def send(event: dict[str, Any]) -> None:
        event = {"event_id": f"event_{secrets.token_hex(8)}", **event}
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it left meanwhile
            await socket.send_text(orjson.dumps(event).decode())

    live: _Live | None = None
    try:
        live = await _open(socket, parts, described, address, send)
        await send({"type": "session.created", "session": live.translation.description()})
        expires = parts.auth.grant(token).expires if described is None else None
        if not await _serve(socket, live, address, expires):
            return
        if live.session is not None:
            await live.session.stop()
        await send({"type": "session.closed"})
        await _close(socket, 1000)
    except SeamlessError as error:
        await send(error_event(error.message, error.code))
        await _close(socket, 1013)
    except WebSocketDisconnect:
        pass
    finally:
        if live is not None:
            await live.end()


@dataclass
class _Live:
    """A session: its stream, once it has one, and its place in a room, if it speaks in one."""

    parts: Parts
    translation: RealtimeTranslation
    speaker: RoomSpeaker | None
    room: str
    session: Session | None = None

    async def begin(self) -> Session:
        """The stream; it is opened if there is none yet.

        Raises:
            SeamlessError: no place is free, or the model cannot be loaded.
        """
        if self.session is not None:
            return self.session
        translation, speaker = self.translation, self.speaker
        translation.settle()
        owner = speaker or translation
        usual = self.parts.settings.option_policy.defaults
        spoken = {} if translation.source is None else {"source_lang": translation.source}
        request = StreamRequest(
            rate=RATE,
            targets=translation.targets if speaker is None else speaker.choose,
            model=translation.model.name,
            speech=False,  # a model that only writes is welcome
            options=usual.model_copy(update=spoken),
            room=self.room,
        )
        self.session = await self.parts.service.open(owner, request, owner)
        assert self.session is not None  # it does not wait in line
        if speaker is not None:
            await speaker.started()
        return self.session

    def update(self, event: Update) -> None:
        """See `RealtimeTranslation.update`."""
        translation = self.translation
        translation.update(event.session, event.event_id)
        if self.speaker is not None:
            self.speaker.speaks(translation.lang)
        elif self.session is not None:
            self.session.set_targets(translation.targets(translation.model), whole=False)

    async def end(self) -> None:
        """Ends at once what still runs."""
        if self.session is not None:
            await self.session.abort()
        if self.speaker is not None:
            await self.speaker.leave(self.parts)


async def _open(
    socket: WebSocket, parts: Parts, described: SessionFields | None, address: str, send: Send
) -> _Live:
    """The session that the address or a client secret describes.

    Its stream begins at once, or with the first audio where the model is chosen by the languages.

    Raises:
        SeamlessError: there is no such model or room, or no place is free.
    """
    query = socket.query_params
    name = query.get("model") if described is None else described.model
    usual = parts.settings.default_target_language
    model = model_of(parts, None if name == AUTO else name)
    choice = (parts.models.offered(), partial(pick, parts)) if name == AUTO else ((model,), None)
    translation = RealtimeTranslation(model, usual, send, *choice)
    if described is not None:
        translation.update(described)
    speaker = None
    if (code := query.get("room")) is not None:
        speaker = await enter(parts, translation, code, query.get("passcode"), address)
        speaker.speaks(translation.lang)
    live = _Live(parts, translation, speaker, query.get("room") or "")
    if name != AUTO:
        try:
            await live.begin()
        except BaseException:
            await live.end()
            raise
    return live


async def _serve(socket: WebSocket, live: _Live, address: str, expires: float | None) -> bool:
    """Takes events until the client closes the session, or its stream or its token ends.

    Returns whether the client is still there; not if it floods the server, and is cut off.
    """
    parts, tell = live.parts, live.translation.complain
    shared = parts.connections.addresses.of(address)
    limits = ClientLimits(parts.settings.max_events_per_second, suspect=shared.suspect)
    pace = ReadingPace(2 * parts.settings.max_events_per_second)
    pace.of(socket.scope)
    over: set[asyncio.Task[Any]] = {asyncio.create_task(live.translation.ended.wait())}
    if expires is not None:
        over.add(asyncio.create_task(_expiry(expires, tell)))
    try:
        while True:
            coming = asyncio.create_task(_message(socket))
            await asyncio.wait({coming, *over}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                return True
            text = coming.result()
            await pace.keep()
            event = parse(text)
            if audio := isinstance(event, Append):
                await pace.keep()  # who sends a file at once is no flood, and waits
            if limits.admit(shared, len(text), audio=audio):
                if isinstance(event, Close):
                    return True
                await _handle(live, event)
                continue
            parts.metrics.refused.labels("rate").inc()
            if limits.notices.take():
                await tell("Too many events: slow down.", "rate_limit_exceeded")
            if not limits.patience.take():
                logger.warning("a realtime client is disconnected: it floods the server")
                shared.flooded()
                pace.cut()
                return False
    finally:
        for each in over:
            each.cancel()


async def _close(socket: WebSocket, code: int) -> None:
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it left meanwhile
        await socket.close(code)


async def _message(socket: WebSocket) -> str | bytes:
    """The next message, whatever its kind.

    Raises:
        WebSocketDisconnect: there is none any more.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    found: str | bytes = message.get("text") or message.get("bytes") or ""
    return found


async def _expiry(expires: float, tell: Callable[[str, str], Awaitable[None]]) -> None:
    await until_expired(expires, tell)
    await tell("Your token has expired: connect again with a new one.", "unauthorized")


async def _handle(live: _Live, event: Append | Update | BadEvent) -> None:
    send = live.translation.on_output
    try:
        if isinstance(event, BadEvent):
            raise event
        if isinstance(event, Update):
            live.update(event)
            described = live.translation.description()
            await send({"type": "session.updated", "session": described})
        else:
            await _append(await live.begin(), event.audio, live.translation)
    except BadEvent as error:
        await send(error_event(error.message, error.code, error.param, error.event_id))


async def _append(session: Session, pcm: bytes, translation: RealtimeTranslation) -> None:
    if len(pcm) == 2:
        pcm += b"\0\0"  # a single sample means "muted" to a session
    if pcm and session.feed(np.frombuffer(pcm, dtype="<i2")) > 0:
        await translation.complain(
            "The oldest audio was left out: the server is behind.", "overload"
        )


def _token(socket: WebSocket) -> str | None:
    """From the bearer header, the `api-key` header, or a browser's subprotocol."""
    if (token := bearer(socket.headers.get("authorization"))) is not None:
        return token
    if (key := socket.headers.get("api-key")) is not None:
        return key
    keys = [name.partition(_KEY_PREFIX)[2] for name in _offered(socket) if _KEY_PREFIX in name]
    return keys[0] if keys else None


def _offered(socket: WebSocket) -> list[str]:
    """The subprotocols that the client offers."""
    return [name.strip() for name in socket.headers.get("sec-websocket-protocol", "").split(",")]
