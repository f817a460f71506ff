"""Sound of any origin, as it is read everywhere."""

from __future__ import annotations

import io
import os
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import soundfile

from seamless_server.audio.decoding import Raw
from seamless_server.audio.reader import AudioReader, open_audio, read_audio
from seamless_server.errors import AudioError, UsageError
from tests.audio.making import CLIP, Samples, clip, encode, wav


def heard(source: Any, **options: Any) -> tuple[Samples, AudioReader]:
    with open_audio(source, **options) as sound:
        return sound.read(), sound


def likeness(ours: Samples, theirs: Samples) -> float:
    """Correlation at the best shift of up to 0.2 s."""
    spectrum = np.fft.rfft(ours, 2**18) * np.conj(np.fft.rfft(theirs, 2**18))
    shifted = np.fft.irfft(spectrum)
    near = np.concatenate([shifted[:3200], shifted[-3200:]])
    return float(near.max() / (np.linalg.norm(ours) * np.linalg.norm(theirs)))


FORMATS = [
    ("mp3", "libmp3lame", 44_100),
    ("adts", "aac", 44_100),
    ("mp4", "aac", 48_000),
    ("mp4", "alac", 16_000),
    ("ogg", "libopus", 48_000),
    ("webm", "libopus", 48_000),
    ("flac", "flac", 96_000),
    ("asf", "wmav2", 44_100),
    ("wav", "pcm_mulaw", 8_000),
    ("wav", "adpcm_ima_wav", 16_000),
    ("wav", "pcm_u8", 22_050),
    ("wav", "pcm_f64le", 192_000),
    ("amr", "libopencore_amrnb", 8_000),
    ("aiff", "pcm_s24be", 32_000),
    ("caf", "pcm_s16le", 16_000),
    ("mpegts", "aac", 48_000),
    ("ac3", "ac3", 48_000),
]


@pytest.mark.parametrize(("container", "codec", "rate"), FORMATS)
def test_every_format_gives_what_was_said(container: str, codec: str, rate: int) -> None:
    narrow = codec == "libopencore_amrnb"
    bit_rate = {"libopencore_amrnb": 12_200, "wmav2": 64_000}.get(codec)
    data = encode(clip(rate), rate, container, codec, bit_rate=bit_rate)
    samples, sound = heard(data)
    assert samples.dtype == np.float32
    assert sound.source_rate == rate
    assert sound.duration_ms == pytest.approx(2000, abs=200)
    assert len(samples) == pytest.approx(sound.duration_ms * 16, abs=2)
    assert likeness(clip(), samples) > (0.6 if narrow else 0.97)
    assert sound.notices == []


def test_g722_is_known_by_its_name() -> None:
    samples, _ = heard(io.BytesIO(encode(clip(), 16_000, "g722", "g722")), name="a.g722")
    assert likeness(clip(), samples) > 0.98


def test_integers_are_read_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "rec_12:30:45.wav"
    integers = (clip() * 32767).astype(np.int16)
    soundfile.write(path, integers, 16_000)
    assert np.array_equal(read_audio(path), integers / np.float32(32768))
    libsndfile, _ = soundfile.read(CLIP, dtype="float32")
    assert np.array_equal(read_audio(str(CLIP)), libsndfile)


@pytest.mark.parametrize("channels", [6, 8])
@pytest.mark.parametrize(
    ("container", "codec", "rate"), [("matroska", "libopus", 48_000), ("ipod", "aac", 48_000)]
)
def test_film_sound_of_many_channels_is_mixed(
    container: str, codec: str, rate: int, channels: int
) -> None:
    data = encode(np.stack([clip(rate)] * channels, 1), rate, container, codec)
    samples, sound = heard(data)
    assert sound.channels == channels
    assert likeness(clip(), samples) > 0.9


CHAINED = [
    ("mp3", "libmp3lame", (16_000, 24_000)),
    ("ogg", "libopus", (48_000, 24_000)),
    ("flac", "flac", (16_000, 44_100)),
    ("adts", "aac", (44_100, 16_000)),
    ("ac3", "ac3", (48_000, 32_000)),
    ("wav", "pcm_s16le", (44_100, 8_000)),
    ("wav", "pcm_f32le", (8_000, 44_100)),
    ("wav", "adpcm_ima_wav", (16_000, 44_100)),
    ("aiff", "pcm_s16be", (44_100, 8_000)),
    ("caf", "pcm_s16le", (8_000, 44_100)),
    ("w64", "pcm_s16le", (44_100, 8_000)),
    ("au", "pcm_s16be", (8_000, 44_100)),
    ("voc", "pcm_s16le", (16_000, 8_000)),
    ("amr", "libopencore_amrnb", (8_000, 8_000)),
    ("tta", "tta", (44_100, 8_000)),
    ("wv", "wavpack", (8_000, 44_100)),
    ("mp4", "aac", (48_000, 24_000)),
    ("webm", "libopus", (48_000, 24_000)),
    ("asf", "wmav2", (44_100, 16_000)),
    ("flv", "libmp3lame", (44_100, 22_050)),
]


def through_a_pipe(data: bytes) -> IO[bytes]:
    """What reads a pipe into which `data` is written, 1000 bytes at a time."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as pipe, suppress(BrokenPipeError):
            for start in range(0, len(data), 1000):
                pipe.write(data[start : start + 1000])

    threading.Thread(target=write, daemon=True).start()
    return os.fdopen(reading, "rb", buffering=0)


@pytest.mark.parametrize("way", [bytes, through_a_pipe], ids=["file", "pipe"])
@pytest.mark.parametrize(("container", "codec", "rates"), CHAINED)
def test_all_parts_of_a_chained_file_are_heard(
    container: str, codec: str, rates: tuple[int, int], way: Callable[[bytes], Any]
) -> None:
    narrow = codec == "libopencore_amrnb"
    bit_rate = {"libopencore_amrnb": 12_200, "wmav2": 64_000}.get(codec)
    frames = clip(rates[1]) if narrow else np.stack([clip(rates[1])] * 2, 1)
    mono = encode(clip(rates[0]), rates[0], container, codec, bit_rate=bit_rate)
    other = encode(frames, rates[1], container, codec, bit_rate=bit_rate)
    for data in (mono + mono, mono + other, other + mono):
        samples, sound = heard(way(data))
        assert sound.duration_ms == pytest.approx(4000, abs=250)
        assert len(samples) == pytest.approx(sound.duration_ms * 16, abs=320)
        assert likeness(clip(), samples[-len(clip()) - 3000 :]) > (0.6 if narrow else 0.95)
        assert sound.notices == []


@pytest.mark.parametrize("way", [bytes, through_a_pipe], ids=["file", "pipe"])
@pytest.mark.parametrize(("container", "codec"), [("wav", "pcm_s16le"), ("ogg", "libopus")])
def test_what_follows_a_part_that_was_cut_off_is_heard(
    container: str, codec: str, way: Callable[[bytes], Any]
) -> None:
    data = encode(clip(48_000), 48_000, container, codec)
    samples, sound = heard(way(data[: len(data) * 6 // 10] + data))
    assert sound.duration_ms == pytest.approx(3200, abs=250)
    assert likeness(clip(), samples[-len(clip()) :]) > 0.95


@pytest.mark.parametrize("way", [bytes, through_a_pipe], ids=["file", "pipe"])
def test_parts_without_lengths_are_heard(way: Callable[[bytes], Any]) -> None:
    """As two programs write them that share a pipe."""
    part = wav(clip(), size=0xFFFF_FFFF, riff=0xFFFF_FFFF)
    samples, sound = heard(way(part * 3))
    assert np.array_equal(samples, np.tile(read_audio(wav(clip())), 3))
    assert sound.notices == []


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp3", "libmp3lame"),
        ("flac", "flac"),
        ("adts", "aac"),
        ("wav", "pcm_s16le"),
        ("wav", "pcm_u8"),
        ("aiff", "pcm_s16be"),
        ("w64", "pcm_s16le"),
        ("caf", "pcm_s16le"),
        ("voc", "pcm_s16le"),
        ("au", "pcm_s16be"),
    ],
)
def test_of_a_cut_file_only_what_is_there_is_heard(container: str, codec: str) -> None:
    data = encode(clip(), 16_000, container, codec)
    whole, _ = heard(data)
    samples, sound = heard(data[: len(data) * 6 // 10])
    assert 8_000 < len(samples) < len(whole)
    assert np.array_equal(samples, whole[: len(samples)])
    assert sound.duration_ms == pytest.approx(len(samples) / 16, abs=0.1)
    (notice,) = sound.notices
    assert "cut off" in notice
    assert f"{sound.duration_ms / 1000:.2f} s" in notice


def test_a_cut_ogg_file_says_so() -> None:
    data = encode(clip(48_000), 48_000, "ogg", "libopus")
    _, sound = heard(data[: len(data) * 7 // 10])
    assert "cut off" in sound.notices[0]


@pytest.mark.parametrize(("container", "codec"), [("flac", "flac"), ("mp3", "libmp3lame")])
def test_a_damaged_place_is_left_out(container: str, codec: str) -> None:
    data = bytearray(encode(clip(), 16_000, container, codec))
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(3).bytes(300)
    samples, sound = heard(bytes(data))
    assert 1000 < sound.duration_ms < 1990
    assert np.abs(samples).max() <= np.abs(clip()).max() * 1.2
    assert "damaged" in sound.notices[0]


@pytest.mark.parametrize(
    ("container", "codec"),
    [("adts", "aac"), ("mp4", "aac"), ("mp3", "libmp3lame"), ("matroska", "aac")],
)
def test_damaged_bits_make_no_thunder(container: str, codec: str) -> None:
    data = encode(clip(48_000), 48_000, container, codec)
    loudest = 0.0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        damaged = bytearray(data)
        for place in rng.integers(len(data) // 4, len(data), 20):
            damaged[place] ^= 1 << int(rng.integers(8))
        with suppress(AudioError):
            samples, sound = heard(bytes(damaged))
            loudest = max(loudest, float(np.abs(samples).max()))
            assert sound.duration_ms < 2300
    assert 0 < loudest < 5


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be read as audio"),
        (b"this is no sound" * 500, "cannot be read as audio"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n", "cannot be read"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "cannot be read as audio"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n", "cannot be"),
        (wav(np.zeros(0)), "holds no audio"),
        (wav(np.zeros(160)), "is too short: 10 ms"),
        (encode(clip(), 16_000, "flac", "flac")[:400], "audio"),
    ],
)
def test_what_holds_no_sound_is_refused_in_one_sentence(content: bytes, reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        heard(content)


def test_an_empty_file_without_a_header_is_one_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for ending in ("g722", "amr", "wav", "mp3", "flac"):
        path = tmp_path / f"empty.{ending}"
        path.touch()
        with pytest.raises(AudioError, match=r"no sound|not a sound"):
            read_audio(path)
    assert "Traceback" not in capfd.readouterr().err


def test_paths_that_cannot_be_opened(tmp_path: Path) -> None:
    for path, reason in (
        (tmp_path / "none.wav", "no such file"),
        (tmp_path, "is a folder"),
        ("nul\0.wav", "no such file"),
        ("x" * 5000, "cannot be opened"),
        (os.fsdecode(bytes(tmp_path) + b"/\xff\xfe.wav"), "no such file"),
    ):
        with pytest.raises(AudioError, match=reason):
            read_audio(path)
    odd = os.fsdecode(bytes(tmp_path) + b"/\xff.wav")
    Path(odd).write_bytes(wav(clip()))
    assert len(read_audio(odd)) == len(clip())


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0, "riff": 0},
        {"size": 0xFFFF_FFFF, "riff": 0xFFFF_FFFF},
        {"size": 0x7FFF_FFFF, "riff": 0x7FFF_FFFF + 36},
        {"size": 1000},
    ],
)
@pytest.mark.parametrize("way", [bytes, through_a_pipe], ids=["file", "pipe"])
def test_wrong_and_missing_lengths(options: dict[str, int], way: Callable[[bytes], Any]) -> None:
    samples, sound = heard(way(wav(clip(), **options)))
    assert len(samples) == len(clip())
    assert sound.notices == []


# -- channels ------------------------------------------------------------------------------------


def stereo(left: Samples, right: Samples) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.stack([left, right], 1), 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def test_channels_are_mixed() -> None:
    samples, sound = heard(stereo(clip(), clip() * 0.5))
    assert np.allclose(samples, clip() * 0.75, atol=1e-6)
    assert sound.notices == []


@pytest.mark.parametrize("right", [-1.0, -0.9])
def test_channels_that_cancel_give_the_loudest(right: float) -> None:
    samples, sound = heard(stereo(clip(), clip() * right))
    assert np.array_equal(samples, clip())
    assert sound.notices == ["The channels cancel each other: the loudest one is used."]


def test_speech_in_one_of_six_channels_is_not_lost() -> None:
    frames = np.zeros((len(clip()), 6), np.float32)
    frames[:, 2] = clip()
    samples, _ = heard(frames, array_rate=16_000)
    assert np.array_equal(samples, clip())


def test_a_channel_can_be_chosen() -> None:
    data = stereo(clip() * 0.1, -clip())
    assert np.allclose(heard(data, channel=1)[0], clip() * 0.1)
    assert np.allclose(heard(data, channel="loudest")[0], -clip())
    assert np.allclose(heard(data, channel="mix")[0], clip() * -0.45, atol=1e-6)
    with pytest.raises(AudioError, match="2 channels, not 3"):
        heard(data, channel=3)


# -- levels --------------------------------------------------------------------------------------


def test_levels_that_make_trouble_are_told() -> None:
    def notices(samples: Samples) -> list[str]:
        return heard(samples.astype(np.float32), array_rate=16_000)[1].notices

    loud = clip() / np.abs(clip()).max()
    assert notices(loud) == []
    assert "clipped" in notices(np.clip(loud * 20, -1, 1))[0]
    edge = np.tile(0.5 * loud[:100], 100)
    edge[:100] = 1  # a hundredth of it
    assert notices(edge) == []
    edge[100] = 1
    assert "clipped" in notices(edge)[0]
    assert "very quiet" in notices(loud * 0.003)[0]
    assert "only silence" in notices(loud * 0)[0]


# -- pipes ---------------------------------------------------------------------------------------


def piped(path: Path, parts: list[bytes], go_on: threading.Event) -> None:
    with path.open("wb", buffering=0) as pipe:
        pipe.write(parts[0])
        if go_on.wait(10):
            for part in parts[1:]:
                pipe.write(part)


@pytest.mark.parametrize("kind", ["wav", "float", "raw", "mp3"])
def test_a_pipe_is_heard_as_it_comes_in(tmp_path: Path, kind: str) -> None:
    whole = {
        "wav": wav(clip(), size=0xFFFF_FFFF, riff=0xFFFF_FFFF),
        "float": encode(clip(), 16_000, "wav", "pcm_f32le"),
        "raw": wav(clip())[44:],
        "mp3": encode(clip(), 16_000, "mp3", "libmp3lame"),
    }[kind]
    raw = Raw.parse("16000,1,s16le") if kind == "raw" else None
    fifo, go_on = tmp_path / "fifo", threading.Event()
    os.mkfifo(fifo)
    half = len(whole) // 2
    threading.Thread(target=piped, args=(fifo, [whole[:half], whole[half:]], go_on)).start()
    with open_audio(fifo, raw=raw) as sound:
        assert sound.live
        pieces = iter(sound)
        got = [next(pieces)]  # while the writer waits
        go_on.set()
        got += pieces
    expected = read_audio(whole, raw=raw)
    assert np.array_equal(np.concatenate(got)[: len(expected)], expected)


@pytest.mark.parametrize(("container", "codec"), [("wav", "pcm_s16le"), ("mp3", "libmp3lame")])
def test_the_parts_of_a_pipe_are_heard_as_they_come_in(
    tmp_path: Path, container: str, codec: str
) -> None:
    part = encode(clip(), 16_000, container, codec)
    fifo, go_on = tmp_path / "fifo", threading.Event()
    os.mkfifo(fifo)
    half = len(part) * 3 // 2
    threading.Thread(
        target=piped, args=(fifo, [(part * 2)[:half], part[-len(part) // 2 :]], go_on)
    ).start()
    with open_audio(fifo) as sound:
        count = 0
        for samples in sound:
            count += len(samples)
            if count > 1.2 * len(clip()):
                go_on.set()  # some of the second part came while its writer waits
    assert count == pytest.approx(2 * len(clip()), abs=2500)


def test_an_mp4_with_its_directory_at_the_end_comes_through_a_pipe(tmp_path: Path) -> None:
    whole = encode(clip(), 16_000, "mp4", "aac")
    fifo, go_on = tmp_path / "fifo", threading.Event()
    go_on.set()
    os.mkfifo(fifo)
    threading.Thread(target=piped, args=(fifo, [whole], go_on)).start()
    assert np.array_equal(read_audio(fifo), read_audio(whole))


@pytest.mark.parametrize("text", ["", "16000", "16000,1", "16000,1,s17le", "x,1,u8", "8000,0,u8"])
def test_raw_is_explained(text: str) -> None:
    with pytest.raises(UsageError, match="16000,1,s16le"):
        Raw.parse(text)


# -- arrays --------------------------------------------------------------------------------------

INT16 = (clip() * 32767).round().astype(np.int16)
FLOAT = INT16 / np.float32(32768)


def tensor() -> Any:
    import torch

    return torch.from_numpy(np.stack([FLOAT, FLOAT]))


@pytest.mark.parametrize(
    "array",
    [
        INT16,
        INT16.astype(">i2"),
        INT16.astype(np.int32) << 16,
        INT16.astype(np.int64) << 48,
        (INT16.astype(np.int32) + 32768).astype(np.uint16),
        FLOAT,
        FLOAT.astype(np.float64),
        FLOAT.astype(">f4"),
        FLOAT.tolist(),
        INT16[:, None],
        INT16[None],
        np.stack([INT16, INT16], 1),
        np.stack([INT16, INT16]),
        np.repeat(INT16, 2)[::2],
        np.frombuffer(INT16.tobytes(), "<i2"),
        tensor(),
    ],
    ids=lambda array: f"{getattr(array, 'dtype', 'list')} {getattr(array, 'shape', '')}",
)
def test_arrays_of_any_library(array: Any) -> None:
    assert np.allclose(read_audio(array, array_rate=16_000), FLOAT, atol=1e-6)


def test_eight_bits_are_centred() -> None:
    eight = ((INT16 >> 8) + 128).astype(np.uint8)
    assert np.allclose(read_audio(eight, array_rate=16_000), FLOAT, atol=0.01)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (INT16.tolist(), "int16"),
        (INT16.astype(np.int64), "int16"),
        (INT16.astype(np.float32), r"divide 16-bit values by 32768"),
        (np.zeros((200, 300)), "which side"),
        (np.zeros((4, 4, 4000)), "shape"),
        (np.float32(1), "shape"),
        (FLOAT.astype(complex), "complex"),
        (np.array(["a"]), "expected"),
        (np.array([0.0, np.nan] * 500), "NaN"),
        (None, "expected"),
    ],
    ids=str,
)
def test_arrays_that_cannot_be_meant(array: Any, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_audio(array, array_rate=16_000)


@pytest.mark.parametrize("rate", [None, 0, -1, 3999, 400_000, 16_000.5, "16000", True])
def test_rates_that_are_none(rate: Any) -> None:
    with pytest.raises(UsageError, match="rate"):
        read_audio(INT16, array_rate=rate)


@pytest.mark.parametrize("rate", [4_000, 8_001, 16_000.0, np.int64(44_100), 384_000])
def test_any_rate(rate: Any) -> None:
    assert len(read_audio(clip(int(rate)), array_rate=rate)) == pytest.approx(32_000, abs=8)


# -- memory --------------------------------------------------------------------------------------


SECONDS = 360


class Long(io.RawIOBase):
    """Minutes of silence as a WAV, made while it is read."""

    def __init__(self) -> None:
        self._head = wav(np.zeros(0), size=2 * 16_000 * SECONDS)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        end = len(self._head) + 2 * 16_000 * SECONDS
        self._at = offset + (0, self._at, end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        left = len(self._head) + 2 * 16_000 * SECONDS - self._at
        size = max(0, min(len(buffer), left))
        head = self._head[self._at : self._at + size]
        buffer[: len(head)] = head
        buffer[len(head) : size] = bytes(size - len(head))
        self._at += size
        return size


def test_memory_does_not_grow_with_the_length() -> None:
    tracemalloc.start()
    count = 0
    with open_audio(Long()) as sound:
        for samples in sound:
            count += len(samples)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 16_000 * SECONDS
    assert peak < 5e6
