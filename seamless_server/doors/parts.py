"""The parts of a running server, as the doors find them."""

from __future__ import annotations

from dataclasses import dataclass

import socketio
from fastapi import Request

from seamless_server.doors.socketio.announcer import Announcer
from seamless_server.doors.socketio.connections import Connections
from seamless_server.metrics import Metrics
from seamless_server.rooms.rights import Authenticator
from seamless_server.rooms.rooms import Rooms
from seamless_server.service.lock import OwnerLock
from seamless_server.service.recording import Recorder
from seamless_server.service.served_models import Models
from seamless_server.service.service import Service
from seamless_server.service.tasks import Tasks
from seamless_server.settings import Settings


@dataclass(frozen=True)
class Parts:
    """See the module."""

    settings: Settings
    metrics: Metrics
    sio: socketio.AsyncServer
    models: Models
    auth: Authenticator
    tasks: Tasks
    recorder: Recorder
    service: Service
    rooms: Rooms
    lock: OwnerLock
    announcer: Announcer
    connections: Connections

    async def drain(self) -> None:
        """Before the end: everybody gets the last sentence and is told to come back."""
        await self.service.drain()
        await self.announcer.say_goodbye()

    async def close(self) -> None:
        """Ends every stream and everything that runs beside."""
        await self.service.admission.close()
        await self.announcer.close()
        await self.tasks.close()
        await self.rooms.store.close()
        self.recorder.close()


def parts_of(request: Request) -> Parts:
    """The running server that got a request."""
    parts: Parts = request.app.state.parts
    return parts
