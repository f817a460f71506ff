"""``seamless-server bench``: what the engine and the server carry on this machine."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seamless_server.commands.helpful import CommandApp
from seamless_server.errors import require_evaluation

if TYPE_CHECKING:
    from seamless_server.bench.simulation import SimulatedSpeaker
    from seamless_server.checkpoints.loader import Checkpoint

bench = CommandApp(
    help="Measure what the engine and the server carry on this machine.",
    no_args_is_help=True,
)

Size = Annotated[str, typer.Option(help="Random weights of a size: tiny, small or full.")]
Seconds = Annotated[float, typer.Option(help="Seconds that each speaker talks.")]
Audio = Annotated[Path | None, typer.Option(help="Recording that the speakers say.")]
Tokens = Annotated[int, typer.Option(help="Tokens written for each chunk of speech.")]
ChunkMs = Annotated[int, typer.Option(min=20, help="Audio of a step, in ms.")]
Speech = Annotated[bool, typer.Option(help="Speech output, or text alone.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda:0.")]
Dtype = Annotated[str, typer.Option(help="auto, fp32, fp16, bf16, int8 or int8-weights.")]


def pages_can_be_written(folder: Path | None) -> Path | None:
    """Of an option that asks for a page: say what is missing before anything is measured."""
    if folder is not None:
        require_evaluation()
    return folder


Output = Annotated[
    Path | None,
    typer.Option(help="Folder for the JSON file and the page.", callback=pages_can_be_written),
]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.add_typer(bench, name="bench")


@bench.command("engine")
def engine(
    speakers: Annotated[int, typer.Option(help="Speakers at once.")] = 8,
    size: Size = "small",
    seconds: Seconds = 10.0,
    audio: Audio = None,
    tokens: Tokens = 2,
    speech: Speech = True,
    device: Device = "auto",
    dtype: Dtype = "auto",
    output: Output = None,
) -> None:
    """Compare naive, inline and scheduled on the same work, as fast as they can."""
    from seamless_server.bench.runs import engine_run

    checkpoint, load = _prepare(size, audio, tokens, speech, device, dtype)
    _publish("engine", output, engine_run(checkpoint, speakers, seconds, load, _say))


@bench.command("capacity")
def capacity(
    most: Annotated[int, typer.Option(help="Most speakers to try.")] = 256,
    size: Size = "small",
    seconds: Seconds = 20.0,
    audio: Audio = None,
    tokens: Tokens = 2,
    speech: Speech = True,
    chunk_ms: ChunkMs = 320,
    device: Device = "auto",
    dtype: Dtype = "auto",
    form: Annotated[
        list[str] | None,
        typer.Option(
            help="Precision of the scheduled engine to try too, several times: bf16, int8."
        ),
    ] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(help="naive, inline, scheduled; several times; all of them if not given."),
    ] = None,
    output: Output = None,
) -> None:
    """Find how many speakers each mode carries in real time with a p95 lag below 500 ms."""
    from seamless_server.bench.capacity import capacity_run
    from seamless_server.bench.simulation import MODES
    from seamless_server.checkpoints.fitting import PRECISIONS
    from seamless_server.checkpoints.int8 import INT8
    from seamless_server.errors import UsageError

    for given, known in ((form or [], (*PRECISIONS, *INT8)), (mode or [], MODES)):
        for name in given:
            if name not in known:
                raise UsageError(f"{name!r} is not one of {', '.join(known)}")
    checkpoint, load = _prepare(size, audio, tokens, speech, device, dtype, chunk_ms)
    result = capacity_run(checkpoint, most, seconds, load, _say, form or (), mode or MODES)
    _publish("capacity", output, result)


@bench.command("fanout")
def fanout(
    size: Size = "small",
    seconds: Seconds = 20.0,
    audio: Audio = None,
    tokens: Tokens = 2,
    speech: Speech = False,
    device: Device = "auto",
    dtype: Dtype = "auto",
    output: Output = None,
) -> None:
    """Measure what 1, 4 and 16 target languages of one speaker cost."""
    from seamless_server.bench.runs import fanout_run

    checkpoint, load = _prepare(size, audio, tokens, speech, device, dtype)
    _publish("fanout", output, fanout_run(checkpoint, seconds, load, _say))


@bench.command("overload")
def overload(
    speakers: Annotated[
        int, typer.Option(help="Speakers that are too many; 0 finds the capacity and doubles it.")
    ] = 0,
    minutes: Annotated[float, typer.Option(help="Minutes for which they all talk.")] = 5.0,
    size: Size = "small",
    audio: Audio = None,
    tokens: Tokens = 2,
    speech: Speech = True,
    device: Device = "auto",
    dtype: Dtype = "auto",
    output: Output = None,
) -> None:
    """Let twice as many talk as fit, and see that lag stays bounded and goes away afterwards."""
    from seamless_server.bench.overload import overload_run

    checkpoint, load = _prepare(size, audio, tokens, speech, device, dtype)
    _publish("overload", output, overload_run(checkpoint, speakers, minutes, load, _say))


@bench.command("agreement")
def agreement(
    model: Annotated[str | None, typer.Option(help="Name or folder of a model.")] = None,
    audio: Annotated[
        list[Path] | None,
        typer.Option(help="Recordings of speech, several times; else the model's samples."),
    ] = None,
    device: Device = "auto",
    output: Output = None,
) -> None:
    """Say how often bf16, fp16 and int8 decide as fp32 does, and what it does to the text."""
    from seamless_server.agents.loading import choose_device
    from seamless_server.bench.agreement import agreement_run
    from seamless_server.checkpoints.cards import default_model, find_model
    from seamless_server.errors import UsageError
    from seamless_server.streaming.options import model_defaults

    folder = find_model(model if model is not None else default_model()).resolve()
    files = audio or sorted((folder / "samples").glob("*.flac"))
    if not files:
        raise UsageError(f"{folder} has no samples: name recordings of speech with --audio FILE")
    where = choose_device(device)
    result = agreement_run(folder, model_defaults([folder]), files, where, _say)
    _publish("agreement", output, result)


@bench.command("costs")
def costs(
    size: Size = "full",
    seconds: Annotated[float, typer.Option(help="Speech of the segment so far.")] = 5.0,
    tokens: Tokens = 2,
    written: Annotated[int, typer.Option(help="Tokens of the segment so far.")] = 20,
    chunk_ms: Annotated[int, typer.Option(help="Audio of a chunk.")] = 320,
    speakers: Annotated[int, typer.Option(help="Speakers at once.")] = 256,
    output: Output = None,
) -> None:
    """Count what a chunk costs by stage, without running anything: the limit of any device."""
    from seamless_server.bench.costs import cost_run

    _publish("costs", output, cost_run(size, seconds, tokens, written, chunk_ms, speakers))


@bench.command("all")
def compare_all(
    commit: Annotated[
        bool, typer.Option("--commit", help="Write the ratios to benchmarks/ratios.json.")
    ] = False,
) -> None:
    """Run the short form of all comparisons, and show the ratios beside the committed ones.

    About ten minutes on two cores, on which nothing else should run.
    """
    import torch

    from seamless_server.bench.ratios import COMMITTED, Scale, committed, measure, table

    if not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(1)
    known, machine, here = committed(), _machine(), {}
    for name, ratio in measure(Scale(), _say):
        here[name] = ratio
        _say(f"{name}: {ratio:.2f}")
    for where, facts in (("here", machine), ("committed", known["machine"])):
        typer.echo(f"{where}: " + ", ".join(f"{k} {v}" for k, v in facts.items()))
    typer.echo(table(here, known))
    if commit:
        date = datetime.now(timezone.utc).date().isoformat()
        document = {"machine": {"date": date, **machine}, "ratios": here}
        COMMITTED.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        typer.echo(str(COMMITTED))


def _prepare(
    size: str,
    audio: Path | None,
    tokens: int,
    speech: bool,
    device: str,
    dtype: str,
    chunk_ms: int = 320,
) -> tuple[Checkpoint, SimulatedSpeaker]:
    import torch

    from seamless_server.agents.loading import choose_device, choose_dtype
    from seamless_server.bench.simulation import SimulatedSpeaker, speech_for_load
    from seamless_server.checkpoints.fitting import quantized
    from seamless_server.checkpoints.int8 import INT8
    from seamless_server.checkpoints.random_model import random_checkpoint

    where = choose_device(device)
    if where.type == "cpu" and not os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(1)
    load = SimulatedSpeaker(speech_for_load(audio), chunk_ms, tokens, speech)
    _say(f"making random weights of size {size}")
    checkpoint = random_checkpoint(size, device=where, dtype=choose_dtype(dtype, where))
    return quantized(checkpoint, dtype) if dtype in INT8 else checkpoint, load


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _machine() -> dict[str, Any]:
    import torch

    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "load average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _publish(kind: str, output: Path | None, result: dict[str, Any]) -> None:
    publish(kind, output, {"result": result})


def publish(kind: str, output: Path | None, found: dict[str, Any]) -> None:
    """What was found, with where and how: as JSON, and in a folder as a page beside it."""
    document = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["seamless-server", *sys.argv[1:]]),
        "machine": _machine(),
        **found,
    }
    text = json.dumps(document, indent=2)
    if output is None:
        typer.echo(text)
        return
    from seamless_server.bench.report import html

    output.mkdir(parents=True, exist_ok=True)
    (output / f"{kind}.json").write_text(text + "\n", encoding="utf-8")
    (output / f"{kind}.html").write_text(html(kind, document), encoding="utf-8")
    typer.echo(f"{output / kind}.html")
