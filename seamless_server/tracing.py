"""Traces by OpenTelemetry: what became of each chunk of audio, from its speaker to who listens.

Nothing is traced, and no library is needed, until `start` is called. Others know a span by its
traceparent (W3C Trace Context), a string that goes with the work to threads, engines and replicas.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from seamless_server import __version__
from seamless_server.errors import DependencyError

_NAME = "seamless-server"
_HEADER = "traceparent"

_tracer: Any = None
_current: ContextVar[str | None] = ContextVar("span", default=None)


def start(url: str, part: str) -> None:
    """Sends the spans of this process to a collector from now on; none if the URL is empty.

    Args:
        url: where it takes OTLP over HTTP, such as http://host:4318.
        part: what this process is: all, front, engine.

    Raises:
        DependencyError: the extra is not installed.
    """
    if not url:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise DependencyError(
            "opentelemetry", "tracing", "pip install 'seamless-server[tracing]'"
        ) from None
    start_with(BatchSpanProcessor(OTLPSpanExporter(f"{url.rstrip('/')}/v1/traces")), part)


def start_with(processor: Any, part: str) -> None:
    """Gives the spans of this process to a processor of OpenTelemetry's SDK from now on."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    global _tracer
    about = {
        "service.name": _NAME,
        "service.version": __version__,
        "service.instance.id": f"{os.uname().nodename}:{os.getpid()}",
        "seamless.part": part,
    }
    # A provider of our own: Ray has the global one.
    provider = TracerProvider(resource=Resource.create(about))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer(_NAME, __version__)


def stop() -> None:
    """Nothing is traced any more."""
    global _tracer
    _tracer = None


def current() -> str | None:
    """The traceparent of the span that this code runs in."""
    return _current.get()


@contextmanager
def span(name: str, parent: str | None = None, **facts: str | float | None) -> Iterator[str | None]:
    """Times a block; gives the traceparent for what belongs to it, None where nothing is traced.

    Args:
        parent: traceparent of the span that it belongs to; the one around it by default.
        facts: attributes.
    """
    if _tracer is None:
        yield None
        return
    from opentelemetry.context import Context
    from opentelemetry.trace import Status, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    passing, carrier = TraceContextTextMapPropagator(), dict[str, str]()
    above = parent or _current.get()
    made = _tracer.start_span(
        name,
        passing.extract({_HEADER: above}, Context()) if above else Context(),
        attributes={f"seamless.{key}": x for key, x in facts.items() if x is not None},
    )
    passing.inject(carrier, set_span_in_context(made))
    before = _current.set(carrier[_HEADER])
    try:
        yield carrier[_HEADER]
    except Exception as error:
        made.record_exception(error)
        made.set_status(Status(StatusCode.ERROR))
        raise
    finally:
        _current.reset(before)
        made.end()
