"""``seamless-server bench cluster`` and ``bench scale``: what engines elsewhere cost and carry."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from seamless_server.commands.bench import bench


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `bench`."""
    bench.command("cluster")(cluster)
    bench.command("scale")(scale)


def cluster(
    speakers: Annotated[int, typer.Option(min=1, help="Speakers at once.")] = 4,
    seconds: Annotated[float, typer.Option(min=2, help="Seconds that each speaks.")] = 20.0,
    model: Annotated[str, typer.Option(help="Name or folder of the model.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:0.")] = "auto",
) -> None:
    """Compare streams in this process with streams in an engine of a Ray cluster on this machine.

    Both get the same silence in real time, in which computing costs next to nothing: what is
    measured is the way of a push to an engine and back, and what the cluster adds to it.
    """
    from seamless_server.cluster.joining import require_cluster

    require_cluster()
    os.environ["SEAMLESS_DEVICE"] = device
    from seamless_server.bench.cluster_latency import measure

    found = measure(model, speakers, seconds, typer.echo)
    typer.echo("")
    typer.echo("| streams | push p50 | push p95 | push p99 |")
    typer.echo("|---|---|---|---|")
    for name, (p50, p95, p99) in found.items():
        typer.echo(f"| {name} | {p50:.1f} ms | {p95:.1f} ms | {p99:.1f} ms |")
    added = found["engine elsewhere"][1] - found["this process"][1]
    typer.echo(f"\nadded at p95: {added:.1f} ms")


def scale(
    speakers: Annotated[int, typer.Option(min=1, help="Speakers at once.")] = 10,
    listeners: Annotated[int, typer.Option(min=0, help="Listeners at once, of all.")] = 1000,
    languages: Annotated[
        int, typer.Option(min=1, help="Languages that each speaker's listeners choose.")
    ] = 3,
    speech: Annotated[bool, typer.Option(help="Listeners hear speech, too.")] = True,
    per_engine: Annotated[
        float, typer.Option(min=0.1, help="Speakers of one engine (`bench capacity`, `gpu-check`).")
    ] = 8.0,
    per_front: Annotated[
        float, typer.Option(min=1, help="Messages a second of one front (`bench server`).")
    ] = 20_000.0,
) -> None:
    """Say how many engines, fronts and how much network that needs, and what breaks first.

    Give it what you measured on your machines; the defaults are those of docs/scaling.md.
    """
    from seamless_server.bench.scale import Attendance, needs

    load = Attendance(speakers, listeners, languages, speech)
    for line in needs(load, per_engine, per_front):
        typer.echo(line)
