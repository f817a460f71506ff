"""The scheduled engine: one thread a device serves the requests of all sessions in batches.

A cycle goes through the stages from the last to the first, so that finishing an output comes before
starting a new one, and takes one batch of each; the request that has waited longest is always in
its stage's batch. An idle engine runs a request at once: company comes by itself under load.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.tokenizers import UnitTokenizer, characters_of
from seamless_server.engine.buckets import bucket
from seamless_server.engine.decoding import DecodingBatch
from seamless_server.engine.inline import InlineEngine
from seamless_server.engine.meter import stage
from seamless_server.engine.requests import (
    DecodeRequest,
    DecodeResult,
    Samples,
    UnitsRequest,
    UnitsResult,
    VocodeRequest,
)
from seamless_server.engine.threads import settle_thread
from seamless_server.errors import LanguageError, UsageError

STAGES = ("vocode", "units", "decode", "encode")


@dataclass(frozen=True)
class SchedulerOptions:
    """Limits of a scheduler.

    slots: policy loops at a time. most_batch: requests in one batch. most_frames: padded 10 ms
    frames (units, characters) in one batch.
    """

    slots: int = 64
    most_batch: int = 64
    most_frames: int = 64_000


@dataclass(eq=False)
class _Job:
    request: Any
    length: int
    future: Future[Any] = field(default_factory=Future)


@dataclass
class SchedulerStats:
    """Batches, requests, and padded against real sizes, by stage."""

    batches: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    real: Counter[str] = field(default_factory=Counter)
    padded: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, lengths: Sequence[int]) -> None:
        """One batch of requests with these lengths."""
        self.batches[name] += 1
        self.requests[name] += len(lengths)
        self.real[name] += sum(lengths)
        self.padded[name] += max(lengths) * len(lengths)

    def waste(self) -> float:
        """Share of all batches that was padding."""
        padded = sum(self.padded.values())
        return 1 - sum(self.real.values()) / padded if padded else 0.0


class ScheduledEngine:
    """See the module. Results equal the inline engine's."""

    def __init__(self, checkpoint: Checkpoint, options: SchedulerOptions | None = None) -> None:
        self.checkpoint = checkpoint
        self.options = options or SchedulerOptions()
        self.stats = SchedulerStats()
        weight = checkpoint.decoder.embed.weight
        self.device, self.dtype = weight.device, weight.dtype
        self._decoding = DecodingBatch(checkpoint.decoder, self.options.slots)
        self._alone = InlineEngine(checkpoint)
        self._most_batch = self.options.most_batch
        self._waiting: dict[str, deque[_Job]] = {name: deque() for name in STAGES}
        self._work = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="engine", daemon=True)
        self._thread.start()

    # What agents call

    def encode(self, features: Samples) -> Tensor:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        out: Tensor = self._ask("encode", features, len(features))
        return out

    def decode(self, request: DecodeRequest) -> DecodeResult:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        length = len(request.prefix) + len(request.target)
        out: DecodeResult = self._ask("decode", request, length)
        return out

    def units(self, request: UnitsRequest) -> UnitsResult:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        if self.checkpoint.t2u is None:
            raise UsageError(f"{self.checkpoint.config.name} has no speech output")
        out: UnitsResult = self._ask("units", request, len(request.ids))
        return out

    def vocode(self, request: VocodeRequest) -> Samples:
        """See :class:`~seamless_server.engine.requests.Engine`."""
        config = self.checkpoint.config
        if self.checkpoint.vocoder is None:
            raise UsageError(f"{config.name} has no speech output")
        if request.lang not in config.vocoder_langs:
            raise LanguageError(f"the vocoder of {config.name} has no {request.lang!r}")
        out: Samples = self._ask("vocode", request, len(request.units))
        return out

    def close(self) -> None:
        """Finish what is being computed and stop; what waits is cancelled."""
        with self._work:
            self._closing = True
            self._work.notify()
        self._thread.join()

    def _ask(self, name: str, request: object, length: int) -> Any:
        job = _Job(request, length)
        with stage(name):
            with self._work:
                if self._closing:
                    raise UsageError("the engine is closed")
                self._waiting[name].append(job)
                self._work.notify()
            try:
                return job.future.result()
            except BaseException:
                # Whoever stops waiting leaves the queue; a running job ends by itself.
                job.future.cancel()
                raise

    # The engine's thread

    @torch.inference_mode()
    def _serve(self) -> None:
        settle_thread()
        while True:
            with self._work:
                while not (self._closing or self._decoding.loops or any(self._waiting.values())):
                    self._work.wait()
                if self._closing:
                    self._cancel_all()
                    return
            self._cycle()

    def _cycle(self) -> None:
        self._batch("vocode", self._vocode)
        self._batch("units", self._units)
        self._step_loops()
        self._batch("decode", self._start_loops, self._decoding.free)
        self._batch("encode", self._encode)

    def _batch(
        self, name: str, compute: Callable[[list[_Job]], None], room: int | None = None
    ) -> None:
        with self._work:
            queue = self._waiting[name]
            while queue and queue[0].future.cancelled():
                queue.popleft()
            if not queue or room == 0:
                return
            most = self._most_batch if room is None else min(room, self._most_batch)
            jobs = bucket(list(queue), lambda x: x.length, most, self.options.most_frames)
            for job in jobs:
                queue.remove(job)
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        if jobs:
            self._run(name, compute, jobs)

    def _run(self, name: str, compute: Callable[[list[_Job]], None], jobs: list[_Job]) -> None:
        """Compute a batch; a batch that fails is halved until only the guilty one fails."""
        try:
            compute(jobs)
            self.stats.count(name, [job.length for job in jobs])
        except torch.OutOfMemoryError as error:
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self._most_batch = max(1, len(jobs) // 2)
            self._halve(name, compute, jobs, error)
        except Exception as error:  # one bad request must not take the others with it
            self._halve(name, compute, jobs, error)

    def _halve(
        self,
        name: str,
        compute: Callable[[list[_Job]], None],
        jobs: list[_Job],
        error: Exception,
    ) -> None:
        left = [job for job in jobs if not job.future.done()]
        if len(jobs) == 1:
            for job in left:
                job.future.set_exception(error)
            return
        middle = (len(left) + 1) // 2
        for half in (left[:middle], left[middle:]):
            if half:
                self._run(name, compute, half)

    def _cancel_all(self) -> None:
        for queue in self._waiting.values():
            for job in queue:
                job.future.cancel()
        for loop in self._decoding.loops:
            assert isinstance(loop.ticket, _Job)
            loop.ticket.future.set_exception(CancelledError())

    def _encode(self, jobs: list[_Job]) -> None:
        features = [torch.from_numpy(job.request) for job in jobs]
        lengths = None
        if len({job.length for job in jobs}) > 1:
            lengths = torch.tensor([job.length for job in jobs], device=self.device)
        batch = pad_sequence(features, batch_first=True).to(self.device, self.dtype)
        out, sizes = self.checkpoint.encoder(batch, lengths)
        for job, states, size in zip(jobs, out, sizes.tolist(), strict=True):
            job.future.set_result(states[:size].clone())

    def _start_loops(self, jobs: list[_Job]) -> None:
        joined = len(self._decoding.loops)
        try:
            done = self._decoding.start([(job, job.request) for job in jobs])
        except Exception:
            del self._decoding.loops[joined:]
            raise
        self._answer(done)

    def _step_loops(self) -> None:
        loops = list(self._decoding.loops)
        if not loops:
            return
        try:
            done = self._decoding.advance()
        except Exception:
            # The step is lost for every loop in it. Requests are pure: compute each one alone.
            self._decoding.loops.clear()
            for loop in loops:
                self._decode_alone(loop.ticket, loop.request)
            return
        self.stats.count("step", [loop.end for loop in loops])
        self._answer(done)

    def _decode_alone(self, ticket: object, request: DecodeRequest) -> None:
        assert isinstance(ticket, _Job)
        try:
            ticket.future.set_result(self._alone.decode(request))
        except Exception as error:  # the guilty one
            ticket.future.set_exception(error)

    @staticmethod
    def _answer(done: list[tuple[object, DecodeResult]]) -> None:
        for job, result in done:
            assert isinstance(job, _Job)
            job.future.set_result(result)

    def _units(self, jobs: list[_Job]) -> None:
        model = self.checkpoint
        assert model.t2u is not None
        assert model.char_tokenizer is not None
        requests: list[UnitsRequest] = [job.request for job in jobs]
        texts = [characters_of(x.ids, model.text_tokenizer, model.char_tokenizer) for x in requests]
        silent = [job for job, (chars, _) in zip(jobs, texts, strict=True) if not chars]
        for job in silent:
            job.future.set_result(UnitsResult([], []))
        alive = [i for i, (chars, _) in enumerate(texts) if chars]
        for factor in {requests[i].d_factor for i in alive}:
            rows = [i for i in alive if requests[i].d_factor == factor]
            self._speak([jobs[i] for i in rows], [texts[i] for i in rows], factor)

    def _speak(
        self, jobs: list[_Job], texts: list[tuple[list[int], list[int]]], factor: float
    ) -> None:
        t2u, config = self.checkpoint.t2u, self.checkpoint.config
        assert t2u is not None
        requests: list[UnitsRequest] = [job.request for job in jobs]
        chars = pad_sequence([torch.tensor(c) for c, _ in texts], batch_first=True)
        counts = pad_sequence([torch.tensor(n) for _, n in texts], batch_first=True)
        features = pad_sequence([x.features for x in requests], batch_first=True)
        lengths = torch.tensor([len(n) for _, n in texts], device=self.device)
        states, _, durations = t2u.predict_durations(
            features.to(self.device, self.dtype),
            chars.to(self.device),
            counts.to(self.device),
            lengths if len(jobs) > 1 else None,
            factor,
        )
        lasting = [
            row[: len(text)] for row, (text, _) in zip(durations.tolist(), texts, strict=True)
        ]
        rows = []
        for i, (job, request) in enumerate(zip(jobs, requests, strict=True)):
            if sum(lasting[i][request.skip :]) < request.at_least:
                job.future.set_result(UnitsResult([], lasting[i]))
            else:
                rows.append(i)
        if not rows:
            return
        out = t2u.predict_units(states[rows], durations[rows], padded=len(rows) > 1)
        sizes = out.lengths.tolist()
        first, last = UnitTokenizer.OFFSET, UnitTokenizer.OFFSET + config.num_units
        units = (out.logits[..., first:last].argmax(-1) + first).tolist()
        ids = out.logits.argmax(-1).tolist() if any(requests[i].any_id for i in rows) else units
        for row, i in enumerate(rows):
            chosen = ids if requests[i].any_id else units
            jobs[i].future.set_result(UnitsResult(chosen[row][: sizes[row]], lasting[i]))

    def _vocode(self, jobs: list[_Job]) -> None:
        vocoder, config = self.checkpoint.vocoder, self.checkpoint.config
        assert vocoder is not None
        requests: list[VocodeRequest] = [job.request for job in jobs]
        size = -(-max(job.length for job in jobs) // 16) * 16
        units = torch.zeros(len(jobs), size, dtype=torch.long)
        for row, request in enumerate(requests):
            units[row, : len(request.units)] = torch.tensor(list(request.units))
        lengths = None
        if any(job.length != size for job in jobs):
            lengths = torch.tensor([job.length for job in jobs], device=self.device)
        waves = vocoder(
            units.to(self.device),
            torch.tensor([config.vocoder_langs[x.lang] for x in requests], device=self.device),
            torch.tensor([x.speaker for x in requests], device=self.device),
            lengths,
        )
        samples = waves.float().cpu().numpy()
        for job, wave in zip(jobs, samples, strict=True):
            job.future.set_result(wave[: job.length * vocoder.config.samples_per_unit].copy())
