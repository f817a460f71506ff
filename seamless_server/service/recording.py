"""Records a debug session: what came in, what was heard, what went out, and when.

The session only hands over arrays; one writer thread for all sessions does the rest. Whatever goes
wrong with the disk ends the recording with a warning, never the session.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
import soundfile

from seamless_server.audio.pcm import to_pcm16
from seamless_server.audio.resample import at_rate
from seamless_server.service.debug_store import DebugStore
from seamless_server.service.queue import Audio
from seamless_server.service.timeline import write_timeline
from seamless_server.settings import Settings

if TYPE_CHECKING:
    from seamless_server.streaming import Output

logger = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]

_MAX_PENDING = 32 * 2**20
"""Bytes that may wait for the disk before the recording is given up."""
_CHECK_EVERY = 50
"""Writes between two looks at the free space."""


class Recording:
    """One recording in `folder`.

    Args:
        store: where it belongs, for its limits.
        rate: of the audio as it comes, in Hz.
        heard_rate: of the audio that the stream gets, in Hz.
        writer: runs one write at a time.
        max_minutes: of audio; more is not recorded.
        on_warning: told once, in the writer's thread, when recording has to stop.
    """

    def __init__(
        self,
        store: DebugStore,
        folder: Path,
        *,
        rate: int,
        heard_rate: int,
        writer: Executor,
        max_minutes: float,
        on_warning: Callable[[str], None],
    ) -> None:
        self.folder = folder
        self._store = store
        self._rate = rate
        self._heard_rate = heard_rate
        self._writer = writer
        self._max_seconds = max_minutes * 60
        self._on_warning = on_warning
        self._started = time.monotonic()
        self._pending = 0
        self._lock = threading.Lock()
        self._stopped = False
        self._writes = 0
        self._written = 0
        # Only the writer's thread touches what follows.
        self._files: dict[str, soundfile.SoundFile] = {}
        self._events: list[dict[str, Any]] = []
        self._log: Any = None
        self._segments: dict[int, tuple[float, float]] = {}
        self._outputs: dict[str, int] = {}

    # -- handed over by the session, from any thread ---------------------------------------------

    def incoming(self, pcm: Audio) -> None:
        """Audio as it came."""
        self._submit(pcm.nbytes, lambda: self._append("input.wav", self._rate, pcm))

    def heard(self, samples: Samples) -> None:
        """Audio as the stream got it."""
        self._submit(
            samples.nbytes, lambda: self._append("heard.wav", self._heard_rate, samples.copy())
        )

    def output(self, output: Output) -> None:
        """What the stream gave."""
        at_ms = self._now_ms()
        samples = getattr(output, "samples", None)
        size = 200 if samples is None else samples.nbytes
        self._submit(size, lambda: self._output(output, samples, at_ms))

    def trace(self, event: Mapping[str, Any]) -> None:
        """One step of the agents: READ, WRITE, a segment's start or end."""
        entry = {"at_ms": self._now_ms(), **event}
        self._submit(200, lambda: self._event(entry))

    def note(self, what: str, **fields: Any) -> None:
        """Something that happened to the session."""
        self.trace({"type": what, **fields})

    def finish(self) -> Future[list[str]]:
        """Closes the files and draws the timeline; the future holds the names of the files."""
        return self._writer.submit(self._close)

    # -- bookkeeping ------------------------------------------------------------------------------

    def _now_ms(self) -> float:
        return round((time.monotonic() - self._started) * 1000, 1)

    def _submit(self, size: int, write: Callable[[], None]) -> None:
        if self._stopped:
            return
        with self._lock:
            self._pending += size
            if self._pending > _MAX_PENDING:
                self._give_up("the disk is too slow")
                return

        def run() -> None:
            try:
                if not self._stopped:
                    self._try(write)
                    self._try(lambda: self._check_space(size))
            finally:
                with self._lock:
                    self._pending -= size

        try:
            self._writer.submit(run)
        except RuntimeError:  # the server shuts down
            self._stopped = True

    def _check_space(self, size: int) -> None:
        self._writes += 1
        self._written += size
        if self._written > self._store.max_mb * 1e6:
            self._give_up(f"{self._store.max_mb:g} MB are the most that is kept")
        elif self._writes % _CHECK_EVERY == 0 and not self._store.has_space():
            self._give_up("the disk is full")
        elif time.monotonic() - self._started > self._max_seconds:
            self._give_up(f"{self._max_seconds / 60:g} minutes are the most that is recorded")

    def _give_up(self, reason: str) -> None:
        if not self._stopped:
            self._stopped = True
            logger.warning("debug recording %s stopped: %s", self.folder.name, reason)
            self._on_warning(f"The debug recording stopped: {reason}. The stream goes on.")

    # -- in the writer's thread -------------------------------------------------------------------

    def _append(self, name: str, rate: int, samples: Audio | Samples) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = soundfile.SoundFile(
                self.folder / name, "w", samplerate=rate, channels=1, subtype="PCM_16"
            )
        if rate != file.samplerate:  # the stream speaks with another voice now
            floats = at_rate(samples, rate, file.samplerate)
            samples = np.frombuffer(to_pcm16(floats), dtype="<i2")
        file.write(samples)

    def _event(self, entry: dict[str, Any]) -> None:
        if self._log is None:
            self._log = (self.folder / "events.jsonl").open("wb")
        self._log.write(orjson.dumps(entry, default=_plain, option=_JSON) + b"\n")
        self._events.append(entry)

    def _output(self, output: Any, samples: Samples | None, at_ms: float) -> None:
        segment, start, end = output.segment_id, output.start_ms, output.end_ms
        known = self._segments.get(segment, (start, end))
        self._segments[segment] = (min(known[0], start), max(known[1], end))
        entry: dict[str, Any] = {
            "type": "text" if samples is None else "speech",
            "at_ms": at_ms,
            "lang": output.lang,
            "segment": segment,
            "start_ms": round(start, 1),
            "end_ms": round(end, 1),
            "finished": output.finished,
        }
        if samples is None:
            entry["text"] = output.text
            if not output.understood:
                entry["understood"] = False
        else:
            lang = re.sub(r"\W", "", output.lang)
            number = self._outputs[lang] = self._outputs.get(lang, -1) + 1
            name = f"output_{lang}_{number:04d}.wav"
            if len(samples):
                pcm = np.frombuffer(to_pcm16(samples), dtype="<i2")  # as it is sent
                soundfile.write(self.folder / name, pcm, output.sample_rate, subtype="PCM_16")
                self._append(f"output_{lang}.wav", output.sample_rate, pcm)
                entry["file"] = name
            entry["ms"] = round(len(samples) * 1000 / output.sample_rate, 1)
            entry["units"] = len(output.units)
        self._event(entry)

    def _close(self) -> list[str]:
        for file in self._files.values():
            self._try(file.close)
        self._try(self._cut_segments)
        if self._log is not None:
            self._try(self._log.close)
        self._try(lambda: write_timeline(self.folder, self._events, self._segments))
        self._stopped = True
        try:
            self._store.prune()
            return sorted(path.name for path in self.folder.iterdir())
        except OSError:
            return []

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except (OSError, RuntimeError) as error:  # soundfile raises RuntimeError's children
            self._give_up(disk_reason(error))

    def _cut_segments(self) -> None:
        """Each segment that the voice detection made, cut out of what was heard."""
        for event in self._events:
            if event.get("type") == "segment" and "start_ms" in event and "end_ms" in event:
                self._segments[int(event["segment"])] = (event["start_ms"], event["end_ms"])
        heard = self.folder / "heard.wav"
        if not heard.is_file():
            return
        with soundfile.SoundFile(heard) as file:
            for segment, (start_ms, end_ms) in sorted(self._segments.items()):
                first = int(start_ms * file.samplerate / 1000)
                count = int((end_ms - start_ms) * file.samplerate / 1000)
                if count > 0 and first < file.frames:
                    file.seek(first)
                    soundfile.write(
                        self.folder / f"segment_{segment:04d}.wav",
                        file.read(count, dtype="int16"),
                        file.samplerate,
                        subtype="PCM_16",
                    )


def disk_reason(error: Exception) -> str:
    """Why the disk failed, without the paths of this machine."""
    logger.warning("a debug recording failed: %s", error)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "its files cannot be written"


_JSON = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.generic) else str(value)


class Recorder:
    """Makes the recordings of all sessions; one thread writes them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self.store = DebugStore(
            settings.debug_dir,
            max_mb=settings.debug_max_mb,
            max_days=settings.debug_max_days,
            min_free_mb=settings.debug_min_free_mb,
        )

    def allows(self, *, local: bool) -> bool:
        """Whether a stream may be recorded; `local`: it comes from this very machine."""
        allow = self._settings.allow_debug
        return allow == "yes" or (allow == "auto" and local)

    async def open(
        self, room: str, rate: int, heard_rate: int, on_warning: Callable[[str], None]
    ) -> Recording | None:
        """A recording named after `room`; None, with a warning, if the disk does not allow it.

        Args:
            rate: of the audio as it comes, in Hz.
            heard_rate: of the audio that the stream gets, in Hz.
            on_warning: told on the event loop when recording is not possible any more.
        """
        loop = asyncio.get_running_loop()
        try:
            folder = await loop.run_in_executor(self._writer, self.store.create, room)
        except OSError as error:
            on_warning(
                f"There will be no debug recording: {disk_reason(error)}. The stream goes on."
            )
            return None
        return Recording(
            self.store,
            folder,
            rate=rate,
            heard_rate=heard_rate,
            writer=self._writer,
            max_minutes=self._settings.debug_max_minutes,
            on_warning=lambda message: _soon(loop, on_warning, message),
        )

    async def prune(self) -> None:
        """Removes what is too old or too much."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self.store.prune)

    def close(self) -> None:
        """Writes what is left."""
        self._writer.shutdown(wait=True)


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[str], None], message: str) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, message)
