"""Owners, audiences and streams that do what a test tells them, without a model or a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seamless_server.caller import Caller
from seamless_server.service.owner import Audience, EndReason, Waiter
from seamless_server.service.session import SessionStatus
from seamless_server.streaming import Output, Target, TextOutput


def status(lag_ms: float = 0.0, queued_ms: float = 0.0) -> SessionStatus:
    """How a stream does."""
    return SessionStatus("speech", lag_ms, queued_ms, 0, 0.0, None)


@dataclass(eq=False)
class Asker(Waiter):
    """Asks for a stream."""

    name: str
    here: bool = True
    away: float = -1.0
    told: list[tuple[Any, ...]] = field(default_factory=list)
    on_told: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def key(self) -> str:
        return self.name

    def present(self) -> bool:
        return self.here

    def away_for(self) -> float:
        return self.away

    def _tell(self, *what: Any) -> None:
        self.told.append(what)
        self.on_told.set()

    async def complain(self, message: str, code: str) -> None:
        self._tell("complaint", code)

    async def moved(self, position: int, waiting: int) -> None:
        self._tell("moved", position, waiting)

    async def admitted(self) -> None:
        self._tell("admitted")

    async def refused(self, message: str) -> None:
        self._tell("refused", message)

    async def hears(self, kind: str) -> tuple[Any, ...]:
        """Waits until it was told something of that kind."""

        async def wait() -> tuple[Any, ...]:
            while True:
                for what in self.told:
                    if what[0] == kind:
                        return what
                self.on_told.clear()
                await self.on_told.wait()

        return await asyncio.wait_for(wait(), 20)


class Running:
    """A session that runs until it is told to stop, and then takes as long as it is told to."""

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        self.on_end = on_end
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.stopping = asyncio.Event()
        self.stopped = self.aborted = False
        self.doing = status()

    def status(self) -> SessionStatus:
        return self.doing

    async def stop(self) -> None:
        self.stopping.set()
        await self.may_end.wait()
        self.stopped = True
        self.on_end()

    async def abort(self) -> None:
        self.aborted = True
        self.on_end()


def text(words: str, *, segment: int = 0, start: float = 0.0, end: float = 0.0,
         lang: str = "spa", finished: bool = False) -> TextOutput:  # fmt: skip
    """A piece of text."""
    return TextOutput(
        lang=lang, segment_id=segment, start_ms=start, end_ms=end, finished=finished, text=words
    )


class Scripted:
    """A stream: says what it was told to for each push, and remembers what it got."""

    source_lang: str | None = None

    def __init__(self, *says: list[Output] | BaseException) -> None:
        self.says = list(says)
        self.caller = Caller()
        self.heard: list[np.ndarray] = []
        self.log: list[Any] = []
        self.state = "listening"
        self.states: list[str] = []
        self.trace: Any = None
        self.expressive: bool | None = None
        self.source_lang: str | None = None
        self.targets: dict[str, Target] = {}
        self.stats: dict[str, tuple[float, int]] = {}
        self.closed = self.cancelled = False
        self.last: list[Output] | BaseException = []
        self.before_push: Callable[[], None] = lambda: None

    @property
    def audio(self) -> np.ndarray:
        """Everything that it heard."""
        return np.concatenate([np.zeros(0, np.float32), *self.heard])

    def _say(self, what: list[Output] | BaseException) -> Iterator[Output]:
        if isinstance(what, BaseException):
            raise what
        yield from what

    def push(self, samples: np.ndarray) -> Iterator[Output]:
        self.before_push()
        self.heard.append(np.array(samples))
        self.log.append(("push", len(samples)))
        if self.states:
            self.state = self.states.pop(0)
        yield from self._say(self.says.pop(0) if self.says else [])

    def finish(self) -> Iterator[Output]:
        self.log.append("finish")
        yield from self._say(self.last)

    def set_targets(self, targets: Mapping[str, Target], whole: bool = True) -> None:
        self.targets = dict(targets)
        self.log.append(("targets", *targets, *([] if whole else ["from here"])))

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        self.closed = True
        self.log.append("close")


class Heard(Audience):
    """Remembers what reaches it."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []
        self.end: tuple[EndReason, BaseException | None, int] | None = None
        self.fails = 0
        self.recordings: list[tuple[str, list[str]]] = []

    async def on_output(self, packed: Any) -> None:
        if self.fails:
            self.fails -= 1
            raise OSError("the way out is broken")
        self.outputs.append(packed)

    async def on_end(
        self, reason: EndReason, error: BaseException | None, next_segment: int
    ) -> None:
        assert self.end is None
        self.end = (reason, error, next_segment)

    async def on_recording(self, name: str, files: list[str]) -> None:
        self.recordings.append((name, files))
