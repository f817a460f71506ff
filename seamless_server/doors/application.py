"""Puts the server together: FastAPI with Socket.IO mounted, models loading in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import socketio
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from starlette.routing import Router

from seamless_server import __version__, tracing
from seamless_server.doors import (
    audio_api,
    client_secrets,
    examples,
    openai_audio,
    operation,
    realtime,
    rest,
)
from seamless_server.doors.compression import CompressedLists
from seamless_server.doors.failures import EVERYWHERE, apologize, refuse, say
from seamless_server.doors.forms import UPLOADS
from seamless_server.doors.guards import HeadAsGet, HostGuard, SmallBodies, check_rights
from seamless_server.doors.page import add_page
from seamless_server.doors.parts import Parts
from seamless_server.doors.prefix import Prefix
from seamless_server.doors.socketio.announcer import Announcer
from seamless_server.doors.socketio.connections import Connection, Connections
from seamless_server.doors.socketio.delivery import LocalManager, make_server
from seamless_server.doors.socketio.events import Events
from seamless_server.doors.socketio.speaker import retarget_room
from seamless_server.doors.socketio.streams import Streams
from seamless_server.errors import SeamlessError
from seamless_server.metrics import Metrics
from seamless_server.rooms.members import Room
from seamless_server.rooms.rights import Authenticator
from seamless_server.rooms.rooms import Rooms
from seamless_server.rooms.store import MemoryStore, StateStore
from seamless_server.service.admission import Admission
from seamless_server.service.drain import drain_on_signals
from seamless_server.service.load import Load
from seamless_server.service.lock import OwnerLock
from seamless_server.service.model_loader import (
    describer,
    engine_kind,
    memory_is_short,
    model_loader,
    named,
    served_names,
    worker_count,
)
from seamless_server.service.recording import Recorder
from seamless_server.service.served_models import Loader, Models, engine_stats
from seamless_server.service.service import Service
from seamless_server.service.tasks import Tasks
from seamless_server.settings import Settings, read_settings

logger = logging.getLogger(__name__)

DESCRIPTION = """
Streaming speech translation. Live audio goes through Socket.IO at `/ws/socket.io`
(docs/protocol.md); this is the interface for everything else.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application of `settings`, by default those of the environment."""
    settings = settings or read_settings()
    if settings.role == "front" and settings.max_speakers == "auto":
        # How much is carried is for the engines to say.
        settings = settings.model_copy(update={"max_speakers": None})
    tracing.start(settings.traces_url, settings.role)
    metrics = Metrics()
    sio = make_server(settings, metrics, _replicas(settings))
    app = FastAPI(
        title="Seamless Server",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan(settings, metrics, sio),
        docs_url=None,  # the page adds it, with files of its own
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.client_secrets = client_secrets.ClientSecrets(settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
        )
    guarded = [Depends(check_rights)]
    for door in (operation, rest, examples, audio_api):
        app.include_router(door.router, dependencies=guarded, responses=EVERYWHERE)
    for door in (openai_audio, client_secrets):
        app.include_router(door.router, dependencies=guarded)
    app.include_router(realtime.router)
    app.add_exception_handler(SeamlessError, say)
    app.add_exception_handler(RequestValidationError, refuse)
    app.add_exception_handler(Exception, apologize)
    app.add_middleware(SmallBodies, limit=settings.max_message_bytes, except_for=UPLOADS)
    app.add_middleware(Prefix, root_path=settings.root_path)
    # What is not Socket.IO's there is nobody's: a router without routes says so on both wires.
    app.mount("/ws", socketio.ASGIApp(sio, Router(), socketio_path="/ws/socket.io"))
    add_page(app, settings)
    app.add_middleware(CompressedLists)
    app.add_middleware(HeadAsGet)
    app.add_middleware(HostGuard, settings=settings)
    return app


def _assemble(
    settings: Settings,
    metrics: Metrics,
    sio: socketio.AsyncServer,
    models: Models,
    pool: ThreadPoolExecutor,
    load: Load,
) -> Parts:
    tasks, lock, recorder = Tasks(metrics), OwnerLock(), Recorder(settings)
    auth = Authenticator(settings)
    admission = Admission(
        settings,
        metrics,
        models.loaded,
        load,
        lock,
        tasks,
        on_change=lambda: announcer.server_changed(),
    )
    service = Service(settings, metrics, models, admission, recorder, tasks, pool)

    def changed_elsewhere(room: Room) -> None:
        retarget_room(service, room)
        announcer.room_changed(room)

    rooms = Rooms(
        settings,
        _store(settings),
        is_here=lambda member: connections.is_here(member),
        on_change=changed_elsewhere,
        on_claim=lambda member: tasks.spawn(rooms.save(member), "claiming a member"),
        on_moved=lambda member: tasks.spawn(connections.give_up(member), "giving up a member"),
        on_asked=lambda member, ruling: tasks.spawn(
            connections.rule(member, ruling), "ruling a member"
        ),
    )
    opened: dict[str, Connection] = {}
    announcer = Announcer(sio, settings, metrics, rooms, service, lock, opened)
    streams = Streams(sio=sio, settings=settings, rooms=rooms, service=service, announcer=announcer)
    connections = Connections(
        open=opened,
        streams=streams,
        sio=sio,
        settings=settings,
        metrics=metrics,
        rooms=rooms,
        service=service,
        lock=lock,
        announcer=announcer,
        tasks=tasks,
        auth=auth,
    )
    Events(
        sio=sio,
        settings=settings,
        metrics=metrics,
        rooms=rooms,
        service=service,
        lock=lock,
        announcer=announcer,
        connections=connections,
        streams=streams,
        auth=auth,
    )
    return Parts(
        settings,
        metrics,
        sio,
        models,
        auth,
        tasks,
        recorder,
        service,
        rooms,
        lock,
        announcer,
        connections,
    )


def _lifespan(
    settings: Settings, metrics: Metrics, sio: socketio.AsyncServer
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        workers = worker_count(settings)
        pool = ThreadPoolExecutor(workers, thread_name_prefix="stream")
        load = Load(1 if engine_kind(settings) == "scheduled" else workers)
        here = settings.role != "front"  # a front's models are loaded by engines
        models = Models(
            served_names(settings) if here else named(settings),
            _loader(settings, metrics, workers),
            describer(settings) if here and settings.load_models == "wanted" else None,
            short=memory_is_short(settings),
            on_warm=load.expect,
        )
        parts = _assemble(settings, metrics, sio, models, pool, load)
        app.state.parts = parts
        await parts.rooms.store.start(parts.rooms.changed)
        loop = asyncio.get_running_loop()
        metrics.watch_engines(
            lambda: {
                model.name: stats
                for model in models.loaded()
                if (stats := engine_stats(model)) is not None
            }
        )
        metrics.slots.set_function(lambda: sum(x["slots"] for x in _engines(models)))
        metrics.slots_used.set_function(lambda: sum(x["slots_used"] for x in _engines(models)))
        sio.manager.on_change = parts.connections.tell_remote_listeners
        sio.manager.is_room = lambda name: parts.rooms.get(name) is not None
        models.on_change(lambda: _soon(loop, parts.announcer.server_changed))
        models.start()
        parts.tasks.spawn(parts.connections.tend(), "tending")
        parts.tasks.spawn(parts.connections.watch_sockets(), "watching sockets")
        parts.tasks.spawn(parts.service.admission.run(), "tending the line")
        restore = drain_on_signals(parts.drain)
        try:
            yield
        finally:
            restore()
            await parts.close()
            await sio.shutdown()
            models.close()
            pool.shutdown(wait=True, cancel_futures=True)

    return lifespan


def _engines(models: Models) -> list[dict[str, Any]]:
    """What engines elsewhere say of themselves, each once."""
    return list({x["engine"]: x for model in models.loaded() for x in model.engines()}.values())


def _soon(loop: asyncio.AbstractEventLoop, action: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(action)


def _loader(settings: Settings, metrics: Metrics, workers: int) -> Loader:
    if settings.role != "front":
        return model_loader(settings, workers)
    from seamless_server.cluster.joining import require_cluster

    require_cluster()
    from seamless_server.cluster.remote import remote_loader

    return remote_loader(settings, metrics)


def _store(settings: Settings) -> StateStore:
    if settings.redis_url is None:
        return MemoryStore(settings.transcript_entries)
    from seamless_server.rooms.store_redis import RedisStore

    return RedisStore(
        settings.redis_url.get_secret_value(),
        settings.redis_prefix,
        settings.transcript_entries,
        settings.redis_seconds,
    )


def _replicas(settings: Settings) -> LocalManager | None:
    if settings.redis_url is None:
        return None
    from seamless_server.doors.socketio.replicas import RedisManager

    return RedisManager(
        settings.redis_url.get_secret_value(),
        f"{settings.redis_prefix}:events",
        settings.redis_seconds,
    )
