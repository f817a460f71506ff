"""``seamless-server bench gpu-check``: everything that one wants to know of a GPU."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from seamless_server.commands.bench import Device, bench, pages_can_be_written
from seamless_server.errors import UsageError


def register(app: typer.Typer) -> None:
    """Adds the command to the group `bench`."""
    bench.command("gpu-check")(gpu_check)


def gpu_check(
    device: Device = "cuda:0",
    output: Annotated[
        Path,
        typer.Option(
            help="Folder of the results; each card gets one below it.",
            callback=pages_can_be_written,
        ),
    ] = Path("benchmarks/gpu"),
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Time for all steps; the rest waits for the next run.")
    ] = 30.0,
    step: Annotated[
        list[str] | None, typer.Option(help="Only this step; several times. All if not given.")
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="Do so little that it only shows that every step works.")
    ] = False,
    apart: Annotated[
        bool,
        typer.Option(
            "--apart/--here",
            help="Each step in a process of its own, so that a fault of the device ends only that "
            "step; or all in this one.",
        ),
    ] = True,
) -> None:
    """Measure a GPU in steps: exactness, stages, graphs, capacity, overload, the live server.

    A step that has its result is not run again: remove its JSON file to repeat it. What is cut off
    keeps what it has measured.
    """
    import torch

    from seamless_server.agents.loading import choose_device
    from seamless_server.bench import gpu_check as check
    from seamless_server.bench.gpu_steps import STEPS

    known = [one.name for one in STEPS]
    for name in step or ():
        if name not in known:
            raise UsageError(f"--step: {name!r} is not one of {', '.join(known)}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            "PyTorch sees no GPU here. On a machine without one, --device cpu --quick shows that "
            "every step works."
        )
    done = check.gpu_check(
        output,
        choose_device(device),
        quick=quick,
        minutes=minutes,
        names=step or (),
        apart=apart,
        command=shlex.join(["seamless-server", *sys.argv[1:]]),
        say=lambda line: typer.echo(line, err=True),
    )
    if not done:
        typer.echo("Not all steps are done: the same command goes on.", err=True)
        raise typer.Exit(1)
