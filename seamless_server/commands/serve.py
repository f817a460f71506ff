"""``seamless-server serve``: the live server."""

from __future__ import annotations

import logging
import ssl
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from seamless_server.commands.stream_flags import MACHINE
from seamless_server.errors import UsageError

_SPEAKERS = "Who may do what"
_SEVERAL = "Several machines"
_AROUND = "Page, proxy and logs"


class _WithDefaults(TyperCommand):
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


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 for everybody.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model to serve: a name or a folder. May be given several times."),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda:0, mps.", rich_help_panel=MACHINE)
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="auto, fp32, fp16, bf16, int8, int8-weights.", rich_help_panel=MACHINE),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Threads that compute.", rich_help_panel=MACHINE)
    ] = None,
    max_speakers: Annotated[
        str | None,
        typer.Option(
            help="Streams at once, or auto: as many as it carries. More wait in line.",
            rich_help_panel=_SPEAKERS,
        ),
    ] = None,
    waiting_places: Annotated[
        int | None,
        typer.Option(
            help="Speakers that may wait in line; more are refused.", rich_help_panel=_SPEAKERS
        ),
    ] = None,
    lock_server_completely: Annotated[
        bool | None,
        typer.Option(
            "--lock-server-completely", help="Refuse every stream.", rich_help_panel=_SPEAKERS
        ),
    ] = None,
    allow_debug: Annotated[
        bool | None,
        typer.Option(
            "--allow-debug/--no-debug",
            help="Record streams that ask for it. Default: only for clients on this machine.",
            rich_help_panel=_SPEAKERS,
        ),
    ] = None,
    debug_dir: Annotated[
        Path | None, typer.Option(help="Where recordings go.", rich_help_panel=_SPEAKERS)
    ] = None,
    cors_origins: Annotated[
        str | None,
        typer.Option(
            help="Other origins that may connect, separated by commas.", rich_help_panel=_SPEAKERS
        ),
    ] = None,
    redis_url: Annotated[
        str | None,
        typer.Option(
            help="Share rooms with other replicas through this Redis.", rich_help_panel=_SEVERAL
        ),
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            help="all, or a part of a server on several machines: front, engine.",
            rich_help_panel=_SEVERAL,
        ),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="HOST:6379 of the Ray cluster that joins fronts and engines.",
            rich_help_panel=_SEVERAL,
        ),
    ] = None,
    engines: Annotated[
        str | None,
        typer.Option(
            help="Engines to run: a number, or 1..8 as they are used.", rich_help_panel=_SEVERAL
        ),
    ] = None,
    engine_places: Annotated[
        int | None,
        typer.Option(help="Streams that one engine takes at once.", rich_help_panel=_SEVERAL),
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option(
            help="Path below which a proxy serves it, such as /translate.", rich_help_panel=_AROUND
        ),
    ] = None,
    page_dir: Annotated[
        Path | None, typer.Option(help="Folder of the built page.", rich_help_panel=_AROUND)
    ] = None,
    ssl_certfile: Annotated[
        Path | None, typer.Option(help="TLS certificate; browsers give no microphone without.")
    ] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    log_level: Annotated[
        str | None,
        typer.Option(help="error, warning, info, debug, trace.", rich_help_panel=_AROUND),
    ] = None,
    log_json: Annotated[
        bool | None,
        typer.Option("--log-json", help="Log one JSON object a line.", rich_help_panel=_AROUND),
    ] = None,
) -> None:
    """Serve live translation and its web page.

    Every setting of docs/settings.md can also be given as SEAMLESS_NAME in the environment; flags
    win. Ctrl-C ends the streams and stops.
    """
    from seamless_server.settings import read_settings

    settings = read_settings(
        host=host,
        port=port,
        models=tuple(model) if model else None,
        device=device,
        dtype=dtype,
        workers=workers,
        max_speakers=max_speakers,
        waiting_places=waiting_places,
        lock_server_completely=lock_server_completely,
        allow_debug=None if allow_debug is None else ("yes" if allow_debug else "no"),
        debug_dir=debug_dir,
        cors_origins=cors_origins,
        redis_url=redis_url,
        role=role,
        ray_address=ray_address,
        engines=engines,
        engine_places=engine_places,
        root_path=root_path,
        page_dir=page_dir,
        log_level=None if log_level == "trace" else log_level,
        log_json=log_json,
    )
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

    tls: dict[str, Any] = {}
    if ssl_certfile is not None:
        tls = {"ssl_certfile": str(ssl_certfile)}
        if ssl_keyfile is not None:
            tls["ssl_keyfile"] = str(ssl_keyfile)
    try:
        run(settings, trace=log_level == "trace", **tls)
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("stopped")
        sys.exit(0)
