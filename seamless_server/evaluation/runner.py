"""Running many sentences: resumable, in parallel, and never silent about one that failed."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seamless_server.errors import SeamlessError
from seamless_server.evaluation.audio import Preparation, SilenceStripper
from seamless_server.evaluation.manifest import Sentence
from seamless_server.evaluation.records import LOG_NAME, LogWriter, Record, read_log, repair_log
from seamless_server.evaluation.sentences import SentenceRunner

FAILURES_NAME = "failures.log"
_HOPELESS = 5
"""If so many sentences fail before any succeeds, the fault is not with them."""


class EvaluationError(SeamlessError):
    """An evaluation cannot go on."""

    code = "evaluation"


@dataclass(frozen=True, slots=True)
class Failure:
    """A sentence that could not be evaluated."""

    index: int
    id: str
    audio: str
    error: str


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Where a run stands."""

    done: int
    """Sentences dealt with, those of an interrupted run before included."""
    total: int
    failed: int
    record: Record | None = None
    """The sentence that was just finished."""


@dataclass(frozen=True)
class Outcome:
    """All that a run left, in the order of the manifest."""

    records: list[Record]
    failures: list[Failure]
    wall_seconds: float
    """Of this call; sentences of an interrupted run before are not in it."""
    resumed: int
    """How many sentences were there already."""


def run_sentences(
    sentences: Sequence[Sentence],
    output: Path,
    make_runner: Callable[[], SentenceRunner],
    preparation: Preparation,
    workers: int = 1,
    on_progress: Callable[[RunProgress], None] | None = None,
) -> Outcome:
    """Evaluate what is not in ``instances.log`` yet.

    Every finished sentence is on disk before the next one starts, so that a crash loses only those
    that were under way. Sentences that failed before are tried again.

    Args:
        sentences: all of the run.
        output: its folder.
        make_runner: called once by each worker.
        preparation: what is done to the audio.
        workers: how many sentences are under way at a time.
        on_progress: called after every sentence, from a worker's thread, one call at a time.

    Raises:
        EvaluationError: nothing works, whatever the sentence.
        KeyboardInterrupt: after the sentences under way are done and written.
    """
    output.mkdir(parents=True, exist_ok=True)
    log = output / LOG_NAME
    repair_log(log)
    wanted = {sentence.index for sentence in sentences}
    finished = {record.index for record in read_log(log)} & wanted
    batch = _Batch(len(sentences), len(finished), on_progress)
    for sentence in sentences:
        if sentence.index not in finished:
            batch.waiting.put(sentence)
    began = time.perf_counter()
    with LogWriter(log) as writer:
        # Not Thread.join: interrupted in it, Python 3.11 may take a running thread for ended.
        ended = [threading.Event() for _ in range(max(1, min(workers, batch.waiting.qsize())))]
        for number, event in enumerate(ended):
            threading.Thread(
                target=batch.work,
                args=(make_runner, preparation, writer, event),
                name=f"evaluate-{number}",
            ).start()
        try:
            for event in ended:
                event.wait()
        finally:
            batch.stopped.set()
            for event in ended:
                event.wait()
    _write_failures(output / FAILURES_NAME, batch.failures)
    if batch.fault is not None:
        raise batch.fault
    if batch.failures and not batch.succeeded and not finished:
        last = batch.failures[-1]
        raise EvaluationError(
            f"no sentence could be evaluated; {last.id} failed with: {last.error}"
        )
    return Outcome(
        records=[record for record in read_log(log) if record.index in wanted],
        failures=sorted(batch.failures, key=lambda failure: failure.index),
        wall_seconds=time.perf_counter() - began,
        resumed=len(finished),
    )


class _Batch:
    """The sentences that wait, shared by the workers."""

    def __init__(
        self, total: int, done: int, on_progress: Callable[[RunProgress], None] | None
    ) -> None:
        self.waiting: queue.SimpleQueue[Sentence] = queue.SimpleQueue()
        self.stopped = threading.Event()
        self.failures: list[Failure] = []
        self.fault: BaseException | None = None
        self._stripper = SilenceStripper()
        self._total = total
        self._done = done
        self.succeeded = 0
        self._on_progress = on_progress
        self._lock = threading.Lock()

    def work(
        self,
        make_runner: Callable[[], SentenceRunner],
        preparation: Preparation,
        writer: LogWriter,
        ended: threading.Event,
    ) -> None:
        """One worker's thread; sets `ended` as the last thing it does."""
        try:
            runner = make_runner()
            while not self.stopped.is_set():
                try:
                    sentence = self.waiting.get_nowait()
                except queue.Empty:
                    return
                record: Record | None = None
                try:
                    record = runner.run(sentence, preparation(sentence.audio, self._stripper))
                    writer.append(record)
                except Exception as error:
                    self._failed(sentence, error)
                self._finished(record)
        except BaseException as error:
            self.fault = self.fault or error
            self.stopped.set()
        finally:
            ended.set()

    def _failed(self, sentence: Sentence, error: Exception) -> None:
        known = isinstance(error, SeamlessError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        with self._lock:
            self.failures.append(Failure(sentence.index, sentence.id, sentence.audio_field, reason))
            hopeless = not self.succeeded and not self._done
            if hopeless and len(self.failures) >= _HOPELESS:
                self.stopped.set()
                self.fault = EvaluationError(
                    f"the first {_HOPELESS} sentences all failed, so the rest was not tried; "
                    f"the last of them ({sentence.id}) with: {reason}"
                )

    def _finished(self, record: Record | None) -> None:
        with self._lock:
            self.succeeded += record is not None
            if self._on_progress is not None:
                failed = len(self.failures)
                done = self._done + self.succeeded + failed
                self._on_progress(RunProgress(done, self._total, failed, record))


def _write_failures(path: Path, failures: Sequence[Failure]) -> None:
    if failures:
        lines = [json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in failures]
        path.write_text("".join(lines), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def read_failures(output: Path) -> list[Failure]:
    """The failures that a run left."""
    path = output / FAILURES_NAME
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line
    ]
    return [Failure(**row) for row in rows]
