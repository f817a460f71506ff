"""The models that this process serves, and their loading in the background."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from seamless_server.errors import ConfigError, SeamlessError
from seamless_server.service.load import LIMIT

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from seamless_server.engine.stats import SchedulerStats
    from seamless_server.streaming import Model, ModelInfo

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
        facts = {**asdict(self), "seconds": round(self.seconds, 1)}
        return {"ready": self.state == "ready", **facts}


AUTO = "auto"
"""Asks for the model that can do what is wanted, instead of one by its name."""


class Models:
    """Models by name, in the order of the setting; the first is the default.

    The default one is loaded at once, the others when somebody wants them. What nobody uses is
    dropped when memory is short, and loaded again when it is wanted.

    Args:
        names: names or folders.
        load: makes a model, in a thread of its own.
        describe: says what a model can do, without loading it; without it all are loaded at once.
        short: whether memory is short.
        on_change: called in that thread after each step.
        on_warm: told what a model took for a second of audio when it was warmed up, in seconds.
    """

    def __init__(
        self,
        names: Sequence[str],
        load: Loader,
        describe: Callable[[str], ModelInfo] | None = None,
        *,
        short: Callable[[], bool] = lambda: False,
        on_change: Callable[[], None] = lambda: None,
        on_warm: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._names = tuple(names)
        self._load = load
        self._describe = describe
        self._short = short
        self._on_change = on_change
        self._on_warm = on_warm
        self._infos: dict[str, ModelInfo] = {}
        self._keys: dict[str, str] = {}
        self._models: dict[str, Model] = {}
        self._users: Counter[str] = Counter()
        self._used: dict[str, float] = {}
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._progress = LoadProgress(total=1 if describe is not None else len(self._names))
        self._loader = ThreadPoolExecutor(1, thread_name_prefix="model-loader")

    def start(self) -> None:
        """Begins loading."""
        self._started = time.monotonic()
        self._loader.submit(self._run)

    def load(self) -> None:
        """Loads in the caller's thread; `progress` then says how it ended."""
        self._started = time.monotonic()
        self._run()

    def close(self) -> None:
        """What is being loaded is the last."""
        self._loader.shutdown(wait=False, cancel_futures=True)

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
        """The default model is loaded and warm, and it is known what the others can do."""
        return self._progress.state == "ready"

    def offered(self) -> tuple[ModelInfo, ...]:
        """What the models can do that are served, the default first; empty until `ready`."""
        return tuple(self._infos.values()) if self.ready else ()

    def loaded(self) -> tuple[Model, ...]:
        """The models that are in memory."""
        with self._lock:
            return tuple(self._models.values())

    def is_loaded(self, name: str) -> bool:
        """Whether a stream with this model begins at once."""
        return name in self._models

    def get(self, name: str | None) -> ModelInfo | None:
        """The model of that name; the default one for `None`."""
        infos = self.offered()
        if name is None:
            return infos[0] if infos else None
        return next((info for info in infos if info.name == name), None)

    def choose(self, name: str | None) -> ModelInfo:
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
        info = self.get(name)
        if info is None:
            names = ", ".join(info.name for info in self.offered())
            raise ConfigError("model", f"'{name}' is not served here; choose one of: {names}")
        return info

    def choose_loaded(self, name: str | None) -> Model:
        """The model of that name where all are in memory.

        Raises:
            SeamlessError: as `choose`, or it is not in memory.
        """
        info = self.choose(name)
        model = self._models.get(info.name)
        if model is None:
            raise SeamlessError(f"{info.name} is not in memory.", code="no_model")
        return model

    def able(self, source: str | None, target: str | None, *, speech: bool) -> list[ModelInfo]:
        """The models that make `target` of what is said in `source`, the best one first.

        Args:
            source: None if nobody said what is spoken.
            target: None for any.
            speech: speech is wanted; of models that are no demonstration, or of those that are, the
                ones that only write come last.
        """

        def can(info: ModelInfo, *, speech: bool) -> bool:
            targets = info.text_languages if target is None else (target,)
            return any(info.translates(source, lang, speech) for lang in targets)

        able = [info for info in self.offered() if can(info, speech=False)]
        # Nobody needs to hear again what was said in the same language.
        wanted = speech and source != target
        return sorted(
            able, key=lambda info: (info.demonstration, wanted and not can(info, speech=True))
        )

    def pick(self, source: str | None, target: str | None, *, speech: bool) -> ModelInfo:
        """The best model for what is spoken and wanted; the default one if neither is said.

        Raises:
            SeamlessError: none is ready, or none can do it.
        """
        default = self.choose(None)
        if source is None and target is None:
            return default
        if able := self.able(source, target, speech=speech):
            return able[0]
        said = " ".join(filter(None, (source and f"from {source}", target and f"into {target}")))
        raise ConfigError("model", f"no model here translates {said}")

    async def acquire(self, name: str) -> Model:
        """A model to open a stream on; it is loaded if it is not. Each is released once.

        Raises:
            SeamlessError: it cannot be loaded.
        """
        with self._lock:
            self._users[name] += 1
        try:
            model = self._models.get(name)
            if model is None:
                loop = asyncio.get_running_loop()
                model = await loop.run_in_executor(self._loader, self._again, name)
        except BaseException:
            self.release(name)
            raise
        return model

    def release(self, name: str) -> None:
        """A stream is over, or was not opened after all."""
        with self._lock:
            self._users[name] -= 1
            self._used[name] = time.monotonic()
        if self._short():
            self._loader.submit(self._drop)

    # -- in the loader's thread -------------------------------------------------------------------

    def _step(self, model: str, step: str) -> None:
        self._progress.model, self._progress.step = model, step
        level = logging.INFO if step == "ready" else logging.DEBUG
        logger.log(level, "%s: %s (%.1f s)", model, step, time.monotonic() - self._started)
        self._on_change()

    def _run(self) -> None:
        try:
            for number, key in enumerate(self._names):
                if self._describe is None or not number:
                    self._take(key)
                else:
                    info = self._describe(key)
                    self._infos[info.name], self._keys[info.name] = info, key
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

    def _take(self, key: str) -> None:
        self._step(key, "loading")
        for model in self._load(key, partial(self._step, key)):
            self._step(model.name, "warming up")
            self._on_warm(model.warm_up())
            with self._lock:
                # What is known of a model stays when the model goes.
                self._infos[model.name], self._keys[model.name] = model.described(), key
                self._models[model.name] = model
                self._used[model.name] = time.monotonic()
        self._progress.loaded = [name for name in self._infos if name in self._models]

    def _again(self, name: str) -> Model:
        """Load a model that somebody wants now."""
        if (model := self._models.get(name)) is not None:
            return model
        while self._short() and self._drop():
            pass
        try:
            self._take(self._keys[name])
            return self._models[name]
        except SeamlessError:
            raise
        except Exception as error:
            logger.exception("a model could not be loaded")
            raise SeamlessError(
                f"{name} could not be loaded; the server's log says why.", code="no_model"
            ) from error
        finally:
            self._on_change()

    def _drop(self) -> bool:
        """Give up the model that has not been used for the longest time; False if all are used."""
        with self._lock:
            idle = [name for name in self._models if self._users[name] <= 0]
            if not idle or not self._short():
                return False
            name = min(idle, key=lambda name: self._used[name])
            model = self._models.pop(name)
        logger.info("%s: dropped, since memory is short and nobody uses it", name)
        self._progress.loaded = [x for x in self._infos if x in self._models]
        model.close()
        del model
        gc.unfreeze()
        gc.collect()
        self._on_change()
        return True

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
