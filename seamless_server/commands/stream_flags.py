"""What commands that run streams ask in common: the task, and a flag for each option."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer

from seamless_server.stream_options import StreamOptions, bounds, number, read_options

sound = partial(typer.Option, rich_help_panel="Sound")
files = partial(typer.Option, rich_help_panel="What is written")
machine = partial(typer.Option, rich_help_panel="Machine and pipeline")
"""Groups of a help page; what stands in none of them is needed every day."""

Wav = Annotated[Path | None, files(help="Write the translated speech.")]
Srt = Annotated[Path | None, files(help="Write SubRip captions.")]
Vtt = Annotated[Path | None, files(help="Write WebVTT captions.")]
Channel = Annotated[
    str,
    sound(
        help="auto (the mix, or the loudest where it cancels), mix, loudest, or a number from 1."
    ),
]
Raw = Annotated[
    str | None,
    sound(help="Samples without a header: RATE,CHANNELS,ENCODING, e.g. 16000,1,s16le."),
]
"""Of commands that read sound and write what was said."""
_PANEL = "Decoding (the model's own values by default)"


class Task(str, Enum):
    """What comes out: text and speech, translated text, or a transcript."""

    s2st = "s2st"
    s2tt = "s2tt"
    asr = "asr"


def keyword(name: str, annotation: Any) -> inspect.Parameter:
    """A parameter of a command, which need not be given."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=None, annotation=annotation)


def with_flags(
    into: str, flags: Sequence[inspect.Parameter], read: Callable[[dict[str, Any]], Any] = dict
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command these flags; what was given of them is, after `read`, its argument `into`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**values: Any) -> None:
            every = {flag.name: values.pop(flag.name) for flag in flags}
            given = {name: value for name, value in every.items() if value is not None}
            command(**values, **{into: read(given)})

        signature = inspect.signature(command, eval_str=True)
        own = [p for name, p in signature.parameters.items() if name != into]
        run.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*own, *flags)}
        return run

    return decorate


def with_stream_flags(*own: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command one flag an option, and their values as its argument `options`.

    Args:
        own: options that the command has flags of its own for.
    """

    def read(given: dict[str, Any]) -> StreamOptions:
        return read_options({k: v.value if isinstance(v, Enum) else v for k, v in given.items()})

    names = [name for name in StreamOptions.model_fields if name not in own]
    return with_flags("options", [keyword(name, _flag(name)) for name in names], read)


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
