"""Which engine a call goes to: a new stream's to the one with most room, a push to its own."""

from __future__ import annotations

import time
from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

_KEEP_SECONDS = 600.0
"""How long an engine that is to stop is remembered, for the streams that it still has."""


_BUT = "!"


def but(engines: list[str]) -> str:
    """In place of an engine: any but these, as long as there is another one."""
    return "".join(_BUT + engine for engine in engines)


class EngineRouter(RequestRouter):  # type: ignore[misc]
    """See the module. Calls name their engine, or those that are full (`but`), as
    `multiplexed_model_id`.

    Ray Serve takes a replica that is to stop off the list at once but lets its calls end; here it
    stays reachable for the streams that it has, and gets no new ones.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listed: dict[str, RunningReplica] = {}
        self._leaving: dict[str, tuple[RunningReplica, float]] = {}

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Ray Serve's list changed."""
        listed = {replica.replica_id.unique_id: replica for replica in replicas}
        now = time.monotonic()
        for name, replica in self._listed.items():
            if name not in listed and replica.replica_id in self.curr_replicas:
                self._leaving.setdefault(name, (replica, now))
        self._leaving = {
            name: (replica, since)
            for name, (replica, since) in self._leaving.items()
            if name not in listed and now - since < _KEEP_SECONDS
        }
        self._listed = listed
        # Ray Serve makes a class of its own of this one, with globals of its own.
        from seamless_server.cluster import known

        known.listed, known.leaving = set(listed), set(self._leaving)
        super().update_replicas([*replicas, *(replica for replica, _ in self._leaving.values())])

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """Candidates, of which Ray Serve takes the one with the fewest calls."""
        wanted = pending_request.metadata.multiplexed_model_id if pending_request else ""
        by_name = {replica.replica_id.unique_id: replica for replica in candidate_replicas}
        if wanted in by_name:
            return [[by_name[wanted]]]
        listed = {name: replica for name, replica in by_name.items() if name in self._listed}
        full = wanted.split(_BUT)
        others = [replica for name, replica in listed.items() if name not in full]
        # An engine that is gone is answered for by any other: it says that it lacks the stream.
        return [others or list(listed.values())]
