"""The ASGI application.

Both ways of the original start it: ``uvicorn seamless_server.app_pubsub:app`` from anywhere, and
``uvicorn app_pubsub:app`` from within this folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "app_pubsub":
    # Started from within the package: its folder is on the path, where its modules (`settings`,
    # `client`, ...) would hide other packages of these names. Its parent is meant.
    _here = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != _here]
    sys.path.insert(0, str(_here.parent))

from seamless_server.doors.application import create_app

app = create_app()
