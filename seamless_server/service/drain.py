"""A clean end: on a signal, streams are translated to their last word before anything closes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def drain_on_signals(drain: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Runs `drain` at the first SIGTERM or SIGINT, and then what the signal did before.

    A second signal ends the process at once. Returns a function that puts the former handlers back.
    Does nothing where signals cannot be handled: outside of the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()
    former: dict[int, Any] = {}
    begun = False

    async def end(number: int, frame: FrameType | None) -> None:
        try:
            await drain()
        except Exception:
            logger.exception("the streams could not be ended in order")
        handler = former[number]
        if callable(handler):
            handler(number, frame)

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal begun
        if begun:
            os._exit(1)
        begun = True
        asyncio.run_coroutine_threadsafe(end(number, frame), loop)

    for number in _SIGNALS:
        former[number] = signal.signal(number, handle)

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    return restore
