"""``seamless-server translate``: stream a sound file through a model, without a server."""

from __future__ import annotations

from typing import Annotated

import typer

from seamless_server.commands.stream_flags import (
    Channel,
    Raw,
    Srt,
    Task,
    Vtt,
    Wav,
    files,
    machine,
    sound,
    with_stream_flags,
)
from seamless_server.errors import UsageError
from seamless_server.stream_options import StreamOptions


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("translate")(translate)


@with_stream_flags("chunk_ms")
def translate(
    audio: Annotated[
        str,
        typer.Argument(
            help="A sound or film file of any format that FFmpeg knows, or - for a pipe."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Name or folder of a model; the best one present if absent.")
    ] = None,
    task: Annotated[
        Task,
        typer.Option(
            help="s2st: text, and speech for --wav or --jsonl; s2tt: text; asr: transcript."
        ),
    ] = Task.s2st,
    tgt_lang: Annotated[
        str | None, typer.Option(help="Target language (spa); for asr the language spoken.")
    ] = None,
    voice: Annotated[
        str,
        machine(help="Expressive voice for --expressive: a name, file or folder."),
    ] = "vocoder_pretssel",
    chunk_ms: Annotated[int, machine(help="Audio given to the model at a time.")] = 320,
    vad: Annotated[bool, machine(help="Cut the audio into segments of speech.")] = True,
    compat: Annotated[
        str | None,
        machine(help="'official' repeats the official pipeline's quirks."),
    ] = None,
    wav: Wav = None,
    srt: Srt = None,
    vtt: Vtt = None,
    jsonl: Annotated[
        str | None,
        files(help="Write one line a chunk; - is standard output."),
    ] = None,
    channel: Channel = "auto",
    raw: Raw = None,
    realtime: Annotated[bool, sound(help="Feed the file at the pace of speech.")] = False,
    device: Annotated[str, machine(help="auto, cpu, cuda:0 or mps.")] = "auto",
    dtype: Annotated[
        str,
        machine(help="auto, fp32, fp16, bf16, int8, int8-weights."),
    ] = "auto",
    *,
    options: StreamOptions,
) -> None:
    """Translate a sound file as a stream, chunk by chunk, and print its sentences.

    A pipe is translated as it comes in, for example: ffmpeg -i URL -f wav - | seamless-server
    translate - --tgt-lang spa. Ctrl-C ends it and leaves valid files of what was done.
    """
    from seamless_server.audio.decoding import Raw
    from seamless_server.audio.mixing import parse_channel
    from seamless_server.commands.translate_job import TranslateJob, run

    if model is not None and not model.strip():
        raise UsageError("--model is empty: name a model, or leave it out")
    if not 10 <= chunk_ms <= 60_000:
        raise UsageError("--chunk-ms must be from 10 to 60000")
    if wav is not None and task is not Task.s2st:
        raise UsageError(f"--wav needs speech output, which --task {task.value} has not: use s2st")
    if options.expressive and task is not Task.s2st:
        raise UsageError(f"--expressive needs speech output, which --task {task.value} has not")
    run(
        TranslateJob(
            audio=audio,
            channel=parse_channel(channel),
            raw=None if raw is None else Raw.parse(raw),
            model=model,
            speech=task is Task.s2st,
            transcribes=task is Task.asr,
            tgt_lang=tgt_lang,
            chunk_ms=chunk_ms,
            vad=vad,
            compat=compat,
            wav=wav,
            srt=srt,
            vtt=vtt,
            jsonl=jsonl,
            realtime=realtime,
            device=device,
            dtype=dtype,
            voice=voice if options.expressive else None,
            options=options,
        )
    )
