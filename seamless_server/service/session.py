"""One speaker's stream: takes audio as it comes, gives translation as it is made.

One worker task advances a session in order; computing runs in a thread pool, so the event loop
only ever moves messages. All methods belong to the event loop's thread unless they say otherwise.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from seamless_server import tracing
from seamless_server.audio.level import LevelMeter
from seamless_server.audio.resample import StreamResampler
from seamless_server.metrics import Metrics
from seamless_server.service.chunks import ChunkLength
from seamless_server.service.load import Load, Pace
from seamless_server.service.owner import Audience, EndReason, Pause, Targets
from seamless_server.service.positions import Positions
from seamless_server.service.queue import Audio, AudioQueue
from seamless_server.service.recording import Recording

if TYPE_CHECKING:
    from seamless_server.streaming import Output, Stream

logger = logging.getLogger(__name__)

Samples = npt.NDArray[np.float32]
Ended = Callable[[EndReason, "BaseException | None"], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How a session takes its audio; see the settings of the same names."""

    chunk_ms: int = 320
    longest_chunk_ms: int = 320
    join_limit_ms: int = 2_560
    queue_seconds: float = 60.0
    idle_ms: int | None = 1_500
    """None: audio that does not come yet is waited for, however long."""


@dataclass(frozen=True, slots=True)
class SessionStatus:
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
    level: str | None = None
    """What is wrong with how loud the audio is, if anything."""
    source_lang: str | None = None
    """The language spoken, where the model recognises it."""


class _Done:
    """Marks the end of one step's outputs."""


class Session:
    """A running stream.

    Args:
        stream: the translation; owned by the session from now on.
        sample_rate: of the stream, in Hz.
        rate: of the audio to come, in Hz.
        pool: where steps are computed.
        audience: who gets its outputs.
        on_end: told once, when everything was delivered and the stream is closed.
        load: measures what all sessions cost together.
        live: audio comes as it is spoken, so that its waiting is a lag.
        segment_base: number of the first segment.
        resume: where another session was that this one goes on for.
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
        on_end: Ended,
        metrics: Metrics,
        limits: SessionLimits,
        load: Load,
        live: bool = True,
        segment_base: int = 0,
        resume: Pause | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.rate = rate
        self.recording = recording
        self.next_segment = segment_base
        """The first segment number that this session did not use."""
        self._stream = stream
        self._pool = pool
        self._audience = audience
        self._on_end = on_end
        self._live = live
        self._metrics = metrics
        self._limits = limits
        self._load = load
        self._pace = Pace()
        self._chunk = ChunkLength(
            limits.chunk_ms, min(limits.longest_chunk_ms, limits.join_limit_ms)
        )
        self._queue = AudioQueue(rate, limits.queue_seconds)
        self._segment_base = segment_base
        begin = resume or Pause()
        self._positions = Positions(begin.stream_ms, begin.source_ms)
        self._catching_up = resume is not None
        """The open sentence is heard again: with the same steps, for the same words."""
        self._meter = LevelMeter(rate)
        self._resampler = StreamResampler(rate, sample_rate)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._taken = asyncio.Event()
        self._paused = asyncio.Event()
        self._paused.set()
        self._outputs: asyncio.Queue[Any] = asyncio.Queue()
        self._retarget: tuple[Targets, Callable[[], None], bool] | None = None
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

    def feed(self, pcm: Audio) -> float:
        """Takes mono audio, shape (n,), 16-bit integers or floats in [-1, 1], one kind a session.

        Returns the audio that was dropped for it, in ms.
        """
        if self._stopping:
            return 0.0
        ms = len(pcm) * 1000 / self.rate
        # The original's muted clients send one zero sample a message to keep output coming.
        self._muted = len(pcm) == 1
        if not self._muted:
            self._positions.received(ms, time.monotonic())
            scale = np.float32(1 if pcm.dtype.kind == "f" else 1 / 32768)
            self._meter.add(pcm.astype(np.float32) * scale)
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

    async def wants_audio(self) -> None:
        """Returns when little audio waits, for those who can wait; at once when it has ended."""
        while not self._stopping and self._queue.waiting_ms > 2 * self._chunk.ms:
            self._taken.clear()
            await self._taken.wait()

    def set_targets(
        self, targets: Targets, applied: Callable[[], None] = lambda: None, *, whole: bool = True
    ) -> None:
        """What is wanted from the next step on; `applied` is called as that step begins.

        `whole`: a language that comes gets the open sentence from its start.
        """
        self._retarget = (dict(targets), applied, whole)

    def set_expressive(self, wanted: bool | None) -> None:
        """Whether to speak in the speaker's own voice, from the next step on; None leaves it to
        what the stream was opened with."""
        self._stream.expressive = wanted

    @property
    def engine(self) -> str | None:
        """The engine elsewhere that computes it, if one does."""
        return self._stream.caller.where

    @property
    def queued_ms(self) -> float:
        """Audio that waits."""
        return self._queue.waiting_ms

    @property
    def received_ms(self) -> float:
        """Audio that arrived so far."""
        return self._positions.received_ms

    def status(self) -> SessionStatus:
        """How the stream is doing."""
        return SessionStatus(
            state="flushing" if self._stopping else "speech" if self._speaking else "listening",
            lag_ms=self._lag_ms,
            queued_ms=self._queue.waiting_ms,
            coalesced=self._coalesced,
            dropped_ms=self._dropped_ms,
            real_time_factor=self._pace.factor,
            level=self._meter.live_notice(),
            source_lang=self._stream.source_lang,
        )

    async def until_pause(self) -> None:
        """Returns when no sentence is open, or the stream is over."""
        await self._paused.wait()

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
        self._taken.set()
        self._paused.set()
        self._resampler.close()
        try:
            await self._loop.run_in_executor(self._pool, self._stream.close)
        except Exception:
            logger.exception("a stream could not be closed")
        await self._on_end(reason, failure)

    async def _next_step(self) -> Callable[[], Iterator[Output]] | None:
        """Waits until there is something to compute; `None` ends the stream."""
        chunk = self._chunk.ms * self.rate // 1000
        limit = max(chunk, self._limits.join_limit_ms * self.rate // 1000 // chunk * chunk)
        if self._catching_up:
            limit = chunk
        patience = self._limits.chunk_ms if self._muted else self._limits.idle_ms
        deadline = float("inf") if patience is None else self._loop.time() + patience / 1000
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
            wait = max(0.001, deadline - self._loop.time())
            timeout = wait if pending and wait != float("inf") else None
            try:
                await asyncio.wait_for(self._wake.wait(), timeout)
            except asyncio.TimeoutError:
                continue

    def _audio_step(self, count: int) -> Callable[[], Iterator[Output]]:
        waiting = self._queue.take(count)
        self._taken.set()
        ms = len(waiting.pcm) * 1000 / self.rate
        self._metrics.queued.dec(ms / 1000)
        if waiting.skipped:
            self._positions.skipped(waiting.skipped * 1000 / self.rate)
        self._positions.pushed(ms)
        arrived = self._positions.arrival(self._positions.source_ms)

        def step() -> Iterator[Output]:
            started = time.perf_counter()
            with self._load.step(ms / 1000, speech=self._speaking):
                yield from self._push(_as_floats(waiting.pcm))
            took = time.perf_counter() - started
            if self._speaking:
                self._chunk.took(took, ms / 1000)
            if ms > 0:
                self._pace.add(took, ms / 1000)
                self._metrics.real_time_factor.observe(took * 1000 / ms)
            if arrived is not None and self._live:
                lag = time.monotonic() - arrived
                self._lag_ms = lag * 1000
                self._metrics.lag.observe(lag)

        return step

    def _silence_step(self) -> Iterator[Output]:
        """The microphone is muted or the network stalls: let the open sentence end."""
        count = self._limits.chunk_ms * self.rate // 1000
        self._positions.silence(count * 1000 / self.rate)
        yield from self._push(np.zeros(count, np.float32))

    async def _compute(self, step: Callable[[], Iterator[Output]]) -> None:
        waiting_ms = self._queue.waiting_ms
        with tracing.span("chunk", segment=self.next_segment, waiting_ms=waiting_ms) as trace:
            future = self._loop.run_in_executor(self._pool, self._in_thread, step, trace)
            while not isinstance(packed := await self._outputs.get(), _Done):
                try:
                    if isinstance(packed, Pause):
                        self._catching_up = False
                        await self._audience.on_pause(packed)
                    else:
                        with tracing.span("deliver"):
                            await self._audience.on_output(packed)
                except Exception:
                    # The way out is broken, not the stream: later outputs may get through again.
                    self._metrics.errors.labels("delivery").inc()
                    logger.exception("an output could not be delivered")
            await future
        if self._speaking:
            self._paused.clear()
        else:
            self._paused.set()

    # -- in a thread of the pool ----------------------------------------------------------------

    def _in_thread(self, step: Callable[[], Iterator[Output]], trace: str | None) -> None:
        """Computes one step; every output leaves at once."""
        try:
            self._apply_targets()
            with tracing.span("push", trace) as self._stream.caller.trace:
                for output in step():
                    if self.recording is not None:
                        self.recording.output(output)
                    for packed in self._audience.pack(self._located(output)):
                        self._loop.call_soon_threadsafe(self._outputs.put_nowait, packed)
                    if self._aborted:
                        break
            self._speaking = self._stream.state == "speech"
            self._count_stages()
            if self._audience.wants_pauses:
                self._tell_pause()
        finally:
            self._loop.call_soon_threadsafe(self._outputs.put_nowait, _Done())

    def _tell_pause(self) -> None:
        if (snapshot := self._stream.snapshot()) is not None:
            places = (self._positions.stream_ms, self._positions.source_ms)
            pause = Pause(snapshot, *places, self._segment_base)
            self._loop.call_soon_threadsafe(self._outputs.put_nowait, pause)

    def _apply_targets(self) -> None:
        retarget, self._retarget = self._retarget, None
        if retarget is not None:
            targets, applied, whole = retarget
            self._stream.set_targets(targets, whole)
            applied()

    def _located(self, output: Output) -> Output:
        """The output with its segment's number and place among all that the owner said."""
        segment = self._segment_base + output.segment_id
        self.next_segment = max(self.next_segment, segment + 1)
        start_ms = self._positions.to_source(output.start_ms)
        end_ms = max(start_ms, self._positions.to_source(output.end_ms))
        arrived = self._positions.arrival(end_ms)
        latency = 0.0 if arrived is None else max(0.0, time.monotonic() - arrived)
        kind = "speech" if hasattr(output, "samples") else "text"
        self._metrics.outputs.labels(kind).inc()
        if self._live:
            self._metrics.output_latency.labels(kind).observe(latency)
        return replace(
            output,
            segment_id=segment,
            start_ms=round(start_ms, 1),
            end_ms=round(end_ms, 1),
            latency_ms=round(latency * 1000, 1),
        )

    def _push(self, audio: Samples) -> Iterator[Output]:
        samples = self._resampler.process(audio)
        if self.recording is not None:
            self.recording.heard(samples)
        yield from self._stream.push(samples)

    def _finish(self) -> Iterator[Output]:
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


def _as_floats(audio: Audio) -> Samples:
    if audio.dtype == np.int16:
        return audio.astype(np.float32) / np.float32(32768.0)
    return audio.astype(np.float32, copy=False)
