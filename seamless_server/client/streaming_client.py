"""A client of the live server, for scripts.

    async with StreamingClient("http://localhost:8000", target_language="spa") as client:
        async for event in client.translate("talk.wav"):
            if isinstance(event, Text):
                print(event.text, end="\\n" if event.finished else "", flush=True)

It speaks protocol 2 of docs/protocol.md and comes back by itself after a lost connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Coroutine
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import numpy as np
import socketio

from seamless_server.audio.arrays import ArrayLike
from seamless_server.audio.decoding import Raw
from seamless_server.audio.reader import SAMPLE_RATE
from seamless_server.client.keeping import Arrivals, SentAudio
from seamless_server.client.messages import (
    Cleared,
    Event,
    Notice,
    Pcm,
    RecordingSaved,
    SpeechReader,
    Waiting,
    status_of,
    text_of,
)
from seamless_server.client.reaching import server_url, why_not
from seamless_server.client.sources import Opened, Source, open_source
from seamless_server.errors import SeamlessError, UsageError

Output = Literal["s2s&t", "s2t", "s2s"]

_SOCKET_PATH = "/ws/socket.io"
_VAGUE = ("", "Connection error", "Connection refused by the server")
_NOTHING: Pcm = np.zeros(0, np.int16)
_AHEAD_MS = 8_000
"""Audio that may wait in the server when sending is not paced by the clock."""


class ClientError(SeamlessError):
    """The server refused something; the message is the server's."""

    code = "refused"


class StreamingClient:
    """A member of a room; speaks with `translate`, listens with `listen`.

    Args:
        url: the server's address.
        room: code of the room to join; `None` makes a new one.
        target_language: to translate into; the speaker's choice when only listening.
        output: text, speech or both.
        model: one of the server's models; its first by default.
        name: shown to others.
        token: secret or JSON Web Token, if the server asks for one.
        debug: ask the server to record the stream.
        opus: have speech as Opus, with a tenth of the traffic; else as samples.
        wait: stand in line when all streams are in use; else that is an error.
        client_id: to come back as the same member; a new one by default.
        verify_tls: turn off for a server with a home-made certificate.

    Raises:
        ClientError: on entering, when the server cannot be reached or refuses.
    """

    def __init__(
        self,
        url: str,
        *,
        room: str | None = None,
        target_language: str | None = None,
        output: Output = "s2s&t",
        model: str | None = None,
        name: str | None = None,
        token: str | None = None,
        debug: bool = False,
        opus: bool = False,
        wait: bool = True,
        client_id: str | None = None,
        verify_tls: bool = True,
    ) -> None:
        self.url = server_url(url)
        self._socket_path = urlsplit(self.url).path + _SOCKET_PATH
        self.room = room
        self.models: list[dict[str, Any]] = []
        """What the server runs: `agentsCapabilities` of docs/protocol.md."""
        self.client_id = client_id or f"py-{uuid.uuid4().hex[:12]}"
        self.sent_ms = 0.0
        """Audio sent in the current stream."""
        self.queued_ms = 0.0
        """Audio that waits in the server, as far as it told."""
        self._uplink = SentAudio()
        self._had = Arrivals()
        if target_language is not None and not target_language.strip():
            raise UsageError("The target language is empty: say which, or leave it out.")
        self._target = target_language
        self._output = output
        self._model = model
        self._name = name
        # Who knows the key, and nobody else, may come back as this member.
        self._secrets = {"resumeKey": uuid.uuid4().hex, **({"token": token} if token else {})}
        self._debug = debug
        self._encoding = {"encoding": "opus"} if opus else {}
        self._speech_reader = SpeechReader()
        self._verify_tls = verify_tls
        self._wait = wait
        self._roles: list[str] = ["listener"]
        self._rate: int | None = None
        self._entered = False
        self._server_id: str | None = None
        self._stream_server: str | None = None
        self._events: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
        self._online = asyncio.Event()
        self._admitted = asyncio.Event()
        self._lost = asyncio.Event()
        self._resuming: set[asyncio.Task[None]] = set()
        self._sio = socketio.AsyncClient(
            reconnection=True,
            reconnection_delay=0.3,
            reconnection_delay_max=5,
            ssl_verify=verify_tls,
        )
        self._register()

    # -- connection -------------------------------------------------------------------------------

    async def __aenter__(self) -> StreamingClient:
        query = urlencode({"clientID": self.client_id, "protocol": 2})
        try:
            await self._sio.connect(
                f"{self.url}?{query}",
                auth=self._auth,
                socketio_path=self._socket_path,
                transports=["websocket"],
                wait_timeout=10,
            )
        except socketio.exceptions.ConnectionError as error:
            await self._close()
            reason = await why_not(self.url, self._socket_path, verify_tls=self._verify_tls)
            said = "" if str(error) in _VAGUE else f" ({error})"
            raise ClientError(f"{self.url} cannot be joined: {reason}{said}") from None
        try:
            await self._join()
        except BaseException:
            await self._close()
            raise
        self._entered = True
        self._online.set()
        return self

    def _auth(self) -> dict[str, Any]:
        """Asked at each connection."""
        had = self._had.told() if self._entered else None
        return {**self._secrets, "clientID": self.client_id, "protocol": 2, "had": had}

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._resuming:
            task.cancel()
        await self._close()

    async def _close(self) -> None:
        await self._sio.disconnect()
        # The library leaves it open when the connection was never made.
        session = self._sio.eio.http
        if session is not None and not session.closed:
            await session.close()

    async def _call(self, event: str, *args: Any, wait: float = 30.0) -> Any:
        try:
            answer = await self._sio.call(event, args or None, timeout=wait)
        except socketio.exceptions.TimeoutError:
            raise ClientError(f"The server did not answer {event} in time.") from None
        except socketio.exceptions.SocketIOError:
            raise ClientError("The connection to the server was lost.", code="closed") from None
        return _accepted(answer)

    async def _join(self) -> None:
        config = {"roles": self._roles, "lockServerName": None}
        answer = await self._call("join_room", self.client_id, self.room, config)
        self.room = answer["roomID"]
        if self._name:
            await self._call("set_name", self._name)
        listening = self._target if "speaker" not in self._roles else None
        wanted = {"targetLanguage": listening, "output": self._output, **self._encoding}
        await self._call("set_listener_config", wanted)

    async def _state(self, state: dict[str, Any]) -> None:
        self.models = state.get("agentsCapabilities", [])

    def _register(self) -> None:
        sio = self._sio
        sio.on("connect", self._connected)
        sio.on("disconnect", self._disconnected)
        sio.on("__disconnect_final", self._given_up)
        sio.on("server_id", self._server)
        sio.on("server_state_update", self._state)
        sio.on("translation_text", self._text)
        sio.on("translation_speech", self._speech)
        sio.on("stream_status", self._status)
        sio.on("place_in_line", self._place)
        sio.on("server_exception", self._exception)
        sio.on("recording_saved", self._saved)
        sio.on("clear_transcript", lambda *_: self._events.put_nowait(Cleared()))

    async def _connected(self) -> None:
        if self._entered:  # not the first time
            self._later(self._resume())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._resuming.add(task)
        task.add_done_callback(self._resuming.discard)

    async def _disconnected(self, *_: Any) -> None:
        self._online.clear()
        self._lost.set()

    async def _given_up(self) -> None:
        """The library will not try again: the server, or we, ended the connection."""
        self._events.put_nowait(ClientError("The server ended the connection.", code="closed"))

    async def _server(self, server_id: str) -> None:
        if server_id != self._server_id:
            self._had = Arrivals()  # another server's numbers begin anew
        self._server_id = server_id

    async def _resume(self) -> None:
        """After a lost connection: takes the old place, and the stream again if it is gone."""
        try:
            await asyncio.sleep(0.05)  # the server's ID comes first
            await self._join()
            waited = not self._admitted.is_set()
            if self._rate is not None and (waited or self._stream_server != self._server_id):
                await self._configure()
            self._uplink.unsure = True
            self._lost.clear()
            self._online.set()
        except (ClientError, socketio.exceptions.SocketIOError) as error:
            if self._sio.connected:
                self._events.put_nowait(ClientError(f"The stream could not go on: {error}"))

    # -- speaking and listening -------------------------------------------------------------------

    async def translate(
        self,
        source: Source | AsyncIterable[ArrayLike],
        *,
        rate: int | None = None,
        realtime: bool = True,
        chunk_ms: int = 100,
        channel: str | int = "auto",
        raw: Raw | None = None,
    ) -> AsyncIterator[Event]:
        """Sends `source` and gives what comes of it, in order; ends when all of it is translated.

        Args:
            source: a sound file's path (`-` is standard input), its bytes, `"mic"`, an array
                (NumPy, PyTorch, any numeric type, with channels or without), or an asynchronous
                iterator of such arrays.
            rate: of an array or of what the iterator gives, 4,000 to 384,000 Hz.
            realtime: send at the pace of speech; else as fast as the server works.
            chunk_ms: audio in one message.
            channel: which channel to use: "auto", "mix", "loudest" or a number from 1.
            raw: how samples without a header lie in the file.

        Raises:
            ClientError: the server refuses the stream.
            AudioError: the sound cannot be read.
            UsageError: an array that cannot be meant as sound, or a rate that is none.
        """
        if not 10 <= chunk_ms <= 10_000:
            raise UsageError("chunk_ms: from 10 to 10,000 are possible")
        async with contextlib.AsyncExitStack() as stack:
            opened = await stack.enter_async_context(
                open_source(source, rate, chunk_ms, channel=channel, raw=raw)
            )
            self._rate = SAMPLE_RATE
            if "speaker" not in self._roles:
                self._roles = ["speaker", "listener"]
                await self._join()
            await self._configure()
            sender = asyncio.create_task(self._send_all(opened, realtime=realtime))
            try:
                while (event := await self._events.get()) is not None:
                    if isinstance(event, BaseException):
                        raise event
                    yield event
                await sender
            finally:
                self._rate = None
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)

    async def listen(self) -> AsyncIterator[Event]:
        """Gives everything that is said in the room, until the client is closed."""
        while (event := await self._events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event

    async def until_lost(self) -> None:
        """Returns when the connection is lost; at once while it is."""
        await self._lost.wait()

    async def until_online(self) -> None:
        """Returns when the client is in its room, again if the connection was lost."""
        await self._online.wait()

    async def transcript(self) -> list[dict[str, Any]]:
        """What was said in the room so far; see `transcript` in docs/protocol.md."""
        found: list[dict[str, Any]] = await self._call("transcript")
        return found

    async def set_target_language(self, lang: str) -> None:
        """Changes the language, also while speaking."""
        self._target = lang
        if "speaker" in self._roles:
            await self._call("set_dynamic_config", {"targetLanguage": lang})
        else:
            wanted = {"targetLanguage": lang, "output": self._output, **self._encoding}
            await self._call("set_listener_config", wanted)

    async def _configure(self) -> None:
        if self._target is not None:
            await self._call("set_dynamic_config", {"targetLanguage": self._target})
        config = {
            "event": "config",
            "rate": self._rate,
            "model_name": self._model,
            "model_type": self._output,
            "debug": self._debug,
            "async_processing": True,
            "buffer_limit": 0,
            "wait": self._wait,
        }
        self._admitted.clear()
        while True:
            try:
                answer = await self._call("configure_stream", config, wait=120)
                break
            except ClientError as error:
                if error.code != "loading":
                    raise
                await asyncio.sleep(0.5)  # a server that was just started
        self._stream_server = self._server_id
        self._uplink.begin()
        if answer["status"] == "ok":
            self._admitted.set()

    async def _send_all(self, source: Opened, *, realtime: bool) -> None:
        try:
            await self._admitted.wait()
            self.sent_ms = self.queued_ms = 0.0
            started = time.monotonic()
            async for pcm in source.chunks:
                await self._deliver(pcm)
                if realtime:
                    await asyncio.sleep(started + self.sent_ms / 1000 - time.monotonic())
                while not realtime and self.queued_ms > _AHEAD_MS:
                    await asyncio.sleep(0.1)
                    await self._deliver(pcm[:0])
            for notice in source.notices:
                self._events.put_nowait(Notice(notice, "sound"))
            await self._stop()
        except Exception as error:
            self._events.put_nowait(error)
        else:
            self._events.put_nowait(None)

    async def _stop(self) -> None:
        """Returns when all is translated; on another server if the own one goes meanwhile."""
        stopping = False
        while True:
            try:
                await self._deliver(None)
                stopping = True
                _accepted(await self._call_or_lose("stop_stream", wait=600))
                return
            except socketio.exceptions.SocketIOError:
                if not self._sio.connected:
                    self._online.clear()
            except ClientError as error:
                if not stopping or error.code != "no_stream":
                    raise
                return  # it had ended, and only the answer was lost

    async def _deliver(self, pcm: Pcm | None) -> None:
        """Sends a chunk until the server has it: once, whatever happens to the connection.

        An empty one asks how much waits; None sends what the server may lack.
        """
        uplink = self._uplink
        if pcm is not None:
            uplink.add(pcm)
        while True:
            await self._online.wait()
            await self._admitted.wait()
            try:
                if uplink.unsure:
                    await self._send(_NOTHING)
                    uplink.unsure = False
                while (chunk := uplink.next()) is not None:
                    await self._send(chunk)
                    uplink.sent(chunk)
                if pcm is not None and not len(pcm):
                    await self._send(pcm)
                break
            except socketio.exceptions.SocketIOError:
                uplink.unsure = True
                if not self._sio.connected:
                    self._online.clear()
                await asyncio.sleep(0.05)
        if pcm is not None:
            self.sent_ms += len(pcm) * 1000 / SAMPLE_RATE

    async def _send(self, pcm: Pcm) -> None:
        """Sends a chunk and waits until the server has it, and says how much it has.

        Raises:
            SocketIOError: the connection was lost.
            ClientError: the server refused it.
        """
        data = pcm.astype("<i2", copy=False).tobytes()
        answer = _accepted(await self._call_or_lose("incoming_audio", data))
        if not isinstance(answer, dict):
            return
        self.queued_ms = float(answer.get("queuedMs", self.queued_ms))
        received, done = answer.get("receivedMs"), answer.get("doneMs")
        if self._uplink.unsure and received is not None:
            self._uplink.go_on(float(received))
        self._uplink.done(float("inf") if done is None else float(done))

    async def _call_or_lose(self, event: str, data: Any = None, wait: float = 20.0) -> Any:
        """As `call`, but does not wait for the answer of a connection that is lost."""
        answering = asyncio.create_task(self._sio.call(event, data, timeout=wait))
        losing = asyncio.create_task(self._lost.wait())
        try:
            await asyncio.wait({answering, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise socketio.exceptions.TimeoutError
            return answering.result()
        finally:
            answering.cancel()
            losing.cancel()
            await asyncio.gather(answering, losing, return_exceptions=True)

    # -- what the server sends --------------------------------------------------------------------

    async def _text(self, data: dict[str, Any]) -> None:
        text = text_of(data)
        known = self._had.add(text, "text", data.get("offset"), len(text.text))
        if known < len(text.text) or text.finished:
            self._events.put_nowait(replace(text, text=text.text[known:]))

    async def _speech(self, data: dict[str, Any]) -> None:
        speech = self._speech_reader.read(data)
        known = self._had.add(speech, "speech", data.get("offset"), len(speech.samples))
        if known < len(speech.samples) or speech.finished:
            self._events.put_nowait(replace(speech, samples=speech.samples[known:]))

    async def _status(self, data: dict[str, Any]) -> None:
        self.queued_ms = float(data["queuedMs"])
        self._events.put_nowait(status_of(data))

    async def _place(self, data: dict[str, Any]) -> None:
        if data["state"] == "waiting":
            self._events.put_nowait(Waiting(data["position"], data["waiting"]))
        elif data["state"] == "admitted":
            self._admitted.set()
        else:
            self._events.put_nowait(ClientError(str(data.get("message"))))

    async def _exception(self, data: dict[str, Any]) -> None:
        notice = Notice(str(data.get("message")), str(data.get("code", "error")))
        self._events.put_nowait(notice)

    async def _saved(self, data: dict[str, Any]) -> None:
        files = tuple(data["files"])
        self._events.put_nowait(RecordingSaved(data["name"], files, f"{self.url}{data['url']}"))


def _accepted(answer: Any) -> Any:
    """An answer of the server.

    Raises:
        ClientError: it refuses.
    """
    if isinstance(answer, dict) and answer.get("status") == "error":
        code = answer.get("code") or answer.get("message")
        raise ClientError(str(answer.get("message")), code=str(code))
    return answer
