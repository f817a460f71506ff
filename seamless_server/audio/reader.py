"""The one way in which sound is read: from a file, a pipe, bytes or an array.

    with open_audio("talk.m4a") as sound:
        for samples in sound:          # mono float32 at 16 kHz, a few thousand at a time
            ...
    print(sound.format, sound.duration_ms, sound.notices)

What FFmpeg knows is read, all parts of chained files included, in memory that does not grow with
the length. What is damaged is left out, and a notice says where. Nothing is ever given that is not
in the file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

from seamless_server.audio.arrays import ArrayLike, as_frames
from seamless_server.audio.chains import ChainedDecoder, open_decoder
from seamless_server.audio.checks import checked
from seamless_server.audio.decoding import Decoder, Frames, NotSound, Raw, can_seek
from seamless_server.audio.level import LevelMeter
from seamless_server.audio.mixing import Mixer
from seamless_server.audio.pipes import open_pipe
from seamless_server.audio.resample import MAX_RATE, MIN_RATE, StreamResampler
from seamless_server.errors import AudioError, UsageError

Samples = npt.NDArray[np.float32]
AudioSource: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes] | ArrayLike"
"""A path (``-`` is standard input), a sound file's bytes, an open file, or an array of samples."""

SAMPLE_RATE = 16_000
SHORTEST_MS = 25.0
"""Below this there is not one frame of features."""

_PIECE_MS = 100
_MISSING_S = 0.05


class AudioReader:
    """Sound while it is read; made by `open_audio`. Iterate over it once.

    Iterating raises `AudioError` where there is nothing to give: no sound, or less than 25 ms.
    """

    def __init__(
        self,
        name: str,
        pieces: Iterator[tuple[Frames, int]],
        *,
        rate: int,
        channel: str | int = "auto",
        decoder: Decoder | ChainedDecoder | None = None,
        source_rate: int = 0,
        channels: int = 0,
        declared_ms: float | None = None,
        live: bool = False,
        files: tuple[IO[bytes], ...] = (),
    ) -> None:
        self.name = name
        self.rate = rate
        """Of what is given, in Hz."""
        self.format: str = "array" if decoder is None else decoder.format
        """The codec, e.g. ``flac``, ``aac``, ``pcm_s16le``."""
        self.source_rate = decoder.rate if decoder is not None else source_rate
        self.channels = decoder.channels if decoder is not None else channels
        self.declared_ms = declared_ms
        """What the file says that it holds, for a display of progress; often missing or wrong."""
        self.live = live
        """Whether it comes from a pipe, as it is made."""
        self.duration_ms = 0.0
        """What was decoded so far; the sound's true duration at the end."""
        self.notices: list[str] = []
        """Sentences about what is odd with this sound; complete at the end."""
        self._pieces = pieces
        self._decoder = decoder
        self._channel = channel
        self._files = files
        self._meter: LevelMeter | None = None

    @property
    def is_damaged(self) -> bool:
        """At the end: whether something could not be decoded, or is missing."""
        decoder = self._decoder
        return decoder is not None and (
            decoder.damaged_at_s is not None or decoder.missing_s > _MISSING_S
        )

    def __iter__(self) -> Iterator[Samples]:
        """Samples (n,), float32, mono, at `rate`; some tenths of a second at a time."""
        try:
            for samples in self._converted():
                if len(samples):
                    yield samples
        except OSError as error:
            raise AudioError(self.name, f"cannot be read: {error.strerror or error}") from None
        self._conclude()

    def blocks(self, size: int) -> Iterator[Samples]:
        """The same in blocks of `size` samples; the last one may be shorter."""
        waiting: list[Samples] = []
        count = 0
        for samples in self:
            waiting.append(samples)
            count += len(samples)
            if count >= size:
                whole = np.concatenate(waiting)
                for start in range(0, count - size + 1, size):
                    yield whole[start : start + size]
                count %= size
                waiting = [whole[len(whole) - count :]]
        if count:
            yield np.concatenate(waiting)

    def read(self) -> Samples:
        """All of it, (N,)."""
        return np.concatenate(list(self))

    def _converted(self) -> Iterator[Samples]:
        """Decoded, measured, mixed and resampled; begins anew where rate or channels change."""
        mixer: Mixer | None = None
        resampler: StreamResampler | None = None
        form: tuple[int, int] | None = None
        for frames, rate in self._gathered():
            if form != (rate, frames.shape[1]):
                if mixer is not None and resampler is not None:
                    yield self._through(mixer, resampler, _no_frames(form))
                form = (rate, frames.shape[1])
                mixer = Mixer(rate, self._channel)
                try:
                    resampler = StreamResampler(rate, self.rate)
                except ValueError as error:
                    raise AudioError(self.name, str(error)) from None
                self._meter = self._meter or LevelMeter(rate)
                if not self.channels or not self.source_rate:
                    self.source_rate, self.channels = form
            assert mixer is not None
            assert resampler is not None
            assert self._meter is not None
            if not np.isfinite(frames).all():
                raise AudioError(self.name, "holds samples that are not numbers (NaN or infinite)")
            try:
                checked(frames.reshape(-1))
            except UsageError as error:
                raise AudioError(self.name, error.message) from None
            self.duration_ms += len(frames) * 1000 / rate
            self._meter.add(frames)
            yield self._through(mixer, resampler, frames)
        if mixer is not None and resampler is not None:
            yield self._through(mixer, resampler, _no_frames(form))

    def _through(self, mixer: Mixer, resampler: StreamResampler, frames: Frames) -> Samples:
        last = not len(frames)
        try:
            mono = mixer.process(frames, last=last)
        except UsageError as error:
            raise AudioError(self.name, error.message) from None
        if mixer.cancelled:
            self._tell("The channels cancel each other: the loudest one is used.")
        return resampler.process(mono, last=last)

    def _gathered(self) -> Iterator[tuple[Frames, int]]:
        """The pieces, joined to at least 100 ms."""
        waiting: list[Frames] = []
        form: tuple[int, int] | None = None
        count = 0
        for frames, rate in self._pieces:
            if form is not None and form != (rate, frames.shape[1]) and waiting:
                yield np.concatenate(waiting), form[0]
                waiting, count = [], 0
            form = (rate, frames.shape[1])
            waiting.append(frames)
            count += len(frames)
            if count * 1000 >= rate * _PIECE_MS:
                yield np.concatenate(waiting), rate
                waiting, count = [], 0
        if waiting and form is not None:
            yield np.concatenate(waiting), form[0]

    def _conclude(self) -> None:
        decoder = self._decoder
        damaged_at = None if decoder is None else decoder.damaged_at_s
        if not self.duration_ms:
            reason = "holds no audio: there is no sound in it"
            if damaged_at is not None:
                reason = "is damaged: no sound can be decoded from it"
            raise AudioError(self.name, reason)
        if self.duration_ms < SHORTEST_MS:
            raise AudioError(
                self.name, f"is too short: {self.duration_ms:.0f} ms of at least 25 ms"
            )
        if decoder is not None and damaged_at is not None:
            at = f"{damaged_at:.2f} s"
            self._tell(
                f"The sound is cut off or damaged at {at}: only what comes before is used."
                if decoder.ends_early and decoder.decoded_s <= damaged_at + 0.01
                else f"The sound is damaged, first at {at}: what cannot be decoded is left out."
            )
        elif decoder is not None and decoder.missing_s > _MISSING_S:
            self._tell(
                f"The sound is damaged or cut off: {decoder.decoded_s:.2f} s could be decoded of "
                f"the {decoder.decoded_s + decoder.missing_s:.2f} s that the file should hold."
            )
        level = self._meter.notice() if self._meter is not None else None
        if level is not None:
            self._tell(level)

    def _tell(self, notice: str) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def close(self) -> None:
        """Let go of the decoder and of the files that were opened for it."""
        if self._decoder is not None:
            self._decoder.close()
        for file in self._files:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_audio(
    source: AudioSource,
    *,
    rate: int = SAMPLE_RATE,
    channel: str | int = "auto",
    raw: Raw | None = None,
    array_rate: int | None = None,
    name: str | None = None,
) -> AudioReader:
    """Open sound to read it as mono float32.

    Args:
        source: a path (also of a FIFO; ``-`` and ``/dev/stdin`` are standard input), the bytes of
            a sound file, an open binary file, or an array (see `arrays.as_frames`).
        rate: wanted, in Hz.
        channel: see `mixing.Mixer`.
        raw: how samples without a header lie in the file.
        array_rate: of an array, in Hz.
        name: of an open file, for messages and for formats that are known by their ending.

    Raises:
        AudioError: it cannot be opened, or holds no sound.
        UsageError: an array that cannot be meant as sound, or a rate that is missing or none.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        source = io.BytesIO(source)
        name = name or "audio"
    if isinstance(source, (str, os.PathLike)):
        file, shown = _open_path(source)
        return _open_file(file, shown, rate, channel, raw, owned=True)
    if hasattr(source, "read") and not isinstance(source, np.ndarray):
        shown = name or str(getattr(source, "name", "audio"))
        return _open_file(cast("IO[bytes]", source), shown, rate, channel, raw, owned=False)
    frames = as_frames(source)
    source_rate = check_rate(array_rate)
    return AudioReader(
        name or "audio",
        _slices(frames, source_rate),
        rate=rate,
        channel=channel,
        source_rate=source_rate,
        channels=frames.shape[1],
        declared_ms=len(frames) * 1000 / source_rate,
    )


def read_audio(source: AudioSource, **options: Any) -> Samples:
    """All of a sound as mono at 16 kHz, (N,) in [-1, 1]; options and errors are `open_audio`'s."""
    with open_audio(source, **options) as sound:
        return sound.read()


def check_rate(rate: object) -> int:
    """A sample rate that was given.

    Raises:
        UsageError: missing, or no whole number from 4,000 to 384,000.
    """
    if rate is None:
        raise UsageError("rate: say how many samples a second there are")
    whole = not isinstance(rate, (bool, str)) and hasattr(rate, "__int__")
    number = float(cast(Any, rate)) if whole else 0.0
    if not MIN_RATE <= number <= MAX_RATE or number != int(number):
        raise UsageError(
            f"rate: a whole number from {MIN_RATE} to {MAX_RATE} Hz is expected, not {rate!r}"
        )
    return int(number)


def _no_frames(form: tuple[int, int] | None) -> Frames:
    return np.zeros((0, 1 if form is None else form[1]), np.float32)


def _slices(frames: Frames, rate: int) -> Iterator[tuple[Frames, int]]:
    size = max(1, rate * _PIECE_MS // 1000)
    for start in range(0, len(frames), size):
        yield frames[start : start + size], rate


def _open_path(path: str | os.PathLike[str]) -> tuple[IO[bytes], str]:
    text = os.fspath(path)
    try:
        if text in ("-", "/dev/stdin"):
            if os.isatty(0):
                raise AudioError("-", "standard input is a terminal: pipe sound into it")
            return os.fdopen(os.dup(0), "rb", buffering=0), "standard input"
        if Path(path).is_dir():
            raise AudioError(path, "is a folder, not a sound file")
        return Path(path).open("rb", buffering=0), text
    except FileNotFoundError:
        reason = "there is no such file"
        if "://" in str(text):
            reason = f"is an address, not a file: curl -L {text!s} | seamless-server translate -"
        raise AudioError(path, reason) from None
    except PermissionError:
        raise AudioError(path, "may not be read: ask for the right to read it") from None
    except OSError as error:
        raise AudioError(path, f"cannot be opened: {error.strerror}") from None
    except ValueError:  # a NUL in the name
        raise AudioError(text.replace("\0", "\\0"), "there is no such file") from None


def _open_file(
    file: IO[bytes], name: str, rate: int, channel: str | int, raw: Raw | None, *, owned: bool
) -> AudioReader:
    files: tuple[IO[bytes], ...] = (file,) if owned else ()
    ending = Path(name).name
    try:
        if can_seek(file):
            buffered = (
                io.BufferedReader(cast(Any, file)) if isinstance(file, io.RawIOBase) else file
            )
            decoder: Decoder | ChainedDecoder = open_decoder(buffered, ending, raw)
            live = False
        else:
            decoder, copy = open_pipe(file, ending, raw)
            live = copy is None
            files += () if copy is None else (copy,)
    except (NotSound, OSError) as error:
        for opened in files:
            opened.close()
        reason = (
            error.message if isinstance(error, NotSound) else f"cannot be read: {error.strerror}"
        )
        raise AudioError(name, reason) from None
    declared = None if live or decoder.declared_s is None else decoder.declared_s * 1000
    return AudioReader(
        name,
        iter(decoder),
        rate=rate,
        channel=channel,
        decoder=decoder,
        declared_ms=declared,
        live=live,
        files=files,
    )
