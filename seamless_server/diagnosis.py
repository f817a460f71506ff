"""What this machine has, and what each missing thing would need: the facts behind `doctor`.

No model is loaded and nothing is fetched; every check answers within seconds and never raises.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from seamless_server.errors import SIMULEVAL_REMEDY, SeamlessError
from seamless_server.settings import read_settings

Status = Literal["ok", "absent", "warning", "missing", "unsafe"]
"""`absent` is optional and not there; `missing` is needed to run and not there; `unsafe` lets
strangers do harm."""

GIGABYTE = 1e9
DOWNLOAD_GB = 8.1
"""Size of the published checkpoint's files together."""
DISK_GB = 17
"""The download, plus a converted copy."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the table."""

    key: str
    """Stable name for programs."""
    group: str
    name: str
    status: Status
    value: str
    """What was found, for people."""
    remedy: str = ""
    """What to do about it; empty if there is nothing to do."""
    data: dict[str, Any] = field(default_factory=dict)
    """What was found, for programs: plain JSON values, sizes in bytes."""

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return asdict(self)


def diagnose() -> list[Finding]:
    """Every finding, in the order of the table."""
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _machine,
        _compute,
        _packages,
        _extras,
        _settings,
        _models,
        _page,
    )
    findings: list[Finding] = []
    for check in checks:
        findings.extend(check())
    return findings


def can_run(findings: list[Finding]) -> bool:
    """Whether nothing is missing that the server cannot do without."""
    return all(finding.status != "missing" for finding in findings)


def _machine() -> Iterator[Finding]:
    group = "Machine"
    version = platform.python_version()
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        "python",
        group,
        "Python",
        "ok" if supported else "missing",
        f"{version} ({sys.executable})",
        "" if supported else "use Python 3.10 to 3.13, 3.11 is the one tested most",
        {"version": version, "executable": sys.executable},
    )
    yield Finding("os", group, "System", "ok", platform.platform(terse=True))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = _cpu_model()
    yield Finding(
        "cpu", group, "CPU", "ok", f"{cores} cores, {model}", data={"cores": cores, "model": model}
    )
    memory = _memory_bytes()
    if memory is not None:
        yield Finding(
            "memory",
            group,
            "Memory",
            "ok",
            f"{memory / GIGABYTE:.1f} GB",
            data={"bytes": memory},
        )


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    """Bytes that this process may use: the machine's, or its container's if that is less."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):
            continue
    return total


def _compute() -> Iterator[Finding]:
    group = "Compute"
    try:
        import torch
    except Exception as error:
        yield Finding(
            "torch",
            group,
            "PyTorch",
            "missing",
            _why_not(error),
            'pip install "torch>=2.6"',
        )
        return
    yield Finding(
        "torch",
        group,
        "PyTorch",
        "ok",
        torch.__version__,
        data={"threads": torch.get_num_threads()},
    )
    devices: list[dict[str, Any]] = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices.append(
                {
                    "name": properties.name,
                    "bytes": properties.total_memory,
                    "capability": f"{properties.major}.{properties.minor}",
                }
            )
    if devices:
        value = "; ".join(f"{one['name']}, {one['bytes'] / GIGABYTE:.0f} GB" for one in devices)
        yield Finding("cuda", group, "CUDA", "ok", value, data={"devices": devices})
    else:
        yield Finding(
            "cuda",
            group,
            "CUDA",
            "absent",
            "no CUDA device" if torch.version.cuda else "this PyTorch is built without CUDA",
            "the published model needs an NVIDIA GPU (6 GB or more) for real time; "
            "the embedded one runs on the CPU",
            {"devices": []},
        )
    if sys.platform == "darwin":
        usable = torch.backends.mps.is_available()
        yield Finding(
            "mps", group, "Apple GPU (MPS)", "ok" if usable else "absent", "yes" if usable else "no"
        )


_NEEDED = {
    "simuleval": ("SimulEval", "simuleval.agents", SIMULEVAL_REMEDY),
    "soundfile": ("soundfile", "soundfile", ""),
    "av": ("PyAV (FFmpeg's libraries)", "av", ""),
    "soxr": ("soxr", "soxr", ""),
    "kaldi-native-fbank": ("kaldi-native-fbank", "kaldi_native_fbank", ""),
    "silero-vad": ("silero-vad", "silero_vad", ""),
    "sentencepiece": ("SentencePiece", "sentencepiece", ""),
    "python-socketio": ("Socket.IO", "socketio", ""),
    "fastapi": ("FastAPI", "fastapi", ""),
}  # fmt: skip


def _packages() -> Iterator[Finding]:
    for distribution, (name, module, remedy) in _NEEDED.items():
        try:
            importlib.import_module(module)
        except Exception as error:
            yield Finding(
                distribution,
                "Packages",
                name,
                "missing",
                _why_not(error),
                remedy or f"pip install {distribution}",
            )
        else:
            yield Finding(distribution, "Packages", name, "ok", _version(distribution))


_OPTIONAL = {
    "redis": ("Redis client", "redis", "several server processes sharing rooms"),
    "sounddevice": ("sounddevice", "mic", "speaking into `stream mic`"),
    "sacrebleu": ("Scores and reports", "evaluation", "`evaluate`, and the pages of `bench`"),
    "ray": ("Ray Serve", "cluster", "fronts and engines on several machines"),
    "faster-whisper": ("faster-whisper", "asr", "ASR-BLEU, scoring translated speech"),
    "openai-whisper": ("openai-whisper", "openai-whisper", "ASR-BLEU as the official tool does it"),
    "omnisteval": ("OmniSTEval", "longform", "scoring long recordings"),
}


def _extras() -> Iterator[Finding]:
    for distribution, (name, extra, purpose) in _OPTIONAL.items():
        module = {"openai-whisper": "whisper"}.get(distribution, distribution.replace("-", "_"))
        present = importlib.util.find_spec(module) is not None
        yield Finding(
            distribution,
            "Optional",
            name,
            "ok" if present else "absent",
            _version(distribution) if present else f"only for {purpose}",
            "" if present else f'pip install "seamless-server[{extra}]"',
        )


def _settings() -> Iterator[Finding]:
    try:
        read_settings()
    except SeamlessError as error:
        yield Finding(
            "settings",
            "Settings",
            "Environment",
            "missing",
            error.message,
            "correct or unset that variable; docs/settings.md lists them all",
        )
    else:
        named = sorted(name for name in os.environ if name.startswith("SEAMLESS_"))
        value = f"valid; set: {', '.join(named)}" if named else "valid; all defaults"
        yield Finding("settings", "Settings", "Environment", "ok", value, data={"set": named})


def _models() -> Iterator[Finding]:
    try:
        from seamless_server.checkpoints.cards import cards, checkpoint_dir
        from seamless_server.checkpoints.published import FILES
    except ImportError:
        return  # PyTorch is missing, which has a row of its own
    group = "Models"
    known = cards()
    folder = checkpoint_dir()
    free = _free_bytes(folder)
    wanting = any(not card.embedded and not card.present for card in known)
    short = wanting and free is not None and free < DISK_GB * GIGABYTE
    yield Finding(
        "checkpoint_dir",
        group,
        "Checkpoint folder",
        "warning" if short else "ok",
        str(folder) + (f", {free / GIGABYTE:.0f} GB free" if free is not None else ""),
        f"the published model needs {DISK_GB} GB ({DOWNLOAD_GB} GB to download, as much again "
        "converted); name a larger place: SEAMLESS_CHECKPOINT_DIR=/path"
        if short
        else "",
        {"path": str(folder), "free_bytes": free},
    )
    none = not any(card.present for card in known)
    for card in known:
        lacking = card.missing
        partial = len(lacking) < len(FILES)
        status: Status = "warning" if partial else "absent"
        if not lacking:
            status, value = "ok", str(card.folder)
        elif partial:
            value = f"incomplete: {card.folder} lacks {', '.join(lacking)}"
        elif card.embedded:
            value = f"no weights in {card.folder}"
        else:
            value = f"not downloaded ({DOWNLOAD_GB} GB); licence: {card.licence}"
        if none and card.embedded:
            status = "missing"  # the one that needs no download, so that something can be served
        remedy = (
            "run from a checkout that holds it, or download the published model"
            if card.embedded
            else f"seamless-server models download {card.name}"
        )
        yield Finding(
            f"model:{card.name}",
            group,
            card.name,
            status,
            value,
            remedy if lacking else "",
            {"folder": str(card.folder), "lacking": lacking},
        )


def _free_bytes(path: Path) -> int | None:
    for place in (path, *path.parents):
        if place.is_dir():
            try:
                return shutil.disk_usage(place).free
            except OSError:
                return None
    return None


def _page() -> Iterator[Finding]:
    group = "Web page"
    for program in ("node", "npm"):
        version = _program_version(program)
        yield Finding(
            program,
            group,
            {"node": "Node.js", "npm": "npm"}[program],
            "ok" if version else "absent",
            version or "only for building the page",
            "" if version else "install Node.js 20 or newer with npm",
        )
    try:
        from seamless_server.doors.page import page_folder

        folder = page_folder(read_settings())
    except (ImportError, SeamlessError):
        return  # which has a row of its own
    built = (folder / "index.html").is_file()
    yield Finding(
        "page",
        group,
        "Built page",
        "ok" if built else "warning",
        str(folder) if built else "not built: the server shows a notice in its place",
        "" if built else "make setup",
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "present"


def _why_not(error: Exception) -> str:
    """Absent, or there but broken; and how."""
    if isinstance(error, ModuleNotFoundError):
        return f"not installed ({error.name})"
    first = str(error).strip().splitlines()
    return f"does not load: {first[0] if first else type(error).__name__}"


def _program_version(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        run = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
