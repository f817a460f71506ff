"""Everything that is needed to repeat a run: ``run.json``."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from seamless_server import __version__
from seamless_server.checkpoints.download import sha256
from seamless_server.errors import SeamlessError

RUN_NAME = "run.json"

_PACKAGES = (
    "torch", "numpy", "simuleval", "sacrebleu", "jiwer", "whisper-normalizer", "sentencepiece",
    "silero-vad", "soundfile", "soxr", "kaldi-native-fbank", "faster-whisper", "openai-whisper",
    "av",
)  # fmt: skip

_CHECKPOINT_SUFFIXES = {".pt", ".safetensors", ".model", ".json"}


class RunFolderError(SeamlessError):
    """A folder holds no run, or another one than is wanted."""

    code = "run_folder"


def hash_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a checkpoint folder, by name."""
    return {
        path.name: sha256(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix in _CHECKPOINT_SUFFIXES
    }


def versions() -> dict[str, str]:
    """Versions of this package and of those that can change a figure."""
    found = {"seamless-server": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What computation-aware figures depend on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
    }


def _processor() -> str:
    """The processor's name as Linux tells it, else what Python knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@dataclass(frozen=True)
class RunInfo:
    """What a run is: `settings` and `inputs` decide its results, the rest tells where it was made.

    A run may be continued only with the same settings and inputs.
    """

    settings: Mapping[str, Any]
    """Task, language, agent and its options, treatment of the audio."""
    inputs: Mapping[str, Any]
    """Hashes of the manifest and of the checkpoint."""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    """What changes speed but not results: workers, versions, machine, command line."""

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return asdict(self)


def conditions(workers: int, command: Sequence[str] | None = None) -> dict[str, Any]:
    """The conditions of a run that starts now."""
    words = list(sys.argv[1:] if command is None else command)
    return {
        "command": ["seamless-server", *words],
        "workers": workers,
        "versions": versions(),
        "machine": machine(),
    }


def make_folder(folder: Path) -> None:
    """Make a folder for results, with those around it.

    Raises:
        RunFolderError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make the folder {folder}: {error.strerror}") from None


def open_run(folder: Path, info: RunInfo, *, overwrite: bool = False) -> None:
    """Make a folder the home of a run, or see that it is the same one's already.

    Args:
        folder: the run's folder.
        info: the run that is wanted.
        overwrite: throw away another run that is there.

    Raises:
        RunFolderError: it holds another run; names what differs.
    """
    path, log = folder / RUN_NAME, folder / "instances.log"
    # What broke before its first sentence has left nothing that could be lost.
    begun = log.exists() and log.stat().st_size > 0
    if path.exists() and begun and not overwrite:
        there = read_run(folder)
        wanted = json.loads(json.dumps(info.as_dict()))
        different = [
            f"{part}.{key}"
            for part in ("settings", "inputs")
            for key in sorted({*there.get(part, {}), *wanted[part]})
            if there.get(part, {}).get(key) != wanted[part].get(key)
        ]
        if different:
            raise RunFolderError(
                f"{folder} holds another run, which differs in {', '.join(different)}: choose "
                "another --output, or throw it away with --overwrite"
            )
    elif begun and not overwrite:
        raise RunFolderError(
            f"{folder} holds a log of another program: choose another --output, or throw it away "
            "with --overwrite"
        )
    make_folder(folder)
    if overwrite:
        for name in ("instances.log", "failures.log", "transcripts.log"):
            (folder / name).unlink(missing_ok=True)
    write_json(path, info.as_dict())


def read_run(folder: Path) -> dict[str, Any]:
    """The ``run.json`` of a folder.

    Raises:
        RunFolderError: there is none, or it cannot be read.
    """
    return _read(folder, RUN_NAME)


def read_metrics(folder: Path) -> dict[str, Any]:
    """The ``metrics.json`` of a folder.

    Raises:
        RunFolderError: there is none, or it cannot be read.
    """
    return _read(folder, "metrics.json")


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise RunFolderError(f"{folder} holds no finished run: there is no {name}")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise RunFolderError(f"{path} is damaged: it is not JSON") from None
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, all or nothing."""
    temporary = path.with_suffix(".tmp")
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
