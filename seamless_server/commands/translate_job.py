"""The work of ``seamless-server translate``: a thin user of :mod:`seamless_server.streaming`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from seamless_server.audio.files import SAMPLE_RATE, Samples, WavWriter, read_audio
from seamless_server.errors import UsageError
from seamless_server.languages import lookup
from seamless_server.service.captions import CaptionMaker, to_srt
from seamless_server.stream_options import StreamOptions
from seamless_server.streaming import (
    OfficialStream,
    Output,
    SpeechOutput,
    Stream,
    System,
    Target,
    TextOutput,
    load_system,
)


@dataclass(frozen=True)
class Job:
    """What the command line asks for."""

    audio: Path
    model: str | None
    speech: bool
    tgt_lang: str | None
    chunk_ms: int
    vad: bool
    compat: str | None
    wav: Path | None
    srt: Path | None
    jsonl: str | None
    realtime: bool
    device: str
    dtype: str
    options: StreamOptions


@dataclass
class _Tally:
    chunks: int = 0
    first_ms: float | None = None
    seconds: float = 0.0


def run(job: Job) -> None:
    """Translate the file; every output file is valid whenever this ends."""
    samples = read_audio(job.audio)
    screen = Console(stderr=job.jsonl == "-", highlight=False, soft_wrap=True)
    with screen.status("loading the model") if screen.is_terminal else _nothing():
        system = load_system(job.model, job.device, job.dtype, compat=job.compat, speech=job.speech)
    lang = _language(job, system)
    stream = system.open_stream({lang: Target(text=True, speech=job.speech)}, job.vad, job.options)
    captions, tally = CaptionMaker(), _Tally()
    with ExitStack() as stack:
        wav = stack.enter_context(WavWriter(job.wav)) if job.wav is not None else None
        trace = _open_trace(job.jsonl, stack)
        if job.srt is not None:
            _check_writable(job.srt)
            stack.callback(lambda: job.srt and job.srt.write_text(to_srt(captions.finish())))
        advance = _progress(screen, len(samples), stack)
        began = time.perf_counter()
        for number, source_ms, outputs in _pushes(job, stream, samples):
            for output in outputs:
                if tally.first_ms is None:
                    tally.first_ms = source_ms
                if isinstance(output, TextOutput):
                    captions.add(
                        output.text, output.start_ms, output.end_ms, finished=output.finished
                    )
                    if output.text.strip():
                        screen.print(
                            f"{source_ms / 1000:7.2f} s  {output.text.strip()}", markup=False
                        )
                elif wav is not None:
                    wav.write(output.samples)
            if trace is not None:
                trace.write(
                    json.dumps(_line(number, source_ms, outputs), ensure_ascii=False) + "\n"
                )
                trace.flush()
            tally.chunks += 1
            advance(source_ms)
        tally.seconds = time.perf_counter() - began
    _summarize(screen, job, stream, tally, len(samples) / SAMPLE_RATE)


def _language(job: Job, system: System) -> str:
    lang = job.tgt_lang or system.agents.checkpoint.config.default_lang
    offered = system.speech_languages if job.speech else system.text_languages
    if lang not in offered:
        # An unknown code gets suggestions, a known one the list of what this model offers.
        lookup(lang)
    system.check_targets({lang: Target(text=True, speech=job.speech)})
    return lang


def _pushes(
    job: Job, stream: Stream, samples: Samples
) -> Iterator[tuple[int, float, list[Output]]]:
    """Push chunk by chunk; the end of the stream belongs to the last chunk."""
    size = job.chunk_ms * SAMPLE_RATE // 1000
    began = time.perf_counter()
    for number, start in enumerate(range(0, len(samples), size)):
        chunk = samples[start : start + size]
        end = start + len(chunk)
        if job.realtime:
            time.sleep(max(0.0, began + end / SAMPLE_RATE - time.perf_counter()))
        last = end == len(samples)
        if isinstance(stream, OfficialStream):
            outputs = list(stream.push(chunk, last=last))
        else:
            outputs = list(stream.push(chunk))
        if last:
            outputs += stream.finish()
        yield number, end * 1000 / SAMPLE_RATE, outputs


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
    return {"type": "text", "content": output.text, "finished": output.finished}


def _open_trace(jsonl: str | None, stack: ExitStack) -> IO[str] | None:
    if jsonl is None:
        return None
    if jsonl == "-":
        return sys.stdout
    _check_writable(Path(jsonl))
    return stack.enter_context(Path(jsonl).open("w", encoding="utf-8"))


def _check_writable(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _progress(screen: Console, total: int, stack: ExitStack) -> Any:
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
    task = progress.add_task("translating", total=total / SAMPLE_RATE * 1000)
    return lambda source_ms: progress.update(task, completed=source_ms)


def _summarize(
    screen: Console, job: Job, stream: Stream, tally: _Tally, audio_seconds: float
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


def _nothing() -> ExitStack:
    return ExitStack()
