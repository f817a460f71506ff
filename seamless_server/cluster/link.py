"""A front's connection to the engines: an event loop of its own, behind calls for any thread."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ray import serve
from ray.serve.handle import DeploymentHandle

from seamless_server.cluster import known
from seamless_server.cluster.router import but
from seamless_server.cluster.wire import (
    APPLICATION,
    KEEP_SECONDS,
    PROTOCOL,
    SILENCE_SECONDS,
    OpenRequest,
    PushRequest,
)
from seamless_server.errors import NoPlaceError, SeamlessError

logger = logging.getLogger(__name__)

Message = tuple[Any, ...]
Answer = TypeVar("Answer")

_WATCH_SECONDS = 1.0
_OPEN_SECONDS = 10.0
"""An engine takes a stream or refuses it within this time."""


class NoEngine(SeamlessError):
    """No engine answers, which is not the same as being full."""

    code = "no_engine"

    def __init__(self) -> None:
        super().__init__(
            "No engine can be reached at the moment, so nothing can be translated; try again in "
            "a moment. Operators: `seamless-server doctor --cluster` says what is wrong."
        )


class Lost(Exception):
    """The engine of a stream is gone, or does not answer any more."""


class Link:
    """See the module. The process has joined the Ray cluster already."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engines", daemon=True)
        self._thread.start()
        self.statuses: list[dict[str, Any]] = []
        """What the engines said of themselves a moment ago (`EngineReplica.status`)."""
        self._submit(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                handle = self._handle()
                names = sorted(known.listed | known.leaving)
                asked = [
                    handle.options(multiplexed_model_id=name).status.remote() for name in names
                ]
                answers = await asyncio.gather(
                    *(asyncio.wait_for(answer, SILENCE_SECONDS) for answer in asked),
                    return_exceptions=True,
                )
                found = {x["engine"]: x for x in answers if isinstance(x, dict)}
                self.statuses = list(found.values())
            except NoEngine:
                self.statuses = []
            except Exception as error:
                logger.debug("engines: %r", error)

    def _submit(self, work: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    @staticmethod
    def _handle() -> DeploymentHandle:
        try:
            return serve.get_app_handle(APPLICATION)
        except Exception as error:
            logger.debug("no engines: %r", error)
            raise NoEngine from None

    def describe(self) -> dict[str, Any]:
        """What the engines offer.

        Raises:
            NoEngine: none answers.
            SeamlessError: they are of a version that this front does not understand.
        """
        facts: dict[str, Any] = self._ask("describe")
        if facts["protocol"] != PROTOCOL:
            raise SeamlessError(
                f"The engines run version {facts['version']}, whose protocol this front does not "
                "speak: install the same version of Seamless Server on both.",
                code="version",
            )
        return facts

    def _ask(self, method: str) -> Any:
        handle = self._handle()

        async def ask() -> Any:
            return await asyncio.wait_for(getattr(handle, method).remote(), _OPEN_SECONDS)

        try:
            return self._submit(ask()).result()
        except Exception as error:
            logger.debug("engines: %s: %r", method, error)
            raise NoEngine from None

    def open(self, request: OpenRequest) -> Call:
        """Opens a stream on the engine with most room.

        Raises:
            NoPlaceError: no engine has a place.
            NoEngine: none answers.
            SeamlessError: the engine refuses what is asked for.
        """
        handle = self._handle()
        try:
            return self._submit(self._open(handle, request)).result()
        except SeamlessError:
            raise
        except Exception as error:
            logger.warning("no engine took a stream: %r", error)
            raise NoEngine from None

    async def _open(self, handle: DeploymentHandle, request: OpenRequest) -> Call:
        full: list[str] = []
        while True:
            at = handle.options(stream=True, multiplexed_model_id=but(full))
            messages = at.open.remote(request)
            try:
                first = await asyncio.wait_for(messages.__anext__(), _OPEN_SECONDS)
            except BaseException:
                messages.cancel()
                raise
            if first[0] == "refused":
                raise SeamlessError(first[2], code=first[1])
            if first[0] == "opened":
                return Call(self._loop, handle, request, messages, first[1])
            if first[1] in full:
                raise NoPlaceError
            full.append(first[1])

    def close(self) -> None:
        """Ends the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


class Call:
    """A stream on one engine, for as long as that lives. For any thread."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handle: DeploymentHandle,
        request: OpenRequest,
        messages: Any,
        facts: dict[str, Any],
    ) -> None:
        self.engine: str = facts["engine"]
        self.facts = facts
        self._loop = loop
        self._request = request
        self._handle = handle.options(multiplexed_model_id=self.engine)
        self._came: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._messages = messages
        self._ended = False
        self._said = loop.time()
        self._reading = loop.create_task(self._read())
        self._keeping = loop.create_task(self._keep())

    @property
    def leaving(self) -> bool:
        """Whether its engine is to stop."""
        return self.engine in known.leaving

    def push(self, push: PushRequest) -> None:
        """Sends audio; what comes of it comes by `get`."""
        asyncio.run_coroutine_threadsafe(self._push(push), self._loop)

    async def _push(self, push: PushRequest | None) -> None:
        self._said = self._loop.time()
        try:
            here = await self._handle.push.remote(self._request["key"], push)
        except Exception as error:
            self._came.put(("lost", repr(error)))
        else:
            if not here:
                self._came.put(("lost", "the engine does not have the stream any more"))

    def get(self) -> Message:
        """The next message of the engine.

        Raises:
            Lost: the engine is gone, or silent for too long.
        """
        try:
            message = self._came.get(timeout=SILENCE_SECONDS)
        except queue.Empty:
            raise Lost(f"nothing came for {SILENCE_SECONDS:.0f} s") from None
        if message[0] == "lost":
            raise Lost(message[1])
        return message

    async def _read(self) -> None:
        try:
            async for message in self._messages:
                self._came.put(message)
            self._came.put(("lost", "the engine ended the stream"))
        except asyncio.CancelledError:
            self._came.put(("lost", "the stream was given up"))
            raise
        except Exception as error:
            self._came.put(("lost", repr(error)))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            if self._loop.time() - self._said >= KEEP_SECONDS - 0.5:
                await self._push(None)

    def end(self) -> None:
        """Gives the stream up; what is waited for comes as lost."""
        if not self._ended:
            self._ended = True
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)

    async def _end(self) -> None:
        self._keeping.cancel()
        self._came.put(("lost", "the stream was given up"))
        try:
            await asyncio.wait_for(self._handle.cancel.remote(self._request["key"]), 5.0)
        except Exception as error:  # it is gone
            logger.debug("a stream could not be cancelled: %r", error)
        self._messages.cancel()
        self._reading.cancel()
