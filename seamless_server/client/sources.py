"""Where a client's audio comes from: a file, a pipe, a microphone, an array, or what yields it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from seamless_server.audio.arrays import ArrayLike, as_frames
from seamless_server.audio.decoding import Raw
from seamless_server.audio.mixing import Mixer
from seamless_server.audio.reader import SAMPLE_RATE, AudioSource, check_rate, open_audio
from seamless_server.audio.resample import StreamResampler
from seamless_server.errors import DependencyError, UsageError

Pcm: TypeAlias = npt.NDArray[np.int16]
Source: TypeAlias = AudioSource

_WAITING = 16
"""Chunks that are read ahead."""


@dataclass
class Opened:
    """A source that can be sent."""

    chunks: AsyncIterator[Pcm]
    """Mono, at 16 kHz, 16 bits."""
    notices: list[str] = field(default_factory=list)
    """What is odd with the sound; complete when the chunks have ended."""


def sound_library() -> Any:
    """What opens microphones.

    Raises:
        DependencyError: it is not there.
    """
    try:
        import sounddevice
    except (ImportError, OSError):  # the package, or PortAudio below it
        raise DependencyError("sounddevice", "the microphone", "pip install sounddevice") from None
    return sounddevice


@asynccontextmanager
async def open_source(
    source: Source | AsyncIterable[ArrayLike],
    rate: int | None,
    chunk_ms: int,
    *,
    channel: str | int = "auto",
    raw: Raw | None = None,
) -> AsyncIterator[Opened]:
    """Chunks of mono 16-bit audio at 16 kHz of about `chunk_ms`, whatever the source's rate.

    Raises:
        AudioError: the file cannot be read.
        UsageError: `rate` is needed and missing, or an array cannot be meant as sound.
        DependencyError: the microphone needs a package.
    """
    if isinstance(source, str) and source == "mic":
        async with _microphone(chunk_ms) as chunks:
            yield Opened(chunks)
    elif hasattr(source, "__aiter__"):
        yield Opened(
            _of_iterable(cast("AsyncIterable[ArrayLike]", source), check_rate(rate), channel)
        )
    else:
        reading = _Reading(source, rate, chunk_ms, channel, raw)
        try:
            yield await reading.opened()
        finally:
            reading.stop()


def _to_pcm(samples: npt.NDArray[np.float32]) -> Pcm:
    # As integers are read, so that what was 16 bits is so again, bit by bit.
    pcm: Pcm = np.clip((samples * 32768).round(), -32768, 32767).astype(np.int16)
    return pcm


async def _of_iterable(
    source: AsyncIterable[ArrayLike], rate: int, channel: str | int
) -> AsyncIterator[Pcm]:
    mixer, resampler = Mixer(rate, channel), StreamResampler(rate, SAMPLE_RATE)
    channels = 1
    async for chunk in source:
        frames = as_frames(chunk)
        channels = frames.shape[1]
        yield _to_pcm(resampler.process(mixer.process(frames)))
    rest = mixer.process(np.zeros((0, channels), np.float32), last=True)
    yield _to_pcm(resampler.process(rest, last=True))


class _Reading:
    """Reads a source in a thread of its own, which may wait for a pipe as long as it likes."""

    def __init__(
        self,
        source: Source,
        rate: int | None,
        chunk_ms: int,
        channel: str | int,
        raw: Raw | None,
    ) -> None:
        self._options: dict[str, Any] = {"array_rate": rate, "channel": channel, "raw": raw}
        self._source = source
        self._size = SAMPLE_RATE * chunk_ms // 1000
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Pcm | BaseException | None] = asyncio.Queue()
        self._room = threading.Semaphore(_WAITING)
        self._stopped = False
        self._notices: list[str] = []
        # A daemon, since nothing but its writer can end the wait for a pipe.
        threading.Thread(target=self._run, daemon=True).start()

    def _put(self, item: Pcm | BaseException | None) -> None:
        if not self._stopped:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    def _run(self) -> None:
        try:
            with open_audio(self._source, rate=SAMPLE_RATE, **self._options) as sound:
                self._put(None)
                for block in sound.blocks(self._size):
                    self._room.acquire()
                    if self._stopped:
                        return
                    self._put(_to_pcm(block))
                self._notices += sound.notices
            self._put(None)
        except BaseException as error:
            self._put(error)

    async def opened(self) -> Opened:
        error = await self._queue.get()
        if isinstance(error, BaseException):
            raise error
        return Opened(self._chunks(), self._notices)

    async def _chunks(self) -> AsyncIterator[Pcm]:
        while (item := await self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._room.release()
            yield item

    def stop(self) -> None:
        self._stopped = True
        self._room.release()


@asynccontextmanager
async def _microphone(chunk_ms: int) -> AsyncIterator[AsyncIterator[Pcm]]:
    sounddevice = sound_library()
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[Pcm] = asyncio.Queue()

    def callback(data: npt.NDArray[np.int16], *_: Any) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, data[:, 0].copy())

    async def chunks() -> AsyncIterator[Pcm]:
        while not heard.empty():  # what was heard before anybody asked, e.g. while waiting in line
            heard.get_nowait()
        while True:
            yield await heard.get()

    try:
        stream = sounddevice.InputStream(
            samplerate=SAMPLE_RATE,
            channels=1,
            dtype="int16",
            blocksize=SAMPLE_RATE * chunk_ms // 1000,
            callback=callback,
        )
    except sounddevice.PortAudioError as error:
        raise UsageError(f"the microphone cannot be opened: {error}") from None
    with stream:
        yield chunks()
