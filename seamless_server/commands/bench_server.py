"""``seamless-server bench server``: what a live server carries, seen by real clients."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from seamless_server.commands.bench import Output, bench, publish
from seamless_server.errors import UsageError


def register(app: typer.Typer) -> None:
    """Adds the command to the group `bench`."""
    bench.command("server")(server)


def server(
    speakers: Annotated[
        str, typer.Option(help="Speakers at once; several counts, separated by commas, in turn.")
    ] = "1",
    listeners: Annotated[int, typer.Option(min=0, help="Listeners of the first speaker.")] = 0,
    seconds: Annotated[float, typer.Option(min=1, help="How long each speaker talks.")] = 30.0,
    audio: Annotated[Path | None, typer.Option(help="Recording that the speakers say.")] = None,
    url: Annotated[
        str | None, typer.Option(help="A running server; by default one is started.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model of the server that is started.")] = "auto",
    engine: Annotated[
        str, typer.Option(help="Engine of the server that is started: auto, inline, scheduled.")
    ] = "auto",
    tgt_lang: Annotated[str | None, typer.Option(help="Language to translate into.")] = None,
    output: Annotated[str, typer.Option(help="s2s&t (both), s2t (text), s2s (speech).")] = "s2s&t",
    encoding: Annotated[str, typer.Option(help="Of the listeners' speech: pcm16, opus.")] = "pcm16",
    save: Output = None,
) -> None:
    """Measure a live server with clients that speak real speech in real time.

    Latency runs from the moment at which a client sends the last sample that an output covers to
    the moment at which the event arrives. Clients and server share this machine, so their CPU is
    told apart.
    """
    counts = _counts(speakers)
    if output not in ("s2s&t", "s2t", "s2s"):
        raise UsageError("--output: choose one of s2s&t, s2t, s2s")
    if encoding not in ("pcm16", "opus"):
        raise UsageError("--encoding: choose one of pcm16, opus")

    from seamless_server.bench.server_load import ServerLoad, run_load, speech_to_send
    from seamless_server.bench.started_server import started_server

    pcm, rate = speech_to_send(audio)
    environment = {
        "SEAMLESS_ENGINE": engine,
        # All clients have one address here, and none of them is a stranger.
        "SEAMLESS_MAX_CONNECTIONS": str(listeners + max(counts) + 100),
        "SEAMLESS_MAX_EVENTS_PER_ADDRESS": "0",
    }
    results = []
    with started_server(url, model, environment) as (address, pid, name):
        for count in counts:
            typer.echo(f"{count} speakers, {listeners} listeners, {seconds:g} s ...", err=True)
            load = ServerLoad(
                url=address,
                pcm=pcm,
                rate=rate,
                speakers=count,
                listeners=listeners,
                seconds=seconds,
                target_language=tgt_lang,
                output=output,
                encoding=encoding,
            )
            results.append(asyncio.run(run_load(load, pid, _say)))
            typer.echo(_line(results[-1]), err=True)
    publish("server", save, {"model": name, "results": results})


def _say(line: str) -> None:
    typer.echo(f"  {line}", err=True)


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise UsageError("--speakers: a number, or several separated by commas")
    return counts


def _line(result: dict[str, Any]) -> str:
    text = result["text_latency_ms"] or {}
    lag = result["lag_ms"] or {}
    cpu = result["server_cpu_cores"]
    return (
        f"  text p50 {text.get('p50', 0):.0f} ms, p95 {text.get('p95', 0):.0f} ms; "
        f"lag p95 {lag.get('p95', 0):.0f} ms; "
        f"dropped {result['dropped_audio_seconds']:g} s; "
        f"server {'?' if cpu is None else f'{cpu:.2f}'} cores"
    )
