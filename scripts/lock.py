"""Resolve constraints.txt anew: one universal lock for Python 3.10 to 3.13 on every platform.

    make lock

uv does the resolving. What is in the file already is kept where it still fits; remove a line first
to have it updated. PyTorch is pinned by hand below.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "constraints.txt"
PINNED_BY_HAND = "torch==2.13.0\n"
HEADER = """\
# Locked versions of everything in pyproject.toml with all extras, for Python 3.10 to 3.13:
#     pip install -c constraints.txt -e ".[dev,evaluation,cluster]"
# Made by `make lock`; edit pyproject.toml instead.
"""


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder) / "pins.txt"
        pins.write_text(PINNED_BY_HAND)
        out = Path(folder) / "out.txt"
        out.write_text(LOCK.read_text() if LOCK.is_file() else "")
        arguments = ["--universal", "--all-extras", "--python-version", "3.10", "--quiet"]
        arguments += ["--no-header", "--no-annotate", "-c", str(pins), "-o", str(out)]
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *arguments]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        LOCK.write_text(HEADER + out.read_text())
    print(f"wrote {LOCK.name}: {len(LOCK.read_text().splitlines())} lines")


if __name__ == "__main__":
    main()
