"""An engine: a replica of Ray Serve that loads the models and computes the streams of fronts."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from seamless_server import __version__, tracing
from seamless_server.cluster.wire import (
    BEAT_SECONDS,
    LEASE_SECONDS,
    PROTOCOL,
    OpenRequest,
    PushRequest,
    pack,
    unpack_targets,
)
from seamless_server.errors import SeamlessError
from seamless_server.service.model_loader import model_loader, worker_count
from seamless_server.service.served_models import Models, engine_stats
from seamless_server.settings import Settings
from seamless_server.streaming import ModelInfo

if TYPE_CHECKING:
    from seamless_server.agents.outputs import Decision
    from seamless_server.streaming import Model, Stream

logger = logging.getLogger(__name__)

Message = tuple[Any, ...]
_DONE = "done"


@dataclass(eq=False)
class _Running:
    """A stream of this engine."""

    epoch: int
    pushes: asyncio.Queue[PushRequest | None] = field(default_factory=asyncio.Queue)
    """None ends it."""
    heard_of: float = field(default_factory=time.monotonic)
    """When its front last said anything."""
    stream: Stream | None = None
    sequence: int = 0
    decisions: list[Decision] = field(default_factory=list)


class EngineReplica:
    """The class that Ray Serve deploys. Its methods run in one event loop, streams in threads.

    Args:
        settings: those of `Settings` that say what is loaded and how, by name.
        name: of this replica; asked of Ray Serve by default.

    Raises:
        SeamlessError: a model cannot be loaded.
    """

    def __init__(self, settings: dict[str, Any], name: str | None = None) -> None:
        self._settings = Settings(**settings)
        tracing.start(self._settings.traces_url, "engine")
        self.name = name or _replica_name()
        self._places = self._settings.engine_places
        workers = max(worker_count(self._settings), self._places)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="stream")
        names = list(dict.fromkeys(choice.name for choice in self._settings.models))
        self._models = Models(names, model_loader(self._settings, workers))
        self._models.load()
        if not self._models.ready:
            raise SeamlessError(self._models.progress.error or "", code="no_model")
        self._streams: dict[str, _Running] = {}
        self._broken: str | None = None

    # -- what fronts call -------------------------------------------------------------------------

    async def describe(self) -> dict[str, Any]:
        """What this engine is and offers."""
        return {
            "protocol": PROTOCOL,
            "version": __version__,
            "models": [_facts(model) for model in self._models.loaded()],
        }

    async def status(self) -> dict[str, Any]:
        """How full this engine is."""
        loads = [
            stats.load()
            for model in self._models.loaded()
            if (stats := engine_stats(model)) is not None
        ]
        return {
            "engine": self.name,
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "version": __version__,
            "slots": self._places,
            "slots_used": len(self._streams),
            "waiting": sum(load.waiting for load in loads),
            "busy": max((load.busy for load in loads), default=0.0),
        }

    async def open(self, request: OpenRequest) -> AsyncIterator[Message]:
        """A stream, from its first message to its last.

        Yields `("opened", facts)`, `("full", engine)` or `("refused", code, sentence)`; then for
        every push `("outputs", epoch, first number, outputs)` as they are made and one `("done",
        epoch, push, state, language spoken, stats, snapshot)`, or `("failed", code, sentence)`;
        `("beat",)` in between.
        """
        if request["protocol"] != PROTOCOL:
            yield ("refused", "version", _versions(request["protocol"]))
            return
        if len(self._streams) >= self._places:
            yield ("full", self.name)
            return
        running = self._streams[request["key"]] = _Running(request["epoch"])
        try:
            try:
                running.stream = await self._in_pool(lambda: self._open(request))
            except SeamlessError as error:
                yield ("refused", error.code, error.message)
                return
            yield ("opened", await self.status())
            while (push := await self._next(running)) is not None:
                async for message in self._compute(running, push):
                    yield message
                if push["last"]:
                    return
        finally:
            self._streams.pop(request["key"], None)
            if running.stream is not None:
                running.stream.close()

    async def push(self, key: str, push: PushRequest | None) -> bool:
        """Audio for a stream; None only says that it is still wanted. False: it is not here."""
        running = self._streams.get(key)
        if running is None:
            return False
        running.heard_of = time.monotonic()
        if push is not None:
            running.pushes.put_nowait(push)
        return True

    async def cancel(self, key: str) -> None:
        """Nobody wants the stream any more."""
        running = self._streams.get(key)
        if running is not None:
            running.pushes.put_nowait(None)
            if running.stream is not None:
                running.stream.cancel()

    # -- what Ray Serve calls ---------------------------------------------------------------------

    def check_health(self) -> None:
        """Raises if this engine should be started anew."""
        if self._broken is not None:
            raise RuntimeError(self._broken)

    # -- streams ----------------------------------------------------------------------------------

    async def _in_pool(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _open(self, request: OpenRequest) -> Stream:
        from seamless_server.stream_options import read_options

        return self._models.choose_loaded(request["model"]).open(
            unpack_targets(request["targets"]),
            read_options(request["options"]),
            vad=request["vad"],
            resume=request["resume"],
        )

    async def _next(self, running: _Running) -> PushRequest | None:
        """The next push; None when the stream is to end."""
        while True:
            left = running.heard_of + LEASE_SECONDS - time.monotonic()
            if left <= 0:
                logger.warning("a stream ends whose front is not heard of any more")
                return None
            try:
                return await asyncio.wait_for(running.pushes.get(), left)
            except asyncio.TimeoutError:
                continue

    async def _compute(self, running: _Running, push: PushRequest) -> AsyncIterator[Message]:
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[Message] = asyncio.Queue()

        def work() -> None:
            with tracing.span("compute", push["parent"], engine=self.name, epoch=running.epoch):
                for message in self._messages(running, push):
                    loop.call_soon_threadsafe(made.put_nowait, message)

        working = loop.run_in_executor(self._pool, work)
        while True:
            try:
                message = await asyncio.wait_for(made.get(), BEAT_SECONDS)
            except asyncio.TimeoutError:
                yield ("beat",)
                continue
            yield message
            if message[0] in (_DONE, "failed"):
                break
        await working

    def _messages(self, running: _Running, push: PushRequest) -> Iterator[Message]:
        """Computes a push, in a thread of the pool."""
        stream = running.stream
        assert stream is not None
        try:
            if push["targets"] is not None:
                stream.set_targets(unpack_targets(push["targets"]), push["whole"])
            stream.expressive = push["expressive"]
            stream.trace = running.decisions.append if push["trace"] else None
            for output in stream.push(np.asarray(push["audio"], np.float32), last=push["last"]):
                packed = [pack(item) for item in (*running.decisions, output)]
                running.decisions.clear()
                yield ("outputs", running.epoch, running.sequence, packed)
                running.sequence += len(packed)
            if running.decisions:
                packed = [pack(item) for item in running.decisions]
                running.decisions.clear()
                yield ("outputs", running.epoch, running.sequence, packed)
                running.sequence += len(packed)
            yield (
                _DONE,
                running.epoch,
                push["number"],
                stream.state,
                stream.source_lang,
                stream.stats,
                stream.snapshot(),
            )
        except SeamlessError as error:
            yield ("failed", error.code, error.message)
        except Exception as error:
            logger.exception("a stream failed")
            if "CUDA" in str(error):
                self._broken = f"the GPU failed: {error}"
            yield ("failed", "stream_failed", "")


def _facts(model: Model) -> dict[str, Any]:
    """What a front must know of a model to offer it: the fields of `ModelInfo`."""
    facts = {field.name: getattr(model, field.name) for field in fields(ModelInfo)}
    # Where things lie on this machine is nobody's business.
    facts["description"] = model.description.replace(str(model.folder), model.folder.name)
    return {**facts, "folder": model.folder.name}


def _replica_name() -> str:
    from ray import serve

    return str(serve.get_replica_context().replica_id.unique_id)


def _versions(other: int) -> str:
    return (
        f"The front speaks version {other} of the cluster's protocol and the engine version "
        f"{PROTOCOL}: install the same version of Seamless Server on both."
    )
