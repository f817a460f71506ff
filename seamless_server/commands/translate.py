"""``seamless-server translate``: stream a sound file through a model, without a server."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from seamless_server.commands.stream_flags import with_stream_flags
from seamless_server.errors import UsageError
from seamless_server.stream_options import StreamOptions


class Task(str, Enum):
    """What comes out: speech and text, translated text, or a transcript."""

    s2st = "s2st"
    s2tt = "s2tt"
    asr = "asr"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("translate")(translate)


@with_stream_flags("chunk_ms")
def translate(
    audio: Annotated[Path, typer.Argument(help="Sound file of any rate and channel count.")],
    model: Annotated[
        str | None, typer.Option(help="Name or folder of a model; the best one present if absent.")
    ] = None,
    task: Annotated[
        Task, typer.Option(help="s2st: text and speech, s2tt: text, asr: transcript.")
    ] = Task.s2st,
    tgt_lang: Annotated[
        str | None, typer.Option(help="Target language (spa); for asr the language spoken.")
    ] = None,
    chunk_ms: Annotated[int, typer.Option(help="Audio given to the model at a time.")] = 320,
    vad: Annotated[bool, typer.Option(help="Cut the audio into segments of speech.")] = True,
    compat: Annotated[
        str | None, typer.Option(help="'official' repeats the official pipeline's quirks.")
    ] = None,
    wav: Annotated[Path | None, typer.Option(help="Write the translated speech.")] = None,
    srt: Annotated[Path | None, typer.Option(help="Write SubRip captions.")] = None,
    jsonl: Annotated[
        str | None, typer.Option(help="Write one line a chunk; - is standard output.")
    ] = None,
    realtime: Annotated[bool, typer.Option(help="Feed the file at the pace of speech.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda:0 or mps.")] = "auto",
    dtype: Annotated[
        str, typer.Option(help="auto, fp32, fp16, bf16, int8, int8-weights.")
    ] = "auto",
    *,
    options: StreamOptions,
) -> None:
    """Translate a sound file as a stream, chunk by chunk, and print the text as it is written.

    Ctrl-C ends it and leaves valid files of what was done.
    """
    from seamless_server.commands.translate_job import Job, run

    if not 10 <= chunk_ms <= 60_000:
        raise UsageError("--chunk-ms must be from 10 to 60000")
    if wav is not None and task is not Task.s2st:
        raise UsageError(f"--wav needs speech output, which --task {task.value} has not: use s2st")
    run(
        Job(
            audio=audio,
            model=model,
            speech=task is Task.s2st,
            tgt_lang=tgt_lang,
            chunk_ms=chunk_ms,
            vad=vad,
            compat=compat,
            wav=wav,
            srt=srt,
            jsonl=jsonl,
            realtime=realtime,
            device=device,
            dtype=dtype,
            options=options,
        )
    )
