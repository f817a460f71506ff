"""`seamless-server doctor`: what this machine has, and what the missing things would need."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("doctor")(doctor)


def doctor() -> None:
    """Show what this machine has, and what each missing thing would need."""
