"""The command line: one app, one module a command."""

from __future__ import annotations

import importlib
import importlib.util
import io
import sys
from typing import Annotated, NoReturn

import typer

from seamless_server import __version__
from seamless_server.commands.helpful import CommandApp
from seamless_server.errors import SeamlessError

COMMANDS = (
    "serve",
    "translate",
    "stream",
    "evaluate",
    "models",
    "bench",
    "bench_server",
    "bench_gpu",
    "bench_cluster",
    "doctor",
    "top",
)
"""Modules of `seamless_server.commands`, in the order of the help page."""

EPILOG = """
[bold]Examples[/bold]

  [dim]What this machine has, and what it lacks:[/dim]

  seamless-server doctor

  [dim]Translate a file as a stream, into Spanish text and speech:[/dim]

  seamless-server translate talk.wav --task s2st --tgt-lang spa

  [dim]Serve the page and the Socket.IO API:[/dim]

  seamless-server serve --port 8000

  [dim]Every command explains itself:[/dim]

  seamless-server translate --help
"""

app = CommandApp(
    name="seamless-server",
    help="Real-time speech translation with SeamlessStreaming models.",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seamless-server {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _register_commands() -> None:
    for name in COMMANDS:
        module = f"seamless_server.commands.{name}"
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module).register(app)


_register_commands()


def main() -> None:
    """Entry point of ``seamless-server``.

    What the user got wrong or lacks is one sentence on standard error and exit code 2; Ctrl-C is
    130. A traceback is left for defects of ours.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal that cannot show a letter gets a "?"
            stream.reconfigure(errors="replace")
    try:
        app()
    except SeamlessError as error:
        _fail(error.message, error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.strerror is None:
            raise
        _fail(f"{error.filename or 'the system'}: {error.strerror}", 2)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"seamless-server: {message}", err=True)
    sys.exit(code)
