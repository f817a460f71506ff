"""The speech recogniser of the tests and of the recipe: Whisper base, fetched once (145 MB).

    .venv/bin/python -m training.recogniser

is ``seamless-server models download Whisper-base``. Without it, as without network, tests that need
it are skipped.
"""

from __future__ import annotations

import sys

from seamless_server.checkpoints.cards import SYSTEM_DIRS, weights_folder
from seamless_server.checkpoints.download import download_weights
from seamless_server.checkpoints.system_file import find_agent
from seamless_server.errors import SeamlessError

_FILE = find_agent(SYSTEM_DIRS / "Whisper-base")
assert _FILE is not None
FOLDER = weights_folder(_FILE)
"""Where it is, or belongs."""


def main() -> int:
    """Download it if it is not there."""
    assert _FILE is not None
    assert _FILE.weights is not None
    if all((FOLDER / name).is_file() for name in _FILE.weights.files):
        return 0
    try:
        download_weights(_FILE, FOLDER, print)
    except SeamlessError as error:
        print(f"recogniser: {error.message}; what needs it will be skipped")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
