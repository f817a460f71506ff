"""How the settings say that models are loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from seamless_server.errors import ConfigError
from seamless_server.service.served_models import Loader
from seamless_server.settings import Settings

if TYPE_CHECKING:
    from seamless_server.streaming import Model, ModelInfo

logger = logging.getLogger(__name__)

_FRONT_WORKERS = 512


def named(settings: Settings) -> list[str]:
    """The models that the settings name."""
    return list(dict.fromkeys(choice.name for choice in settings.models))


def served_names(settings: Settings) -> list[str]:
    """The models to serve; `auto` is the best SeamlessStreaming here, and agents with weights."""
    from seamless_server.checkpoints.cards import agents_here

    names = named(settings)
    return names + agents_here() if names == ["auto"] else names


def _narrow(settings: Settings, name: str, model: ModelInfo) -> None:
    """Offer what the settings say of a model."""
    choices = {choice.name: choice for choice in settings.models}
    if (choice := choices.get(name)) is not None:
        speaks = choice.modalities is None or "s2s" in choice.modalities
        model.narrow(choice.target_langs, speaks)


def describer(settings: Settings) -> Callable[[str], ModelInfo]:
    """Says what a model can do, as the settings offer it, without loading it."""

    def describe(name: str) -> ModelInfo:
        from seamless_server.streaming import describe_model

        info = describe_model(None if name == "auto" else name)
        _narrow(settings, name, info)
        return info

    return describe


def memory_is_short(settings: Settings) -> Callable[[], bool]:
    """Whether less memory is free than the settings ask for."""

    def short() -> bool:
        if not settings.min_free_memory_mb or settings.role == "front":
            return False  # a front has no models in its memory
        from seamless_server.agents.loading import choose_device
        from seamless_server.engine.memory import free_bytes

        return free_bytes(choose_device(settings.device)) < settings.min_free_memory_mb * 1e6

    return short


def model_loader(settings: Settings, workers: int) -> Loader:
    """Loads models as the settings say.

    Args:
        workers: streams that compute at once.
    """

    def load(name: str, progress: Callable[[str], None]) -> list[Model]:
        # Fewer kernels than the engine asks for by itself: sessions come and go for days, and the
        # memory of a server must not creep upwards meanwhile.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")
        # Only now, in the background: importing torch alone takes seconds.
        import torch

        from seamless_server.streaming import load_model

        torch.set_num_threads(_threads(settings, workers))
        model = load_model(
            None if name == "auto" else name,
            device=settings.device,
            dtype=_dtype(settings, name, progress),
            progress=progress,
            engine=engine_kind(settings),
            voice=_voice(settings, name),
            threads=settings.threads_per_worker,
        )
        _narrow(settings, name, model)
        return [model]

    return load


def _seamless_folder(name: str) -> Path | None:
    """Where a SeamlessStreaming model is; None for an agent of somebody else's.

    Raises:
        CheckpointError: there is no such model.
    """
    from seamless_server.checkpoints.cards import default_model, find_agent_file, find_model

    if name != "auto" and find_agent_file(name) is not None:
        return None
    return find_model(default_model() if name == "auto" else name)


def _dtype(settings: Settings, name: str, progress: Callable[[str], None]) -> str:
    """The precision of the settings; of a large model on a processor the fastest."""
    from seamless_server.agents.loading import choose_device
    from seamless_server.agents.precision import usual_dtype

    folder = _seamless_folder(name)
    if settings.dtype != "auto" or folder is None:
        return settings.dtype
    dtype, why = usual_dtype(folder, choose_device(settings.device))
    if why:
        progress(why)
        logger.warning("%s: %s; SEAMLESS_DTYPE chooses another", name, why)
    return dtype


def _voice(settings: Settings, name: str) -> Path | None:
    """The expressive voice for a model; None for one whose units it does not speak.

    Raises:
        CheckpointError: it is wanted and not there.
    """
    from seamless_server.agents.loading import voice_of

    folder = _seamless_folder(name) if settings.use_expressive_model else None
    if folder is None:
        return None
    try:
        return voice_of(folder, settings.expressive_voice)
    except ConfigError as error:
        logger.warning("%s is served without the expressive voice: %s", name, error)
        return None


def engine_kind(settings: Settings) -> str:
    """The engine that `auto` means."""
    return "scheduled" if settings.engine == "auto" else settings.engine


def worker_count(settings: Settings) -> int:
    """Threads in which streams compute."""
    if settings.role == "front":
        return settings.workers or _FRONT_WORKERS  # each waits for an engine elsewhere
    # With the scheduled engine streams mostly wait for it; threads are made when they are needed.
    cores = os.cpu_count() or 1
    return settings.workers or (64 if engine_kind(settings) == "scheduled" else cores)


def _threads(settings: Settings, workers: int) -> int:
    """CPU threads of one network call: the cores are shared with what streams do themselves."""
    cores = os.cpu_count() or 1
    sharing = 2 if engine_kind(settings) == "scheduled" else workers
    return settings.threads_per_worker or max(1, cores // sharing)
