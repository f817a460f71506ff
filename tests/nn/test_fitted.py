"""Networks in oneDNN's form give what the plain ones give, within rounding."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from seamless_server.checkpoints.int8 import quantized_network
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.fitted import FusedTextDecoder, fit
from seamless_server.nn.fitted_vocoder import fit_vocoder
from seamless_server.nn.onednn import (
    DepthwiseConv,
    WindowConv,
    onednn_is_faster,
    packed_convolution,
    packed_product,
    packed_weight,
)
from seamless_server.nn.text_decoder import DecoderCache, TextDecoderLayer


def assert_close(got: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    torch.manual_seed(3)
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("shape", [(1, 64, 32), (3, 64, 5000), (40, 256, 96), (2, 17, 64, 128)])
@pytest.mark.parametrize("activation", ["none", "relu", "swish"])
def test_products_of_any_number_of_rows(shape: tuple[int, ...], activation: str) -> None:
    *rows, size, columns = shape
    linear, x = nn.Linear(size, columns), torch.randn(*rows, size)
    wanted = linear(x)
    wanted = {"none": wanted, "relu": wanted.relu(), "swish": nn.functional.silu(wanted)}
    got = packed_product(x, packed_weight(linear.weight), linear.bias, activation)
    assert_close(got, wanted[activation])


def test_the_choice_of_products_is_made_once() -> None:
    assert onednn_is_faster() is onednn_is_faster()


@pytest.mark.parametrize(
    ("made", "conv"),
    [
        (WindowConv, nn.Conv1d(64, 48, 7, padding="same")),
        (WindowConv, nn.Conv1d(64, 48, 1, padding="same", bias=False)),
        (WindowConv, nn.Conv1d(64, 128, 8, stride=8, padding=4)),
        (WindowConv, nn.Conv1d(64, 32, 3, stride=2, padding=1)),
        (DepthwiseConv, nn.Conv1d(64, 64, 31, groups=64, bias=False)),
        (nn.Conv1d, nn.Conv1d(64, 64, 3, dilation=3)),
        (nn.Conv1d, nn.Conv1d(64, 64, 4, groups=2)),
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [31, 32, 77])
def test_convolutions_of_every_kind(made: type[nn.Module], conv: nn.Conv1d, size: int) -> None:
    plain = nn.Conv1d.forward
    x = torch.randn(2, size, 64).transpose(1, 2)
    wanted = plain(conv, x)
    packed = packed_convolution(conv)
    assert type(packed) is made
    assert_close(packed(x), wanted)
    assert_close(packed(x.contiguous()), wanted)


@pytest.mark.parametrize("real", [None, [101, 64, 33]])
def test_the_encoder(checkpoint: Checkpoint, real: list[int] | None) -> None:
    x = torch.randn(3, 101, 80)
    lengths = None if real is None else torch.tensor(real)
    wanted = checkpoint.encoder(x, lengths)[0]
    assert_close(fit(checkpoint.encoder)(x, lengths)[0], wanted)


@pytest.mark.parametrize("real", [None, [9, 4]])
@pytest.mark.parametrize("last_only", [False, True])
@pytest.mark.parametrize("kind", ["", "int8-weights", "int8"])
def test_the_decoder(
    checkpoint: Checkpoint, real: list[int] | None, last_only: bool, kind: str
) -> None:
    plain = quantized_network(checkpoint.decoder, kind) if kind else checkpoint.decoder
    fitted = fit(plain)
    assert type(fitted) is FusedTextDecoder
    source, tokens = torch.randn(2, 9, 64), torch.randint(0, 600, (2, 6))
    lengths = None if real is None else torch.tensor(real)
    results = []
    for decoder in (plain, fitted):
        memory = decoder.project_source(source, lengths, last_only)
        cache = DecoderCache(decoder.config, 2, 8)
        features, chosen = decoder(tokens, memory, cache=cache, used=6)
        where = torch.full((2, 1), 6)
        more = decoder(tokens[:, :1], memory, where, cache, 8, torch.zeros(2, dtype=torch.long))
        results.append((features, chosen, *more, decoder.logits(features)))
    for got, wanted in zip(*results, strict=True):
        # Of int8 networks the energies are computed in bf16 where the processor has it, and what
        # lies just between two whole numbers may be rounded to the other one.
        if kind == "int8":
            assert (got - wanted).abs().mean() < 5e-3
            assert (got - wanted).abs().max() < 0.1
        else:
            assert_close(got, wanted)


def test_the_int8_encoder_is_that_of_its_layers(checkpoint: Checkpoint) -> None:
    encoder = quantized_network(checkpoint.encoder, "int8")
    x = torch.randn(3, 101, 80)
    got, wanted = fit(encoder)(x)[0], encoder(x)[0]
    assert (got - wanted).norm() / wanted.norm() < 0.02


def test_text_to_units(checkpoint: Checkpoint) -> None:
    features, counts = torch.randn(2, 5, 64), torch.tensor([[2, 3, 1, 4, 2], [1, 1, 2, 0, 0]])
    chars, lengths = torch.randint(0, 40, (2, 12)), torch.tensor([5, 3])
    t2u = checkpoint.t2u
    assert t2u is not None
    wanted = t2u(features, chars, counts, lengths)
    got = fit(t2u)(features, chars, counts, lengths)
    assert got.durations.tolist() == wanted.durations.tolist()
    real = torch.arange(wanted.logits.size(1)) < wanted.lengths[:, None]
    assert_close(got.logits[real], wanted.logits[real])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("length", [None, 37])
@pytest.mark.parametrize("skip", [0, 3, 16, 24])
def test_the_vocoder(checkpoint: Checkpoint, count: int, length: int | None, skip: int) -> None:
    vocoder = checkpoint.vocoder
    assert vocoder is not None
    units = torch.randint(0, 90, (count, 48))
    zero = torch.zeros(count, dtype=torch.long)
    lengths = None if length is None else torch.full((count,), length)
    whole = vocoder(units, zero, zero, lengths)[:, skip * vocoder.config.samples_per_unit :]
    for each in (vocoder, fit_vocoder(vocoder)):
        got = each(units, zero, zero, lengths, skip)
        torch.testing.assert_close(got, whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("size", [49, 96, 131])
@pytest.mark.parametrize("length", [None, 40, 97])
@pytest.mark.parametrize("skip", [0, 3, 30])
def test_long_speech_made_in_pieces(
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    size: int,
    length: int | None,
    skip: int,
) -> None:
    vocoder = checkpoint.vocoder
    assert vocoder is not None
    units = torch.randint(0, 90, (count, size))
    zero = torch.zeros(count, dtype=torch.long)
    lengths = None if length is None else torch.tensor([min(length, size), size][:count])
    forms = vocoder, fit_vocoder(vocoder)
    pieces = [each(units, zero, zero, lengths, skip) for each in forms]
    monkeypatch.setattr("seamless_server.nn.hifigan.PIECE", size)
    whole = vocoder(units, zero, zero, lengths)[:, skip * vocoder.config.samples_per_unit :]
    for got in pieces:
        assert_close(got, whole)


def test_the_copy_shares_the_parameters_and_leaves_the_original(checkpoint: Checkpoint) -> None:
    decoder, copy = checkpoint.decoder, fit(checkpoint.decoder)
    before, after = decoder.layers[0], copy.layers[0]
    assert isinstance(before, TextDecoderLayer)
    assert isinstance(after, TextDecoderLayer)
    assert type(before.ffn.inner_proj) is nn.Linear
    assert after.ffn.inner_proj.weight is before.ffn.inner_proj.weight
