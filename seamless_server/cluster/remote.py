"""A model that engines elsewhere have loaded, as a front sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from seamless_server.agents.outputs import Snapshot, Target
from seamless_server.checkpoints.cards import find_card
from seamless_server.cluster.joining import ClusterError, join
from seamless_server.cluster.link import Link, NoEngine
from seamless_server.cluster.walk import Moved, RemoteCaller, RemoteWalk
from seamless_server.errors import ConfigError
from seamless_server.metrics import Metrics
from seamless_server.service.served_models import Loader
from seamless_server.settings import Settings
from seamless_server.stream_options import StreamOptions, read_options
from seamless_server.streaming import Model, Stream

Answer = TypeVar("Answer")

_LOOK_AGAIN_SECONDS = 0.5


class RemoteModel(Model):
    """A model whose streams run in engines elsewhere.

    Args:
        facts: what an engine tells of it (`cluster.engine`).
        moved: told of every stream that changes its engine.
    """

    def __init__(self, link: Link, facts: Mapping[str, Any], moved: Moved) -> None:
        self._link, self._facts, self._moved = link, facts, moved
        self.name, self.description = facts["name"], facts["description"]
        self.defaults, self.compat = {}, None
        self.text_languages = tuple(facts["text_languages"])
        self.speech_languages = tuple(facts["speech_languages"])
        self.source_languages = tuple(facts["source_languages"])

    @property
    def folder(self) -> Path | None:
        """Where this machine has its files too; None if it has them not."""
        card = find_card(self.name)
        return None if card is None or not card.folder.is_dir() else card.folder

    @property
    def sample_rate(self) -> int:
        """See `Model`."""
        return int(self._facts["sample_rate"])

    @property
    def output_rate(self) -> int:
        """See `Model`."""
        return int(self._facts["output_rate"])

    @property
    def expressive_languages(self) -> tuple[str, ...]:
        """See `Model`."""
        known = self._facts["expressive_languages"]
        return tuple(lang for lang in self.speech_languages if lang in known)

    def warm_up(self) -> float:
        """Engines do so before they take anything; what it took there says nothing here."""
        return 0.0

    def open(
        self,
        targets: Mapping[str, Target],
        options: StreamOptions | Mapping[str, Any] | None = None,
        *,
        vad: bool = True,
        resume: Snapshot | None = None,
    ) -> Stream:
        """Open a stream on an engine.

        Raises:
            NoPlaceError: no engine has a place.
            NoEngine: none answers.
            LanguageError: the model does not offer a language.
            ConfigError: an option is unknown or out of its range.
        """
        self.check_targets(targets)
        if not isinstance(options, StreamOptions):
            options = read_options(options or {})
        caller = RemoteCaller()
        given = options.model_dump(exclude_none=True)
        walk = RemoteWalk(self._link, self.name, targets, given, vad, caller, self._moved, resume)
        return Stream(walk, caller, self.check_targets)


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
