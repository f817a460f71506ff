"""``seamless-server bench server``: what a live server carries, seen by real clients."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from seamless_server.commands.bench import Output, bench
from seamless_server.errors import SeamlessError, UsageError


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
    save: Output = None,
) -> None:
    """Measure a live server with clients that speak real speech in real time.

    Latency runs from the moment at which a client sends the last sample that an output covers to
    the moment at which the event arrives. Clients and server share this machine, so their CPU is
    told apart.
    """
    counts = _counts(speakers)
    pcm, rate = _speech(audio)
    if output not in ("s2s&t", "s2t", "s2s"):
        raise UsageError("--output: choose one of s2s&t, s2t, s2s")

    from seamless_server.bench.server_load import ServerLoad, run_load

    results = []
    with _server(url, model, engine) as (address, pid, name):
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
            )
            results.append(asyncio.run(run_load(load, pid)))
            typer.echo(_line(results[-1]), err=True)
    document = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["seamless-server", *sys.argv[1:]]),
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "load average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        },
        "model": name,
        "results": results,
    }
    if save is None:
        typer.echo(json.dumps(document, indent=2))
        return
    from seamless_server.bench.server_page import html

    save.mkdir(parents=True, exist_ok=True)
    (save / "server.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (save / "server.html").write_text(html(document), encoding="utf-8")
    typer.echo(f"{save / 'server.html'}")


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise UsageError("--speakers: a number, or several separated by commas")
    return counts


def _speech(path: Path | None) -> tuple[Any, int]:
    """A recording; by default a clip that comes with the embedded model."""
    import numpy as np

    from seamless_server.audio.reader import open_audio

    if path is None:
        from seamless_server.checkpoints.cards import EMBEDDED, SYSTEM_DIRS

        clips = sorted((SYSTEM_DIRS / EMBEDDED / "samples").glob("*.[fw][la][av]*"))
        if not clips:
            raise UsageError("--audio: name a recording of speech")
        path = clips[0]
    with open_audio(path) as sound:
        samples, rate = sound.read(), sound.rate
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    # People pause between sentences.
    return np.concatenate([pcm, np.zeros(rate, np.int16)]), rate


@contextmanager
def _server(url: str | None, model: str, engine: str) -> Iterator[tuple[str, int | None, str]]:
    """Address, process and model of the server to measure."""
    import httpx

    if url is not None:
        try:
            models = httpx.get(f"{url.rstrip('/')}/api/models", timeout=10).json()
        except (httpx.HTTPError, ValueError):
            raise UsageError(f"{url} does not answer as a server of ours") from None
        yield url.rstrip("/"), None, models[0]["name"] if models else "none"
        return
    port = _free_port()
    environment = {**os.environ, "SEAMLESS_MODELS": model, "SEAMLESS_ENGINE": engine}
    process = subprocess.Popen(
        [sys.executable, "-m", "seamless_server", "serve", "--port", str(port)],
        env={**environment, "SEAMLESS_LOG_LEVEL": "warning"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        progress = _until_ready(address, process)
        yield address, process.pid, progress["loaded"][0]
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _until_ready(address: str, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    import httpx

    while True:
        if process.poll() is not None:
            raise UsageError("the server could not be started: try `seamless-server serve`")
        try:
            progress: dict[str, Any] = httpx.get(f"{address}/readyz", timeout=10).json()
        except httpx.HTTPError:
            time.sleep(0.1)
            continue
        if progress["ready"]:
            return progress
        if progress["error"]:
            raise SeamlessError(progress["error"])
        time.sleep(0.1)


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
