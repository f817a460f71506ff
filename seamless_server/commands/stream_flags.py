"""What commands that run streams ask in common: the task, and a flag for each option."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from seamless_server.stream_options import StreamOptions, bounds, number, read_options

SOUND = "Sound"
FILES = "What is written"
MACHINE = "Machine and pipeline"
"""Groups of a help page; what stands in none of them is needed every day."""

Wav = Annotated[
    Path | None, typer.Option(help="Write the translated speech.", rich_help_panel=FILES)
]
Srt = Annotated[Path | None, typer.Option(help="Write SubRip captions.", rich_help_panel=FILES)]
Vtt = Annotated[Path | None, typer.Option(help="Write WebVTT captions.", rich_help_panel=FILES)]
Channel = Annotated[
    str,
    typer.Option(
        help="auto (the mix, or the loudest where it cancels), mix, loudest, or a number from 1.",
        rich_help_panel=SOUND,
    ),
]
Raw = Annotated[
    str | None,
    typer.Option(
        help="Samples without a header: RATE,CHANNELS,ENCODING, e.g. 16000,1,s16le.",
        rich_help_panel=SOUND,
    ),
]
"""Of commands that read sound and write what was said."""
_PANEL = "Decoding (the model's own values by default)"


class Task(str, Enum):
    """What comes out: text and speech, translated text, or a transcript."""

    s2st = "s2st"
    s2tt = "s2tt"
    asr = "asr"


def with_stream_flags(
    *own: str,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command one flag an option, and their values as its argument `options`.

    Args:
        own: options that the command has flags of its own for.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = [name for name in StreamOptions.model_fields if name not in own]

        @wraps(command)
        def run(**values: Any) -> None:
            given = {name: value for name in names if (value := values.pop(name)) is not None}
            plain = {k: v.value if isinstance(v, Enum) else v for k, v in given.items()}
            command(**values, options=read_options(plain))

        signature = inspect.signature(command, eval_str=True)
        parameters = [p for name, p in signature.parameters.items() if name != "options"]
        parameters += [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_flag(name)
            )
            for name in names
        ]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run

    return decorate


def _flag(name: str) -> Any:
    field = StreamOptions.model_fields[name]
    kind: Any = next(kind for kind in get_args(field.annotation) if kind is not type(None))
    spelling = name.replace("_", "-")
    names = [f"--{spelling}"]
    text, limits = field.description or "", bounds(name)
    if kind is bool:
        opposite = spelling.removeprefix("no-") if spelling.startswith("no-") else f"no-{spelling}"
        names = [f"--{spelling}/--{opposite}"]
    elif get_origin(kind) is Literal:
        kind = _choices(get_args(kind))
    elif limits is not None:
        text = f"{text.rstrip('.')} ({number(limits[0])} to {number(limits[1])})."
    option = typer.Option(*names, help=text, rich_help_panel=_PANEL, show_default=False)
    return Annotated[kind | None, option]


def _choices(values: tuple[str, ...]) -> Any:
    return Enum("Choice", [(value, value) for value in values], type=str)
