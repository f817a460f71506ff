"""The work of ``seamless-server translate``: a thin user of :mod:`seamless_server.streaming`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from seamless_server.audio.decoding import Raw
from seamless_server.audio.reader import SAMPLE_RATE, AudioReader, open_audio
from seamless_server.commands.output_files import OutputFiles
from seamless_server.languages import lookup
from seamless_server.stream_options import StreamOptions
from seamless_server.streaming import (
    Model,
    Output,
    SpeechOutput,
    Stream,
    Target,
    TextOutput,
    load_model,
)


@dataclass(frozen=True)
class TranslateJob:
    """What the command line asks for."""

    audio: str
    channel: str | int
    raw: Raw | None
    model: str | None
    speech: bool
    tgt_lang: str | None
    chunk_ms: int
    vad: bool
    compat: str | None
    wav: Path | None
    srt: Path | None
    vtt: Path | None
    jsonl: str | None
    realtime: bool
    device: str
    dtype: str
    voice: str | None
    options: StreamOptions


@dataclass
class _Tally:
    chunks: int = 0
    first_ms: float | None = None
    seconds: float = 0.0


def run(job: TranslateJob) -> None:
    """Translate the sound; every output file is valid whenever this ends."""
    screen = Console(stderr=job.jsonl == "-", highlight=False, soft_wrap=True)
    with ExitStack() as stack:
        sound = stack.enter_context(open_audio(job.audio, channel=job.channel, raw=job.raw))
        files = OutputFiles(
            wav=job.wav, srt=job.srt, vtt=job.vtt, jsonl=job.jsonl, source=job.audio
        )
        with screen.status("loading the model") if screen.is_terminal else nullcontext():
            model = load_model(
                job.model,
                job.device,
                job.dtype,
                compat=job.compat,
                speech=job.speech,
                voice=job.voice,
            )
        lang = _language(job, model)
        targets = {lang: Target(text=True, speech=job.speech)}
        stream = model.open(targets, job.options, vad=job.vad)
        tally = _Tally()
        advance = _progress(screen, sound, stack)
        stack.enter_context(files)
        began = time.perf_counter()
        for number, source_ms, outputs in _pushes(job, stream, sound):
            for output in outputs:
                if tally.first_ms is None:
                    tally.first_ms = source_ms
                if isinstance(output, TextOutput):
                    files.text(
                        output.text, output.start_ms, output.end_ms, finished=output.finished
                    )
                    if output.text.strip():
                        screen.print(
                            f"{source_ms / 1000:7.2f} s  {output.text.strip()}", markup=False
                        )
                else:
                    files.speech(output.samples, output.sample_rate)
            files.line(_line(number, source_ms, outputs))
            tally.chunks = number + 1
            advance(source_ms)
        tally.seconds = time.perf_counter() - began
        for notice in sound.notices:
            typer.echo(notice, err=True)
        _summarize(screen, job, stream, tally, sound.duration_ms / 1000)


def _language(job: TranslateJob, model: Model) -> str:
    default = model.default_language
    lang = default if job.tgt_lang is None else job.tgt_lang
    offered = model.speech_languages if job.speech else model.text_languages
    if lang not in offered:
        # An unknown code gets suggestions, a known one the list of what this model offers.
        lookup(lang)
    model.check_targets({lang: Target(text=True, speech=job.speech)})
    return lang


def _pushes(
    job: TranslateJob, stream: Stream, sound: AudioReader
) -> Iterator[tuple[int, float, list[Output]]]:
    """Push chunk by chunk; the end of the stream belongs to the last chunk.

    Of a pipe nobody knows which chunk is the last: there the end is a line of its own.
    """
    began = time.perf_counter()
    chunks = sound.blocks(job.chunk_ms * SAMPLE_RATE // 1000)
    following = None if sound.live else next(chunks, None)
    end, number = 0, -1
    while (chunk := next(chunks, None) if sound.live else following) is not None:
        number += 1
        end += len(chunk)
        if job.realtime:
            time.sleep(max(0.0, began + end / SAMPLE_RATE - time.perf_counter()))
        last = False
        if not sound.live:
            following = next(chunks, None)
            last = following is None
        outputs = list(stream.push(chunk, last=last))
        yield number, end * 1000 / SAMPLE_RATE, outputs
    if sound.live:
        yield number + 1, end * 1000 / SAMPLE_RATE, list(stream.finish())


def _line(number: int, source_ms: float, outputs: list[Output]) -> dict[str, Any]:
    return {"chunk": number, "source_ms": source_ms, "outputs": [_entry(x) for x in outputs]}


def _entry(output: Output) -> dict[str, Any]:
    if isinstance(output, SpeechOutput):
        return {
            "type": "speech",
            "samples": len(output.samples),
            "sample_rate": output.sample_rate,
            "units": output.units,
            "finished": output.finished,
        }
    return {
        "type": "text",
        "content": output.text,
        "finished": output.finished,
        "confidence": output.confidence,
    }


def _progress(screen: Console, sound: AudioReader, stack: ExitStack) -> Any:
    if not screen.is_terminal:
        return lambda source_ms: None
    progress = stack.enter_context(
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=screen,
            transient=True,
        )
    )
    task = progress.add_task("translating", total=sound.declared_ms)
    return lambda source_ms: progress.update(task, completed=source_ms)


def _summarize(
    screen: Console, job: TranslateJob, stream: Stream, tally: _Tally, audio_seconds: float
) -> None:
    first = "no output" if tally.first_ms is None else f"{tally.first_ms / 1000:.2f} s"
    # At the pace of speech the waiting is no work.
    busy = sum(seconds for seconds, _ in stream.stats.values()) if job.realtime else tally.seconds
    screen.print()
    screen.print(f"audio              {audio_seconds:.2f} s in {tally.chunks} chunks")
    screen.print(f"real-time factor   {busy / audio_seconds:.3f}")
    screen.print(f"first output at    {first}")
    for name, (seconds, calls) in stream.stats.items():
        screen.print(f"{name:<18} {seconds:.3f} s in {calls} calls")
