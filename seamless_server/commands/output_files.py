"""The files that a command writes what it hears into: tried first, written as it comes."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import typer
from typing_extensions import Self

from seamless_server.audio.files import WavWriter
from seamless_server.audio.resample import at_rate
from seamless_server.errors import SeamlessError, UsageError
from seamless_server.service.captions import CaptionMaker, to_srt, to_vtt

_OTHER_SOUND = {".mp3", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".webm", ".mp4", ".aiff", ".wma"}


class OutputError(SeamlessError):
    """A file could not be written to its end."""

    code = "output"
    exit_code = 1


class OutputFiles:
    """Speech as WAV, captions as SubRip and WebVTT, a trace as JSON lines; each may be missing.

    One that fails (a full disk) is told at once and loses none of the others; leaving the context
    then raises `OutputError`.

    Args:
        wav: 16-bit mono.
        srt: SubRip.
        vtt: WebVTT.
        jsonl: a file, or ``-`` for standard output.
        source: what is read; none of the files may be it.

    Raises:
        UsageError: one of them cannot be written.
    """

    def __init__(
        self,
        *,
        wav: Path | None = None,
        srt: Path | None = None,
        vtt: Path | None = None,
        jsonl: str | None = None,
        source: str | None = None,
    ) -> None:
        self._wav_path, self._srt, self._vtt, self._jsonl = wav, srt, vtt, jsonl
        trace = None if jsonl in (None, "-") else Path(str(jsonl))
        options = {"--wav": wav, "--srt": srt, "--vtt": vtt, "--jsonl": trace}
        given = {option: path for option, path in options.items() if path is not None}
        for option, path in given.items():
            _try(option, path, source)
        seen: dict[str, str] = {}
        for option, path in given.items():
            other = seen.setdefault(os.path.realpath(path), option)
            if other != option and not path.is_char_device():
                raise UsageError(f"{other} and {option} name the same file: {path}")
        self._wav: WavWriter | None = None
        self._trace: IO[str] | None = None
        self._captions: dict[Hashable, CaptionMaker] = {}
        self._failed: dict[str, str] = {}

    def speech(self, samples: npt.NDArray[Any], sample_rate: int) -> None:
        """The next piece of speech."""
        path = self._wav_path
        if path is not None and len(samples):
            self._safely("wav", path, lambda: self._write_wav(path, samples, sample_rate))

    def _write_wav(self, path: Path, samples: npt.NDArray[Any], sample_rate: int) -> None:
        if self._wav is None:
            self._wav = WavWriter(path, sample_rate)
        if sample_rate != self._wav.rate:  # the stream speaks with another voice now
            samples = at_rate(samples, sample_rate, self._wav.rate)
        self._wav.write(samples)

    def text(
        self, text: str, start_ms: float, end_ms: float, *, finished: bool, who: Hashable = None
    ) -> None:
        """The next piece of text; `who` says it, in which language."""
        maker = self._captions.setdefault(who, CaptionMaker())
        maker.add(text, start_ms, end_ms, finished=finished)

    def line(self, content: dict[str, Any]) -> None:
        """The next line of the trace."""
        if self._jsonl is None:
            return
        written = json.dumps(content, ensure_ascii=False) + "\n"
        if self._jsonl == "-":
            sys.stdout.write(written)
            sys.stdout.flush()
        else:
            self._safely("jsonl", Path(self._jsonl), lambda: self._write_line(written))

    def _write_line(self, written: str) -> None:
        if self._trace is None:
            self._trace = Path(str(self._jsonl)).open(  # noqa: SIM115
                "w", encoding="utf-8"
            )
        self._trace.write(written)
        self._trace.flush()

    def _safely(self, kind: str, path: Path, write: Callable[[], None]) -> None:
        if kind in self._failed:
            return
        try:
            write()
        except OSError as error:
            self._failed[kind] = f"{path} could not be written: {error.strerror or error}"
            typer.echo(self._failed[kind], err=True)

    def _save(self, *, complete: bool) -> None:
        captions = sorted(
            (caption for maker in self._captions.values() for caption in maker.finish()),
            key=lambda caption: caption.start_ms,
        )
        for path, made in ((self._srt, to_srt), (self._vtt, to_vtt)):
            if path is not None and (complete or captions):
                text = made(captions)
                self._safely(made.__name__, path, partial(_write_text, path, text))
        if complete and self._wav_path is not None and self._wav is None:
            self.speech(np.zeros(0, np.int16), 16_000)
        for name, file in ((self._wav_path, self._wav), (self._jsonl, self._trace)):
            if file is not None:
                self._safely(str(name), Path(str(name)), file.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._save(complete=error is None)
        if self._failed and error is None:
            raise OutputError("Some files are not complete: " + "; ".join(self._failed.values()))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _is_file(source: str | None) -> bool:
    return source not in (None, "-", "mic") and Path(str(source)).exists()


def _try(option: str, path: Path, source: str | None) -> None:
    """Whether this can be written, without leaving anything."""
    if option == "--wav" and path.suffix.lower() in _OTHER_SOUND:
        raise UsageError(f"--wav {path}: WAV is written; give it a name that ends in .wav")
    try:
        is_there = path.exists()
        if is_there and path.is_dir():
            raise UsageError(f"{option} {path} cannot be written: it is a folder")
        if is_there and _is_file(source) and path.samefile(str(source)):
            raise UsageError(f"{option} {path} is the file that is read: choose another name")
        if is_there and not stat.S_ISREG(path.stat().st_mode):
            return  # a pipe or a device; opening it could wait for its reader
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path} cannot be written: there is no folder {path.parent}")
        with path.open("ab"):
            pass
        if not is_there:
            path.unlink()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{option} {path} cannot be written: {reason}") from None
