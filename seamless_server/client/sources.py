"""Where a client's audio comes from: a file, a microphone, an array, or anything that yields it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from seamless_server.errors import AudioError, DependencyError, UsageError

Pcm: TypeAlias = npt.NDArray[np.int16]
Source: TypeAlias = str | Path | npt.NDArray[Any]

_MIC_RATE = 16_000


@asynccontextmanager
async def open_source(
    source: Source | AsyncIterable[Pcm], rate: int | None, chunk_ms: int
) -> AsyncIterator[tuple[AsyncIterator[Pcm], int]]:
    """Chunks of mono 16-bit audio of about `chunk_ms`, and their rate in Hz.

    Raises:
        AudioError: the file cannot be read.
        UsageError: `rate` is needed and missing.
        DependencyError: the microphone needs a package.
    """
    if isinstance(source, (str, Path)) and str(source) == "mic":
        async with _microphone(chunk_ms) as chunks:
            yield chunks, _MIC_RATE
    elif isinstance(source, (str, Path)):
        path = Path(source)
        if not await asyncio.to_thread(path.is_file):
            raise AudioError(path, "there is no such file")
        try:
            file = soundfile.SoundFile(path)
        except soundfile.LibsndfileError:
            raise AudioError(path, "this is no sound file that can be read") from None
        with file:
            yield _of_file(file, chunk_ms), file.samplerate
    elif rate is None:
        raise UsageError("rate: say how many samples a second there are")
    elif isinstance(source, np.ndarray):
        yield _of_array(_to_pcm(source), rate * chunk_ms // 1000), rate
    else:
        yield _of_iterable(source), rate


def _to_pcm(samples: npt.NDArray[Any]) -> Pcm:
    if samples.dtype == np.int16:
        return samples
    pcm: Pcm = (np.clip(samples, -1.0, 1.0) * 32767).round().astype(np.int16)
    return pcm


async def _of_array(pcm: Pcm, size: int) -> AsyncIterator[Pcm]:
    for start in range(0, len(pcm), size):
        yield pcm[start : start + size]


async def _of_iterable(source: AsyncIterable[Pcm]) -> AsyncIterator[Pcm]:
    async for chunk in source:
        yield _to_pcm(chunk)


async def _of_file(file: soundfile.SoundFile, chunk_ms: int) -> AsyncIterator[Pcm]:
    size = max(1, file.samplerate * chunk_ms // 1000)
    while len(block := await asyncio.to_thread(file.read, size, "float32", True)):
        yield _to_pcm(block.mean(axis=1))


@asynccontextmanager
async def _microphone(chunk_ms: int) -> AsyncIterator[AsyncIterator[Pcm]]:
    try:
        import sounddevice
    except (ImportError, OSError):  # the package, or PortAudio below it
        raise DependencyError("sounddevice", "the microphone", "pip install sounddevice") from None
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
            samplerate=_MIC_RATE,
            channels=1,
            dtype="int16",
            blocksize=_MIC_RATE * chunk_ms // 1000,
            callback=callback,
        )
    except sounddevice.PortAudioError as error:
        raise UsageError(f"the microphone cannot be opened: {error}") from None
    with stream:
        yield chunks()
