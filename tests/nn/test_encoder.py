"""The speech encoder against the recordings, stage by stage, and batches against single runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.speech_encoder import SpeechEncoder
from tests.recorded import TOLERANCE, details, difference, tensors, watched

RECORDED = tensors("encoder")
FEATURES = RECORDED["features"]
LENGTHS = sorted(
    int(key.split(".")[0][1:])
    for key in RECORDED
    if key.startswith("n") and key.endswith(".out") and "nomask" not in key
)
STAGED = [17, 64, 150, 223]


def taps(encoder: SpeechEncoder) -> dict[str, tuple[nn.Module, str]]:
    """Recorded names of the stages, and where they are seen here."""
    out: dict[str, tuple[nn.Module, str]] = {
        "frontend": (encoder.model_dim_proj, "out"),
        "inner_layer_norm": (encoder.inner_layer_norm, "out"),
        "expand_contract": (encoder.proj2, "out"),
    }
    names = dict(encoder.named_modules())
    for part in ("ffn1", "conv", "ffn2"):
        out[f"layer0.{part}"] = (names[f"layers.0.{part}"], "out")
    out["layer0.self_attn"] = (names["layers.0.self_attn.output_proj"], "out")
    for i in range(len(encoder.layers)):
        out[f"layer{i}"] = (names[f"layers.{i}"], "out")
    for part in ("residual_conv", "self_attn_conv", "self_attn"):
        out[f"adaptor0.{part}"] = (names[f"adaptor_layers.0.{part}"], "out")
    out["adaptor0"] = (names["adaptor_layers.0"], "out")
    return out


def test_every_recorded_length_is_tested() -> None:
    assert len(LENGTHS) == 15
    assert sum(n % 2 for n in LENGTHS) >= 6


@pytest.mark.parametrize("length", LENGTHS)
@torch.inference_mode()
def test_output_equals_the_recording(checkpoint: Checkpoint, length: int) -> None:
    out, lengths = checkpoint.encoder(FEATURES[:length][None])
    assert difference(out, RECORDED[f"n{length}.out"]) < TOLERANCE
    # The official agent throws the padding mask away: a frame of a half stack counts.
    assert lengths.tolist() == [details("encoder")[f"n{length}"]["out_len"]]


@pytest.mark.parametrize("length", STAGED)
@torch.inference_mode()
def test_every_stage_equals_the_recording(checkpoint: Checkpoint, length: int) -> None:
    with watched(taps(checkpoint.encoder)) as seen:
        checkpoint.encoder(FEATURES[:length][None])
    recorded = {
        key.split(".", 1)[1]: value
        for key, value in RECORDED.items()
        if key.startswith(f"n{length}.") and not key.endswith("out")
    }
    assert recorded.keys() == seen.keys()
    for stage, value in recorded.items():
        assert difference(seen[stage], value) < TOLERANCE, stage


@pytest.mark.parametrize("length", [17, 223])
@torch.inference_mode()
def test_an_odd_length_without_a_mask_is_the_even_one(checkpoint: Checkpoint, length: int) -> None:
    """Recorded without padding: the half stack at the end is dropped instead of filled up."""
    out, _ = checkpoint.encoder(FEATURES[: length // 2 * 2][None])
    assert difference(out, RECORDED[f"n{length}.nomask_out"]) < TOLERANCE


@torch.inference_mode()
def test_denormalized_features_equal_the_recording(checkpoint: Checkpoint) -> None:
    features = tensors("fbank")["human_short.denorm1.whole"][:150]
    out, _ = checkpoint.encoder(features[None])
    assert difference(out, RECORDED["denorm.n150.out"]) < TOLERANCE


@torch.inference_mode()
def test_a_padded_batch_equals_the_recorded_single_runs(checkpoint: Checkpoint) -> None:
    """The official batch leaks; its single runs were made on whole stacks of two frames."""
    lengths = RECORDED["batch.in_lens"] // 2 * 2
    out, out_lengths = checkpoint.encoder(RECORDED["batch.in"], lengths)
    singles = [RECORDED["n150.out"], RECORDED["batch.single1.out"], RECORDED["batch.single2.out"]]
    assert out_lengths.tolist() == [x.size(1) for x in singles]
    for row, single in zip(out, singles, strict=True):
        assert difference(row[: single.size(1)], single[0]) < TOLERANCE


def test_a_padded_batch_equals_the_single_runs(checkpoint: Checkpoint) -> None:
    @given(
        st.lists(st.integers(2, 97), min_size=1, max_size=4),
        st.integers(0, 9),
        st.integers(0, 2**16),
    )
    @torch.inference_mode()
    def check(lengths: list[int], extra: int, seed: int) -> None:
        # What stands behind an item's end must not matter.
        x = torch.randn(
            len(lengths), max(lengths) + extra, 80, generator=torch.Generator().manual_seed(seed)
        )
        out, out_lengths = checkpoint.encoder(x, torch.tensor(lengths))
        assert torch.equal(out_lengths, checkpoint.encoder.out_lengths(torch.tensor(lengths)))
        for row, item, length in zip(out, x, lengths, strict=True):
            single, (size,) = checkpoint.encoder(item[None, :length])
            assert difference(row[:size], single[0]) < 1e-5
            assert not row[size:].any()

    check()


def chunked(checkpoint: Checkpoint, size: int, left: int = -1) -> SpeechEncoder:
    """The recorded encoder with attention in chunks of ``size`` frames."""
    config = replace(
        checkpoint.config.encoder, attention_chunk_size=size, attention_left_chunks=left
    )
    encoder = SpeechEncoder(config)
    encoder.load_state_dict(checkpoint.encoder.state_dict())
    return encoder.eval()


def conformer_states(encoder: SpeechEncoder, features: Tensor) -> Tensor:
    """States behind the last conformer layer (20 ms each), before the adaptor."""
    with watched({"states": (encoder.inner_layer_norm, "out")}) as seen:
        encoder(features[None])
    return seen["states"][0]


@pytest.mark.parametrize(("size", "left"), [(8, -1), (8, 1), (16, 0)])
@torch.inference_mode()
def test_finished_chunks_do_not_change_when_audio_is_appended(
    checkpoint: Checkpoint, size: int, left: int
) -> None:
    encoder = chunked(checkpoint, size, left)
    whole = conformer_states(encoder, FEATURES[:224])
    for frames in (32, 64, 96, 160):
        part = conformer_states(encoder, FEATURES[:frames])
        done = frames // 2 // size * size
        assert difference(part[:done], whole[:done]) < 1e-5
    # Without chunks all of them change.
    free = conformer_states(checkpoint.encoder, FEATURES[:224])
    assert difference(conformer_states(checkpoint.encoder, FEATURES[:96]), free[:48]) > 1e-2


@torch.inference_mode()
def test_chunks_to_the_left_are_limited(checkpoint: Checkpoint) -> None:
    """With no chunk to the left, old frames reach a chunk through the causal convolutions only."""
    size = 10
    encoder = chunked(checkpoint, size, 0)
    changed = FEATURES[:240].clone()
    changed[:2] = changed[:2].flip(1)
    before = conformer_states(encoder, FEATURES[:240])
    after = conformer_states(encoder, changed)
    reach = len(encoder.layers) * (checkpoint.config.encoder.depthwise_kernel_size - 1)
    assert size + reach < len(before)
    assert difference(before[size + reach :], after[size + reach :]) < 1e-6
    assert difference(before[:size], after[:size]) > 1e-3


@torch.inference_mode()
def test_chunked_batches_equal_single_runs(checkpoint: Checkpoint) -> None:
    encoder = chunked(checkpoint, 16, 1)
    lengths = [97, 224, 130, 33]
    x = torch.zeros(4, 224, 80)
    for row, length in zip(x, lengths, strict=True):
        row[:length] = FEATURES[:length]
    out, _ = encoder(x, torch.tensor(lengths))
    for row, length in zip(out, lengths, strict=True):
        single, (size,) = encoder(FEATURES[:length][None])
        assert difference(row[:size], single[0]) < 1e-5
