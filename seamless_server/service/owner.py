"""Who a stream belongs to and who hears of it, as the service knows them.

A door implements these for its wire; the service calls them on the event loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from seamless_server.stream_options import StreamOptions

if TYPE_CHECKING:
    from seamless_server.agents.outputs import Snapshot
    from seamless_server.streaming import Model, Output, Target

EndReason = Literal["stopped", "closed", "error"]

Targets = Mapping[str, "Target"]


class Owner(ABC):
    """Who asked for a stream, and answers for it."""

    @property
    @abstractmethod
    def key(self) -> str:
        """One owner has one stream; asking again replaces it."""

    def present(self) -> bool:
        """Whether it may still have a stream; one that is gone loses its place."""
        return True

    def away_for(self) -> float:
        """Seconds since its connection was lost; negative while it has one."""
        return -1.0

    def goes_on_elsewhere(self) -> bool:
        """Whether another replica can go on with its stream, and its client has the audio."""
        return False

    async def complain(self, message: str, code: str) -> None:  # noqa: B027
        """Something happened to its stream."""


class Waiter(Owner):
    """An owner that can wait in line for a place."""

    async def moved(self, position: int, waiting: int) -> None:
        """Its place in line is another; 1 is next."""

    async def admitted(self) -> None:
        """Its stream runs."""

    async def refused(self, message: str) -> None:
        """Its turn came, and its stream could not be started."""


@dataclass(frozen=True)
class Pause:
    """Where another session can go on with a stream: everything before it has been said."""

    snapshot: Snapshot | None = None
    """Of the stream; None is its beginning."""
    stream_ms: float = 0.0
    source_ms: float = 0.0
    """What came of the stream's audio before it."""
    segment_base: int = 0
    """Number of the stream's first segment."""


class Audience:
    """Who gets what a stream makes.

    `wants_pauses`: `on_pause` is of use, which costs a copy of the stream's state now and then.

    `pack` runs in the thread that computes, so that no conversion for a wire holds
    up the event loop; what they yield reaches `on_output` in order.
    """

    wants_pauses = False

    def pack(self, output: Output) -> Iterator[Any]:
        """What to deliver of an output; by default the output itself."""
        yield output

    async def on_output(self, packed: Any) -> None:
        """Delivers what `pack` made."""

    async def on_pause(self, pause: Pause) -> None:
        """Nothing that was said so far is open, and all of it was delivered."""

    async def on_end(
        self, reason: EndReason, error: BaseException | None, next_segment: int
    ) -> None:
        """The stream is over.

        Args:
            reason: how it ended.
            error: why it failed, if it did.
            next_segment: the first segment number that it did not use.
        """

    async def on_recording(self, name: str, files: list[str]) -> None:
        """A debug recording of the stream is complete."""


@dataclass(frozen=True)
class StreamRequest:
    """What a stream is to be.

    Args:
        rate: of the audio to come, in Hz.
        targets: what to make of it with the model given, asked when the stream starts.
        model: its name; None is the default one, `auto` the one that can do what is wanted.
        target: the language that is wanted most, for that choice.
        speech: speech output is wanted.
        options: what the stream is asked for.
        live: audio comes as it is spoken. Otherwise it comes as fast as it is taken: nothing is
            dropped, no silence is put in, and each step takes one chunk.
        record: keep a debug recording, named after `room`.
        segment_base: number of the first segment, asked when the stream starts.
        resume: where a stream was that goes on with this one.
    """

    rate: int
    targets: Callable[[Model], Targets]
    model: str | None = None
    target: str | None = None
    speech: bool = True
    options: StreamOptions = field(default_factory=StreamOptions)
    live: bool = True
    record: bool = False
    room: str = ""
    segment_base: Callable[[], int] = lambda: 0
    resume: Pause | None = None
