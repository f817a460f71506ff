"""Other linear layers compute what nn.Linear computes, as exactly as they promise."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.linears import (
    Int8Linear,
    Int8Product,
    Int8WeightLinear,
    quantize,
    quantize_rows,
    whole_products_are_exact,
)
from seamless_server.nn.text_decoder import TextDecoderLayer


def layer(size: int, columns: int, bias: bool = True) -> nn.Linear:
    torch.manual_seed(size + columns)
    return nn.Linear(size, columns, bias=bias).requires_grad_(False)


def test_rows_are_scaled_by_their_largest_weight() -> None:
    whole, scales = quantize_rows(torch.tensor([[0.5, -1.0, 0.25], [0.0, 0.0, 0.0]]))
    assert whole.tolist() == [[64, -127, 32], [0, 0, 0]]
    assert scales[0].item() == pytest.approx(1 / 127)


@pytest.mark.parametrize("kind", [Int8WeightLinear, Int8Linear])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_int8_stays_within_a_step_of_its_scales(
    kind: type[nn.Module], bias: bool, dtype: torch.dtype
) -> None:
    linear = layer(64, 32, bias)
    x = torch.randn(5, 7, 64).to(dtype)
    got, wanted = kind(linear.weight, linear.bias)(x), linear(x.float())
    assert got.dtype == dtype
    assert got.shape == wanted.shape
    # Half a step of a weight and of an input, times what they are multiplied with, summed.
    step = linear.weight.abs().amax(1) / 127 / 2
    bound = x.float().abs().sum(-1, keepdim=True) * step
    if kind is Int8Linear:
        heights = x.float().abs().amax(-1, keepdim=True) / 127 / 2
        bound = bound + heights * (linear.weight.abs().sum(1) + 64 * step)
    if dtype != torch.float32:
        bound = bound + 0.02 * (1 + wanted.abs())
    assert ((got.float() - wanted).abs() <= bound + 1e-5).all()
    assert (got.float() - wanted).abs().max() > 0


@pytest.mark.skipif(not whole_products_are_exact(), reason="the processor has no such products")
@pytest.mark.parametrize("rows", [1, 5, 17, 130])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_layers_laid_out_side_by_side_give_what_each_gives_alone(
    rows: int, dtype: torch.dtype
) -> None:
    layers = [layer(96, 40), layer(96, 24, bias=False), layer(96, 8)]
    parts = [Int8Linear(x.weight, x.bias) for x in layers]
    x = (torch.randn(2, rows, 96) * torch.logspace(-3, 3, rows)[:, None]).to(dtype)
    got = Int8Product(parts)(x)
    assert got.dtype == dtype
    wanted = torch.cat([part(x) for part in parts], -1)
    # What lies just between two whole numbers may be rounded to the other one.
    torch.testing.assert_close(got, wanted, rtol=2e-2, atol=2e-2 * x.abs().max().item())
    same = torch.isclose(got, wanted, rtol=1e-5, atol=0)
    assert dtype != torch.float32 or same.float().mean() > 0.99


@pytest.mark.skipif(not whole_products_are_exact(), reason="the processor has no such products")
def test_numbers_that_are_none_stay_so_when_laid_out() -> None:
    linear = layer(16, 8)
    product = Int8Product([Int8Linear(linear.weight, linear.bias)])
    x = torch.zeros(3, 16)
    x[0, 3], x[1, 5] = float("nan"), float("inf")
    got = product(x)
    assert not got[0].isfinite().any()
    assert not got[1].isfinite().any()
    torch.testing.assert_close(got[2], linear.bias)


def test_a_row_of_zeros_gives_the_bias() -> None:
    linear = layer(16, 8)
    for kind in (Int8WeightLinear, Int8Linear):
        torch.testing.assert_close(
            kind(linear.weight, linear.bias)(torch.zeros(3, 16)), linear.bias.expand(3, -1)
        )


@pytest.mark.parametrize(
    ("kind", "made"), [("int8", Int8Linear), ("int8-weights", Int8WeightLinear)]
)
def test_a_quantized_network_shares_what_it_keeps(
    checkpoint: Checkpoint, kind: str, made: type[nn.Module]
) -> None:
    decoder = checkpoint.decoder
    copy = quantize(decoder, kind, lambda name: "energy_proj" in name)
    before, after = decoder.layers[0], copy.layers[0]
    assert isinstance(before, TextDecoderLayer)
    assert isinstance(after, TextDecoderLayer)
    assert type(before.ffn.inner_proj) is nn.Linear, "the original was changed"
    assert type(after.ffn.inner_proj) is made
    assert type(after.p_choose_layer.q_energy_proj.layers[0]) is nn.Linear
    assert copy.embed.weight is decoder.embed.weight
    assert after.ffn.inner_proj.weight.dtype == torch.int8
