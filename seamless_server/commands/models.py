"""``seamless-server models``: list, download, convert and verify models."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from seamless_server.errors import UsageError

models = typer.Typer(
    help="List, download, convert and verify models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.add_typer(models, name="models")


@models.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show the models that have a name, and whether their files are here."""
    from seamless_server.checkpoints.cards import cards
    from seamless_server.checkpoints.pretssel import ACCESS, LICENCE, VOICES

    rows = [
        {
            "name": card.name,
            "description": card.description,
            "licence": card.licence,
            "embedded": card.embedded,
            "present": card.present,
            "missing": card.missing,
            "folder": str(card.folder),
        }
        for card in cards()
    ]
    rows += [
        {
            "name": voice.name,
            "description": f"Expressive voice of {voice.sample_rate} Hz for SeamlessStreaming",
            "licence": LICENCE,
            "embedded": False,
            "present": voice.present,
            "missing": [] if voice.present else [voice.file],
            "folder": str(voice.folder),
        }
        for voice in VOICES
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for card in cards():
        kind = "embedded, " if card.embedded else ""
        state = "present" if card.present else f"lacks {', '.join(card.missing)}"
        typer.echo(f"{card.name} ({kind}{state})")
        typer.echo(f"  {card.description}")
        typer.echo(f"  licence of the weights: {card.licence}")
        typer.echo(f"  {card.folder}")
        if not card.present and not card.embedded:
            typer.echo(f"  to get it: seamless-server models download {card.name}")
    for voice in VOICES:
        state = "present" if voice.present else f"lacks {voice.file}"
        typer.echo(f"{voice.name} (expressive voice, {voice.sample_rate // 1000} kHz; {state})")
        typer.echo("  Speaks a translation of SeamlessStreaming in the speaker's own voice")
        typer.echo(f"  licence of the weights: {LICENCE}")
        typer.echo(f"  {voice.folder}")
        if not voice.present:
            typer.echo(f"  to get it: {ACCESS}:")
            typer.echo(f"  seamless-server models download {voice.name} --token ...")


@models.command()
def download(
    name: Annotated[str, typer.Argument(help="Name of the model.")] = "SeamlessStreaming",
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to instead of the usual one.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="HF_TOKEN", help="Token of the Hugging Face hub.")
    ] = None,
) -> None:
    """Download a published model (8.1 GB); an interrupted download goes on where it stopped.

    Expressive voices (vocoder_pretssel, vocoder_pretssel_16khz) are gated: they need your token.
    """
    from seamless_server.checkpoints.cards import find_card
    from seamless_server.checkpoints.download import download_published
    from seamless_server.checkpoints.pretssel import ACCESS, LICENCE, voices_named

    voices = voices_named(name)
    if voices:
        if not token:
            raise UsageError(f"{name} is gated: {ACCESS} (--token, or HF_TOKEN)")
        typer.echo(f"Licence of the weights: {LICENCE}. By using them you accept it.")
        files = [voice.download for voice in voices]
        download_published(output or voices[0].folder, typer.echo, token, files)
        return
    card = find_card(name)
    if card is None:
        raise UsageError(f"{name!r} is no model with a name; see `seamless-server models list`")
    if card.embedded:
        raise UsageError(f"{card.name} comes with the program and needs no download")
    folder = output or card.folder
    typer.echo(f"{card.name}: {card.description}")
    typer.echo(f"Licence of the weights: {card.licence}. By using them you accept it.")
    typer.echo(f"Folder: {folder}")
    download_published(folder, typer.echo, token)


@models.command()
def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with the published files.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to; the same if absent.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="as-is, fp32, fp16 or bf16.")] = "as-is",
) -> None:
    """Write model.safetensors: all networks in one file, in any precision.

    It needs no .pt files beside it. Half precision halves the disk; loading takes about as long.
    """
    from seamless_server.agents.loading import DTYPES
    from seamless_server.checkpoints.convert import convert_folder

    if dtype != "as-is" and dtype not in DTYPES:
        raise UsageError(f"--dtype must be one of as-is, {', '.join(DTYPES)}")
    began = time.perf_counter()
    path = convert_folder(folder, output, DTYPES.get(dtype))
    size = path.stat().st_size / 1e6
    typer.echo(f"{path}: {size:.1f} MB in {time.perf_counter() - began:.1f} s")


@models.command()
def verify(
    folder: Annotated[str, typer.Argument(help="Folder or name of a model, or of a voice.")],
    text_only: Annotated[
        bool, typer.Option("--text-only", help="Only what text output needs.")
    ] = False,
) -> None:
    """Name every tensor that is missing, extra or of a wrong shape, without loading the model."""
    from seamless_server.checkpoints.cards import find_model
    from seamless_server.checkpoints.loader import verify_folder
    from seamless_server.checkpoints.pretssel import find_voice, is_voice, verify_voice

    if is_voice(folder):
        voice = find_voice(folder)
        _tell(voice, verify_voice(voice))
        return
    path = find_model(folder, speech=not text_only)
    found = verify_folder(path, speech=not text_only)
    for notice in found.notices:
        typer.echo(f"note: {notice}")
    _tell(path, found.problems)


def _tell(path: Path, problems: list[str]) -> None:
    for problem in problems:
        typer.echo(problem)
    if problems:
        typer.echo(f"{path}: {len(problems)} tensors do not fit", err=True)
        raise typer.Exit(2)
    typer.echo(f"{path}: all tensors fit")
