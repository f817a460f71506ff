"""A model that engines elsewhere have loaded, as a front sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from seamless_server.caller import Caller
from seamless_server.checkpoints.cards import find_card
from seamless_server.cluster.joining import ClusterError, join
from seamless_server.cluster.link import Link, NoEngine
from seamless_server.cluster.walk import Moved, RemoteCaller, RemoteWalk
from seamless_server.errors import ConfigError
from seamless_server.metrics import Metrics
from seamless_server.service.served_models import Loader
from seamless_server.settings import Settings
from seamless_server.streaming.model import Model, Opening
from seamless_server.streaming.stream import Walk

Answer = TypeVar("Answer")

_LOOK_AGAIN_SECONDS = 0.5


class RemoteModel(Model):
    """A model whose streams run in engines elsewhere.

    Args:
        facts: what an engine tells of it (`cluster.engine_replica`).
        moved: told of every stream that changes its engine.
    """

    def __init__(self, link: Link, facts: Mapping[str, Any], moved: Moved) -> None:
        card = find_card(facts["name"])
        # Phrases and sample sounds are there where this machine has the model too.
        folder = Path(facts["folder"]) if card is None else card.folder
        super().__init__(**{**facts, "folder": folder})
        self._link, self._moved = link, moved

    def engines(self) -> list[dict[str, Any]]:
        """What the engines said of themselves a moment ago."""
        return self._link.statuses

    def warm_up(self) -> float:
        """Engines do so before they take anything; what it took there says nothing here."""
        return 0.0

    def _walk(self, asked: Opening) -> tuple[Walk, Caller]:
        remote = RemoteCaller()  # what computes is elsewhere
        given = asked.options.model_dump(exclude_none=True)
        stream = (self.name, asked.targets, given, asked.vad, remote, self._moved)
        return RemoteWalk(self._link, *stream, self.sample_rate, asked.resume), remote


def remote_loader(settings: Settings, metrics: Metrics) -> Loader:
    """Joins the cluster and finds out which models the engines have, however long that takes."""

    def moved(why: str, seconds: float) -> None:
        metrics.moves.labels(why).inc()
        metrics.gap.observe(seconds)

    def load(name: str, progress: Callable[[str], None]) -> list[Model]:
        _patiently(lambda: join(settings.ray_address, computes=False), progress)
        link = Link()
        facts = _patiently(link.describe, progress)
        models = [RemoteModel(link, model, moved) for model in facts["models"]]
        wanted: list[Model] = [model for model in models if name in ("auto", model.name)]
        if not wanted:
            names = ", ".join(model.name for model in models)
            raise ConfigError("models", f"the engines do not have {name}, but: {names}")
        return wanted

    return load


def _patiently(ask: Callable[[], Answer], progress: Callable[[str], None]) -> Answer:
    """Asks again until there are a cluster and an engine, and tells once why it waits."""
    told = ""
    while True:
        try:
            return ask()
        except (ClusterError, NoEngine) as error:
            if error.message != told:
                told = error.message
                progress(told)
            time.sleep(_LOOK_AGAIN_SECONDS)
