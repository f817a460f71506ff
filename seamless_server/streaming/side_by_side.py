"""Several languages of one speaker at once, so that the engine decodes them in one batch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from seamless_server.engine.company import Company, in_company

T = TypeVar("T")

MOST_THREADS = 256
_pool = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="language")
"""Threads that mostly wait for the engine; made when they are needed, shared by all streams."""


class SideBySide(Generic[T]):
    """Runs tasks in threads and gives what each one yields, task by task in their order.

    A task that has yielded less than the one in front of it loses nothing: it computes meanwhile.
    """

    def __init__(self) -> None:
        self._here = threading.local()

    def say(self, item: T) -> bool:
        """From inside a task: yield something besides. False outside of one."""
        put: Callable[[T], None] | None = getattr(self._here, "put", None)
        if put is None:
            return False
        put(item)
        return True

    def run(self, tasks: Sequence[Iterable[T]]) -> Iterator[T]:
        """Everything that the tasks yield; ends when all have ended, also when one fails."""
        lines: list[queue.SimpleQueue[T | None]] = [queue.SimpleQueue() for _ in tasks]
        company = Company(len(tasks))
        futures = [
            _pool.submit(self._work, task, line, company)
            for task, line in zip(tasks, lines, strict=True)
        ]
        try:
            for future, line in zip(futures, lines, strict=True):
                yield from self._listen(future, line)
        finally:
            # Their states belong to the stream: nobody may use them while a task still does.
            wait(futures)

    @staticmethod
    def _listen(future: Future[None], line: queue.SimpleQueue[T | None]) -> Iterator[T]:
        while (item := line.get()) is not None:
            yield item
        future.result()

    def _work(self, task: Iterable[T], line: queue.SimpleQueue[T | None], company: Company) -> None:
        self._here.put = line.put
        try:
            with in_company(company):
                for item in task:
                    line.put(item)
        finally:
            self._here.put = None
            line.put(None)
