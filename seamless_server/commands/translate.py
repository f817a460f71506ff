"""``seamless-server translate``: stream a sound file through a model, without a server."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from seamless_server.errors import UsageError


class Task(str, Enum):
    """What comes out: speech and text, translated text, or a transcript."""

    s2st = "s2st"
    s2tt = "s2tt"
    asr = "asr"


class Method(str, Enum):
    """How p_choose of all heads becomes one number."""

    min = "min"
    mean = "mean"
    median = "median"


AGENT = "Agent options (official names; defaults of the model, else the official ones)"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("translate")(translate)


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
    decision_threshold: Annotated[
        float | None,
        typer.Option(help="Lower is faster, higher is better (0-1).", rich_help_panel=AGENT),
    ] = None,
    decision_method: Annotated[
        Method | None, typer.Option(help="How p_choose is reduced.", rich_help_panel=AGENT)
    ] = None,
    p_choose_start_layer: Annotated[
        int | None, typer.Option(help="First layer asked.", rich_help_panel=AGENT)
    ] = None,
    block_ngrams: Annotated[
        bool | None, typer.Option(help="Block repetitions.", rich_help_panel=AGENT)
    ] = None,
    no_early_stop: Annotated[
        bool | None,
        typer.Option(
            "--no-early-stop/--early-stop",
            help="Never end a sentence before its audio has ended.",
            rich_help_panel=AGENT,
        ),
    ] = None,
    min_starting_wait_w2vbert: Annotated[
        int | None,
        typer.Option(help="10 ms frames before the first encoding.", rich_help_panel=AGENT),
    ] = None,
    min_starting_wait: Annotated[
        int | None,
        typer.Option(help="Encoder frames before the first text.", rich_help_panel=AGENT),
    ] = None,
    max_len_a: Annotated[
        int | None, typer.Option(help="Longest target: a * frames + b.", rich_help_panel=AGENT)
    ] = None,
    max_len_b: Annotated[
        int | None, typer.Option(help="Longest target: a * frames + b.", rich_help_panel=AGENT)
    ] = None,
    max_consecutive_write: Annotated[
        int | None, typer.Option(help="Most tokens of one decision.", rich_help_panel=AGENT)
    ] = None,
    min_unit_chunk_size: Annotated[
        int | None, typer.Option(help="Fewest units of one piece.", rich_help_panel=AGENT)
    ] = None,
    d_factor: Annotated[
        float | None, typer.Option(help="Above 1 speaks slower.", rich_help_panel=AGENT)
    ] = None,
    vocoder_speaker_id: Annotated[
        int | None, typer.Option(help="Voice; -1 is the first.", rich_help_panel=AGENT)
    ] = None,
    vocoder_name: Annotated[
        str | None, typer.Option(help="For official command lines.", rich_help_panel=AGENT)
    ] = None,
    denormalize: Annotated[
        bool | None, typer.Option(help="Features of 16-bit integers.", rich_help_panel=AGENT)
    ] = None,
    detokenize_only: Annotated[
        bool | None, typer.Option(help="Write pieces as they come.", rich_help_panel=AGENT)
    ] = None,
    silence_limit_ms: Annotated[
        int | None, typer.Option(help="Silence that ends a segment.", rich_help_panel=AGENT)
    ] = None,
    speech_soft_limit_ms: Annotated[
        int | None,
        typer.Option(help="Speech after which half of that ends it.", rich_help_panel=AGENT),
    ] = None,
    init_speech_prob: Annotated[
        float | None, typer.Option(help="Extra sureness at the start.", rich_help_panel=AGENT)
    ] = None,
    window_size_samples: Annotated[
        int | None, typer.Option(help="Samples scored at once.", rich_help_panel=AGENT)
    ] = None,
    chunk_size_samples: Annotated[
        int | None, typer.Option(help="Samples kept or dropped.", rich_help_panel=AGENT)
    ] = None,
    shift_size: Annotated[
        int | None, typer.Option(help="ms between frames.", rich_help_panel=AGENT)
    ] = None,
    window_size: Annotated[
        int | None, typer.Option(help="ms of a frame.", rich_help_panel=AGENT)
    ] = None,
    feature_dim: Annotated[
        int | None, typer.Option(help="Channels of a frame.", rich_help_panel=AGENT)
    ] = None,
) -> None:
    """Translate a sound file as a stream, chunk by chunk, and print the text as it is written.

    Ctrl-C ends it and leaves valid files of what was done.
    """
    values = locals()
    from seamless_server.commands.translate_job import Job, run
    from seamless_server.streaming.options import agent_options

    if not 10 <= chunk_ms <= 60_000:
        raise UsageError("--chunk-ms must be from 10 to 60000")
    if wav is not None and task is not Task.s2st:
        raise UsageError(f"--wav needs speech output, which --task {task.value} has not: use s2st")
    options: dict[str, Any] = {}
    for name in agent_options():
        value = values.get(name)
        if value is not None and name != "tgt_lang":
            options[name] = value.value if isinstance(value, Enum) else value
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
