"""Who may start a stream now: the server's lock, its places, and the line before them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seamless_server.errors import NoPlaceError, Refused, SeamlessError
from seamless_server.metrics import Metrics
from seamless_server.service.line import Line
from seamless_server.service.load import Load
from seamless_server.service.lock import OwnerLock
from seamless_server.service.owner import Owner, Waiter
from seamless_server.service.served_models import engine_has_room
from seamless_server.service.session import Session
from seamless_server.service.tasks import Tasks
from seamless_server.settings import Settings

if TYPE_CHECKING:
    from seamless_server.streaming import Model

logger = logging.getLogger(__name__)

LATE_MS = 2_000
"""Measured load or not: nobody more is let in while a stream is this late."""
_ASK_AGAIN_SECONDS = 1.0
_RESTARTS = "The server is about to restart: connect again in a moment."
_AWAY_SECONDS = 10.0
"""Who has been away for so long gives way to somebody who waits, and loses its own place."""


@dataclass(eq=False)
class Place:
    """One of the streams that run at once, from its admission to its end."""

    owner: Owner
    live: bool = True
    session: Session | None = None


@dataclass(eq=False)
class Turn:
    """What is to happen when somebody in line is admitted."""

    waiter: Waiter
    start: Callable[[Place], Awaitable[object]]


class Admission:
    """Gives out places, and calls in those who wait.

    Args:
        models: the models that are ready.
        on_change: told when a place or the line changed.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        models: Callable[[], Sequence[Model]],
        load: Load,
        lock: OwnerLock,
        tasks: Tasks,
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._models = models
        self.load = load
        self._lock = lock
        self._tasks = tasks
        self._on_change = on_change
        self.places: dict[str, Place] = {}
        """By the owner's key."""
        self.line: Line[Turn] = Line(settings.waiting_places)
        # Two requests must not both find the last free place.
        self._one_at_a_time = asyncio.Lock()
        self.draining = False
        """The server is about to end: nobody starts any more."""
        self._renewing: set[str] = set()
        self._full_until = 0.0
        """When engines elsewhere are to be asked again whether they have a place (monotonic)."""
        self._moved = asyncio.Event()
        self._told: dict[str, tuple[int, int]] = {}

    # -- may somebody start? ----------------------------------------------------------------------

    async def take(
        self, owner: Owner, start: Callable[[Place], Awaitable[object]] | None, *, live: bool
    ) -> Place | None:
        """A place for an owner; None if it now waits in line.

        Args:
            owner: who asks. One that comes again keeps its place while its old stream ends.
            start: what to do when it is called in from the line; None: it does not wait.
            live: audio comes as it is spoken, so that being late counts.

        Raises:
            Refused: the server is locked, or is to end.
            NoPlaceError: nothing is free, and the owner does not wait or the line is full.
        """
        if start is None:
            self.leave_line(owner.key)
        while True:
            async with self._renewal(owner.key) as ended, self._one_at_a_time:
                if self.places.get(owner.key) not in (None, ended):
                    continue  # it was called in from the line meanwhile: that stream ends too
                return await self._take(owner, start, live=live)

    async def _take(
        self, owner: Owner, start: Callable[[Place], Awaitable[object]] | None, *, live: bool
    ) -> Place | None:
        if self.draining:
            raise Refused(_RESTARTS, code="restarting")
        if await self.locked(owner.key):
            raise Refused("Somebody else has this server to themselves now.", code="server_locked")
        if await self._has_place(owner.key, waits=start is not None):
            self.leave_line(owner.key)
            return self._give(owner, live)
        if start is None or not isinstance(owner, Waiter):
            raise NoPlaceError
        if not self.line.join(owner.key, Turn(owner, start)):
            raise NoPlaceError
        self._told.pop(owner.key, None)
        self.changed()
        return None

    def back_in_line(self, owner: Owner, start: Callable[[Place], Awaitable[object]]) -> None:
        """An owner was admitted, but engines elsewhere have no place: it waits before all others.

        Raises:
            NoPlaceError: it cannot wait.
        """
        self._full_until = time.monotonic() + _ASK_AGAIN_SECONDS
        if not isinstance(owner, Waiter) or not self.line.join(
            owner.key, Turn(owner, start), first=True
        ):
            raise NoPlaceError
        self._told.pop(owner.key, None)
        self.changed()

    @asynccontextmanager
    async def _renewal(self, key: str) -> AsyncIterator[Place | None]:
        """Ends the owner's running stream, whose place stays its own meanwhile."""
        running = self.places.get(key)
        if running is None:
            yield None
            return
        self._renewing.add(key)
        try:
            await self.stop(key)
            yield running
        finally:
            self._renewing.discard(key)
            self.changed()

    def _give(self, owner: Owner, live: bool) -> Place:
        place = self.places[owner.key] = Place(owner, live)
        return place

    async def locked(self, key: str) -> bool:
        """Whether the server's lock keeps an owner out; its holder has the server to itself."""
        if self._settings.lock_server_completely:
            return True
        holder = self._lock.holder
        if holder is None:
            return False
        if holder.key != key:
            return True
        for other, place in list(self.places.items()):
            if other != key:
                await place.owner.complain(
                    f"{holder.name} has the server now, so your stream ended.", "server_locked"
                )
                self._tasks.spawn(self.stop(other), "making room for the lock's holder")
        return False

    async def _has_place(self, key: str, *, waits: bool) -> bool:
        """Whether an owner may start beside those who speak, and before those who wait."""
        if waits and time.monotonic() < self._full_until:
            return False
        if self._lock.held_by(key) or key in self._renewing:
            return True
        if (first := self.line.first()) is not None and first != key:
            return False
        taken = len(self.places.keys() | self._renewing)
        if not self._full(taken):
            return True
        # Who can wait in line leaves somebody who is away for a moment its stream.
        patience = _AWAY_SECONDS if waits else 0.0
        away = [key for key, place in self.places.items() if place.owner.away_for() > patience]
        if not away or self._full(taken - len(away)):
            return False
        # Somebody present goes before somebody who may never come back.
        logger.info("a stream whose speaker is away ends: somebody else wants to speak")
        await self.stop(away[0])
        return True

    def _full(self, running: int) -> bool:
        most = self._settings.max_speakers
        if most == "auto":
            return running > 0 and (self._late() or not self._has_room(running))
        return most is not None and running >= most

    def _has_room(self, running: int) -> bool:
        return self.load.allows(running) and all(
            engine_has_room(model, running) for model in self._models()
        )

    def _late(self) -> bool:
        states = (
            place.session.status()
            for place in self.places.values()
            if place.session is not None and place.live
        )
        return any(max(state.lag_ms, state.queued_ms) > LATE_MS for state in states)

    # -- places that are left ---------------------------------------------------------------------

    async def stop(self, key: str, seconds: float | None = None) -> None:
        """Ends an owner's stream with everything that was said translated; bounded in time."""
        place = self.places.get(key)
        if place is None or place.session is None:
            return
        limit = self._settings.stop_seconds if seconds is None else seconds
        try:
            await asyncio.wait_for(place.session.stop(), limit)
        except asyncio.TimeoutError:
            await place.session.abort()

    def free(self, place: Place) -> None:
        """A stream is over."""
        if self.places.get(place.owner.key) is place:
            del self.places[place.owner.key]
            self.changed()

    def holds(self, place: Place) -> bool:
        """Whether a place is still its owner's, who is still there."""
        return self.places.get(place.owner.key) is place and place.owner.present()

    def changed(self) -> None:
        """Somebody came into the line or left it, or a stream ended."""
        self._metrics.waiting.set(len(self.line))
        self._moved.set()
        self._on_change()

    def leave_line(self, key: str) -> None:
        """An owner does not wait for a stream any more, if it did."""
        if self.line.leave(key) is not None:
            self.changed()

    # -- the line ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs for the server's life: calls in whoever is next, tells the others where they are."""
        while True:
            # Load falls without anybody telling: somebody who waits for that asks again.
            patience = _ASK_AGAIN_SECONDS if len(self.line) else None
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._moved.wait(), patience)
            self._moved.clear()
            try:
                if self.line.expire(time.monotonic() - _AWAY_SECONDS):
                    self.changed()
                while await self._call_in():
                    pass
                await self._tell()
            except Exception:
                self._metrics.errors.labels("line").inc()
                logger.exception("the line did not move")

    async def _call_in(self) -> bool:
        """Gives a place to the next in line; `False` if there is none to give or nobody to take."""
        async with self._one_at_a_time:
            holder = self._lock.holder
            key = holder.key if holder and holder.key in self.line else self.line.first()
            turn = None if key is None else self.line.get(key)
            if key is None or turn is None:
                return False
            if not turn.waiter.present() or turn.waiter.away_for() >= 0:
                self.leave_line(key)
                return True
            if await self.locked(key) or not await self._has_place(key, waits=True):
                return False
            if self.line.leave(key) is None:
                return True  # it left while somebody made room
            self.changed()
            place = self._give(turn.waiter, live=True)
        self._tasks.spawn(self._start(turn, place), "starting a stream from the line")
        return True

    async def _start(self, turn: Turn, place: Place) -> None:
        try:
            await turn.start(place)
        except NoPlaceError as error:
            try:
                self.back_in_line(turn.waiter, turn.start)
            except NoPlaceError:  # the line filled up meanwhile
                await turn.waiter.refused(error.message)
        except SeamlessError as error:
            await turn.waiter.refused(error.message)
        except Exception:
            await turn.waiter.refused("The stream could not be started; the server's log says why.")
            raise
        else:
            await turn.waiter.admitted()

    async def _tell(self) -> None:
        """Tells everybody in line whose place changed."""
        now = {key: (number, len(self.line)) for number, key in enumerate(self.line, 1)}
        before, self._told = self._told, now
        for key, (position, waiting) in now.items():
            turn = self.line.get(key)
            if turn is not None and before.get(key) != (position, waiting):
                await turn.waiter.moved(position, waiting)

    async def drain(self) -> None:
        """Nobody starts any more, and those who speak get their last sentence, here or on another
        replica; bounded in time."""
        self.draining = True
        for key in self.line:
            if (turn := self.line.leave(key)) is not None:
                await turn.waiter.refused(_RESTARTS)
        leaving = [self._leave(place) for place in self.places.values()]
        await asyncio.gather(*leaving, return_exceptions=True)

    async def _leave(self, place: Place) -> None:
        """Ends a stream, or waits for a pause in it if another replica goes on with it."""
        seconds = self._settings.flush_seconds
        if not place.owner.goes_on_elsewhere():
            await self.stop(place.owner.key, seconds)
        elif place.session is not None:
            await asyncio.wait_for(place.session.until_pause(), seconds)

    async def close(self) -> None:
        """Ends every stream at once."""
        for key in self.line:
            self.line.leave(key)
        for place in list(self.places.values()):
            if place.session is not None:
                await place.session.abort()
