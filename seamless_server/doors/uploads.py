"""A file over HTTP as a stream: what every door for files shares."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seamless_server.audio.reader import SAMPLE_RATE, open_audio
from seamless_server.doors.parts import Parts
from seamless_server.errors import AudioError, SeamlessError
from seamless_server.service.owner import Audience, EndReason, Owner, StreamRequest
from seamless_server.service.service import Service
from seamless_server.service.session import Session
from seamless_server.stream_options import StreamOptions

if TYPE_CHECKING:
    from seamless_server.streaming import ModelInfo, Output, TextOutput

Samples = npt.NDArray[np.float32]

_WAITING = 32
"""Outputs that may wait for a client that reads slowly; then its stream waits too."""


def file_request(
    model: str | None, lang: str, options: StreamOptions, *, rate: int = 0, speech: bool = False
) -> StreamRequest:
    """What a file's stream is to be: its text, and speech if it is wanted, in one language."""

    def targets(_: ModelInfo) -> dict[str, Any]:
        from seamless_server.streaming import Target

        return {lang: Target(text=True, speech=speech)}

    return StreamRequest(rate, targets, model=model, speech=speech, options=options, live=False)


class UploadedSound:
    """An uploaded file of sound: blocks of mono samples.

    Raises:
        SeamlessError: it cannot be read, or says that it is too long.
    """

    rate = SAMPLE_RATE

    def __init__(self, file: IO[bytes], name: str, max_seconds: float) -> None:
        self._max_seconds = max_seconds
        self._ended = False
        try:
            self._reader = open_audio(file, rate=self.rate, name=name)
        except AudioError as error:
            raise _of_the_file(error) from None
        self._bound()

    @property
    def duration_ms(self) -> float:
        """What was decoded, or, before the end, what the file says if that is more."""
        declared = 0.0 if self._ended else self._reader.declared_ms or 0.0
        return round(max(declared, self._reader.duration_ms), 1)

    @property
    def notices(self) -> list[str]:
        """What is odd with the sound; complete at the end."""
        return self._reader.notices

    def _bound(self) -> None:
        seconds = self.duration_ms / 1000
        if seconds > self._max_seconds:
            raise SeamlessError(
                f"file: {seconds:.0f} s are too long; {self._max_seconds:.0f} s are the most.",
                code="too_large",
            )

    def blocks(self) -> Iterator[Samples]:
        """Samples, shape (n,), float32, at `rate`."""
        with self._reader as reader:
            try:
                for block in reader.blocks(self.rate):
                    self._bound()
                    yield block
            except AudioError as error:
                raise _of_the_file(error) from None
            self._ended = True


def _of_the_file(error: AudioError) -> SeamlessError:
    return SeamlessError(f"file: {error.reason}.", code="audio")


@dataclass(slots=True)
class SaidSegment:
    """The text of a segment of the source."""

    segment_id: int
    start_ms: float
    end_ms: float
    text: str = ""


class SaidText:
    """What was made of a file, for answers that come all at once."""

    def __init__(self) -> None:
        self._segments: dict[int, SaidSegment] = {}

    def add(self, output: TextOutput) -> None:
        """A piece of it."""
        new = SaidSegment(output.segment_id, output.start_ms, output.end_ms)
        segment = self._segments.setdefault(output.segment_id, new)
        segment.text += output.text
        segment.end_ms = max(segment.end_ms, output.end_ms)

    @property
    def segments(self) -> list[SaidSegment]:
        """Those in which something was said, without space around it."""
        said = [replace(each, text=each.text.strip()) for each in self._segments.values()]
        return [each for each in said if each.text]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(each.text for each in self.segments)


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How much of the file was taken so far."""

    position_ms: float


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Upload(Owner, Audience):
    """Owns a file's stream, and hands its outputs on."""

    def __init__(self) -> None:
        self._key = f"upload-{uuid.uuid4().hex}"
        self.waiting: asyncio.Queue[Output | UploadProgress | _End] = asyncio.Queue(_WAITING)
        self.read_error: BaseException | None = None
        self.gone = False

    @property
    def key(self) -> str:
        """Its own, so that uploads do not replace each other."""
        return self._key

    async def on_output(self, packed: Output) -> None:
        """Waits while the client is slow."""
        if not self.gone:
            await self.waiting.put(packed)

    async def on_end(
        self, reason: EndReason, error: BaseException | None, next_segment: int
    ) -> None:
        """The stream is over."""
        if not self.gone:
            await self.waiting.put(_End(self.read_error or error))


async def translate_file(
    parts: Parts, sound: UploadedSound, request: StreamRequest
) -> AsyncGenerator[Output | UploadProgress, None]:
    """The outputs of a file's stream as they are made, and how far it is.

    Raises:
        SeamlessError: no place is free, or the file or the stream failed.
    """
    limit = parts.settings.max_translate_jobs
    running = sum(isinstance(x.owner, Upload) for x in parts.service.admission.places.values())
    if running >= limit:
        raise SeamlessError("The server is busy with other files; try again soon.", code="busy")
    upload = Upload()
    session = await _open(parts.service, upload, request)
    feeding = asyncio.create_task(_feed(upload, session, sound), name="reading an upload")
    try:
        while not isinstance(event := await upload.waiting.get(), _End):
            yield event
        if isinstance(event.error, SeamlessError):
            raise event.error
        if event.error is not None:  # the session has logged it
            raise SeamlessError("The translation of the file failed.", code="stream_failed")
        yield UploadProgress(session.received_ms)
    finally:
        upload.gone = True
        while not upload.waiting.empty():  # an output may wait to be taken
            upload.waiting.get_nowait()
        feeding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await feeding
        await session.abort()


async def _open(service: Service, upload: Upload, request: StreamRequest) -> Session:
    session = await service.open(upload, request, upload)
    assert session is not None  # an upload does not wait in line
    return session


async def _feed(upload: Upload, session: Session, sound: UploadedSound) -> None:
    """Gives the session the file, as fast as it is taken."""
    loop = asyncio.get_running_loop()
    blocks = sound.blocks()
    try:
        while (block := await loop.run_in_executor(None, next, blocks, None)) is not None:
            session.feed(block)
            await session.wants_audio()
            await upload.waiting.put(UploadProgress(session.received_ms - session.queued_ms))
        await session.stop()
    except SeamlessError as error:
        upload.read_error = error
        await session.abort()
