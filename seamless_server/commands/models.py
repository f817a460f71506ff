"""``seamless-server models``: list, download, convert, verify and try models."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seamless_server.commands.helpful import CommandApp
from seamless_server.errors import SeamlessError, UsageError

if TYPE_CHECKING:
    from seamless_server.trial import NetworkHealths

models = CommandApp(
    help="List, download, convert, verify and try models.",
    no_args_is_help=True,
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
    """Download a model; an interrupted download goes on where it stopped.

    SeamlessStreaming has 8.1 GB, Whisper-base 148 MB; `models list` names all.

    Expressive voices (vocoder_pretssel, vocoder_pretssel_16khz) are gated: they need your token.
    """
    from seamless_server.checkpoints.cards import find_card
    from seamless_server.checkpoints.download import download_published, download_weights
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
    if card.agent is not None:
        download_weights(card.agent, folder, typer.echo, token)
    else:
        download_published(folder, typer.echo, token)


@models.command()
def convert(
    folder: Annotated[str, typer.Argument(help="Folder with the published files, or its name.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to; the same if absent.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="as-is, fp32, fp16, bf16 or int8.")] = "as-is",
) -> None:
    """Write model.safetensors: all networks in one file, in any precision.

    It needs no .pt files beside it. Half precision halves the disk; loading takes about as long.
    int8 is for processors: faster, in less memory, a little less exact, and mapped instead of
    converted at each start.
    """
    from seamless_server.agents.loading import DTYPES
    from seamless_server.checkpoints.cards import find_model
    from seamless_server.checkpoints.convert import convert_folder

    if dtype not in ("as-is", "int8", *DTYPES):
        raise UsageError(f"--dtype must be one of as-is, {', '.join(DTYPES)}, int8")
    began = time.perf_counter()
    path = convert_folder(find_model(folder), output, DTYPES.get(dtype), int8=dtype == "int8")
    size = path.stat().st_size / 1e6
    typer.echo(f"{path}: {size:.1f} MB in {time.perf_counter() - began:.1f} s")


@models.command()
def verify(
    folder: Annotated[str, typer.Argument(help="Folder or name of a model, or of a voice.")],
    text_only: Annotated[
        bool, typer.Option("--text-only", help="Only what text output needs.")
    ] = False,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Also compare checksums with the hub's, and run speech through every network.",
        ),
    ] = False,
    device: Annotated[str, typer.Option(help="Where --deep runs: auto, cpu, cuda:0.")] = "auto",
    dtype: Annotated[str, typer.Option(help="Its precision: auto, fp32, fp16, bf16.")] = "auto",
) -> None:
    """Name every tensor that is missing, extra or of a wrong shape, without loading the model."""
    from seamless_server.checkpoints.cards import find_model
    from seamless_server.checkpoints.loader import verify_folder
    from seamless_server.checkpoints.pretssel import find_voice, is_voice, verify_voice

    if is_voice(folder):
        voice = find_voice(folder)
        _tell(voice, verify_voice(voice))
        if deep:
            _examine_voice(voice, device, dtype)
        return
    path = find_model(folder, speech=not text_only)
    found = verify_folder(path, speech=not text_only)
    for notice in found.notices:
        typer.echo(f"note: {notice}")
    _tell(path, found.problems)
    if deep:
        _examine(path, device, dtype, speech=not text_only)


def _examine(path: Path, device: str, dtype: str, *, speech: bool) -> None:
    """Checksums and a known recording, in a line each; ends with code 2 if something is wrong."""
    from seamless_server.checkpoints.download import compare_with_hub
    from seamless_server.streaming.seamless_model import load_seamless
    from seamless_server.trial import POOR, RECORDINGS, examine, troubles

    described = (path / "config.json").is_file()
    wrong = 0 if described else _count_wrong(compare_with_hub(path))
    health, done = examine(load_seamless(path, device=device, dtype=dtype, speech=speech))
    _tell_health(health)
    typer.echo(f'heard: "{RECORDINGS[done.recording]}"')
    typer.echo(f'text ({done.lang}): "{done.text}"')
    if done.speech_seconds:
        typer.echo(
            f"speech: {done.units} units, {done.speech_seconds:.2f} s, RMS {done.rms:.4f}, "
            f"{done.speech_share:.0%} of it voice"
        )
    # Whether it is the right text, and like a voice, is what `models try` judges.
    problems = troubles(health) + [x for x in done.problems if not x.startswith(POOR)]
    _conclude(path, problems, wrong)


def _examine_voice(path: Path, device: str, dtype: str) -> None:
    """The same for an expressive voice, which speaks units that are always the same."""
    from seamless_server.agents.loading import choose_device, choose_dtype
    from seamless_server.checkpoints.download import compare_with_hub
    from seamless_server.checkpoints.pretssel import VOICES, load_voice
    from seamless_server.checkpoints.pretssel_config import FILE
    from seamless_server.trial import examine_voice, troubles

    described = (path.parent / FILE).is_file()
    files = [] if described else [card.download for card in VOICES if card.file == path.name]
    wrong = _count_wrong(compare_with_hub(path.parent, files=files))
    place = choose_device(device)
    health, rms = examine_voice(load_voice(path, place, choose_dtype(dtype, place)))
    _tell_health(health)
    typer.echo(f"speech: 2.00 s, RMS {rms:.4f}")
    problems = troubles(health)
    if rms == 0:
        problems.append("the sound is silent")
    _conclude(path, problems, wrong)


def _count_wrong(compared: list[tuple[str, bool | None, str]]) -> int:
    for name, _, phrase in compared:
        typer.echo(f"{name}: {phrase}")
    return sum(right is False for _, right, _ in compared)


def _tell_health(health: NetworkHealths) -> None:
    for part, found in health.items():
        typer.echo(f"{part}: {found.calls} calls of layers, largest value {found.largest:.4g}")


def _conclude(path: Path, problems: list[str], wrong: int) -> None:
    for problem in problems:
        typer.echo(problem)
    if problems or wrong:
        typer.echo(f"{path}: {len(problems) + wrong} things are wrong", err=True)
        raise typer.Exit(2)
    typer.echo(f"{path}: every network works")


@models.command("try")
def try_(
    name: Annotated[
        str | None, typer.Argument(help="Name or folder; the best model present if absent.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Report to write.")] = Path("trial.md"),
    langs: Annotated[str, typer.Option(help="Target languages: spa,fra. Default: five.")] = "",
    compat: Annotated[
        bool, typer.Option(help="Also with the official behaviour (slow on a CPU).")
    ] = True,
    asr_model: Annotated[
        str, typer.Option(help="Whisper model that hears the speech: name, folder, or none.")
    ] = "small",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:0 or mps.")] = "auto",
    dtype: Annotated[str, typer.Option(help="auto, fp32, fp16, bf16, int8.")] = "auto",
) -> None:
    """Try a model on this machine: translate recordings of people, judge what comes out, report.

    Every network's layers are looked at, recordings go into five languages with and without the
    official behaviour, a recogniser (faster-whisper, where it is installed) hears the speech, speed
    and memory are measured. Everything goes into one report, which says nothing of you but the name
    of the machine's system and the model's folder. Ends with code 1 if something is wrong.
    """
    from seamless_server.checkpoints.cards import default_model
    from seamless_server.trial import report, try_model

    hear, recogniser = _recogniser(asr_model)
    try:
        output.touch()
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
    trial = try_model(
        name or default_model(),
        device=device,
        dtype=dtype,
        langs=[lang.strip() for lang in langs.split(",") if lang.strip()],
        compat=compat,
        hear=hear,
        recogniser=recogniser,
        say=typer.echo,
    )
    output.write_text(report(trial), encoding="utf-8")
    typer.echo(f"{trial.model}: {'all good' if trial.good else 'something is wrong'}; {output}")
    raise typer.Exit(0 if trial.good else 1)


def _recogniser(model: str) -> tuple[Callable[[Path, str], str] | None, str]:
    """What hears translated speech; without one the trial goes on, and says why."""
    from seamless_server.evaluation.transcribe import FASTER, make_transcriber, signature

    if model == "none":
        return None, ""
    try:
        transcriber = make_transcriber(FASTER, model)
    except SeamlessError as error:
        typer.echo(f"No recogniser: {error.message}", err=True)
        return None, ""
    return transcriber, signature(transcriber)


def _tell(path: Path, problems: list[str]) -> None:
    for problem in problems:
        typer.echo(problem)
    if problems:
        typer.echo(f"{path}: {len(problems)} tensors do not fit", err=True)
        raise typer.Exit(2)
    typer.echo(f"{path}: all tensors fit")
