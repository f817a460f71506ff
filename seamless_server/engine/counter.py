"""The side of the scheduled engine that sessions see: requests come, wait, and may be given up."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from torch import Tensor

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine.cancelling import Cancelled, current
from seamless_server.engine.company import arrive
from seamless_server.engine.jobs import STAGES, Job
from seamless_server.engine.meter import stage
from seamless_server.engine.requests import (
    DecodeRequest,
    DecodeResult,
    Samples,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
)
from seamless_server.errors import LanguageError, UsageError


class EngineCounter:
    """Queues of requests by stage, and callers that wait for their results."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self._waiting: dict[str, deque[Job]] = {name: deque() for name in STAGES}
        self._work = threading.Condition()
        self._closing = False

    def encode(self, features: Samples) -> Tensor:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        out: Tensor = self._ask("encode", features)
        return out

    def decode(self, request: DecodeRequest) -> DecodeResult:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        out: DecodeResult = self._ask("decode", request)
        return out

    def units(self, request: UnitsRequest) -> UnitsResult:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        out: UnitsResult = self._ask("units", request)
        return out

    def vocode(self, request: VocodeRequest) -> Samples:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        out: Samples = self._ask("vocode", request)
        return out

    def _ask(self, name: str, request: Any) -> Any:
        with stage(name):
            job = Job(name, request, company=arrive() if name == "decode" else None)
            cancellation = current()
            if cancellation is None:
                return self._wait(self._enter(job))
            with cancellation.watching(lambda: self._cancel(job)):
                return self._wait(self._enter(job))

    def submit(self, name: str, request: Any) -> Job:
        """Queue a request of a stage; its ``future`` will hold the result.

        Raises:
            UsageError: the engine is closed, or the model has no such stage.
            LanguageError: the vocoder does not speak the language.
        """
        return self._enter(Job(name, request))

    def _enter(self, job: Job) -> Job:
        config = self.checkpoint.config
        if job.stage in ("units", "vocode") and self.checkpoint.vocoder is None:
            raise UsageError(f"{config.name} has no speech output")
        if job.stage == "vocode" and job.request.lang not in config.vocoder_langs:
            raise LanguageError(f"the vocoder of {config.name} has no {job.request.lang!r}")
        with self._work:
            if self._closing:
                raise UsageError("the engine is closed")
            self._waiting[job.stage].append(job)
            self._work.notify()
        return job

    def _wait(self, job: Job) -> Any:
        try:
            return job.future.result()
        except BaseException:
            # Whoever stops waiting leaves the queue and its slot.
            self._cancel(job)
            raise

    def _cancel(self, job: Job) -> None:
        """From any thread: the job's owner is gone."""
        job.fail(Cancelled())
        with self._work:
            if job in self._waiting[job.stage]:
                self._waiting[job.stage].remove(job)
            self._work.notify()
