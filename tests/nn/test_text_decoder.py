"""The monotonic text decoder against the recordings, and batches against single runs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.text_decoder import DecoderCache, TextDecoder
from tests.recorded import TOLERANCE, difference, tensors, watched

RECORDED = tensors("decoder")
CASES = [(source, prefix) for source in ("e64", "e150", "e299") for prefix in (0, 1, 5, 12)]
STEPS = 7


@pytest.mark.parametrize(("source", "prefix"), CASES)
@torch.inference_mode()
def test_greedy_steps_equal_the_recording(checkpoint: Checkpoint, source: str, prefix: int) -> None:
    decoder = checkpoint.decoder
    name = f"{source}.k{prefix}"
    encoded = RECORDED[f"{source}.encoder_output"]
    memory = decoder.project_source(encoded, last_only=False)
    newest = decoder.project_source(encoded)
    cache = DecoderCache(decoder.config, 1, 32)
    tokens = RECORDED[f"{name}.prefix"][None]
    written = tokens[0].tolist()
    position = 0
    for step in range(STEPS):
        end = position + tokens.size(1)
        positions = torch.arange(position, end)[None]
        features, p_choose = decoder(tokens, memory, positions, cache, end)
        logits = decoder.logits(features[:, -1])
        recorded = RECORDED[f"{name}.step{step}.p_choose"]
        assert difference(features, RECORDED[f"{name}.step{step}.features"]) < TOLERANCE
        assert difference(logits, RECORDED[f"{name}.step{step}.logits"]) < TOLERANCE
        assert difference(p_choose[0].flatten(0, 1), recorded) < TOLERANCE
        # The policy asks for the last pooled frame only: the same number, without the others.
        _, last = decoder(tokens, newest, positions, cache, end)
        assert difference(last[0].flatten(0, 1), recorded[..., -1:]) < TOLERANCE
        position = end
        tokens = logits.argmax(-1, keepdim=True)
        written.append(int(tokens))
    assert written == RECORDED[f"{name}.tokens"].tolist()


@pytest.mark.parametrize(("source", "prefix"), CASES)
@torch.inference_mode()
def test_one_call_without_a_cache_equals_the_recording(
    checkpoint: Checkpoint, source: str, prefix: int
) -> None:
    decoder = checkpoint.decoder
    name = f"{source}.k{prefix}"
    memory = decoder.project_source(RECORDED[f"{source}.encoder_output"], last_only=False)
    recorded = RECORDED[f"{name}.full.features"]
    tokens = RECORDED[f"{name}.tokens"][None, : recorded.size(1)]
    features, p_choose = decoder(tokens, memory)
    assert difference(features, recorded) < TOLERANCE
    assert difference(p_choose[0].flatten(0, 1), RECORDED[f"{name}.full.p_choose"]) < TOLERANCE


@pytest.mark.parametrize("prefix", [0, 1, 5, 12])
@torch.inference_mode()
def test_frontend_and_layers_equal_the_recording(checkpoint: Checkpoint, prefix: int) -> None:
    decoder = checkpoint.decoder
    names = dict(decoder.named_modules())
    taps = {
        "frontend": (names["layers.0.self_attn_layer_norm"], "in"),
        "layer0": (names["layers.1.self_attn_layer_norm"], "in"),
        "layer1": (decoder.layer_norm, "in"),
    }
    memory = decoder.project_source(RECORDED["e150.encoder_output"])
    cache = DecoderCache(decoder.config, 1, 32)
    tokens = RECORDED[f"e150.k{prefix}.tokens"][None]
    position = 0
    for step in (0, 1):
        end = prefix + 2 + step
        with watched(taps) as seen:
            decoder(tokens[:, position:end], memory, torch.arange(position, end)[None], cache, end)
        for stage in taps:
            recorded = RECORDED[f"e150.k{prefix}.step{step}.{stage}"]
            assert difference(seen[stage], recorded) < TOLERANCE, stage
        position = end


def alone(decoder: TextDecoder, source: Tensor, steps: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Features and p_choose of one row, step after step."""
    memory = decoder.project_source(source[None], last_only=False)
    cache = DecoderCache(decoder.config, 1, 32)
    position, out = 0, []
    for tokens in steps:
        end = position + len(tokens)
        features, p_choose = decoder(
            tokens[None], memory, torch.arange(position, end)[None], cache, end
        )
        out.append((features[0], p_choose[0]))
        position = end
    return out


def test_batches_of_rows_at_different_positions_equal_single_runs(checkpoint: Checkpoint) -> None:
    """Prefixes of different lengths are prefilled in one call, then all rows go step by step."""
    decoder = checkpoint.decoder

    @given(
        st.lists(st.tuples(st.integers(1, 19), st.integers(1, 12)), min_size=2, max_size=4),
        st.integers(0, 3),
        st.integers(0, 2**16),
    )
    @torch.inference_mode()
    def check(rows: list[tuple[int, int]], extra: int, seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        sources = [torch.randn(size, 64, generator=random) for size, _ in rows]
        prefixes = [torch.randint(4, 600, (size,), generator=random) for _, size in rows]
        steps = [torch.randint(4, 600, (2, 1), generator=random) for _ in rows]
        singles = [
            alone(decoder, source, [prefix, *step])
            for source, prefix, step in zip(sources, prefixes, steps, strict=True)
        ]
        lengths = torch.tensor([len(x) for x in sources])
        padded = torch.randn(len(rows), int(lengths.max()) + extra, 64, generator=random)
        for row, source in zip(padded, sources, strict=True):
            row[: len(source)] = source
        memory = decoder.project_source(padded, lengths, last_only=False)
        newest = decoder.project_source(padded, lengths)
        cache = DecoderCache(decoder.config, len(rows), 32)
        used = torch.tensor([len(x) for x in prefixes])
        tokens = torch.full((len(rows), int(used.max())), 7)
        for row, prefix in zip(tokens, prefixes, strict=True):
            row[: len(prefix)] = prefix
        positions = torch.arange(tokens.size(1)).expand_as(tokens)
        for step in range(3):
            features, p_choose = decoder(tokens, memory, positions, cache, 32)
            _, last = decoder(tokens, newest, positions, cache, 32)
            for i, single in enumerate(singles):
                wanted, wanted_p = single[step]
                size = len(wanted)
                pooled = wanted_p.size(-1)
                assert difference(features[i, :size], wanted) < 1e-5
                assert difference(p_choose[i, :, :, :size, :pooled], wanted_p) < 1e-5
                assert difference(last[i, :, :, :size], wanted_p[..., -1:]) < 1e-5
            if step < 2:
                tokens = torch.stack([x[step] for x in steps])
                positions = (used + step)[:, None]

    check()


@torch.inference_mode()
def test_a_cache_grows_without_changing_what_it_holds(checkpoint: Checkpoint) -> None:
    decoder = checkpoint.decoder
    memory = decoder.project_source(RECORDED["e64.encoder_output"])
    tokens = RECORDED["e64.k12.tokens"][None, :14]
    whole, _ = decoder(tokens, memory)
    cache = DecoderCache(decoder.config, 1, 1)
    parts = []
    for i in range(tokens.size(1)):
        cache.grow(i + 1)
        parts.append(decoder(tokens[:, i : i + 1], memory, torch.tensor([[i]]), cache, i + 1)[0])
    assert difference(torch.cat(parts, 1), whole) < 1e-5
