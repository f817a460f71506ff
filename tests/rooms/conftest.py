"""A clock that tests put forward."""

from __future__ import annotations

import pytest


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("seamless_server.rooms.rooms.time", clock)
    monkeypatch.setattr("seamless_server.rooms.members.time", clock)
    return clock
