"""The models that this process serves, and their loading in the background."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from seamless_server.errors import ConfigError, SeamlessError
from seamless_server.service.load import LIMIT

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from seamless_server.engine.stats import SchedulerStats
    from seamless_server.streaming import Model

Loader = Callable[[str, Callable[[str], None]], Sequence["Model"]]
"""Makes the models of a name or folder, and tells meanwhile what it does."""


@dataclass(slots=True)
class LoadProgress:
    """How far the loading of the models is."""

    state: Literal["loading", "ready", "failed"] = "loading"
    model: str = ""
    step: str = "starting"
    loaded: list[str] = field(default_factory=list)
    total: int = 0
    seconds: float = 0.0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """For `/readyz`."""
        return {
            "ready": self.state == "ready",
            "state": self.state,
            "model": self.model,
            "step": self.step,
            "loaded": list(self.loaded),
            "total": self.total,
            "seconds": round(self.seconds, 1),
            "error": self.error,
        }


class Models:
    """Systems by name, in the order of the setting; the first is the default.

    Args:
        names: names or folders to load.
        load: makes a model; runs in the background thread.
        on_change: called in that thread after each step.
        on_warm: told what a model took for a second of audio when it was warmed up, in seconds.
    """

    def __init__(
        self,
        names: Sequence[str],
        load: Loader,
        on_change: Callable[[], None] = lambda: None,
        on_warm: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._names = tuple(names)
        self._load = load
        self._on_change = on_change
        self._on_warm = on_warm
        self._models: dict[str, Model] = {}
        self._started = time.monotonic()
        self._progress = LoadProgress(total=len(self._names))
        self._thread = threading.Thread(target=self._run, name="model-loader", daemon=True)

    def start(self) -> None:
        """Begins loading."""
        self._started = time.monotonic()
        self._thread.start()

    def load(self) -> None:
        """Loads in the caller's thread; `progress` then says how it ended."""
        self._started = time.monotonic()
        self._run()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Who is told of each step from now on."""
        self._on_change = callback

    @property
    def progress(self) -> LoadProgress:
        """Where loading stands now."""
        if self._progress.state == "loading":
            self._progress.seconds = time.monotonic() - self._started
        return self._progress

    @property
    def ready(self) -> bool:
        """Every model is loaded and warm."""
        return self._progress.state == "ready"

    def loaded(self) -> tuple[Model, ...]:
        """The models that are ready, the default first."""
        return tuple(self._models.values()) if self.ready else ()

    def get(self, name: str | None) -> Model | None:
        """The model of that name; the default one for `None`."""
        models = self.loaded()
        if name is None:
            return models[0] if models else None
        return next((model for model in models if model.name == name), None)

    def choose(self, name: str | None) -> Model:
        """The model of that name; the default one for `None`.

        Raises:
            SeamlessError: none is ready (`loading`, `no_model`), or none has that name.
        """
        if not self.ready:
            progress = self.progress
            if progress.error is not None:
                raise SeamlessError(progress.error, code="no_model")
            raise SeamlessError(
                f"The model is still loading ({progress.seconds:.0f} s so far); "
                "try again in a moment.",
                code="loading",
            )
        model = self.get(name)
        if model is None:
            names = ", ".join(model.name for model in self.loaded())
            raise ConfigError("model", f"'{name}' is not served here; choose one of: {names}")
        return model

    def _step(self, model: str, step: str) -> None:
        self._progress.model, self._progress.step = model, step
        logger.info("%s: %s (%.1f s)", model, step, time.monotonic() - self._started)
        self._on_change()

    def _run(self) -> None:
        try:
            for name in self._names:
                self._step(name, "loading")
                for model in self._load(name, partial(self._step, name)):
                    self._step(model.name, "warming up")
                    self._on_warm(model.warm_up())
                    self._models[model.name] = model
                    self._progress.loaded.append(model.name)
            # What is loaded stays: the collector need not walk through it again and again, which
            # takes longer than the event loop may be held up.
            gc.collect()
            gc.freeze()
            self._progress.seconds = time.monotonic() - self._started
            self._progress.state = "ready"
            self._step(", ".join(self._progress.loaded), "ready")
        except SeamlessError as error:
            self._fail(error.message)
        except Exception:
            logger.exception("a model could not be loaded")
            self._fail("The model could not be loaded; the server's log says why.")

    def _fail(self, message: str) -> None:
        self._progress.state, self._progress.error = "failed", message
        logger.error("%s: %s", self._progress.model, message)
        self._on_change()


def engine_stats(model: Model) -> SchedulerStats | None:
    """What the model's engine counts, if it works in batches."""
    stats: Any = getattr(model.engine, "stats", None)
    return stats if hasattr(stats, "batches") else None


def engine_has_room(model: Model, running: int) -> bool:
    """Whether the model's engine, if it tells, has time and memory beside `running` streams."""
    ask: Any = getattr(model.engine, "load", None)
    if not callable(ask):
        return True
    load = ask()
    return bool(load.busy < LIMIT and load.slots > running)
