"""From options to a loaded system; pipelines that name the same model share its weights."""

from __future__ import annotations

import os
import threading
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from seamless_server.checkpoints import model_file
from seamless_server.checkpoints.cards import default_model, find_model
from seamless_server.checkpoints.fitting import quantized
from seamless_server.checkpoints.int8 import INT8
from seamless_server.checkpoints.loader import Checkpoint, load_checkpoint, read_folder_config
from seamless_server.checkpoints.pretssel import (
    VOICES,
    find_voice,
    load_voice,
    voice_description,
)
from seamless_server.engine import Engine, InlineEngine, ScheduledEngine
from seamless_server.errors import ConfigError
from seamless_server.nn.threads import share_heap


@dataclass(frozen=True)
class AgentSystem:
    """What agents are made of: the description of a model and the engine that computes it."""

    checkpoint: Checkpoint
    engine: Engine


DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

ENGINES = ("inline", "scheduled")

_systems: dict[tuple[Path, str, str, bool, str, Path | None], AgentSystem] = {}
_holders: Counter[int] = Counter()
"""How often each system was handed out and not given back, by its `id`."""
_lock = threading.Lock()

SMALL_MODEL_BYTES = 200_000_000


def add_model_args(parser: ArgumentParser) -> None:
    """Options that say which model runs where."""
    add = parser.add_argument
    add("--task", type=str, default="s2st", help="s2st, s2tt or asr")
    add("--model", type=str, default=None, help="name or folder of a model")
    add(
        "--compat",
        type=str,
        default=None,
        choices=["official"],
        help="repeat the official pipeline's quirks, see docs/fidelity.md",
    )
    add("--unity-model-name", type=str, default="seamless_streaming_unity", help="official name")
    add(
        "--monotonic-decoder-model-name",
        type=str,
        default="seamless_streaming_monotonic_decoder",
        help="official name",
    )
    add("--vocoder-name", type=str, default="vocoder_v2", help="official name")
    add("--sample-rate", type=float, default=16_000, help="Hz of the input, always 16000")
    add("--device", type=str, default="auto", help="auto, cpu, cuda:0 or mps")
    add(
        "--dtype",
        type=str,
        default="auto",
        choices=["auto", *DTYPES, *INT8],
        help="precision: auto is fp16 on CUDA and fp32 elsewhere; int8 makes large models faster "
        "on CPUs and int8-weights makes them smaller on GPUs, both a little less exact "
        "(docs/benchmarks.md)",
    )
    add("--fp16", action="store_true", help="the same as --dtype fp16")


def add_voice_args(parser: ArgumentParser, option: str) -> None:
    """Options that say where an expressive voice is; ``option`` names it."""
    parser.add_argument(
        f"--{option.replace('_', '-')}",
        type=str,
        default=VOICES[0].name,
        help="expressive voice: vocoder_pretssel (24 kHz), vocoder_pretssel_16khz, or a file",
    )
    parser.add_argument(
        "--gated-model-dir",
        type=str,
        default=None,
        help="folder with the gated pretssel_melhifigan_wm.pt; the model's own is looked in too",
    )


def choose_device(name: str | None) -> torch.device:
    """``auto`` is the first CUDA device, else the CPU.

    Raises:
        ConfigError: the device does not exist here.
    """
    if name in (None, "", "auto"):
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(str(name))
    except RuntimeError:
        raise ConfigError(
            "device", f"{name!r} is not a device: use auto, cpu, cuda:0 or mps"
        ) from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ConfigError(
                "device", f"{name} is not available: PyTorch sees no CUDA device here"
            )
        if (device.index or 0) >= torch.cuda.device_count():
            raise ConfigError(
                "device", f"{name}: there are {torch.cuda.device_count()} CUDA devices"
            )
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device", "mps is not available here")
    elif device.type not in ("cpu", "mps"):
        raise ConfigError("device", f"{name!r} is not supported: use auto, cpu, cuda:0 or mps")
    return device


def choose_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """``auto`` is half precision on CUDA and single precision elsewhere, also for int8 weights.

    Raises:
        ConfigError: another name, or int8 where there are no products of it.
    """
    if name == "int8" and device.type != "cpu":
        raise ConfigError("dtype", f"int8 is for the CPU: on {device.type} use int8-weights")
    if name in (None, "", "auto", *INT8):
        return torch.float16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise ConfigError("dtype", f"{name!r} is not one of auto, {', '.join((*DTYPES, *INT8))}")
    if device.type == "cpu" and name == "fp16":
        # As the official code does: half precision is for devices that have it.
        return torch.float32
    return DTYPES[name]


def set_cpu_threads(folder: Path, threads: int = 0) -> None:
    """As many threads a call as are asked for, else as ``OMP_NUM_THREADS`` says.

    Else one for a small model, whose layers are too short to share, and one a core for a large one.
    """
    if threads:
        torch.set_num_threads(threads)
        return
    if os.environ.get("OMP_NUM_THREADS"):
        return
    size = sum(f.stat().st_size for f in folder.iterdir() if f.suffix in (".pt", ".safetensors"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(1 if size < SMALL_MODEL_BYTES else max(1, cores or 1))


def load_system(
    model: str | Path | None = None,
    device: str | None = "auto",
    dtype: str | None = "auto",
    speech: bool = True,
    progress: Callable[[str], None] | None = None,
    engine: str = "inline",
    voice: Path | None = None,
    threads: int = 0,
) -> AgentSystem:
    """Load a model by name or folder, or find it among those loaded before.

    Args:
        engine: inline computes every request at once in its caller's thread; scheduled serves all
            callers in batches from a thread of its own.
        voice: file of an expressive voice to load with it.
        threads: of a call on the CPU; see `set_cpu_threads`.

    Raises:
        SeamlessError: there is no such model or device, or the files are bad.
    """
    folder = find_model(model if model is not None else default_model(), speech).resolve()
    where = choose_device(device)
    precision = choose_dtype(dtype, where)
    form = str(dtype) if dtype in INT8 else str(precision)
    stored = model_file.is_int8(folder)
    if stored:
        if dtype in DTYPES and where.type == "cpu":
            raise ConfigError(
                "dtype",
                f"{folder.name} holds int8 weights, which cannot be made {dtype} again: use auto",
            )
        form = "int8" if where.type == "cpu" else "int8-weights"
    if engine not in ENGINES:
        raise ConfigError("engine", f"{engine!r} is not one of {', '.join(ENGINES)}")
    with _lock:
        for with_speech in (True,) if speech else (False, True):
            key = (folder, str(where), form, with_speech, engine, voice)
            if (known := _systems.get(key)) is not None:
                _holders[id(known)] += 1
                return known
        if where.type == "cpu":
            set_cpu_threads(folder, threads)
            share_heap()
        checkpoint = load_checkpoint(folder, where, precision, speech, progress)
        if voice is not None:
            if progress is not None:
                progress("loading the expressive voice")
            checkpoint = replace(checkpoint, voice=load_voice(voice, where, precision))
        if where.type != "cpu" and not os.environ.get("OMP_NUM_THREADS"):
            torch.set_num_threads(1)  # VAD, all that is left to the CPU, is too small to share
        if form in INT8 and not stored:
            checkpoint = quantized(checkpoint, form)
        system = AgentSystem(checkpoint, _make_engine(engine, checkpoint, progress))
        _systems[(folder, str(where), form, speech, engine, voice)] = system
        _holders[id(system)] = 1
        return system


def forget_system(system: AgentSystem) -> None:
    """Give back what `load_system` gave; the last one to do so frees its memory.

    Two models that differ in options alone share their system, so one of them may go while the
    other has streams.
    """
    with _lock:
        _holders[id(system)] -= 1
        if _holders[id(system)] > 0:
            return
        del _holders[id(system)]
        for key in [key for key, known in _systems.items() if known is system]:
            del _systems[key]
    if isinstance(system.engine, ScheduledEngine):
        system.engine.close()


def _make_engine(
    name: str, checkpoint: Checkpoint, progress: Callable[[str], None] | None
) -> Engine:
    if name == "inline":
        return InlineEngine(checkpoint)
    engine = ScheduledEngine(checkpoint)
    if progress is not None:
        progress("warming up the engine")
    engine.warm_up()
    return engine


def system_from_args(
    args: Namespace,
    speech: bool = True,
    voice_option: str | None = None,
    engine: str = "inline",
) -> AgentSystem:
    """Load what parsed options name; official YAML files name the published model.

    Args:
        voice_option: the option that names an expressive voice to load with it.
        engine: see `load_system`.
    """
    dtype = getattr(args, "dtype", None)
    if getattr(args, "fp16", False) and dtype in (None, "auto"):
        dtype = "fp16"
    model = getattr(args, "model", None)
    voice = None
    if voice_option is not None:
        folder = find_model(model if model is not None else default_model(), speech)
        voice = voice_of(folder, getattr(args, voice_option), args.gated_model_dir)
    device = getattr(args, "device", None)
    return load_system(model, device, dtype, speech, engine=engine, voice=voice)


def voice_of(model: Path, name: str, gated: str | None = None) -> Path:
    """File of an expressive voice: in the gated folder, the model's own, or the usual one.

    Raises:
        CheckpointError: it is not there; says how one gets it.
        ConfigError: it speaks other units than the model makes.
    """
    folders = [model] if gated is None else [Path(gated).expanduser(), model]
    path = find_voice(name, folders).resolve()
    made, spoken = read_folder_config(model)[0].num_units, voice_description(path)[0].num_units
    if made != spoken:
        raise ConfigError(
            "voice", f"{path.name} speaks {spoken} kinds of units, but this model makes {made}"
        )
    return path
