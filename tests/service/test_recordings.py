"""A recording counts what waits for the disk, and gives up only when that is too much at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seamless_server.service import recording as module
from seamless_server.service.debug_store import DebugStore
from seamless_server.service.recording import Recording

PIECE = np.ones(1_000, np.int16)
TIMEOUT = 20


class Desk:
    """A recording, whose disk may be held up."""

    def __init__(self, root: Path, writer: ThreadPoolExecutor) -> None:
        self.warnings: list[str] = []
        self.writer = writer
        store = DebugStore(root, min_free_mb=0)
        self.recording = Recording(
            store,
            store.create("room"),
            rate=16_000,
            heard_rate=16_000,
            writer=writer,
            max_minutes=60,
            on_warning=self.warnings.append,
        )

    def written(self) -> None:
        """Waits until all that was handed over is."""
        self.writer.submit(lambda: None).result(TIMEOUT)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(module, "_MAX_PENDING", 4 * PIECE.nbytes)
    with ThreadPoolExecutor(1) as writer:
        yield Desk(tmp_path, writer)


def test_what_is_written_does_not_wait_any_more(desk: Desk) -> None:
    for _ in range(20):
        desk.recording.incoming(PIECE)
        desk.written()
    assert desk.warnings == []
    assert "input.wav" in desk.recording.finish().result(TIMEOUT)
    assert soundfile.info(desk.recording.folder / "input.wav").frames == 20 * len(PIECE)


def test_a_disk_that_is_too_slow_ends_the_recording_and_leaves_what_was_written(desk: Desk) -> None:
    held = threading.Event()
    desk.writer.submit(held.wait, TIMEOUT)
    for _ in range(4):
        desk.recording.incoming(PIECE)
    assert desk.warnings == []  # as much as may wait
    desk.recording.incoming(PIECE)
    [warning] = desk.warnings
    assert "too slow" in warning
    for _ in range(9):
        desk.recording.incoming(PIECE)
    assert len(desk.warnings) == 1
    held.set()
    desk.recording.finish().result(TIMEOUT)
