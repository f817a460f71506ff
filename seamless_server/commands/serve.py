"""``seamless-server serve``: the live server."""

from __future__ import annotations

import inspect
import logging
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from seamless_server.commands.helpful import HelpfulCommand
from seamless_server.commands.stream_flags import keyword, with_flags
from seamless_server.errors import UsageError


class _WithDefaults(HelpfulCommand):
    """Its help says what holds where neither a flag nor the environment says it."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        from seamless_server.settings import Settings  # slow to import

        for param in self.params:
            name = {"model": "models"}.get(param.name or "", param.name or "")
            field = Settings.model_fields.get(name)
            value = None if field is None else field.get_default(call_default_factory=True)
            if value not in (None, "", ()) and not getattr(param, "is_flag", False):
                # Only shown: what is not given is left to the settings.
                shown = ", ".join(x.name for x in value) if name == "models" else str(value)
                param.default, param.show_default = shown, True  # type: ignore[attr-defined]
        super().format_help(ctx, formatter)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("serve", cls=_WithDefaults)(serve)


_FLAGS: dict[str, dict[str, tuple[Any, str]]] = {
    "": {
        "host": (str, "Address to listen on; 0.0.0.0 for everybody."),
        "port": (int, "Port; 0 takes a free one."),
        "model": (list[str], "Model to serve: a name or a folder. May be given several times."),
        "ssl_certfile": (Path, "TLS certificate; browsers give no microphone without."),
        "ssl_keyfile": (Path, "Its key."),
    },
    "Machine and pipeline": {
        "device": (str, "auto, cpu, cuda:0, mps."),
        "dtype": (str, "auto, fp32, fp16, bf16, int8, int8-weights."),
        "workers": (int, "Threads that compute."),
    },
    "Who may do what": {
        "max_speakers": (
            str,
            "Streams at once, or auto: as many as it carries. More wait in line.",
        ),
        "waiting_places": (int, "Speakers that may wait in line; more are refused."),
        "lock_server_completely": (bool, "Refuse every stream."),
        "allow_debug/--no-debug": (
            bool,
            "Record streams that ask for it. Default: only for clients on this machine.",
        ),
        "debug_dir": (Path, "Where recordings go."),
        "cors_origins": (str, "Other origins that may connect, separated by commas."),
    },
    "Several machines": {
        "redis_url": (str, "Share rooms with other replicas through this Redis."),
        "role": (str, "all, or a part of a server on several machines: front, engine."),
        "ray_address": (str, "HOST:6379 of the Ray cluster that joins fronts and engines."),
        "engines": (str, "Engines to run: a number, or 1..8 as they are used."),
        "engine_places": (int, "Streams that one engine takes at once."),
    },
    "Page, proxy and logs": {
        "root_path": (str, "Path below which a proxy serves it, such as /translate."),
        "page_dir": (Path, "Folder of the built page."),
        "log_level": (str, "error, warning, info, debug, trace."),
        "log_json": (bool, "Log one JSON object a line."),
    },
}
"""Flags by the names of their settings, in groups of the help page. docs/settings.md has all
settings, which the environment may name, too."""


def _flags() -> Iterator[inspect.Parameter]:
    for panel, flags in _FLAGS.items():
        for spelled, (kind, text) in flags.items():
            name = spelled.partition("/")[0]
            option = typer.Option(
                f"--{spelled.replace('_', '-')}", help=text, rich_help_panel=panel or None
            )
            yield keyword(name, Annotated[kind | None, option])


@with_flags("given", list(_flags()))
def serve(given: dict[str, Any]) -> None:
    """Serve live translation and its web page.

    Every setting of docs/settings.md can also be given as SEAMLESS_NAME in the environment; flags
    win. Ctrl-C ends the streams and stops.
    """
    from seamless_server.settings import read_settings

    given["models"] = tuple(given.pop("model", ())) or None
    if "allow_debug" in given:
        given["allow_debug"] = "yes" if given["allow_debug"] else "no"
    ssl_certfile, ssl_keyfile = given.pop("ssl_certfile", None), given.pop("ssl_keyfile", None)
    trace = given.get("log_level") == "trace"
    settings = read_settings(**{**given, "log_level": None} if trace else given)
    for path in (ssl_certfile, ssl_keyfile):
        if path is not None and not path.is_file():
            raise UsageError(f"{path} is not a file")
    if ssl_certfile is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                ssl_certfile, ssl_keyfile, password=""
            )
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise UsageError(
                f"--ssl-certfile, --ssl-keyfile: no usable certificate and key in PEM ({reason})"
            ) from None

    if settings.role == "engine":
        from seamless_server.cluster.joining import require_cluster

        require_cluster()
        from seamless_server.cluster.deploy import run_engines
        from seamless_server.doors.running import set_up_logging

        set_up_logging(settings.log_level, as_json=settings.log_json)
        run_engines(settings)
        return

    from seamless_server.doors.running import run

    tls = {"ssl_certfile": ssl_certfile, "ssl_keyfile": ssl_keyfile} if ssl_certfile else {}
    try:
        run(settings, trace=trace, **tls)
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("stopped")
        sys.exit(0)
