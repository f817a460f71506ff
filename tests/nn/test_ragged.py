"""Segments of any lengths, encoded together without padding, give what each gives alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.fitted import fit
from seamless_server.nn.ragged import encode_ragged
from seamless_server.nn.speech_encoder import SpeechEncoder


def assert_alone(encoder: SpeechEncoder, lengths: list[int]) -> None:
    torch.manual_seed(sum(lengths))
    segments = [torch.randn(n, 80) for n in lengths]
    with torch.inference_mode():
        together = encode_ragged(encoder, segments)
        for got, segment in zip(together, segments, strict=True):
            torch.testing.assert_close(got, encoder(segment[None])[0][0], atol=1e-5, rtol=1e-5)


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=6), fitted=st.booleans())
def test_together_as_alone(checkpoint: Checkpoint, lengths: list[int], fitted: bool) -> None:
    assert_alone(fit(checkpoint.encoder) if fitted else checkpoint.encoder, lengths)


@pytest.mark.parametrize(
    "options",
    [
        {"attention_chunk_size": 8, "attention_left_chunks": 2},
        {"num_adaptor_layers": 2, "adaptor_kernel_size": 5, "adaptor_stride": 2},
        {"adaptor_kernel_size": 3, "adaptor_stride": 4, "fbank_stride": 3},
        {"depthwise_kernel_size": 5, "adaptor_kernel_size": 9, "adaptor_stride": 4},
    ],
    ids=str,
)
def test_together_as_alone_in_other_shapes(checkpoint: Checkpoint, options: dict[str, int]) -> None:
    torch.manual_seed(0)
    encoder = SpeechEncoder(replace(checkpoint.config.encoder, **options)).eval()
    for lengths in ([64], [63, 200, 7], [33, 34, 35, 36, 37, 38]):
        assert_alone(encoder, lengths)
        assert_alone(fit(encoder), lengths)
