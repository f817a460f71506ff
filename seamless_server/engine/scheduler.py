"""The scheduled engine: the threads of a device serve the requests of all sessions in batches.

A GPU has one thread; on processors there may be several, of which one at a time writes tokens. A
cycle goes through the stages from the last to the first, so that finishing an output comes before
starting a new one; the request that has waited longest is always in its stage's batch, and no
stage holds the device for much longer than a share of a chunk. An idle engine runs a request at
once: batches grow by themselves under load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import torch

from seamless_server.checkpoints.fitting import fit_to_device
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine.api import (
    DecodeRequest,
    PolicyOptions,
    SpeakRequest,
    UnitsRequest,
    VocodeRequest,
)
from seamless_server.engine.decode import DecodingBatch, Done, Loop
from seamless_server.engine.inline import InlineEngine
from seamless_server.engine.jobs import STAGES, Job, JobQueues, SchedulerOptions, bucket
from seamless_server.engine.memory import slot_budget
from seamless_server.engine.stages import Stages
from seamless_server.engine.stats import Activity, EngineLoad, Limit, SchedulerStats, StagePace
from seamless_server.nn.threads import settle_thread, threads_for

LEAST_TURNS = 8
"""Steps that a loop may do before its slot can be asked back, so that everybody gets on."""


class ScheduledEngine(JobQueues):
    """See the module. Results equal the inline engine's.

    Args:
        serve: start its threads; without them whoever made the engine calls :meth:`cycle`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        options: SchedulerOptions | None = None,
        serve: bool = True,
    ) -> None:
        self.checkpoint = checkpoint = fit_to_device(checkpoint)
        self.options = options or SchedulerOptions()
        weight = checkpoint.decoder.embed.weight
        self.device, self.dtype = weight.device, weight.dtype
        static = self.options.static
        if static is None:
            static = self.device.type == "cuda"
        graphs = self.options.graphs
        super().__init__(Stages(checkpoint, static or self.device.type != "cpu", static, graphs))
        self.stats = SchedulerStats(self.load)
        slots, budget = self.options.slots, self.options.slot_bytes
        if slots is None:
            slots, budget = slot_budget(checkpoint.config.decoder, self.device, self.dtype)
        self._decoding = DecodingBatch(checkpoint.decoder, slots, budget, static, graphs)
        self._head = checkpoint.confidence
        self._alone = InlineEngine(checkpoint)
        self._limits = {name: Limit(self.options.most_batch) for name in STAGES}
        self._most_loops = Limit(slots)
        self._pace = StagePace(self.options.batch_seconds)
        self._step_seconds = 0.0
        # A processor that others use too must not make batches small: they would cost more then.
        self._clock = time.thread_time if self.device.type == "cpu" else time.perf_counter
        self._decoding_taken = False
        count = self.options.threads or threads_for(self.device)
        self._activities = [Activity() for _ in range(count if serve else 1)]
        self._threads = [
            threading.Thread(target=self._serve, args=(x,), name=f"engine-{i}", daemon=True)
            for i, x in enumerate(self._activities if serve else ())
        ]
        for thread in self._threads:
            thread.start()

    # What the server asks

    def load(self) -> EngineLoad:
        """How full the engine is now."""
        slots = self._decoding.slots
        return EngineLoad(
            slots=min(slots.count, self._decoding.most),
            slots_used=len(self._decoding.loops),
            slot_bytes=slots.bytes if slots.budget is None else slots.budget,
            waiting=sum(len(queue) for queue in self._waiting.values()),
            busy=sum(x.busy() for x in self._activities) / len(self._activities),
            step_ms=self._step_seconds * 1000,
        )

    def warm_up(self) -> None:
        """Pay for first calls of every stage now, and learn how long later ones take."""
        _warm_up(self, 64, (32,))
        self._pace.forget()  # those calls had to build what later ones find
        _warm_up(self, 256, (64, 96))

    def close(self) -> None:
        """Finish what is being computed and stop; what waits is cancelled."""
        with self._work:
            self._closing = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join()
        self._cancel_all()

    # The engine's threads

    @torch.inference_mode()
    def _serve(self, activity: Activity) -> None:
        settle_thread()
        while True:
            with self._work:
                if not (self._closing or self._has_work()):
                    activity.end()
                    while not (self._closing or self._has_work()):
                        self._work.wait()
                    activity.begin()
                if self._closing:
                    return
            self.cycle()

    def _has_work(self) -> bool:
        if any(self._waiting[name] for name in STAGES if name != "decode"):
            return True
        return not self._decoding_taken and bool(self._decoding.loops or self._waiting["decode"])

    @torch.inference_mode()
    def cycle(self) -> None:
        """One turn of every stage, the last one first."""
        self._batch("vocode", self.stages.vocode)
        self._batch("speak", self.stages.speak)
        self._batch("units", self.stages.units)
        with self._work:
            decoding, self._decoding_taken = not self._decoding_taken, True
        if decoding:
            try:
                self._decode()
            finally:
                with self._work:
                    self._decoding_taken = False
                    self._work.notify()
        self._batch("encode", self.stages.encode)

    def _decode(self) -> None:
        deadline = time.perf_counter() + self.options.batch_seconds
        while True:
            self._step_loops()
            self._decoding.most = self._most_loops.value
            self._make_room()
            self._start_loops()
            # What was written wants to become speech before more is written.
            urgent = any(self._waiting[name] for name in ("vocode", "speak", "units"))
            if urgent or not self._decoding.loops or time.perf_counter() >= deadline:
                break

    def _take(self, name: str, most: int) -> list[Job]:
        """The next batch of a stage."""
        with self._work:
            queue = self._waiting[name]
            if not queue or most < 1:
                return []
            padded = self.options.most_frames
            if name != "decode":  # each thread its share, and nobody holds the device for long
                threads = len(self._activities) - self._decoding_taken
                most = min(most, -(-len(queue) // max(1, threads)))
                padded = min(padded, self._pace.most(name))
            most = min(most, self._limits[name].value)
            waste = self.stages.waste(name)
            jobs = bucket(list(queue), lambda x: x.length, most, padded, waste)
            for job in jobs:
                queue.remove(job)
        return jobs

    def _batch(self, name: str, compute: Callable[[list[Any]], Sequence[Any]]) -> None:
        jobs = self._take(name, self.options.most_batch)
        if jobs:
            self._run(name, compute, jobs)

    def _run(
        self, name: str, compute: Callable[[list[Any]], Sequence[Any]], jobs: list[Job]
    ) -> None:
        """Compute a batch; a batch that fails is halved until only the guilty one fails."""
        began = self._clock()
        try:
            results = compute([job.request for job in jobs])
        except Exception as error:  # one bad request must not take the others with it
            self._shed(error, self._limits[name], len(jobs))
            if len(jobs) == 1:
                jobs[0].fail(error)
                return
            middle = (len(jobs) + 1) // 2
            self._run(name, compute, jobs[:middle])
            self._run(name, compute, jobs[middle:])
            return
        self._count(name, [job.length for job in jobs], self._clock() - began)
        for job, result in zip(jobs, results, strict=True):
            job.settle(result)

    def _count(self, name: str, lengths: list[int], seconds: float) -> None:
        with self._work:
            padded = self.stages.padded(name, lengths)
            self._pace.count(name, padded, seconds)
            self.stats.count(name, lengths, padded)

    def _shed(self, error: Exception, limit: Limit, tried: int) -> bool:
        """Out of memory: less at once, for some time. Whether it was that."""
        if not isinstance(error, torch.OutOfMemoryError):
            return False
        limit.shed(tried)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def _cancel_all(self) -> None:
        running = [_job(loop) for loop in self._decoding.loops]
        for queue in (*self._waiting.values(), running):
            for job in queue:
                job.fail(CancelledError())

    # Policy loops

    def _make_room(self) -> None:
        """Loops that have had a slot long enough lend it to those who have waited too long."""
        with self._work:
            since = time.monotonic() - self.options.patience_seconds
            impatient = sum(job.since <= since for job in self._waiting["decode"])
        wanted = min(impatient, self._limits["decode"].value) - self._decoding.free
        if wanted <= 0:
            return
        able = [loop for loop in self._decoding.loops if loop.turns >= LEAST_TURNS]
        for loop in sorted(able, key=lambda loop: -loop.turns)[:wanted]:
            self._decoding.leave(loop)
            self._again([loop])

    def _again(self, loops: list[Loop]) -> None:
        """Loops that lost their slots wait for new ones."""
        with self._work:
            for loop in loops:
                job = _job(loop)
                job.wait_again(loop)
                self._waiting["decode"].append(job)

    def _start_loops(self) -> None:
        jobs = self._take("decode", self._decoding.free)
        if jobs:
            self._start(jobs)

    def _start(self, jobs: list[Job]) -> None:
        began = time.perf_counter()
        lengths = [job.length for job in jobs]
        loops = [job.loop or Loop(job, job.request, self._head) for job in jobs]
        try:
            done = self._decoding.start(loops)
        except Exception as error:
            self._decoding.forget(loops)
            self._requeue_evicted()
            self._shed(error, self._limits["decode"], len(jobs))
            if len(jobs) == 1:
                jobs[0].fail(error)
                return
            for job in jobs:
                job.loop = None  # it may have gone on before the failure: begin anew
            middle = (len(jobs) + 1) // 2
            self._start(jobs[:middle])
            self._start(jobs[middle:])
            return
        self._count("decode", lengths, time.perf_counter() - began)
        self._requeue_evicted()
        self._answer(done)

    def _requeue_evicted(self) -> None:
        evicted, self._decoding.evicted = self._decoding.evicted, []
        self._again(evicted)

    def _step_loops(self) -> None:
        for loop in list(self._decoding.loops):
            if _job(loop).future.done():  # its owner is gone
                self._decoding.leave(loop)
        loops = list(self._decoding.loops)
        if not loops:
            return
        ends = [loop.end for loop in loops]
        began = time.perf_counter()
        try:
            done = self._decoding.advance()
        except Exception as error:
            self._lose_step(loops, error)
            return
        took = time.perf_counter() - began
        self._step_seconds += 0.1 * (took - self._step_seconds)
        self._count("step", ends, took)
        self._requeue_evicted()
        self._answer(done)

    def _lose_step(self, loops: list[Loop], error: Exception) -> None:
        """The step is lost for every loop in it. Requests are pure: they can begin anew."""
        self._decoding.forget(loops)
        if self._shed(error, self._most_loops, len(loops)) and len(loops) > 1:
            for loop in loops:
                self._again([Loop(loop.owner, loop.request, self._head)])
            return
        for loop in loops:
            self._decode_alone(_job(loop))

    def _decode_alone(self, job: Job) -> None:
        try:
            (result,) = self._alone.decode([job.request])
            job.settle(result)
        except Exception as error:  # the guilty one
            job.fail(error)

    @staticmethod
    def _answer(done: Done) -> None:
        for loop, result in done:
            _job(loop).settle(result)


def _job(loop: Loop) -> Job:
    assert isinstance(loop.owner, Job)
    return loop.owner


def _warm_up(engine: ScheduledEngine, frames: int, units: Sequence[int]) -> None:
    """Send speech of so many frames, and pieces of so many units, through every stage.

    Weights are laid out and kernels built in these calls, decoder graphs are captured, and the
    scheduler learns its pace.
    """
    checkpoint = engine.checkpoint
    config = checkpoint.config
    text = checkpoint.text_tokenizer
    prefix = text.prefix(config.default_lang)
    ending = text.token_to_index(",")
    # Six tokens and no decision of the weights': whatever they are, the same work is done.
    options = PolicyOptions(
        decision_threshold=0.0, no_early_stop=True, max_len_a=0, max_len_b=6,
        max_consecutive_write=6,
    )  # fmt: skip
    noise = np.random.default_rng(0).standard_normal((frames, 80)).astype(np.float32)
    (source,) = engine.encode([noise])
    request = DecodeRequest(source, prefix, [], False, options, ending_token=ending)
    (decoded,) = engine.decode([request])
    if checkpoint.vocoder is None:
        return
    features = decoded.features
    if features is None:  # nothing was written
        features = torch.zeros(len(prefix), config.decoder.model_dim)
    list(engine.units([UnitsRequest(features, decoded.ids or prefix)]))
    lang = next(iter(config.vocoder_langs))
    for count in units:
        for skip in (0, min(count // 2, checkpoint.vocoder.receptive_units)):
            list(engine.vocode([VocodeRequest([0] * count, lang, 0, skip)]))
        if checkpoint.voice is not None:
            own = checkpoint.voice.config.langs[0]
            list(engine.speak([SpeakRequest([0] * count, own, noise)]))
