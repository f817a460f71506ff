"""`seamless-server doctor`: what this machine has and lacks; what an exposed server must change."""

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
    "unsafe": "[bold red]unsafe[/bold red]",
}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster",
            help="Look at the Ray cluster and Redis of the settings instead (docs/scaling.md).",
        ),
    ] = False,
    exposed: Annotated[
        bool,
        typer.Option(
            "--exposed",
            help="Look at the settings instead: what to change before strangers can reach it.",
        ),
    ] = False,
) -> None:
    """Show what this machine has, and what each missing thing would need.

    Ends with exit code 1 only if something is missing that the server cannot run without. With
    --cluster it looks at the cluster that the settings of the environment name. With
    --exposed it reads the settings of the environment (SEAMLESS_*), and ends with 1 only if they
    would let strangers do harm.
    """
    from seamless_server.diagnosis import can_run, diagnose

    if exposed:
        from seamless_server.exposure import examine, is_safe
        from seamless_server.settings import read_settings

        findings = examine(read_settings())
        good = is_safe(findings)
    elif cluster:
        from seamless_server.cluster_diagnosis import examine_cluster
        from seamless_server.settings import read_settings

        findings = examine_cluster(read_settings())
        good = can_run(findings)
    else:
        findings = diagnose()
        good = can_run(findings)
    if as_json:
        report = {
            "version": __version__,
            "ok": good,
            "findings": [finding.as_json() for finding in findings],
        }
        typer.echo(json.dumps(report, indent=2))
    else:
        _print_table(findings, _conclusion(findings, exposed=exposed, cluster=cluster))
    raise typer.Exit(0 if good else 1)


def _conclusion(findings: list[Finding], *, exposed: bool, cluster: bool) -> str:
    from rich.markup import escape

    wrong = [one.name for one in findings if one.status in ("missing", "unsafe")]
    named = escape(", ".join(dict.fromkeys(wrong)))
    if exposed:
        if not wrong:
            return "Strangers may reach a server of these settings; docs/security.md says more."
        return f"[bold red]Not for the open internet:[/bold red] {named}"
    if not wrong and cluster:
        return "Fronts can translate with this cluster."
    if not wrong:
        return "This machine can run the server: seamless-server serve"
    return f"[bold red]Not ready:[/bold red] {named}"


def _print_table(findings: list[Finding], conclusion: str) -> None:
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
    console.print(conclusion)
