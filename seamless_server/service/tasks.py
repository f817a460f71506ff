"""Work that runs beside the current event."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from seamless_server.metrics import Metrics

logger = logging.getLogger(__name__)


class Tasks:
    """Tasks that nobody waits for; their failures are logged, and none outlives `close`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Runs `coroutine` beside the current event."""
        task = asyncio.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._metrics.errors.labels("task").inc()
            logger.error("%s failed", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancels what runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
