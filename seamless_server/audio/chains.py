"""Files that are several files behind each other: each part is decoded by itself, because the next
may have another rate, other channels or another codec.

FFmpeg goes on by itself in MP3, whose frames carry their form; in FLAC and Ogg only where nothing
changes, and in WAV not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from seamless_server.audio.decoding import UNKNOWN_SIZE, Decoder, Frames, NotSound, Raw, can_seek

_FLAC = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
"""How FLAC begins: its name, and a STREAMINFO of 34 bytes, which may be its last block."""
_BEGINS = 2
"""Flag of an Ogg page that begins a stream (RFC 3533)."""


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
    return ChainedDecoder(parts, name)


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


class ChainedDecoder:
    """As `Decoder`, of parts that follow each other."""

    def __init__(self, parts: list[Part], name: str) -> None:
        self._parts, self._name = parts, name
        self._now = Decoder(parts[0], name)
        self.format, self.rate, self.channels = self._now.format, self._now.rate, self._now.channels
        self.declared_s: float | None = None
        self.decoded_s = 0.0
        self.damaged_at_s: float | None = None
        self.ends_early = False
        self.missing_s = 0.0

    def __iter__(self) -> Iterator[tuple[Frames, int]]:
        """Samples (n, c) and their rate in Hz."""
        for number, part in enumerate(self._parts):
            before = self.decoded_s
            try:
                if number:
                    self._now.close()
                    self._now = Decoder(part, self._name)
            except NotSound:
                self._damage(before)
                continue
            for frames, rate in self._now:
                self.ends_early = False
                self.decoded_s = before + self._now.decoded_s
                yield frames, rate
            if self._now.damaged_at_s is not None:
                self._damage(before + self._now.damaged_at_s)
                self.ends_early = self._now.ends_early
            self.missing_s += self._now.missing_s

    def _damage(self, at_s: float) -> None:
        if self.damaged_at_s is None:
            self.damaged_at_s = at_s
        self.ends_early = True

    def close(self) -> None:
        """Let go of the decoder; the file itself stays open."""
        self._now.close()


def _beginnings(file: Any) -> list[int]:
    """Where the parts of a chained WAV, Ogg or FLAC file begin; nothing of other files."""
    begin = file.tell()
    head = file.read(12)
    found: list[int] = []
    if head[:4] == b"OggS":
        found = _ogg_beginnings(file, begin)
    elif head[:4] == b"RIFF" and head[8:] == b"WAVE":
        found = _wav_beginnings(file, begin)
    elif head[:8] in _FLAC:
        found = _flac_beginnings(file, begin)
    file.seek(begin)
    return found


def _wav_beginnings(file: Any, at: int) -> list[int]:
    found: list[int] = []
    while True:
        file.seek(at)
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return found
        found.append(at)
        size = int.from_bytes(head[4:8], "little")
        if size < 4 or size >= UNKNOWN_SIZE:
            return found
        at += 8 + size + size % 2


def _ogg_beginnings(file: Any, at: int) -> list[int]:
    found: list[int] = []
    within = True
    while True:
        file.seek(at)
        head = file.read(27)
        if len(head) < 27 or head[:4] != b"OggS":
            return found
        begins = bool(head[5] & _BEGINS)
        if begins and within:
            found.append(at)
        within = not begins
        sizes = file.read(head[26])
        at += 27 + len(sizes) + sum(sizes)


def _flac_beginnings(file: Any, at: int) -> list[int]:
    file.seek(at)
    found: list[int] = []
    tail, size = b"", len(_FLAC[0])
    while data := file.read(2**20):
        window = tail + data
        place = window.find(b"fLaC")
        while place >= 0:
            if window[place : place + size] in _FLAC:
                found.append(at - len(tail) + place)
            place = window.find(b"fLaC", place + 1)
        tail = window[-size + 1 :]
        at += len(data)
    return found
