"""What a scheduled engine did between two moments: batches, and padding in them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from seamless_server.engine import Engine, ScheduledEngine


class Snapshot:
    """An engine's counts at a moment; empty for engines that do not count."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.empty = not isinstance(engine, ScheduledEngine)
        self.batches: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.real: Counter[str] = Counter()
        self.padded: Counter[str] = Counter()
        if isinstance(engine, ScheduledEngine):
            stats = engine.stats
            self.batches, self.requests = stats.batches.copy(), stats.requests.copy()
            self.real, self.padded = stats.real.copy(), stats.padded.copy()


def scheduler_figures(engine: Engine, since: Snapshot | None = None) -> dict[str, Any]:
    """Mean batch by stage and the share of padding, since a moment or since the start."""
    then, now = since or Snapshot(), Snapshot(engine)
    batches, requests = now.batches - then.batches, now.requests - then.requests
    real, padded = now.real - then.real, now.padded - then.padded
    return {
        "mean_batch": {x: requests[x] / batches[x] for x in batches},
        "padding": 1 - real.total() / padded.total() if padded.total() else 0.0,
        "padding_by_stage": {x: 1 - real[x] / padded[x] for x in padded},
    }
