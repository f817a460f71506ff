"""Traces are off until they are asked for, and then need their extra."""

from __future__ import annotations

import sys

import pytest

from seamless_server import tracing
from seamless_server.errors import ConfigError, DependencyError
from seamless_server.settings import read_settings


def test_without_a_collector_nothing_is_traced() -> None:
    tracing.start("", "all")
    with tracing.span("chunk") as trace:
        assert trace is None
        assert tracing.current() is None


def test_without_the_extra_it_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyError, match=r"seamless-server\[tracing\]"):
        tracing.start("http://127.0.0.1:4318", "all")
    with pytest.raises(ConfigError, match="http"):
        read_settings(traces_url="collector:4318")
