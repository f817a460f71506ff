"""Speech as Opus, piece by piece: all of it, in its place, without a seam."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless_server.audio.opus import RATES, OpusDecoder, OpusEncoder, pack_packets, unpack_packets
from tests.audio.making import clip

Pcm = npt.NDArray[np.int16]


def pcm(rate: int, seconds: float = 2.0) -> Pcm:
    return (clip(rate, seconds) * 32767).astype(np.int16)


def there_and_back(sound: Pcm, rate: int, cuts: list[int]) -> tuple[list[Pcm], int]:
    """What a listener gets of pieces that are cut there, and the bytes that it took."""
    encoder, decoder = OpusEncoder(rate), OpusDecoder(rate)
    bounds = [0, *sorted(cuts), len(sound)]
    pieces, size = [], 0
    for number, (start, end) in enumerate(pairwise(bounds)):
        piece = encoder.encode(sound[start:end], rate, last=number == len(cuts))
        size += len(piece.payload)
        decoded = decoder.decode(piece.payload)[piece.pre_skip or 0 :][: piece.samples]
        assert len(decoded) == piece.samples
        pieces.append(decoded)
    return pieces, size


def likeness(one: Pcm, other: Pcm) -> float:
    return float(np.corrcoef(one, other)[0, 1])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 40_000), st.lists(st.integers(0, 40_000), max_size=6))
def test_pieces_give_every_sample_and_what_one_piece_gives(length: int, cuts: list[int]) -> None:
    sound = pcm(16_000, 2.5)[:length]
    pieces, _ = there_and_back(sound, 16_000, [min(cut, length) for cut in cuts])
    whole, _ = there_and_back(sound, 16_000, [])
    assert len(np.concatenate(pieces)) == length
    assert np.array_equal(np.concatenate(pieces), np.concatenate(whole))


@pytest.mark.parametrize("rate", RATES)
def test_speech_stays_what_it_is_in_its_place(rate: int) -> None:
    sound = pcm(rate)
    pieces, size = there_and_back(sound, rate, [rate // 3, rate])
    got = np.concatenate(pieces)
    at = likeness(sound, got)
    assert at > 0.6
    assert all(likeness(sound, np.roll(got, late)) < at for late in (-rate // 100, rate // 100))
    assert size * 8 / 2.0 < 30_000  # bits a second


def test_only_what_fills_no_packet_waits_for_the_next_piece() -> None:
    encoder = OpusEncoder(16_000)
    piece = encoder.encode(pcm(16_000)[:1000], 16_000)
    assert piece.samples >= 1000 - 320 - (piece.pre_skip or 0)
    assert encoder.encode(pcm(16_000)[:0], 16_000).payload == b""
    assert encoder.encode(pcm(16_000)[1000:1001], 16_000, last=True).samples == 1001 - piece.samples


def test_speech_at_a_rate_that_opus_does_not_know_is_resampled() -> None:
    encoder = OpusEncoder(22_050)
    assert encoder.rate == 24_000
    piece = encoder.encode(pcm(22_050), 22_050, last=True)
    assert piece.samples == pytest.approx(48_000, abs=2)


def test_nothing_at_all_is_no_packet() -> None:
    piece = OpusEncoder(16_000).encode(pcm(16_000)[:0], 16_000, last=True)
    assert (piece.payload, piece.samples, piece.pre_skip) == (b"", 0, None)


@given(st.lists(st.binary(min_size=1, max_size=1275), max_size=5))
def test_packets_come_apart_as_they_were_put_together(packets: list[bytes]) -> None:
    assert unpack_packets(pack_packets(packets)) == packets


@pytest.mark.parametrize("payload", [b"\x00", b"\x00\x05abc", b"\x00\x00"])
def test_what_is_cut_off_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        unpack_packets(payload)
