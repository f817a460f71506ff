"""``seamless-server serve``: the live server."""

from __future__ import annotations

import logging
import ssl
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from seamless_server.errors import UsageError


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("serve")(serve)


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 for everybody.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model to serve: a name or a folder. May be given several times."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda:0, mps.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="auto, fp32, fp16, bf16, int8, int8-weights.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Threads that compute.")] = None,
    max_speakers: Annotated[
        str | None,
        typer.Option(help="Streams at once, or auto: as many as it carries. More wait in line."),
    ] = None,
    waiting_places: Annotated[
        int | None, typer.Option(help="Speakers that may wait in line; more are refused.")
    ] = None,
    lock_server_completely: Annotated[
        bool | None, typer.Option("--lock-server-completely", help="Refuse every stream.")
    ] = None,
    allow_debug: Annotated[
        bool | None,
        typer.Option(
            "--allow-debug/--no-debug",
            help="Record streams that ask for it. Default: only for clients on this machine.",
        ),
    ] = None,
    debug_dir: Annotated[Path | None, typer.Option(help="Where recordings go.")] = None,
    cors_origins: Annotated[
        str | None, typer.Option(help="Other origins that may connect, separated by commas.")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option(help="Share rooms with other replicas through this Redis.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(help="all, or a part of a server on several machines: front, engine."),
    ] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(help="HOST:6379 of the Ray cluster that joins fronts and engines."),
    ] = None,
    engines: Annotated[
        str | None, typer.Option(help="Engines to run: a number, or 1..8 as they are used.")
    ] = None,
    engine_places: Annotated[
        int | None, typer.Option(help="Streams that one engine takes at once.")
    ] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path below which a proxy serves it, such as /translate.")
    ] = None,
    page_dir: Annotated[Path | None, typer.Option(help="Folder of the built page.")] = None,
    ssl_certfile: Annotated[
        Path | None, typer.Option(help="TLS certificate; browsers give no microphone without.")
    ] = None,
    ssl_keyfile: Annotated[Path | None, typer.Option(help="Its key.")] = None,
    log_level: Annotated[
        str | None, typer.Option(help="error, warning, info, debug, trace.")
    ] = None,
    log_json: Annotated[
        bool | None, typer.Option("--log-json", help="Log one JSON object a line.")
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
