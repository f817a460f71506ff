"""Opus (RFC 6716) piece by piece: speech as packets of 20 ms, joined again without a seam.

A piece travels as its packets, each behind its length in two bytes, big-endian. An encoder keeps
what does not fill a packet for the next piece, so pieces of one encoder belong to one decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from seamless_server.audio.resample import at_rate

Pcm = npt.NDArray[np.int16]

RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""That Opus knows, in Hz."""
_DECODED = 48_000
"""What FFmpeg's decoder gives, whatever was encoded."""
_BIT_RATE = 24_000
_PACKET_MS = 20


@dataclass(frozen=True, slots=True)
class OpusPiece:
    """A piece of encoded speech."""

    payload: bytes
    sample_rate: int
    samples: int
    """That it gives, once what stands before and after is left out."""
    pre_skip: int | None
    """Set where an encoder begins: a new decoder is needed, and so many samples at `sample_rate`
    are to be left out at its beginning."""


class OpusEncoder:
    """Encodes the speech of one segment.

    Args:
        rate: of the speech, in Hz; it is encoded at the next one that Opus knows.
    """

    def __init__(self, rate: int) -> None:
        self.rate = next((known for known in RATES if known >= rate), RATES[-1])
        context: Any = av.CodecContext.create("libopus", "w")
        context.sample_rate, context.layout, context.format = self.rate, "mono", "s16"
        context.bit_rate = _BIT_RATE
        context.options = {"application": "audio", "frame_duration": str(_PACKET_MS)}
        context.open()
        self._context = context
        self._size = int(context.frame_size)
        # In the identification header, in samples at 48 kHz (RFC 7845, 5.1).
        head = int(struct.unpack_from("<H", context.extradata, 10)[0])
        self._skip = head * self.rate // _DECODED
        self._rest: Pcm = np.zeros(0, np.int16)
        self._taken = self._packed = self._given = 0

    def encode(self, samples: Pcm, rate: int, *, last: bool = False) -> OpusPiece:
        """The next piece; `last` ends it, with all that was kept.

        Args:
            samples: (n,), mono.
            rate: of these, in Hz.
        """
        if rate != self.rate:
            floats = at_rate(samples, rate, self.rate)
            samples = np.clip((floats * 32768).round(), -32768, 32767).astype(np.int16)
        self._taken += len(samples)
        waiting = np.concatenate([self._rest, samples])
        if last and self._taken:
            # The decoder is late by what is left out at its beginning.
            behind = self._skip + -(self._taken + self._skip) % self._size
            waiting = np.pad(waiting, (0, behind))
        whole = len(waiting) // self._size * self._size
        self._rest = waiting[whole:]
        begins = self._packed == 0 and whole > 0
        packets = [
            packet
            for start in range(0, whole, self._size)
            for packet in self._packets(waiting[start : start + self._size])
        ]
        self._packed += whole
        before = self._given
        self._given = max(before, min(self._taken, self._packed - self._skip))
        return OpusPiece(
            pack_packets(packets), self.rate, self._given - before, self._skip if begins else None
        )

    def _packets(self, samples: Pcm) -> Iterator[bytes]:
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = self.rate
        for packet in self._context.encode(frame):
            yield bytes(packet)


class OpusDecoder:
    """Decodes the packets of one encoder.

    Args:
        rate: one of `RATES`.
    """

    def __init__(self, rate: int) -> None:
        if rate not in RATES:
            raise ValueError(f"Opus knows no {rate} Hz")
        self._step = _DECODED // rate
        self._context: Any = av.CodecContext.create("libopus", "r")
        self._context.sample_rate, self._context.layout = _DECODED, "mono"

    def decode(self, payload: bytes, most: int | None = None) -> Pcm:
        """All samples of a piece, (n,), with what is to be left out.

        Args:
            most: packets that may come at once; None is no limit.

        Raises:
            ValueError: these are no packets of Opus, or too many.
        """
        packets = unpack_packets(payload)
        if most is not None and len(packets) > most:
            raise ValueError(f"at most {most} packets come at once")
        pieces: list[Pcm] = [np.zeros(0, np.int16)]
        for packet in packets:
            try:
                frames = self._context.decode(av.Packet(packet))
            except av.FFmpegError:
                raise ValueError("a packet cannot be decoded") from None
            # Nothing is above the rate at which it was encoded: every third sample of 48 kHz is
            # the sound at 16 kHz.
            pieces += [frame.to_ndarray()[0, :: self._step] for frame in frames]
        return np.concatenate(pieces)


def pack_packets(packets: list[bytes]) -> bytes:
    """Packets, each behind its length."""
    return b"".join(struct.pack(">H", len(packet)) + packet for packet in packets)


def unpack_packets(payload: bytes) -> list[bytes]:
    """The inverse of `pack_packets`.

    Raises:
        ValueError: the lengths do not fit.
    """
    packets, at = [], 0
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        packet = payload[at + 2 : at + 2 + size]
        if not size or len(packet) < size:
            raise ValueError("a packet is cut off")
        packets.append(packet)
        at += 2 + size
    return packets
