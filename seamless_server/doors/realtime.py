"""`WS /v1/realtime/translations`: a live translation session for clients of OpenAI's wire.

PCM of 16 bits, mono, 24 kHz, both ways; speech comes in frames of 200 ms. With `room` in the
address the session speaks in a room: its listeners get what they asked for, too.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import secrets
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from seamless_server.doors.openai_audio import DEFAULT_MODEL
from seamless_server.doors.parts import Parts
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
from seamless_server.errors import SeamlessError
from seamless_server.rooms.rights import bearer, may
from seamless_server.service.limits import ClientLimits
from seamless_server.service.owner import StreamRequest

if TYPE_CHECKING:
    from seamless_server.service.session import Session
    from seamless_server.streaming import ModelInfo

router = APIRouter()

PATH = "/v1/realtime/translations"
_SUBPROTOCOL = "realtime"
_KEY_PREFIX = "insecure-api-key."


@router.websocket(PATH)
async def translations(socket: WebSocket) -> None:
    """The life of one session."""
    parts: Parts = socket.app.state.parts
    token = _token(socket)
    described: SessionFields | None = socket.app.state.client_secrets.read(token)
    if described is None and not may(f"WS {PATH}", parts.auth.standings(token)):
        await socket.close(1008, "Send a valid token.")
        return
    offered = [name.strip() for name in socket.headers.get("sec-websocket-protocol", "").split(",")]
    await socket.accept(_SUBPROTOCOL if _SUBPROTOCOL in offered else None)

    async def send(event: dict[str, Any]) -> None:
        event = {"event_id": f"event_{secrets.token_hex(8)}", **event}
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it left meanwhile
            await socket.send_text(orjson.dumps(event).decode())

    live: _Live | None = None
    try:
        live = await _open(socket, parts, described, send)
        await send({"type": "session.created", "session": live.translation.description()})
        await _serve(socket, parts, live, send)
        await live.session.stop()
        await send({"type": "session.closed"})
        with contextlib.suppress(RuntimeError):
            await socket.close()
    except SeamlessError as error:
        await send(error_event(error.message, error.code))
        await socket.close(1013)
    except WebSocketDisconnect:
        pass
    finally:
        if live is not None:
            await live.end(parts)


class _Live:
    """A session that runs: its stream, and its place in a room, if it speaks in one."""

    def __init__(
        self, translation: RealtimeTranslation, model: ModelInfo, speaker: RoomSpeaker | None
    ) -> None:
        self.translation, self.model, self.speaker = translation, model, speaker
        self.session: Session

    def update(self, event: Update) -> None:
        """See `RealtimeTranslation.update`."""
        self.translation.update(event.session, event.event_id)
        if self.speaker is None:
            self.session.set_targets(self.translation.targets(self.model), whole=False)
        else:
            self.speaker.speaks(self.translation.lang)

    async def end(self, parts: Parts) -> None:
        """Ends at once what still runs."""
        if hasattr(self, "session"):
            await self.session.abort()
        if self.speaker is not None:
            await self.speaker.leave(parts)


async def _open(
    socket: WebSocket, parts: Parts, described: SessionFields | None, send: Send
) -> _Live:
    """A stream for the session that the address or a client secret describes.

    Raises:
        SeamlessError: there is no such model or room, or no place is free.
    """
    query = socket.query_params
    name = query.get("model") if described is None else described.model
    model = parts.models.choose(None if name == DEFAULT_MODEL else name)
    translation = RealtimeTranslation(model, parts.settings.default_target_language, send)
    if described is not None:
        translation.update(described)
    speaker = None
    if (code := query.get("room")) is not None:
        address = socket.client.host if socket.client is not None else ""
        speaker = await enter(parts, translation, code, query.get("passcode"), address)
        speaker.speaks(translation.lang)
    live = _Live(translation, model, speaker)
    owner = speaker or translation
    request = StreamRequest(
        rate=RATE,
        targets=translation.targets if speaker is None else speaker.choose,
        model=model.name,
        speech=False,  # a model that only writes is welcome
        options=parts.settings.option_policy.defaults,
        room=query.get("room") or "",
    )
    try:
        session = await parts.service.open(owner, request, owner)
        assert session is not None  # it does not wait in line
        live.session = session
        if speaker is not None:
            await speaker.started()
    except BaseException:
        await live.end(parts)
        raise
    return live


async def _serve(socket: WebSocket, parts: Parts, live: _Live, send: Send) -> None:
    """Takes events until the client closes the session, or its stream ends."""
    limits = ClientLimits(parts.settings.max_events_per_second)
    over = asyncio.create_task(live.translation.ended.wait())
    try:
        while True:
            coming = asyncio.create_task(socket.receive_text())
            await asyncio.wait({coming, over}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                return
            text = coming.result()
            if not limits.audio.take():
                await send(error_event("Too many events: slow down.", "rate_limit_exceeded"))
                if not limits.patience.take():
                    return
                continue
            try:
                event = parse(_json(text))
                if isinstance(event, Close):
                    return
                if isinstance(event, Update):
                    live.update(event)
                    described = live.translation.description()
                    await send({"type": "session.updated", "session": described})
                else:
                    await _append(live.session, event, send)
            except BadEvent as error:
                await send(error_event(error.message, error.code, error.param, error.event_id))
    finally:
        over.cancel()


async def _append(session: Session, event: Append, send: Send) -> None:
    try:
        pcm = base64.b64decode(event.audio, validate=True)
    except (binascii.Error, ValueError):
        raise BadEvent("audio: is no base64", "invalid_value", "audio", event.event_id) from None
    if len(pcm) % 2:
        raise BadEvent(
            "audio: 16-bit samples come in even byte counts",
            "invalid_value",
            "audio",
            event.event_id,
        )
    if len(pcm) == 2:
        pcm += b"\0\0"  # a single sample means "muted" to a session
    if pcm and session.feed(np.frombuffer(pcm, dtype="<i2")) > 0:
        await send(error_event("The oldest audio was left out: the server is behind.", "overload"))


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        raise BadEvent("This is no JSON.", "invalid_json", None, None) from None


def _token(socket: WebSocket) -> str | None:
    """From the bearer header, the `api-key` header, or a browser's subprotocol."""
    if (token := bearer(socket.headers.get("authorization"))) is not None:
        return token
    if (key := socket.headers.get("api-key")) is not None:
        return key
    for name in socket.headers.get("sec-websocket-protocol", "").split(","):
        _, found, key = name.strip().partition(_KEY_PREFIX)
        if found:
            return key
    return None
