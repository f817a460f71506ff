"""``seamless-server stream``: speak to, or listen to, a running server."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seamless_server.commands.stream_flags import (
    Channel,
    Raw,
    Srt,
    Vtt,
    Wav,
    sound,
)
from seamless_server.errors import UsageError

if TYPE_CHECKING:
    from seamless_server.client import Event, StreamingClient, Text
    from seamless_server.commands.output_files import OutputFiles


_server = partial(typer.Option, rich_help_panel="The server")
_ADDRESS_SECONDS = 3.0


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("stream")(stream)


def stream(
    source: Annotated[
        str | None,
        typer.Argument(help="A sound file, - for a pipe, or mic. Without it: only listen."),
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the server.")] = "http://localhost:8000",
    room: Annotated[str | None, typer.Option(help="Code of the room; a new one if absent.")] = None,
    tgt_lang: Annotated[str | None, typer.Option(help="Language to translate into.")] = None,
    output: Annotated[str, typer.Option(help="s2s&t (both), s2t (text), s2s (speech).")] = "s2s&t",
    model: Annotated[str | None, typer.Option(help="One of the server's models.")] = None,
    name: Annotated[str | None, typer.Option(help="Shown to others in the room.")] = None,
    token: Annotated[
        str | None,
        _server(envvar="SEAMLESS_TOKEN", help="If the server asks for one."),
    ] = None,
    wav: Wav = None,
    srt: Srt = None,
    vtt: Vtt = None,
    channel: Channel = "auto",
    raw: Raw = None,
    realtime: Annotated[
        bool,
        sound(help="Send a file at the pace of speech, or as fast as it goes."),
    ] = True,
    debug: Annotated[bool, _server(help="Ask the server to record the stream.")] = False,
    wait: Annotated[
        bool,
        _server(help="Stand in line when all streams of the server are in use."),
    ] = True,
    insecure: Annotated[bool, _server(help="Accept a home-made certificate.")] = False,
) -> None:
    """Translate a file or the microphone through a running server, live.

    Captions appear as they are written. Ctrl-C ends it and leaves valid files.
    """
    from seamless_server.audio.decoding import Raw
    from seamless_server.audio.mixing import parse_channel
    from seamless_server.client import StreamingClient
    from seamless_server.client.sources import sound_library
    from seamless_server.commands.output_files import OutputFiles

    if source == "mic":
        sound_library()  # before a room is opened that nobody could speak in
    if output not in ("s2s&t", "s2t", "s2s"):
        raise UsageError("--output: choose one of s2s&t, s2t, s2s")
    client = StreamingClient(
        url,
        room=room,
        target_language=tgt_lang,
        output=output,  # type: ignore[arg-type]
        model=model,
        name=name,
        token=token,
        debug=debug,
        wait=wait,
        verify_tls=not insecure,
    )
    read = {
        "realtime": realtime,
        "channel": parse_channel(channel),
        "raw": None if raw is None else Raw.parse(raw),
    }
    with OutputFiles(wav=wav, srt=srt, vtt=vtt, source=source) as files:
        asyncio.run(_run(client, source, _Results(files), read))


async def _run(
    client: StreamingClient, source: str | None, results: _Results, read: dict[str, Any]
) -> None:
    async with client:
        typer.echo(f"room {client.room}", err=True)
        if source is not None:
            await _invite(client)
        events = client.listen() if source is None else client.translate(source, **read)
        async for event in events:
            results.take(event)


async def _invite(client: StreamingClient) -> None:
    """Where listeners find the room, and what translates for them."""
    from seamless_server.doors.welcome import qr_code

    link = f"{await asyncio.to_thread(_address, client.url)}/r/{client.room}"
    typer.echo(f"listen at {link}", err=True)
    if sys.stderr.isatty():
        typer.echo(qr_code(link), err=True)
    for model in client.models[:1]:
        if model.get("demonstration"):
            typer.echo(f"{model['name']} is a demonstration: it knows a phrasebook", err=True)


def _address(url: str) -> str:
    """Where others reach the server, as it says; else the address that this client has."""
    import json
    from urllib.request import urlopen

    try:
        with urlopen(f"{url}/api/address", timeout=_ADDRESS_SECONDS) as answer:
            known = json.load(answer).get("url")
    except (OSError, ValueError):
        known = None
    return str(known or url).rstrip("/")


class _Results:
    """Prints what comes and hands it to the files."""

    def __init__(self, files: OutputFiles) -> None:
        self._files = files
        self._open = False

    def take(self, event: Event) -> None:
        from seamless_server.client import Notice, RecordingSaved, Speech, Status, Text, Waiting

        if isinstance(event, Text):
            self._text(event)
        elif isinstance(event, Speech):
            self._files.speech(event.samples, event.sample_rate)
        elif isinstance(event, Notice):
            self._say(event.message)
        elif isinstance(event, Status) and event.warning:
            self._say(event.warning)
        elif isinstance(event, Waiting):
            self._say(f"number {event.position} of {event.waiting} in line for a stream")
        elif isinstance(event, RecordingSaved):
            self._say(f"recorded: {event.url}timeline.html")

    def _text(self, event: Text) -> None:
        text = event.text if self._open else event.text.lstrip()
        sys.stdout.write(text)
        self._open = self._open or bool(text)
        if event.finished and self._open:
            sys.stdout.write("\n")
            self._open = False
        sys.stdout.flush()
        self._files.text(
            event.text,
            event.start_ms,
            event.end_ms,
            finished=event.finished,
            who=(event.speaker_id, event.lang),
        )

    def _say(self, message: str) -> None:
        if self._open and sys.stdout.isatty():
            sys.stdout.write("\n")
        typer.echo(message, err=True)
