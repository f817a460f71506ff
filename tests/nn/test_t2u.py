"""The text-to-unit network against the recordings, and batches against single runs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.tokenizers import characters_of
from tests.recorded import TOLERANCE, difference, tensors, watched

RECORDED = tensors("t2u")
NAMES = sorted({key.split(".")[0] for key in RECORDED})
STAGED = [name for name in NAMES if f"{name}.f1.0.encoder" in RECORDED]


def test_the_recorded_texts_are_all_here() -> None:
    assert len(NAMES) == 11
    assert STAGED == ["text0", "unk_and_punct"]


@pytest.mark.parametrize("factor", ["1.0", "1.2"])
@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_text_to_units_equals_the_recording(checkpoint: Checkpoint, name: str, factor: str) -> None:
    assert checkpoint.t2u is not None
    assert checkpoint.char_tokenizer is not None
    assert checkpoint.unit_tokenizer is not None
    ids = RECORDED[f"{name}.text_seqs"][0].tolist()
    chars, counts = characters_of(ids, checkpoint.text_tokenizer, checkpoint.char_tokenizer)
    assert chars == RECORDED[f"{name}.char_seqs"][0, : len(chars)].tolist()
    assert len(chars) == int(RECORDED[f"{name}.char_seq_lens"])
    assert counts == RECORDED[f"{name}.char_lens"][0].tolist()
    # The caller's ids stay as they are.
    assert ids == RECORDED[f"{name}.text_seqs"][0].tolist()
    out = checkpoint.t2u(
        RECORDED[f"{name}.decoder_features"],
        torch.tensor([chars]),
        torch.tensor([counts]),
        d_factor=float(factor),
    )
    at = f"{name}.f{factor}"
    assert difference(out.log_durations, RECORDED[f"{at}.log_durations"]) < TOLERANCE
    assert torch.equal(out.durations, RECORDED[f"{at}.durations"])
    best = out.logits[0].argmax(-1)
    assert torch.equal(best, RECORDED[f"{at}.unit_token_ids"])
    assert checkpoint.unit_tokenizer.decode(best.tolist()) == RECORDED[f"{at}.units"].tolist()
    top = out.logits[0].topk(2).values
    assert difference(top[:, 0] - top[:, 1], RECORDED[f"{at}.margin"]) < TOLERANCE
    if f"{at}.logits" in RECORDED:
        assert difference(out.logits, RECORDED[f"{at}.logits"]) < TOLERANCE


@pytest.mark.parametrize("name", STAGED)
@torch.inference_mode()
def test_every_stage_equals_the_recording(checkpoint: Checkpoint, name: str) -> None:
    t2u = checkpoint.t2u
    assert t2u is not None
    taps = {
        "encoder": (t2u.encoder_layer_norm, "out"),
        "frontend": (t2u.decoder_layers[0], "in"),
        "decoder_layer0": (t2u.decoder_layers[0], "out"),
        "decoder_layer1": (t2u.decoder_layers[1], "out"),
        "decoder": (t2u.decoder_layer_norm, "out"),
    }
    size = int(RECORDED[f"{name}.char_seq_lens"])
    with watched(taps) as seen:
        t2u(
            RECORDED[f"{name}.decoder_features"],
            RECORDED[f"{name}.char_seqs"][:, :size],
            RECORDED[f"{name}.char_lens"],
        )
    for stage in taps:
        assert difference(seen[stage], RECORDED[f"{name}.f1.0.{stage}"]) < TOLERANCE, stage


def test_a_padded_batch_equals_the_single_runs(checkpoint: Checkpoint) -> None:
    t2u = checkpoint.t2u
    assert t2u is not None

    @given(
        st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=9), min_size=2, max_size=4),
        st.integers(0, 3),
        st.integers(0, 2**16),
    )
    @torch.inference_mode()
    def check(counts: list[list[int]], extra: int, seed: int) -> None:
        counts = [[1, *row] for row in counts]
        random = torch.Generator().manual_seed(seed)
        sizes = [len(row) for row in counts]
        features = torch.randn(len(counts), max(sizes) + extra, 64, generator=random)
        chars = torch.randint(4, 160, (len(counts), max(map(sum, counts)) + extra))
        lens = torch.zeros(len(counts), max(sizes) + extra, dtype=torch.long)
        for row, values in zip(lens, counts, strict=True):
            row[: len(values)] = torch.tensor(values)
        out = t2u(features, chars, lens, torch.tensor(sizes))
        for i, (size, row) in enumerate(zip(sizes, counts, strict=True)):
            single = t2u(
                features[i : i + 1, :size], chars[i : i + 1, : sum(row)], lens[i : i + 1, :size]
            )
            units = int(single.lengths)
            assert int(out.lengths[i]) == units
            assert torch.equal(out.durations[i, : sum(row)], single.durations[0])
            assert not out.durations[i, sum(row) :].any()
            assert difference(out.logits[i, :units], single.logits[0]) < 1e-5

    check()


@torch.inference_mode()
def test_too_many_units_are_refused(checkpoint: Checkpoint) -> None:
    t2u = checkpoint.t2u
    assert t2u is not None
    with pytest.raises(ValueError, match="4096"):
        t2u(
            RECORDED["text0.decoder_features"],
            RECORDED["text0.char_seqs"],
            RECORDED["text0.char_lens"],
            d_factor=100.0,
        )
