"""`seamless-server doctor`: what this machine has, and what the missing things would need."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from seamless_server import __version__

if TYPE_CHECKING:
    from seamless_server.diagnosis import Finding

_MARKS = {
    "ok": "[green]ok[/green]",
    "absent": "[dim]absent[/dim]",
    "warning": "[yellow]warning[/yellow]",
    "missing": "[bold red]missing[/bold red]",
}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
) -> None:
    """Show what this machine has, and what each missing thing would need.

    Ends with exit code 1 only if something is missing that the server cannot run without.
    """
    from seamless_server.diagnosis import can_run, diagnose

    findings = diagnose()
    usable = can_run(findings)
    if as_json:
        report = {
            "version": __version__,
            "ok": usable,
            "findings": [finding.as_json() for finding in findings],
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        _print_table(findings, usable)
    raise typer.Exit(0 if usable else 1)


def _print_table(findings: list[Finding], usable: bool) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for group, members in groupby(findings, key=lambda finding: finding.group):
        table.add_row(f"[bold]{group}[/bold]")
        for finding in members:
            text = escape(finding.value)
            if finding.remedy:
                text += f"\n[cyan]-> {escape(finding.remedy)}[/cyan]"
            table.add_row("  " + escape(finding.name), _MARKS[finding.status], text)
    console.print(table)
    console.print()
    if usable:
        console.print("This machine can run the server: seamless-server serve")
    else:
        needed = ", ".join(one.name for one in findings if one.status == "missing")
        console.print(f"[bold red]Not ready:[/bold red] {escape(needed)}")
