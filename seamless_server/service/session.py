"""One speaker's stream: takes audio as it comes, gives translation as it is made.

One worker task advances a session in order; computing runs in a thread pool, so the event loop
only ever moves messages. All methods belong to the event loop's thread unless they say otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from seamless_server.audio.resample import StreamResampler
from seamless_server.metrics import Metrics
from seamless_server.service.load import Load, Pace
from seamless_server.service.outputs import SpeechEvent, TextEvent
from seamless_server.service.packing import OutputPacker
from seamless_server.service.positions import Positions
from seamless_server.service.queue import AudioQueue, Pcm
from seamless_server.service.recording import Recording
from seamless_server.service.system import (
    Samples,
    SpeechOut,
    Stream,
    TextOut,
    Wanted,
)

logger = logging.getLogger(__name__)

EndReason = Literal["stopped", "closed", "error"]


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How a session behaves under load; see the settings of the same names."""

    chunk_ms: int = 320
    join_limit_ms: int = 2_560
    queue_seconds: float = 60.0
    idle_ms: int = 1_500


@dataclass(frozen=True, slots=True)
class Status:
    """What the speaker is told about its stream."""

    state: Literal["listening", "speech", "flushing"]
    lag_ms: float
    """How long the newest audio that was taken had waited when its step ended."""
    queued_ms: float
    coalesced: int
    """Chunks that were joined to others because the server did not keep up."""
    dropped_ms: float
    real_time_factor: float | None
    """Seconds that the last seconds of audio took, per second; `None` before any audio."""


class Audience(Protocol):
    """Who receives what a session makes. Called in order, on the event loop."""

    async def on_output(self, event: TextEvent | SpeechEvent) -> None: ...

    async def on_end(self, reason: EndReason, error: BaseException | None) -> None: ...


class _Done:
    """Marks the end of one step's outputs."""


class Session:
    """A running stream.

    Args:
        stream: the translation; owned by the session from now on.
        sample_rate: of the stream, in Hz.
        rate: of the audio to come, in Hz.
        pool: where steps are computed.
        audience: who is told.
        load: measures what all sessions cost together.
        buffer_limit: output to gather before it is sent: seconds of speech, phonemes of text.
        recording: where a debug session is recorded.
    """

    def __init__(
        self,
        *,
        stream: Stream,
        sample_rate: int,
        rate: int,
        pool: Executor,
        audience: Audience,
        metrics: Metrics,
        limits: SessionLimits,
        main: str,
        segment_base: int = 0,
        load: Load | None = None,
        buffer_limit: float = 0.0,
        recording: Recording | None = None,
    ) -> None:
        self.rate = rate
        self.main = main
        self.recording = recording
        self._stream = stream
        self._sample_rate = sample_rate
        self._pool = pool
        self._audience = audience
        self._metrics = metrics
        self._limits = limits
        self._load = load or Load()
        self._pace = Pace()
        self._queue = AudioQueue(rate, limits.queue_seconds)
        self._positions = Positions()
        self._resampler = StreamResampler(rate, sample_rate)
        self.packer = OutputPacker(self._positions, main, segment_base, buffer_limit)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._outputs: asyncio.Queue[TextEvent | SpeechEvent | _Done] = asyncio.Queue()
        self._retarget: tuple[Mapping[str, Wanted], str] | None = None
        self._stopping = False
        self._aborted = False
        self._muted = False
        self._speaking = False
        self._lag_ms = 0.0
        self._coalesced = 0
        self._dropped_ms = 0.0
        self._stages: dict[str, tuple[float, int]] = {}
        self._task = asyncio.create_task(self._run(), name="session")

    # -- what the owner calls -------------------------------------------------------------------

    def feed(self, pcm: Pcm) -> float:
        """Takes mono 16-bit audio; returns the audio that was dropped for it, in ms."""
        if self._stopping:
            return 0.0
        ms = len(pcm) * 1000 / self.rate
        # The original's muted clients send one zero sample a message to keep output coming.
        self._muted = len(pcm) == 1
        if not self._muted:
            self._positions.received(ms, time.monotonic())
            if self.recording is not None:
                self.recording.incoming(pcm)
            dropped_ms = self._queue.put(pcm) * 1000 / self.rate
            self._dropped_ms += dropped_ms
            self._metrics.audio_in.inc(ms / 1000)
            self._metrics.queued.inc((ms - dropped_ms) / 1000)
            self._metrics.dropped_audio.inc(dropped_ms / 1000)
        else:
            dropped_ms = 0.0
        self._wake.set()
        return dropped_ms

    def set_targets(self, targets: Mapping[str, Wanted], main: str) -> None:
        """What is wanted from the next step on; `main` is the speaker's own choice."""
        self._retarget = (dict(targets), main)
        self.main = main

    @property
    def queued_ms(self) -> float:
        """Audio that waits."""
        return self._queue.waiting_ms

    @property
    def received_ms(self) -> float:
        """Audio that arrived so far."""
        return self._positions.received_ms

    def status(self) -> Status:
        """How the stream is doing."""
        return Status(
            state="flushing" if self._stopping else "speech" if self._speaking else "listening",
            lag_ms=self._lag_ms,
            queued_ms=self._queue.waiting_ms,
            coalesced=self._coalesced,
            dropped_ms=self._dropped_ms,
            real_time_factor=self._pace.factor,
        )

    @property
    def next_segment(self) -> int:
        """The first segment number that this session did not use."""
        return self.packer.next_segment

    async def stop(self) -> None:
        """Translates what was said, then ends; returns when all of it was delivered."""
        self._stopping = True
        self._wake.set()
        await asyncio.shield(self._ended())

    async def abort(self) -> None:
        """Ends without translating what waits."""
        self._aborted = self._stopping = True
        # What is being computed for nobody gives its place in the engine up at once.
        self._stream.cancel()
        self._wake.set()
        await asyncio.shield(self._ended())

    async def _ended(self) -> None:
        await asyncio.wait([self._task])

    # -- the worker -----------------------------------------------------------------------------

    async def _run(self) -> None:
        reason: EndReason = "stopped"
        failure: BaseException | None = None
        try:
            while (step := await self._next_step()) is not None:
                await self._compute(step)
            if not self._aborted:
                await self._compute(self._finish)
        except Exception as error:
            reason, failure = "error", error
            logger.exception("a stream failed")
        if self._aborted and failure is None:
            reason = "closed"
        self._stopping = True
        self._metrics.queued.dec(self._queue.waiting_ms / 1000)
        self._queue.clear()
        self._resampler.close()
        try:
            await self._loop.run_in_executor(self._pool, self._stream.close)
        except Exception:
            logger.exception("a stream could not be closed")
        await self._audience.on_end(reason, failure)

    async def _next_step(self) -> Callable[[], Iterator[TextOut | SpeechOut]] | None:
        """Waits until there is something to compute; `None` ends the stream."""
        chunk = self._limits.chunk_ms * self.rate // 1000
        limit = max(chunk, self._limits.join_limit_ms * self.rate // 1000 // chunk * chunk)
        patience = self._limits.chunk_ms if self._muted else self._limits.idle_ms
        deadline = self._loop.time() + patience / 1000
        while True:
            if self._aborted:
                return None
            waiting = self._queue.samples
            if waiting >= chunk:
                self._metrics.batch.observe(chunks := min(waiting, limit) // chunk)
                self._coalesced += chunks - 1
                return self._audio_step(chunks * chunk)
            if self._stopping:
                return self._audio_step(waiting) if waiting else None
            if self._muted:
                deadline = min(deadline, self._loop.time() + self._limits.chunk_ms / 1000)
            idle = self._loop.time() >= deadline
            if idle and waiting:
                return self._audio_step(waiting)
            if idle and self._stream.state == "speech":
                return self._silence_step
            self._wake.clear()
            pending = bool(waiting) or self._stream.state == "speech"
            timeout = max(0.001, deadline - self._loop.time()) if pending else None
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except asyncio.TimeoutError:
                continue

    def _audio_step(self, count: int) -> Callable[[], Iterator[TextOut | SpeechOut]]:
        waiting = self._queue.take(count)
        ms = len(waiting.pcm) * 1000 / self.rate
        self._metrics.queued.dec(ms / 1000)
        if waiting.skipped:
            self._positions.skipped(waiting.skipped * 1000 / self.rate)
        self._positions.pushed(ms)
        arrived = self._positions.arrival(self._positions.source_ms)

        def step() -> Iterator[TextOut | SpeechOut]:
            started = time.perf_counter()
            with self._load.step(ms / 1000, speech=self._speaking):
                yield from self._push(waiting.pcm.astype(np.float32) / np.float32(32768.0))
            took = time.perf_counter() - started
            if ms > 0:
                self._pace.add(took, ms / 1000)
                self._metrics.real_time_factor.observe(took * 1000 / ms)
            if arrived is not None:
                lag = time.monotonic() - arrived
                self._lag_ms = lag * 1000
                self._metrics.lag.observe(lag)

        return step

    def _silence_step(self) -> Iterator[TextOut | SpeechOut]:
        """The microphone is muted or the network stalls: let the open sentence end."""
        count = self._limits.chunk_ms * self.rate // 1000
        self._positions.silence(count * 1000 / self.rate)
        yield from self._push(np.zeros(count, np.float32))

    async def _compute(self, step: Callable[[], Iterator[TextOut | SpeechOut]]) -> None:
        future = self._loop.run_in_executor(self._pool, self._in_thread, step)
        while not isinstance(event := await self._outputs.get(), _Done):
            try:
                await self._audience.on_output(event)
            except Exception:
                # The way out is broken, not the stream: later outputs may get through again.
                self._metrics.errors.labels("delivery").inc()
                logger.exception("an output could not be delivered")
        await future

    # -- in a thread of the pool ----------------------------------------------------------------

    def _in_thread(self, step: Callable[[], Iterator[TextOut | SpeechOut]]) -> None:
        """Computes one step; every output leaves at once."""
        try:
            self._apply_targets()
            for output in step():
                if self.recording is not None:
                    self.recording.output(output)
                for event in self.packer.pack(output):
                    self._loop.call_soon_threadsafe(self._outputs.put_nowait, event)
                if self._aborted:
                    break
            for event in self.packer.switched():
                self._loop.call_soon_threadsafe(self._outputs.put_nowait, event)
            self._speaking = self._stream.state == "speech"
            self._count_stages()
        finally:
            self._loop.call_soon_threadsafe(self._outputs.put_nowait, _Done())

    def _apply_targets(self) -> None:
        retarget, self._retarget = self._retarget, None
        if retarget is not None:
            targets, main = retarget
            self._stream.set_targets(targets)
            self.packer.set_main(main)

    def _push(self, audio: Samples) -> Iterator[TextOut | SpeechOut]:
        samples = self._resampler.process(audio)
        if self.recording is not None:
            self.recording.heard(samples)
        yield from self._stream.push(samples)

    def _finish(self) -> Iterator[TextOut | SpeechOut]:
        rest = self._resampler.process(np.zeros(0, np.float32), last=True)
        if len(rest):
            yield from self._stream.push(rest)
        yield from self._stream.finish()

    def _count_stages(self) -> None:
        for stage, (seconds, calls) in self._stream.stats.items():
            before_seconds, before_calls = self._stages.get(stage, (0.0, 0))
            self._metrics.stage_seconds.labels(stage).inc(max(0.0, seconds - before_seconds))
            self._metrics.stage_calls.labels(stage).inc(max(0, calls - before_calls))
            self._stages[stage] = (seconds, calls)
