"""What a client of the live server gets; see docs/protocol.md for the fields' meaning."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from seamless_server.audio.opus import OpusDecoder

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Translation:
    """What text and speech have in common."""

    speaker_id: str
    lang: str
    segment_id: int
    seq: int
    start_ms: float
    end_ms: float
    latency_ms: float
    finished: bool
    received_at: float
    """Monotonic seconds."""


@dataclass(frozen=True, slots=True)
class Text(Translation):
    """A piece of text; begins with a space where a word begins."""

    text: str
    confidence: float | None = None
    """From 0 to 1: how sure the server's decoder is of the sentence up to here."""


@dataclass(frozen=True, slots=True)
class Speech(Translation):
    """A piece of speech."""

    samples: Pcm
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Status:
    """How one's own stream is doing."""

    state: str
    lag_ms: float
    queued_ms: float
    coalesced: int
    dropped_ms: float
    warning: str | None
    real_time_factor: float | None
    """Seconds that the server takes for a second of audio; `None` before any."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the server says to this client."""

    message: str
    code: str


@dataclass(frozen=True, slots=True)
class RecordingSaved:
    """A debug recording is there."""

    name: str
    files: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """The room's transcript was cleared."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """All streams of the server are in use; this one starts by itself when it is its turn."""

    position: int
    """1 is next."""
    waiting: int
    """How many wait in all."""


Event: TypeAlias = Text | Speech | Status | Notice | RecordingSaved | Cleared | Waiting


def text_of(data: dict[str, Any]) -> Text:
    """The event of a `translation_text`."""
    return Text(*_common(data), text=data["payload"], confidence=data.get("confidence"))


class SpeechReader:
    """Reads `translation_speech`, in order; pieces of Opus need what came before them."""

    def __init__(self) -> None:
        self._decoders: dict[tuple[str, str], OpusDecoder] = {}

    def read(self, data: dict[str, Any]) -> Speech:
        """The event.

        Raises:
            ValueError: it cannot be decoded.
        """
        if data.get("encoding") == "opus":
            samples = self._decoded(data)
        else:
            samples = np.frombuffer(data["payload"], "<i2")
        return Speech(*_common(data), samples=samples, sample_rate=data["sample_rate"])

    def _decoded(self, data: dict[str, Any]) -> Pcm:
        voice, skip = (data["speakerID"], data["lang"]), data["preSkip"]
        if skip is not None or voice not in self._decoders:
            self._decoders[voice] = OpusDecoder(data["sample_rate"])
        samples = self._decoders[voice].decode(data["payload"])[skip or 0 :]
        return samples[: data["samples"]]


def status_of(data: dict[str, Any]) -> Status:
    """The event of a `stream_status`."""
    return Status(
        state=data["state"],
        lag_ms=data["lagMs"],
        queued_ms=data["queuedMs"],
        coalesced=data["coalesced"],
        dropped_ms=data.get("droppedMs", 0.0),
        warning=data.get("warning"),
        real_time_factor=data.get("realTimeFactor"),
    )


def _common(data: dict[str, Any]) -> tuple[str, str, int, int, float, float, float, bool, float]:
    return (
        data["speakerID"],
        data["lang"],
        data["segmentID"],
        data["seq"],
        data["startMs"],
        data["endMs"],
        data["latencyMs"],
        data["eos"],
        time.monotonic(),
    )
