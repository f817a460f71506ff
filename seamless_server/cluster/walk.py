"""A stream that another process computes, and that outlives the engine that has it.

When the engine is lost, another one goes on from the last pause: it gets what was pushed since then
once more, and of what it says only that goes out which had not gone out before.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seamless_server.agents.outputs import Decision, Output, Samples, Snapshot, Target, Trace
from seamless_server.caller import Caller, Cancelled
from seamless_server.cluster.kept import Kept, Push
from seamless_server.cluster.link import Call, Link, Lost, NoEngine
from seamless_server.cluster.wire import PROTOCOL, pack_targets, unpack
from seamless_server.errors import NoPlaceError, SeamlessError

logger = logging.getLogger(__name__)

_MOVE_SECONDS = 30.0
"""How long a stream whose engine is lost looks for another one."""
_LOOK_AGAIN_SECONDS = 0.25
_MOST_LOSSES = 3
"""A stream that loses so many engines between two pauses is what breaks them."""

Moved = Callable[[str, float], None]
"""Told why a stream moved (`lost`, `leaving`) and how long it stood still, in seconds."""


class RemoteCaller(Caller):
    """Tells what the engines counted, and ends the stream there."""

    def __init__(self) -> None:
        super().__init__()
        self.on_cancel: Callable[[], None] = lambda: None
        self._before: dict[str, tuple[float, int]] = {}
        self._now: dict[str, tuple[float, int]] = {}

    @property
    def stats(self) -> dict[str, tuple[float, int]]:
        """Seconds and calls by stage."""
        total = dict(self._before)
        for stage, (seconds, calls) in self._now.items():
            before, count = total.get(stage, (0.0, 0))
            total[stage] = before + seconds, count + calls
        return total

    def counted(self, stats: dict[str, tuple[float, int]]) -> None:
        """What the engine counted so far."""
        self._now = stats

    def another_engine(self) -> None:
        """Counting begins anew there."""
        self._before, self._now = self.stats, {}

    def cancel(self) -> None:
        """End what is computed; everything after it is refused. From any thread."""
        super().cancel()
        self.on_cancel()


class RemoteWalk:
    """See the module.

    Args:
        options: of the stream, by name.
        caller: cancelled when nobody wants the stream any more.
        moved: told of every change of the engine.
        sample_rate: of the audio, in Hz.

    Raises:
        NoPlaceError: no engine has a place.
        NoEngine: none answers.
    """

    expressive: bool | None = None
    source_lang: str | None = None
    trace: Trace | None = None

    def __init__(
        self,
        link: Link,
        model: str,
        targets: Mapping[str, Target],
        options: dict[str, Any],
        vad: bool,
        caller: RemoteCaller,
        moved: Moved,
        sample_rate: int,
        resume: Snapshot | None = None,
    ) -> None:
        self._link, self._model, self._options, self._vad = link, model, options, vad
        self._caller, self._moved = caller, moved
        self._key = uuid.uuid4().hex
        self._kept = Kept(dict(targets), sample_rate, resume)
        self._new_targets: dict[str, Target] | None = None
        self._whole = True
        self._state = "listening"
        self._losses = 0
        self._number = 0
        self._sequence = 0
        self.epoch = -1
        """Counts the engines that had the stream."""
        self._call: Call | None = self._open()
        caller.on_cancel = self._end

    @property
    def state(self) -> str:
        """``speech`` while a segment is open, else ``listening``."""
        return self._state

    @property
    def targets(self) -> dict[str, Target]:
        """The languages wanted."""
        return dict(self._new_targets or self._kept.targets_now)

    def set_targets(self, targets: Mapping[str, Target], whole: bool = True) -> None:
        """Change the languages from the next push on: see ``Stream.set_targets``."""
        self._new_targets, self._whole = dict(targets), whole

    def snapshot(self) -> Snapshot | None:
        """None while something was pushed since the last pause."""
        return None if self._kept.open else self._kept.pause

    def push(self, audio: Samples, last: bool = False) -> Iterator[Output]:
        """Have one push computed, by another engine if that which has the stream is lost."""
        if self._call is not None and self._call.leaving and not self._kept.open:
            self._leave()
            self._find_engine("leaving", time.monotonic())
        targets, self._new_targets = self._new_targets, None
        push = Push(audio, last, targets, self._whole, self.expressive)
        if self._kept.push(push):
            self._losses = 0
        todo = [push]
        while todo:
            began = time.monotonic()
            try:
                assert self._call is not None
                yield from self._compute(self._call, todo[0])
                todo.pop(0)
            except Lost as loss:
                self._leave()
                self._lost(loss)
                self._find_engine("lost", began)
                yield from self._kept.cut()
                todo = self._kept.replay()
        if last:
            self._end()

    def _lost(self, loss: Lost) -> None:
        if self._caller.cancelled:
            raise Cancelled
        self._losses += 1
        logger.warning("a stream lost its engine: %s", loss)
        if self._losses > _MOST_LOSSES:
            raise SeamlessError(
                "The translation of your stream failed on several engines. Start it again to "
                "go on.",
                code="stream_failed",
            )

    # -- one engine -------------------------------------------------------------------------------

    def _open(self) -> Call:
        self.epoch += 1
        self._number = self._sequence = 0
        call = self._link.open(
            {
                "protocol": PROTOCOL,
                "key": f"{self._key}:{self.epoch}",
                "epoch": self.epoch,
                "model": self._model,
                "targets": pack_targets(self._kept.targets),
                "options": self._options,
                "vad": self._vad,
                "resume": self._kept.pause,
            }
        )
        self._caller.where = call.engine
        return call

    def _compute(self, call: Call, push: Push) -> Iterator[Output]:
        self._number += 1
        call.push(
            {
                "number": self._number,
                "audio": push.audio,
                "last": push.last,
                "targets": None if push.targets is None else pack_targets(push.targets),
                "whole": push.whole,
                "expressive": push.expressive,
                "trace": self.trace is not None,
                "parent": self._caller.trace,
            }
        )
        while True:
            kind, *rest = call.get()
            if kind == "outputs":
                yield from self._outputs(*rest)
            elif kind == "failed":
                code, sentence = rest
                raise SeamlessError(sentence, code=code) if sentence else RuntimeError(code)
            elif kind == "done" and rest[:2] == [self.epoch, self._number]:
                _, _, self._state, self.source_lang, stats, pause = rest
                self._caller.counted(stats)
                if pause is not None:
                    self._kept.paused(pause)
                    self._losses = 0
                return

    def _outputs(self, epoch: int, first: int, packed: list[tuple[Any, ...]]) -> Iterator[Output]:
        if epoch != self.epoch:
            return  # an engine that was given up speaks
        if first != self._sequence:
            raise Lost(f"output {self._sequence} is missing")
        self._sequence += len(packed)
        for item in map(unpack, packed):
            if not isinstance(item, Decision):
                yield from self._kept.new(item)
            elif self.trace is not None:
                self.trace(item)

    # -- from one engine to another ---------------------------------------------------------------

    def _find_engine(self, why: str, since: float) -> None:
        """Another engine has the stream afterwards.

        Raises:
            NoPlaceError, NoEngine: there is none for so long that the stream must end.
            Cancelled: nobody wants it any more.
        """
        deadline = time.monotonic() + _MOVE_SECONDS
        while True:
            if self._caller.cancelled:
                raise Cancelled
            try:
                self._call = self._open()
            except (NoPlaceError, NoEngine):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_AGAIN_SECONDS)
                continue
            self._caller.another_engine()
            logger.info("a stream goes on at engine %s", self._call.engine)
            self._moved(why, time.monotonic() - since)
            return

    def _leave(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.end()

    def _end(self) -> None:
        if (call := self._call) is not None:
            call.end()
