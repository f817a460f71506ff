"""Sound that comes through a pipe: it is decoded as it comes in, part by part."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, Protocol, cast

from seamless_server.audio.arrays import MOST_CHANNELS
from seamless_server.audio.chains import ChainedDecoder, Pieces, open_decoder, pieces_of
from seamless_server.audio.decoding import UNKNOWN_SIZE, Decoder, Raw

_ENCODINGS = {
    (1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le", (3, 32): "f32le",
    (3, 64): "f64le", (6, 8): "alaw", (7, 8): "mulaw",
}  # fmt: skip
"""Of WAV, by its number and the bits of a sample."""
_EXTENSIBLE = 0xFFFE
"""The number that says that the true one follows."""


def open_pipe(
    file: IO[bytes], name: str, raw: Raw | None
) -> tuple[Decoder | ChainedDecoder, IO[bytes] | None]:
    """What decodes a pipe, and the file that it was copied to if it must be known to its end first.

    Raises:
        NotSound: nothing that could be decoded.
        OSError: it cannot be read, or there is no room for the copy.
    """
    pipe = _Pipe(file)
    if raw is not None:
        return Decoder(pipe, name, raw, live=True), None
    if not pipe.needs_its_end():
        return ChainedDecoder(_parts(pipe, name)), None
    whole = pipe.whole()
    try:
        return open_decoder(whole, name, raw), whole
    except BaseException:
        whole.close()
        raise


def _parts(pipe: _Pipe, name: str) -> Iterator[Callable[[], Decoder]]:
    pieces = pieces_of(pipe.peek)
    size = next(pieces, (None,))[0]
    while size != 0:
        part = _Part(pipe, pieces, size)
        raw, sound = _wav_header(pipe, part)
        yield partial(Decoder, sound, name, raw, live=True)
        while part.read(2**16):  # what a decoder left of a damaged part
            pass
        size = part.follows


class _Source(Protocol):
    def read(self, size: int = -1) -> bytes: ...


class _Pipe:
    """A pipe whose next bytes can be looked at."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._head = b""

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._file.read(size) or b""
        data, self._head = self._head[:size], self._head[size:]
        return data

    def peek(self, least: int) -> bytes:
        """The next bytes: as many, or all that there are until the end, or more."""
        while len(self._head) < least and (data := self._file.read(2**16)):
            self._head += data
        return self._head

    def needs_its_end(self) -> bool:
        """Whether it is an MP4 whose directory comes after the sound, or WavPack, whose end FFmpeg
        takes for damage in a pipe.
        """
        if self.peek(4).startswith(b"wvpk"):
            return True
        if self.peek(8)[4:8] not in (b"ftyp", b"mdat", b"free", b"wide", b"skip"):
            return False
        head = self.peek(2**13)
        directory, sound = head.find(b"moov"), head.find(b"mdat")
        return directory < 0 or 0 <= sound < directory

    def whole(self) -> IO[bytes]:
        """All of it as a file, once the pipe has ended."""
        whole = tempfile.SpooledTemporaryFile(max_size=2**22)  # noqa: SIM115
        try:
            while data := self.read(2**16):
                whole.write(data)
        except BaseException:
            whole.close()
            raise
        whole.seek(0)
        return cast("IO[bytes]", whole)


class _Part:
    """One of several files in a pipe.

    Args:
        size: of its first piece; None if it goes on to the end of the pipe.
    """

    def __init__(self, pipe: _Pipe, pieces: Pieces, size: int | None) -> None:
        self._pipe, self._pieces, self._left = pipe, pieces, size
        self.follows: int | None = None
        """At its end: the size of the first piece of the next part, 0 if there is none."""

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        if self.follows is not None:
            return b""
        if self._left == 0:
            self._left, begins = next(self._pieces, (0, True))
            if begins:
                self.follows = self._left
                return b""
        if self._left is not None:
            size = self._left if size < 0 else min(size, self._left)
        data = self._pipe.read(size)
        if not data:
            self.follows = 0
        elif self._left is not None:
            self._left -= len(data)
        return data


class _WavSamples:
    """What is sound of a WAV behind its header."""

    def __init__(self, part: _Source, size: int | None) -> None:
        self._part, self._left, self._head = part, size, b""

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        while self._left == 0:
            head = _exactly(self._part, 8)
            if not head:
                return b""
            if all(32 <= byte < 127 for byte in head[:4]):
                length = int.from_bytes(head[4:], "little")
                _exactly(self._part, length + length % 2)
            else:  # the header was wrong: there is more sound
                self._left, self._head = None, head
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        data = self._part.read(size if self._left is None else min(size, self._left))
        if self._left is not None:
            self._left = self._left - len(data) if data else 0
        return data


def _exactly(part: _Source, size: int) -> bytes:
    """As many bytes, unless the end comes first."""
    found = b""
    while len(found) < size and (data := part.read(size - len(found))):
        found += data
    return found


def _wav_header(pipe: _Pipe, part: _Part) -> tuple[Raw | None, Any]:
    """Take the header of a WAV of plain samples, of which FFmpeg would wait for 64 KiB."""
    head = pipe.peek(12)
    at, raw = 12, None
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None, part
    while len(head := pipe.peek(at + 8)) >= at + 8 and at < 2**16:
        chunk, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if chunk == b"data":
            if raw is None:
                return None, part
            _exactly(part, at + 8)
            return raw, _WavSamples(part, size if 0 < size < UNKNOWN_SIZE else None)
        if chunk == b"fmt ":
            raw = _raw_of(pipe.peek(at + 8 + size)[at + 8 : at + 8 + min(size, 40)])
        at += 8 + size + size % 2
    return None, part


def _raw_of(form: bytes) -> Raw | None:
    """What the chunk ``fmt `` of a WAV says, if it says nothing unusual."""
    if len(form) < 16:
        return None
    code, channels, rate, _, block, bits = struct.unpack("<HHIIHH", form[:16])
    if code == _EXTENSIBLE and len(form) >= 26:
        code = int.from_bytes(form[24:26], "little")
    encoding = _ENCODINGS.get((code, bits))
    if encoding is None or not 1 <= channels <= MOST_CHANNELS or block * 8 != bits * channels:
        return None
    return Raw(rate, channels, encoding)
