"""Sound files as FFmpeg's libraries (PyAV) read them: blocks of samples as they lie in the file.

Only containers of sound and film are opened. Playlists and descriptions that name other files or
addresses (HLS, DASH, concat, SDP) are not, so that a file which somebody sends can never make this
machine read another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Literal

import av
import numpy as np
import numpy.typing as npt

from seamless_server.audio.resample import MAX_RATE, MIN_RATE
from seamless_server.errors import SeamlessError, UsageError

Frames = npt.NDArray[np.float32]
"""Samples with their channels, (n, c)."""

_CONTAINERS = """
3dostr aa aac ac3 adts adx aea aiff alaw amr amrnb amrwb ape apm asf asf_o ast au avi avr caf
codec2 dsf dss dts dtshd eac3 epaf f32be f32le f64be f64le flac flv g722 g726 g726le gsm gxf
ilbc ircam iff kvag latm loas matroska matroska,webm mlp mov mov,mp4,m4a,3gp,3g2,mj2 mp2 mp3 mpc
mpc8 mpeg mpegts mulaw mxf nistsphere nut oga ogg oma opus paf pvf qcp qoa rm rso s16be s16le
s24be s24le s32be s32le s8 sbc sds shn sln sol sox spx swf tak truehd tta u16be u16le u24be
u24le u32be u32le u8 voc w64 wav webm wsd wtv wv wve xa xwma
""".split()  # noqa: SIM905

RAW_FORMATS = (
    "u8", "s8", "s16le", "s16be", "u16le", "u16be", "s24le", "s24be", "s32le", "s32be", "f32le",
    "f32be", "f64le", "f64be", "mulaw", "alaw",
)  # fmt: skip
"""Encodings of sound without a header, as FFmpeg calls them."""

_CHECKED = {"flac", "tta", "wavpack", "truehd", "mlp", "ape", "tak", "shorten", "alac"}
"""Codecs whose frames carry a checksum that their encoders get right."""
_HONEST = {
    "wav",
    "flac",
    "aiff",
    "caf",
    "w64",
    "au",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "ogg",
    "flv",
}
"""Containers whose length is written down, not guessed from the bit rate."""
_LOUDEST = 4.0
"""Four times full scale: more than any overshoot of AAC or MP3."""
_ENDLESS = 2**62
UNKNOWN_SIZE = 0x7FFF_0000
"""What writes WAV into a pipe puts such a size, or 0, into the header."""
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")
"""What else lies between the frames of an MP3."""


@dataclass(frozen=True, slots=True)
class Raw:
    """How samples without a header lie in their file."""

    rate: int
    channels: int
    encoding: str

    @classmethod
    def parse(cls, text: str) -> Raw:
        """``RATE,CHANNELS,ENCODING``, e.g. ``16000,1,s16le``.

        Raises:
            UsageError: it is none of that form.
        """
        match = re.fullmatch(r"\s*(\d{1,6})\s*,\s*(\d{1,2})\s*,\s*(\w+)\s*", text)
        encoding = match[3].lower() if match else ""
        if match is None or encoding not in RAW_FORMATS or not 1 <= int(match[2]) <= 64:
            raise UsageError(
                "raw: say RATE,CHANNELS,ENCODING, for example 16000,1,s16le; an encoding is one of "
                + ", ".join(RAW_FORMATS)
            )
        if not MIN_RATE <= int(match[1]) <= MAX_RATE:
            raise UsageError(f"raw: a rate from {MIN_RATE} to {MAX_RATE} Hz, not {int(match[1])}")
        return cls(int(match[1]), int(match[2]), encoding)


class NotSound(SeamlessError):
    """FFmpeg finds no sound here; the message is the reason, without a subject."""

    code = "audio"


class Decoding:
    """What is known of sound while it is decoded.

    declared_s: what the file says that it holds, for a display of progress. decoded_s: what was
    decoded so far. damaged_at_s: where the first piece lay that could not be decoded. After the
    end, ends_early: nothing could be decoded behind that place, or the file is cut off; missing_s:
    how much more the file says that it holds.
    """

    format: str
    rate: int
    channels: int
    declared_s: float | None = None
    decoded_s = 0.0
    damaged_at_s: float | None = None
    ends_early = False
    missing_s = 0.0

    def damage(self, at_s: float) -> None:
        """Something there could not be decoded."""
        if self.damaged_at_s is None:
            self.damaged_at_s = at_s
        self.ends_early = True


class Decoder(Decoding):
    """Decodes the best stream of sound of an open file.

    What is damaged is left out, never guessed: no frame is given that the codec calls wrong.

    Args:
        file: with `read`, and with `seek` and `tell` unless it is a pipe.
        name: of the file, for formats that are known by their ending alone.
        raw: the file has no header.
        live: it is being written; take what is there instead of looking ahead.

    Raises:
        NotSound: nothing that could be decoded.
    """

    def __init__(
        self, file: IO[bytes] | Any, name: str = "", raw: Raw | None = None, *, live: bool = False
    ) -> None:
        look = can_seek(file) and raw is None
        self._cut_off = look and any(
            is_cut_off(file) for is_cut_off in (_ogg_is_cut_off, _mp3_is_cut_off, _big_is_cut_off)
        )
        options = {"format_whitelist": ",".join(_CONTAINERS), "protocol_whitelist": "none"}
        if look and (length := _wav_length(file)) is not None:
            self._cut_off = length == "short"
            if length == "wrong":
                options["ignore_length"] = "1"
        if raw is not None:
            options |= {
                "sample_rate": str(raw.rate),
                "ch_layout": "mono" if raw.channels == 1 else f"{raw.channels}c",
            }
        if live:
            options |= {"probesize": "8192", "analyzeduration": "1"}
        try:
            container: Any = av.open(
                _Named(file, name),
                format=None if raw is None else raw.encoding,
                options=options,
                metadata_errors="replace",
            )
        except (av.FFmpegError, ValueError):
            raise NotSound("cannot be read as audio: it is not a sound file") from None
        try:
            stream: Any = container.streams.best("audio")
            if stream is None or stream.codec_context is None:
                seen = {one.type for one in container.streams} & {"video", "subtitle"}
                raise NotSound(
                    "holds no audio: there is no sound in it"
                    if seen
                    else "cannot be read as audio: it is not a sound file"
                )
            codec: Any = stream.codec_context
            if codec.name in _CHECKED:
                codec.options = {"err_detect": "crccheck+explode"}
        except BaseException:
            container.close()
            raise
        self._container, self._stream, self._codec = container, stream, codec
        self.format = codec.codec.canonical_name if raw is None else raw.encoding
        self._honest = container.format.name in _HONEST
        self.rate = codec.sample_rate or 0
        self.channels = codec.channels or 0
        self.declared_s = self._declared()

    def _declared(self) -> float | None:
        stream = self._stream
        if stream.duration is not None and stream.duration > 0 and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        whole = self._container.duration
        return whole / av.time_base if whole and whole > 0 else None

    def __iter__(self) -> Iterator[tuple[Frames, int]]:
        """Samples (n, c) and their rate in Hz, which may change from block to block."""
        lossy = not self._codec.name.startswith("pcm_")
        for packet in self._packets():
            try:
                frames = self._codec.decode(packet)
            except av.FFmpegError:
                if packet is not None and not bytes(packet)[:8].startswith(_TAGS):
                    self._damage()
                continue
            for frame in frames:
                samples = samples_of(frame)
                if frame.is_corrupt or (lossy and _is_impossible(samples)):
                    self._damage()
                elif frame.samples:
                    self.ends_early = False
                    self.decoded_s += frame.samples / frame.sample_rate
                    yield samples, frame.sample_rate
        if self._cut_off:
            self._damage()
        elif self._honest and self.declared_s is not None:
            self.missing_s = max(0.0, self.declared_s - self.decoded_s)

    def _packets(self) -> Iterator[Any]:
        plain = self._codec.name.startswith("pcm_")
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.EOFError:
                return
            except av.FFmpegError:  # of the container; what the decoder still holds is sound
                self._damage()
                yield None
                return
            if packet.is_corrupt and not plain and packet.size:
                self._damage()  # cut off
            else:
                yield packet

    def _damage(self) -> None:
        self.damage(self.decoded_s)

    def close(self) -> None:
        """Let go of the decoder; the file itself stays open."""
        self._container.close()


def _wav_length(file: Any) -> str | None:
    """``short``: a WAV is shorter than it says; ``wrong``: what it says cannot be; else `None`."""
    begin = file.tell()
    end = file.seek(0, 2)
    file.seek(begin)
    head = file.read(12)
    found = None
    at = begin + 12
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        while at + 8 <= end and found is None:
            file.seek(at)
            chunk, size = file.read(4), int.from_bytes(file.read(4), "little")
            if not any(chunk) and not any(file.read(2**20)):
                break  # padding
            if not chunk.isascii() or not all(32 <= byte < 127 for byte in chunk):
                found = "wrong"  # there are samples where a chunk should begin
                break
            if chunk == b"data" and (size == 0 or size >= UNKNOWN_SIZE):
                break
            if chunk == b"data" and at + 8 + size > end:
                found = "short"
            at += 8 + size + size % 2
    file.seek(begin)
    return found


def _ogg_is_cut_off(file: Any) -> bool:
    """Whether the last page of an Ogg file is not there."""
    begin = file.tell()
    is_ogg = file.read(4) == b"OggS"
    if is_ogg:
        end = file.seek(0, 2)
        file.seek(max(begin, end - 2**16 - 2**8))
        tail = file.read()
        page = max(0, tail.rfind(b"OggS"))
        sizes = tail[page + 27 : page + 27 + tail[page + 26]] if len(tail) > page + 26 else b""
        is_whole = bool(sizes) and len(tail) >= page + 27 + len(sizes) + sum(sizes)
        is_last = is_whole and bool(tail[page + 5] & 4)
    file.seek(begin)
    return is_ogg and not is_last


def _mp3_is_cut_off(file: Any) -> bool:
    """Whether an MP3 is shorter than its first frame says."""
    begin = file.tell()
    end = file.seek(0, 2)
    file.seek(begin)
    head = file.read(10)
    size = 0
    if head[:3] == b"ID3":
        for byte in head[6:]:
            size = size << 7 | byte & 0x7F
        size += 10
    file.seek(begin + size)
    frame = file.read(200)
    file.seek(begin)
    at = max(frame.find(b"Xing"), frame.find(b"Info"))
    if at < 0 or not frame[at + 7 : at + 8] or frame[at + 7] & 2 == 0:
        return False
    field = at + 8 + 4 * (frame[at + 7] & 1)
    return bool(end - begin - size < int.from_bytes(frame[field : field + 4], "big"))


def _big_is_cut_off(file: Any) -> bool:
    """Whether a Wave64, RF64, CAF or VOC file is shorter than it says."""
    begin = file.tell()
    end = file.seek(0, 2)
    file.seek(begin)
    head = file.read(40)
    said = begin
    if head[:4] == b"riff":
        said += int.from_bytes(head[16:24], "little")
    elif head[:4] in (b"RF64", b"BW64") and head[12:16] == b"ds64":
        said += 8 + int.from_bytes(head[20:28], "little")
    elif head[:4] == b"caff":
        said = _end_of_chunks(file, begin + 8, end, (4, 12, "big"))
    elif head[:20] == b"Creative Voice File\x1a":
        said = _end_of_chunks(
            file, begin + int.from_bytes(head[20:22], "little"), end, (1, 4, "little")
        )
    file.seek(begin)
    return bool(end < said < begin + _ENDLESS)


def _end_of_chunks(
    file: Any, at: int, end: int, form: tuple[int, int, Literal["little", "big"]]
) -> int:
    """Where the last chunk ends that begins in a file.

    Args:
        form: bytes of a chunk's type, of type and size together, and the size's byte order.
    """
    kind, whole, order = form
    while at + whole <= end:
        file.seek(at)
        head = file.read(whole)
        if not any(head[:kind]):
            break  # the end of a VOC
        at += whole + int.from_bytes(head[kind:], order)
    return at


def can_seek(file: Any) -> bool:
    """Whether it is a file and no pipe."""
    # Before Python 3.11 SpooledTemporaryFile can seek, but does not say so.
    return bool(file.seekable()) if hasattr(file, "seekable") else True


class _Named:
    """What PyAV needs of a file, with a name that FFmpeg takes for nothing but a name."""

    def __init__(self, file: Any, name: str) -> None:
        self.name = re.sub(r"[^\w.]", "_", name, flags=re.ASCII)
        self.read = file.read
        if can_seek(file):
            self._file = file
            self.seek = self._seek
            self.tell = file.tell

    def _seek(self, offset: int, whence: int = 0) -> int:
        try:
            return int(self._file.seek(offset, whence))
        except (OSError, ValueError):  # before the beginning of an empty file
            return -1


_KINDS = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
"""Samples by FFmpeg's name of their format."""


def _is_impossible(samples: Frames) -> bool:
    """Whether a codec that loses something gives what nobody put into it: the bits were damaged."""
    return bool(np.abs(samples).max(initial=0.0) > _LOUDEST)


def samples_of(frame: Any) -> Frames:
    """A frame as (n, c) float32, integers scaled by their width."""
    channels = frame.layout.nb_channels
    kind = _KINDS[frame.format.packed.name]
    # PyAV's own `to_ndarray` reads a plane too many of 8 channels, from wherever in memory.
    planes = frame.planes[: channels if frame.format.is_planar else 1]
    count = frame.samples * channels // len(planes)
    read = [np.frombuffer(plane, kind, count) for plane in planes]
    data: npt.NDArray[Any] = (
        np.stack(read, axis=1) if frame.format.is_planar else read[0].reshape(-1, channels)
    )
    if data.dtype == np.uint8:
        return (data.astype(np.float32) - np.float32(128)) / np.float32(128)
    floats: Frames = data.astype(np.float32)
    return (
        floats * np.float32(2.0 ** (1 - 8 * data.dtype.itemsize))
        if data.dtype.kind == "i"
        else floats
    )
