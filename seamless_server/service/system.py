"""What a session needs from the translation system, as protocols.

`seamless_server.streaming` provides it. Sessions name only this much of it, so that they can be
read and tested without knowing networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seamless_server.metrics import EngineStats
from seamless_server.service.load import LIMIT

Samples = npt.NDArray[np.float32]
"""Mono audio, float32 in [-1, 1], shape (n,)."""


class TextOut(Protocol):
    """A piece of translated text."""

    @property
    def lang(self) -> str: ...
    @property
    def text(self) -> str:
        """With its leading space where a new word begins; may be empty when `finished`."""

    @property
    def segment_id(self) -> int: ...
    @property
    def start_ms(self) -> float: ...
    @property
    def end_ms(self) -> float: ...
    @property
    def finished(self) -> bool:
        """Closes the segment's sentence."""


class SpeechOut(Protocol):
    """A piece of translated speech."""

    @property
    def lang(self) -> str: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def units(self) -> list[int]: ...
    @property
    def segment_id(self) -> int: ...
    @property
    def start_ms(self) -> float: ...
    @property
    def end_ms(self) -> float: ...
    @property
    def finished(self) -> bool: ...


class Stream(Protocol):
    """One speaker's audio on its way through the agents. Not for two threads at once."""

    trace: Callable[[dict[str, Any]], None] | None
    """Told of every READ, WRITE and segment, in the thread that computes."""

    @property
    def state(self) -> str:
        """`listening` or `speech`."""

    @property
    def position_ms(self) -> float: ...
    @property
    def stats(self) -> Mapping[str, tuple[float, int]]:
        """Seconds and calls by stage, so far."""

    def push(self, samples: Samples) -> Iterator[TextOut | SpeechOut]:
        """Takes the next audio; yields each output the moment it exists. Blocks."""

    def finish(self) -> Iterator[TextOut | SpeechOut]:
        """Translates what is still open and ends the stream. Blocks."""

    def set_targets(self, targets: Mapping[str, Any]) -> None: ...

    def cancel(self) -> None:
        """Ends it from any thread: what runs and waits for it in the engine is given up."""

    def close(self) -> None: ...


class System(Protocol):
    """A loaded model. Its streams may run in different threads at once."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def sample_rate(self) -> int: ...
    @property
    def source_languages(self) -> tuple[str, ...]: ...
    @property
    def text_languages(self) -> tuple[str, ...]: ...
    @property
    def speech_languages(self) -> tuple[str, ...]: ...

    def open_stream(self, targets: Mapping[str, Any], **options: Any) -> Stream: ...


class Wanted(Protocol):
    """What is wanted of one target language."""

    @property
    def text(self) -> bool: ...
    @property
    def speech(self) -> bool: ...


def engine_stats(system: System) -> EngineStats | None:
    """What the system's engine counts, if it works in batches."""
    stats: Any = getattr(getattr(getattr(system, "agents", None), "engine", None), "stats", None)
    return stats if hasattr(stats, "batches") else None


def engine_has_room(system: System, running: int) -> bool:
    """Whether the system's engine, if it tells, has time and memory beside `running` streams."""
    ask: Any = getattr(getattr(getattr(system, "agents", None), "engine", None), "load", None)
    if not callable(ask):
        return True
    load = ask()
    return bool(load.busy < LIMIT and load.slots > running)


def model_folder(system: System) -> Path | None:
    """The folder of a model, where phrases and sample clips may lie."""
    path = getattr(getattr(getattr(system, "agents", None), "checkpoint", None), "path", None)
    return path if isinstance(path, Path) else None
