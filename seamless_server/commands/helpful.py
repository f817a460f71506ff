"""What every group of commands has in common: how its help pages look."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption
from typer.models import CommandFunctionType

OPPOSITES = "Every switch has its opposite: --no- before its name."


class HelpfulCommand(TyperCommand):
    """Its help page shows each option's name whole in 80 columns.

    The opposites of switches, second names and long lists of choices would leave no room for it.
    """

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        shown = copy(self)
        shown.params = [_short(x, ctx) if isinstance(x, TyperOption) else x for x in self.params]
        if any(param.secondary_opts for param in self.params):
            shown.epilog = "\n\n".join(filter(None, (OPPOSITES, self.epilog)))
        TyperCommand.format_help(shown, ctx, formatter)


def _short(option: TyperOption, ctx: Any) -> TyperOption:
    """The option as it is shown: one name, and choices with what it means."""
    option = copy(option)
    first = next((name for name in option.opts if name.startswith("--")), None)
    option.opts = [x for x in option.opts if x == first or not x.startswith("--")]
    option.secondary_opts = []
    kind = option.display_type_rich(ctx) or ""
    if "|" in kind:
        option.metavar = "<choice>"
        option.help = f"{option.help or ''} One of: {kind.strip('<>').replace('|', ', ')}."
    return option


class CommandApp(typer.Typer):
    """A group of commands with such help pages, by -h too."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(context_settings={"help_option_names": ["-h", "--help"]}, **settings)

    def command(
        self, name: str | None = None, **settings: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """See `typer.Typer.command`."""
        return super().command(name, **{"cls": HelpfulCommand, **settings})
