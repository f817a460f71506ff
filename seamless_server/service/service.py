"""Opens streams for every door: admission, the model, a recording, the session, its end."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seamless_server.errors import ConfigError, NoPlaceError, SeamlessError
from seamless_server.metrics import Metrics
from seamless_server.service.admission import Admission, Place
from seamless_server.service.owner import Audience, EndReason, Owner, StreamRequest
from seamless_server.service.recording import Recorder, Recording
from seamless_server.service.served_models import AUTO, Models
from seamless_server.service.session import Session, SessionLimits
from seamless_server.service.tasks import Tasks
from seamless_server.settings import Settings

if TYPE_CHECKING:
    from seamless_server.streaming import Model, ModelInfo, Stream


_FILE_CHUNK_MS = 1_280
"""Audio that one step takes of a file, which nobody listens to while it is spoken."""


@dataclass(eq=False)
class Service:
    """The streams of one server. Belongs to the event loop's thread.

    Args:
        pool: where streams compute.
    """

    settings: Settings
    metrics: Metrics
    models: Models
    admission: Admission
    recorder: Recorder
    tasks: Tasks
    pool: ThreadPoolExecutor

    def __post_init__(self) -> None:
        self._saving: set[asyncio.Task[None]] = set()

    async def open(
        self, owner: Owner, request: StreamRequest, audience: Audience, *, waits: bool = False
    ) -> Session | None:
        """Starts a stream; a running one of the same owner ends first.

        Args:
            waits: the owner, a `Waiter`, waits in line if no place is free: then the answer is
                None, and the stream starts when its turn comes.

        Raises:
            Refused: the server is locked.
            NoPlaceError: no place is free.
            SeamlessError: the model cannot do it, or the owner left meanwhile.
        """
        self._model(request)  # what cannot start need not wait

        async def start(place: Place) -> Session:
            return await self._start(place, request, audience)

        place = await self.admission.take(owner, start if waits else None, live=request.live)
        if place is None:
            return None
        try:
            return await start(place)
        except NoPlaceError:
            if not waits:
                raise
            self.admission.back_in_line(owner, start)
            return None

    async def drain(self) -> None:
        """Ends all streams with their last word, and completes their recordings."""
        await self.admission.drain()
        if self._saving:
            await asyncio.wait(self._saving, timeout=self.settings.flush_seconds)

    def session(self, key: str) -> Session | None:
        """The running session of an owner."""
        place = self.admission.places.get(key)
        return None if place is None else place.session

    def _model(self, request: StreamRequest) -> ModelInfo:
        """What the stream is to be made with, as it is described."""
        if request.model == AUTO:
            source, target = request.options.source_lang, request.target
            return self.models.pick(source, target, speech=request.speech)
        model = self.models.choose(request.model)
        if request.speech and not model.speech_languages:
            raise ConfigError("speech", f"{model.name} gives text only")
        return model

    async def _start(self, place: Place, request: StreamRequest, audience: Audience) -> Session:
        """The stream of a place that was given; the place is given back if it does not start."""
        try:
            model = await self.models.acquire(self._model(request).name)
        except BaseException:
            self.admission.free(place)
            raise
        try:
            recording = await self._record(place, request, model)
            stream = await self._open_stream(model, request, recording)

            async def ended(reason: EndReason, error: BaseException | None) -> None:
                self.models.release(model.name)
                await self._ended(place, audience, recording, reason, error)

            place.session = session = Session(
                stream=stream,
                sample_rate=model.sample_rate,
                rate=request.rate,
                pool=self.pool,
                audience=audience,
                on_end=ended,
                metrics=self.metrics,
                limits=self._limits(request),
                load=self.admission.load,
                live=request.live,
                segment_base=request.segment_base(),
                resume=request.resume,
                recording=recording,
            )
        except BaseException:
            self.models.release(model.name)
            self.admission.free(place)
            raise
        self.metrics.sessions_started.labels(model.name).inc()
        if not self.admission.holds(place):
            await session.abort()
            raise SeamlessError("You left before the stream began.", code="no_room")
        return session

    def _limits(self, request: StreamRequest) -> SessionLimits:
        settings = self.settings
        usual = settings.chunk_ms if request.live else _FILE_CHUNK_MS
        chunk_ms = request.options.chunk_ms or usual
        if not request.live:
            return SessionLimits(
                chunk_ms, chunk_ms, chunk_ms, queue_seconds=float("inf"), idle_ms=None
            )
        longest = request.options.longest_chunk_ms or settings.longest_chunk_ms
        return SessionLimits(
            chunk_ms, longest, settings.join_limit_ms, settings.queue_seconds, settings.idle_ms
        )

    async def _open_stream(
        self, model: Model, request: StreamRequest, recording: Recording | None
    ) -> Stream:
        targets = request.targets(model)

        def open_stream() -> Stream:
            if request.resume is None:
                stream = model.open(targets, request.options)
            else:
                stream = model.open(targets, request.options, resume=request.resume.snapshot)
            if recording is not None:
                stream.trace = recording.trace
            return stream

        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.pool, open_stream)
        except BaseException:
            if recording is not None:
                recording.finish()
            raise

    async def _record(self, place: Place, request: StreamRequest, model: Model) -> Recording | None:
        if not request.record:
            return None

        def warn(message: str) -> None:
            complaint = place.owner.complain(message, "recording")
            self.tasks.spawn(complaint, "warning of a recording")

        recording = await self.recorder.open(request.room, request.rate, model.sample_rate, warn)
        if recording is not None:
            recording.note("configured", rate=request.rate, model=model.name)
        return recording

    async def _ended(
        self,
        place: Place,
        audience: Audience,
        recording: Recording | None,
        reason: EndReason,
        error: BaseException | None,
    ) -> None:
        self.metrics.sessions_ended.labels(reason).inc()
        if error is not None:
            self.metrics.errors.labels("stream").inc()
        self.admission.free(place)
        if recording is not None:
            saving = asyncio.create_task(self._save(recording, audience), name="saving")
            self._saving.add(saving)
            saving.add_done_callback(self._saving.discard)
        assert place.session is not None
        await audience.on_end(reason, error, place.session.next_segment)

    @staticmethod
    async def _save(recording: Recording, audience: Audience) -> None:
        files = await asyncio.wrap_future(recording.finish())
        await audience.on_recording(recording.folder.name, files)
