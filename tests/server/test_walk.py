"""The walk of a chunk through a running server is the one that docs/architecture.md describes."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import seamless_server
from seamless_server.doors.running import BackgroundServer

from .conftest import CHECKPOINT, Connect, speech

PACKAGE = Path(seamless_server.__file__).parent
DOCS = PACKAGE.parent / "docs" / "architecture.md"
THREADS = {"server": "loop", "stream": "worker", "engine": "engine"}
ROW = re.compile(r"^\| (loop|worker|engine) \| `([\w.]+)` \| `([\w./]+)` \|", re.MULTILINE)


class Tracer:
    """Notes, while it is on, which functions of the package are entered in which thread."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[tuple[str, str, str]] = []

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if self.on and event == "call" and code.co_filename.startswith(str(PACKAGE)):
            file = Path(code.co_filename).relative_to(PACKAGE).as_posix()
            kind = re.match("[a-z]+", threading.current_thread().name)
            assert kind is not None
            owner = frame.f_locals.get("self")
            name = code.co_name if owner is None else self.qualified(type(owner), code.co_name)
            self.calls.append((THREADS.get(kind[0], kind[0]), name, file))

    @staticmethod
    def qualified(kind: type, name: str) -> str:
        """With the class that defines it, as ``co_qualname`` of Python 3.11 says it."""
        owner = next((x for x in kind.__mro__ if name in vars(x)), kind)
        return f"{owner.__name__}.{name}"


async def test_a_push_walks_the_documented_stations(
    start_server: Callable[..., BackgroundServer], connect: Connect, tmp_path: Path
) -> None:
    # A model that no server has loaded yet: its engine's thread begins with this one's.
    model = shutil.copytree(CHECKPOINT, tmp_path / "tiny")
    tracer = Tracer()
    threading.setprofile(tracer)  # of the threads that begin from now on: the server's
    try:
        server = start_server(join_limit_ms=640, models=(str(model),))
        peer = await connect(server)
        await peer.join()
        await peer.configure()
        tracer.on = True
        pcm = speech("human_short")
        await peer.speak(pcm[:10_240], chunk=10_240)  # one push, in which it says something
        await peer.until("translation_text")
        await peer.until("translation_speech")
        tracer.on = False
    finally:
        threading.setprofile(None)

    text = DOCS.read_text(encoding="utf-8")
    stations = ROW.findall(text)
    assert 15 <= len(stations) <= 18
    crossings = sum(a[0] != b[0] for a, b in pairwise(stations))
    assert crossings == 4

    calls = iter(tracer.calls)
    for station in stations:
        assert station in calls, f"{station} is not where the table says"

    used = {thread: re.findall(r"`([\w/]+\.py)`", files) for thread, files in used_on_the_way(text)}
    known = [x for _, _, x in stations] + used["worker"] + used["engine"]
    walked = {file for thread, _, file in tracer.calls if thread != "loop"}
    assert {file for file in walked if not file.startswith("nn/")} <= set(known)


def used_on_the_way(text: str) -> list[tuple[str, str]]:
    """The lists of files below the table, by thread."""
    return re.findall(r"^- (loop|worker|engine): (.*?)[;.]$", text, re.MULTILINE | re.DOTALL)
