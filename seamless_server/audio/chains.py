"""Files that are several files behind each other: each part is decoded by itself, because the next
may have another rate, other channels or another codec.

FFmpeg goes on by itself in MP3, ADTS, AC-3 and Matroska; in FLAC and Ogg only where nothing
changes, and in most others not at all. Where a part begins is found by how such files begin.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

from seamless_server.audio.decoding import Decoder, Decoding, Frames, NotSound, Raw, can_seek

Pieces = Iterator[tuple[int, bool]]
"""How many of the next bytes belong together, and whether a part begins with them."""

_WITH_BIT_3 = b"".join(re.escape(bytes([byte])) for byte in range(256) if byte & 8)
_MARKS = {
    b"RIFF": rb"....WAVE",
    b"RF64": rb"....WAVE",
    b"riff.\x91\xcf\x11\xa5\xd6(\xdb\x04\xc1\0\0": rb".{8}wave\xf3\xac\xd3\x11",  # Wave64
    b"FORM": rb"....AIF[FC]",
    b"caff": rb"\0\x01..desc",
    b".snd": rb"\0\0[\0-\x10].{5}\0\0\0[\1-\x1b]\0[\0-\5]..\0\0\0[\1-\x40]",
    b"OggS\0": rb"[\2\3\6\7]\0{8}",  # a page that begins a stream (RFC 3533)
    b"fLaC": rb"[\0\x80]\0\0\x22",  # its STREAMINFO, which may be its last block
    b"#!AMR": rb"(-WB)?\n",
    b"wvpk": rb".{12}\0{4}.{5}[%s]" % _WITH_BIT_3,  # a block that begins at sample 0
    b"TTA1": rb"[\1\3]\0[\1-\x40]\0",
    b"FLV\1": rb"[\1\4\5]\0\0\0\x09",
    b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa\0b\xcel": rb"",  # ASF
    b"Creative Voice File\x1a": rb"",
}
"""How files begin that may follow each other: some bytes, and what must come after them."""
_PATTERNS = {mark: re.compile(re.escape(mark) + rest, re.DOTALL) for mark, rest in _MARKS.items()}
_LOOK = 64
"""Bytes in which every mark can be known."""
_WINDOW = 2**18
_ENDLESS = 2**62


def open_decoder(file: Any, name: str = "", raw: Raw | None = None) -> Decoder | ChainedDecoder:
    """What decodes a file that can seek.

    Raises:
        NotSound: nothing that could be decoded.
    """
    places = [] if raw is not None or not can_seek(file) else _beginnings(file)
    if len(places) < 2:
        return Decoder(file, name, raw)
    end = file.seek(0, os.SEEK_END)
    parts = [Part(file, start, stop) for start, stop in pairwise([*places, end])]
    return ChainedDecoder(partial(Decoder, part, name) for part in parts)


def pieces_of(peek: Callable[[int], bytes]) -> Pieces:
    """The pieces of what `peek` shows; none of kinds that FFmpeg reads to the end by itself.

    Args:
        peek: gives as many of the next bytes as it is asked for, or more, or all that are left.
            Before the next piece is asked for, this one must have been taken.
    """
    head = peek(_LOOK)
    if head[4:8] == b"ftyp":
        return _boxes(peek)
    for mark, pattern in _PATTERNS.items():
        if pattern.match(head):
            return _marked(peek, mark, pattern)
    return iter(())


def _boxes(peek: Callable[[int], bytes]) -> Pieces:
    """Of MP4, whose boxes say how long they are."""
    while len(head := peek(16)) >= 8:
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        yield (size if size >= 8 else _ENDLESS), head[4:8] == b"ftyp"


def _marked(peek: Callable[[int], bytes], mark: bytes, pattern: re.Pattern[bytes]) -> Pieces:
    """Of files that begin with a mark."""
    while window := peek(_LOOK):
        place = window.find(mark, 1)
        while place >= 0 and not (pattern.match(window, place) and not _is_same_ogg(window, place)):
            place = window.find(mark, place + 1)
        if place < 0:  # the last bytes may be half a mark
            place = len(window) - _LOOK + 1 if len(window) >= _LOOK else len(window)
        yield place, bool(pattern.match(window))


def _is_same_ogg(window: bytes, place: int) -> bool:
    """Whether the page before begins a stream, too: then both are of one part."""
    before = window.rfind(b"OggS\0", 0, place)
    return before >= 0 and bool(window[before + 5] & 2)


class Part:
    """The bytes of a file from `start` to `end`, as a file."""

    def __init__(self, file: Any, start: int, end: int) -> None:
        self._file, self._start, self._size, self._at = file, start, end - start, 0

    def seekable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        left = max(0, self._size - self._at)
        self._file.seek(self._start + self._at)
        data: bytes = self._file.read(left if size < 0 else min(size, left)) or b""
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Where to go on."""
        base = (0, self._at, self._size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at


class ChainedDecoder(Decoding):
    """As `Decoder`, of parts that follow each other.

    Args:
        parts: make the decoder of each, when it is wanted; making it may raise `NotSound`.
    """

    def __init__(self, parts: Iterable[Callable[[], Decoder]]) -> None:
        self._parts = iter(parts)
        self._now = next(self._parts)()
        self.format, self.rate, self.channels = self._now.format, self._now.rate, self._now.channels

    def __iter__(self) -> Iterator[tuple[Frames, int]]:
        """Samples (n, c) and their rate in Hz."""
        yield from self._part()
        for part in self._parts:
            self._now.close()
            try:
                self._now = part()
            except NotSound:
                self.damage(self.decoded_s)
            else:
                yield from self._part()

    def _part(self) -> Iterator[tuple[Frames, int]]:
        before = self.decoded_s
        for frames, rate in self._now:
            self.ends_early = False
            self.decoded_s = before + self._now.decoded_s
            yield frames, rate
        if self._now.damaged_at_s is not None:
            self.damage(before + self._now.damaged_at_s)
            self.ends_early = self._now.ends_early
        self.missing_s += self._now.missing_s

    def close(self) -> None:
        """Let go of the decoder; the file itself stays open."""
        self._now.close()


def _beginnings(file: Any) -> list[int]:
    """Where the parts of a file begin; nothing of kinds that need no parting."""
    begin = at = file.tell()

    def peek(least: int) -> bytes:
        file.seek(at)
        data: bytes = file.read(max(least, _WINDOW)) or b""
        return data

    found: list[int] = []
    for size, begins in pieces_of(peek):
        if begins or not found:
            found.append(at)
        at += size
    file.seek(begin)
    return found
