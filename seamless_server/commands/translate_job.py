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
from seamless_server.errors import UsageError
from seamless_server.languages import lookup, resolve
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

_LIVE_CHARACTERS = 60
"""Of the sentence that is being written, beside the bar."""


@dataclass(frozen=True)
class TranslateJob:
    """What the command line asks for."""

    audio: str
    channel: str | int
    raw: Raw | None
    model: str | None
    speech: bool
    transcribes: bool
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
        sentences = _Sentences(screen)
        # Speech that nobody keeps is not computed.
        speech = job.speech and (job.wav is not None or job.jsonl is not None)
        targets = {lang: Target(text=True, speech=speech)}
        stream = model.open(targets, job.options, vad=job.vad)
        tally = _Tally()
        advance = _progress(screen, sound, stack, sentences)
        stack.enter_context(files)
        began = time.perf_counter()
        for number, source_ms, outputs in _pushes(job, stream, sound):
            if number == 0:
                _introduce(screen, model, lang, speech)
            for output in outputs:
                if tally.first_ms is None:
                    tally.first_ms = source_ms
                if isinstance(output, TextOutput):
                    files.text(
                        output.text, output.start_ms, output.end_ms, finished=output.finished
                    )
                    sentences.add(output)
                else:
                    files.speech(output.samples, output.sample_rate)
            files.line(_line(number, source_ms, outputs))
            tally.chunks = number + 1
            advance(source_ms)
        sentences.close()
        tally.seconds = time.perf_counter() - began
        for notice in sound.notices:
            typer.echo(notice, err=True)
        _summarize(screen, job, stream, tally, sound.duration_ms / 1000)
    for path in (job.wav, job.srt, job.vtt, job.jsonl):
        if path not in (None, "-"):
            screen.print(f"wrote              {path}", markup=False)


class _Sentences:
    """Prints whole sentences with their times; the one that is being written is :attr:`open`."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self.open = ""
        self._began_ms = 0.0

    def add(self, output: TextOutput) -> None:
        """Takes the next piece."""
        if not self.open:
            self._began_ms = output.start_ms
        self.open += output.text
        if not output.understood:
            self.open = f"{self.open.rstrip()} [not understood]"
        if output.finished:
            self.close()

    def close(self) -> None:
        """The sentence is over."""
        if self.open.strip():
            time_s = self._began_ms / 1000
            self._screen.print(f"{time_s:7.2f} s  {self.open.strip()}", markup=False)
        self.open = ""


def _introduce(screen: Console, model: Model, lang: str, speech: bool) -> None:
    """Which model, from what into what."""
    sources = model.source_languages
    heard = lookup(sources[0]).name if len(sources) == 1 else "speech"
    form = "text and speech" if speech else "text"
    screen.print(f"model              {model.name}", markup=False)
    screen.print(f"translates         {heard} into {lookup(lang).name} ({form})", markup=False)
    if model.demonstration:
        screen.print("                   A demonstration: it knows phrases of travel and meetings.")


def _language(job: TranslateJob, model: Model) -> str:
    default, sources = model.default_language, model.source_languages
    if job.tgt_lang is None and default in sources and not job.transcribes:
        some = ", ".join(lang for lang in model.text_languages if lang != default)
        raise UsageError(
            f"--tgt-lang: say which language to translate into; {model.name} writes: {some}"
        )
    lang = default if job.tgt_lang is None else resolve(job.tgt_lang)
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
    entry: dict[str, Any] = {
        "type": "text",
        "content": output.text,
        "finished": output.finished,
        "confidence": output.confidence,
    }
    return entry if output.understood else {**entry, "understood": False}


def _progress(screen: Console, sound: AudioReader, stack: ExitStack, sentences: _Sentences) -> Any:
    """Called with how far it is; in a terminal a bar, and behind it the words as they come."""
    if not screen.is_terminal:
        return lambda source_ms: None
    progress = stack.enter_context(
        Progress(
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=screen,
            transient=True,
        )
    )
    task = progress.add_task("", total=sound.declared_ms)
    return lambda source_ms: progress.update(
        task, completed=source_ms, description=sentences.open.strip()[-_LIVE_CHARACTERS:]
    )


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
