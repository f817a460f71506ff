"""Runs the application with uvicorn, as `seamless-server serve` does."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any

import orjson
import uvicorn

from seamless_server.doors.address import local_address
from seamless_server.doors.application import create_app
from seamless_server.doors.catalogue import capabilities
from seamless_server.doors.guards import masked
from seamless_server.doors.reading import StepwiseProtocol
from seamless_server.doors.welcome import welcome
from seamless_server.errors import UsageError
from seamless_server.settings import Settings

_LOOK_AGAIN_S = 0.1
_UVICORN = {"info": "warning"}
"""How much uvicorn logs at each of our levels, where it is another."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        entry: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return masked(orjson.dumps(entry).decode())


class PlainFormatter(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return masked(super().format(record))


def set_up_logging(level: str, *, as_json: bool) -> None:
    """Logs of ours and of uvicorn, in one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter() if as_json else PlainFormatter("%(levelname)-7s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def make_config(settings: Settings, *, trace: bool = False, **options: Any) -> uvicorn.Config:
    """uvicorn's configuration for these settings."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        # At `info` a line for every request would bury what the start said.
        log_level="trace" if trace else _UVICORN.get(settings.log_level, settings.log_level),
        ws=StepwiseProtocol,
        # Audio does not compress, and compressing for each listener would hold up all.
        ws_per_message_deflate=False,
        ws_max_size=settings.max_message_bytes + 1024,
        timeout_graceful_shutdown=10,
        **options,
    )


def run(settings: Settings, *, trace: bool = False, **tls: Any) -> None:
    """Serves until Ctrl-C.

    Raises:
        UsageError: the address cannot be used.
    """
    set_up_logging("debug" if trace else settings.log_level, as_json=settings.log_json)
    config = make_config(settings, trace=trace, **tls)
    try:
        listener = _listen(settings.host, settings.port)
    except socket.gaierror:
        raise UsageError(f"--host: there is no host named {settings.host}") from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"port {settings.port} of {settings.host} cannot be used ({reason}): choose another "
            "with --port, or 0 for a free one"
        ) from None
    port = listener.getsockname()[1]
    scheme = "https" if config.is_ssl or tls else "http"
    sys.stderr.write(f"\n  {local_address(settings, scheme, port)}: the model is loading.\n\n")
    sys.stderr.flush()
    server = uvicorn.Server(config)
    greeting = (server, settings, scheme, port)
    threading.Thread(target=_greet, args=greeting, name="greeting", daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn repeats a signal when it has ended, which must not end us with an error then.
        signal.signal(number, lambda *_: None)
    _run_in_loop(config, server.serve(sockets=[listener]))


def _run_in_loop(config: uvicorn.Config, main: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, in the event loop that uvicorn chooses: uvloop where it is installed.

    A listener more is a few messages more, of which the loop's own work is the larger part.
    """
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(main)
    else:
        asyncio.run(main)


def _greet(server: uvicorn.Server, settings: Settings, scheme: str, port: int) -> None:
    """Says where the server is once it can translate; the last lines are the addresses."""
    while not server.started:
        time.sleep(_LOOK_AGAIN_S)
    app: Any = server.config.app
    models = app.state.parts.models
    while models.progress.state == "loading":
        time.sleep(_LOOK_AGAIN_S)
    offered = capabilities(models)
    sys.stderr.write(welcome(settings, scheme, port, offered, qr=sys.stderr.isatty()))
    sys.stderr.flush()


def _reachable(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family, *_, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.set_inheritable(True)
    except BaseException:
        listener.close()
        raise
    return listener


class BackgroundServer:
    """A server in a thread of this process, for tests, benchmarks and notebooks.

    Use as a context manager; `url` is its address once it is entered.
    """

    def __init__(self, settings: Settings, *, wait_ready: bool = True) -> None:
        self.settings = settings
        self._wait_ready = wait_ready
        self._listener = _listen(settings.host, 0) if not settings.port else None
        self.config = make_config(settings)
        self.server = uvicorn.Server(self.config)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self.url = ""

    @property
    def app(self) -> Any:
        """The FastAPI application."""
        return self.config.app

    def _run(self) -> None:
        async def serve() -> None:
            self.loop = asyncio.get_running_loop()
            await self.server.serve(sockets=[self._listener] if self._listener else None)

        asyncio.run(serve())

    def __enter__(self) -> BackgroundServer:
        self._thread.start()
        while not self.server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://{_reachable(self.settings.host)}:{port}"
        models = self.app.state.parts.models
        while self._wait_ready and models.progress.state == "loading":
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(timeout=30)
