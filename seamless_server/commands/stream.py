"""``seamless-server stream``: speak to, or listen to, a running server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seamless_server.errors import UsageError

if TYPE_CHECKING:
    from seamless_server.client import Event, StreamingClient, Text


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("stream")(stream)


def stream(
    source: Annotated[
        str | None, typer.Argument(help="A sound file, or mic. Without it: only listen.")
    ] = None,
    url: Annotated[str, typer.Option(help="Address of the server.")] = "http://localhost:8000",
    room: Annotated[str | None, typer.Option(help="Code of the room; a new one if absent.")] = None,
    tgt_lang: Annotated[str | None, typer.Option(help="Language to translate into.")] = None,
    output: Annotated[str, typer.Option(help="s2s&t (both), s2t (text), s2s (speech).")] = "s2s&t",
    model: Annotated[str | None, typer.Option(help="One of the server's models.")] = None,
    name: Annotated[str | None, typer.Option(help="Shown to others in the room.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="SEAMLESS_TOKEN", help="If the server asks for one.")
    ] = None,
    wav: Annotated[Path | None, typer.Option(help="Write the translated speech.")] = None,
    srt: Annotated[Path | None, typer.Option(help="Write SubRip captions.")] = None,
    vtt: Annotated[Path | None, typer.Option(help="Write WebVTT captions.")] = None,
    realtime: Annotated[
        bool, typer.Option(help="Send a file at the pace of speech, or as fast as it goes.")
    ] = True,
    debug: Annotated[bool, typer.Option(help="Ask the server to record the stream.")] = False,
    wait: Annotated[
        bool, typer.Option(help="Stand in line when all streams of the server are in use.")
    ] = True,
    insecure: Annotated[bool, typer.Option(help="Accept a home-made certificate.")] = False,
) -> None:
    """Translate a file or the microphone through a running server, live.

    Captions appear as they are written. Ctrl-C ends it and leaves valid files.
    """
    from seamless_server.client import StreamingClient

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
    results = _Results()
    try:
        asyncio.run(_run(client, source, results, realtime=realtime))
    finally:
        results.save(wav, srt, vtt)


async def _run(
    client: StreamingClient, source: str | None, results: _Results, *, realtime: bool
) -> None:
    async with client:
        typer.echo(f"room {client.room}", err=True)
        events = client.listen() if source is None else client.translate(source, realtime=realtime)
        async for event in events:
            results.take(event)


class _Results:
    """Prints what comes and keeps it for the files."""

    def __init__(self) -> None:
        from seamless_server.service.captions import CaptionMaker

        self._captions: dict[tuple[str, str], CaptionMaker] = {}
        self._speech: list[bytes] = []
        self._rate = 16_000
        self._open = False

    def take(self, event: Event) -> None:
        from seamless_server.client import Notice, RecordingSaved, Speech, Status, Text, Waiting

        if isinstance(event, Text):
            self._text(event)
        elif isinstance(event, Speech):
            self._speech.append(event.samples.tobytes())
            self._rate = event.sample_rate
        elif isinstance(event, Notice):
            self._say(event.message)
        elif isinstance(event, Status) and event.warning:
            self._say(event.warning)
        elif isinstance(event, Waiting):
            self._say(f"number {event.position} of {event.waiting} in line for a stream")
        elif isinstance(event, RecordingSaved):
            self._say(f"recorded: {event.url}timeline.html")

    def _text(self, event: Text) -> None:
        from seamless_server.service.captions import CaptionMaker

        text = event.text if self._open else event.text.lstrip()
        sys.stdout.write(text)
        self._open = self._open or bool(text)
        if event.finished and self._open:
            sys.stdout.write("\n")
            self._open = False
        sys.stdout.flush()
        maker = self._captions.setdefault((event.speaker_id, event.lang), CaptionMaker())
        maker.add(event.text, event.start_ms, event.end_ms, finished=event.finished)

    def _say(self, message: str) -> None:
        if self._open and sys.stdout.isatty():
            sys.stdout.write("\n")
        typer.echo(message, err=True)

    def save(self, wav: Path | None, srt: Path | None, vtt: Path | None) -> None:
        from seamless_server.service.captions import to_srt, to_vtt

        captions = sorted(
            (caption for maker in self._captions.values() for caption in maker.finish()),
            key=lambda caption: caption.start_ms,
        )
        if srt is not None:
            srt.write_text(to_srt(captions), encoding="utf-8")
        if vtt is not None:
            vtt.write_text(to_vtt(captions), encoding="utf-8")
        if wav is not None:
            import numpy as np
            import soundfile

            samples = np.frombuffer(b"".join(self._speech), dtype="<i2")
            soundfile.write(wav, samples, self._rate, subtype="PCM_16")
