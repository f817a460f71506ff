"""What a chunk of speech costs by stage, counted on the network's graph and not measured.

The networks are built without memory (on the meta device), so that the full model can be counted
on any machine: PyTorch counts the multiplications and additions of every call that a chunk needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from seamless_server.checkpoints.loader import build_networks
from seamless_server.checkpoints.random_model import sized_config
from seamless_server.nn.speech_encoder import SpeechEncoder
from seamless_server.nn.t2u import T2U
from seamless_server.nn.text_decoder import DecoderCache, TextDecoder
from seamless_server.nn.vocoder import Vocoder

FRAME_MS, UNIT_MS = 10, 20
CHARACTERS = 4
"""Characters of a token, as units and T2U count them."""


def flops(call: Callable[[], object]) -> int:
    """Multiplications and additions of a call."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        call()
    return int(counter.get_total_flops())


def cost_run(
    size: str, seconds: float, tokens: int, written: int, chunk_ms: int, speakers: int
) -> dict[str, Any]:
    """Costs of one chunk of one speaker with one language, and of many speakers in a second.

    Args:
        seconds: speech of the segment so far. tokens: written for the chunk. written: before it.
    """
    config = sized_config(size)
    networks = build_networks(config)
    encoder, decoder = networks["encoder"], networks["decoder"]
    t2u, vocoder = networks["t2u"], networks["vocoder"]
    assert isinstance(encoder, SpeechEncoder)
    assert isinstance(decoder, TextDecoder)
    assert isinstance(t2u, T2U)
    assert isinstance(vocoder, Vocoder)
    count = int(seconds * 1000 / FRAME_MS)
    frames = int(encoder.out_lengths(torch.tensor([count]))[0])
    dim = config.decoder.model_dim

    def meta(*shape: int) -> Tensor:
        return torch.empty(*shape, device="meta")

    def ids(*shape: int) -> Tensor:
        return torch.zeros(*shape, dtype=torch.long, device="meta")

    source = meta(1, frames, dim)
    memory = decoder.project_source(source)
    cache = DecoderCache(config.decoder, 1, written + tokens + 2, torch.device("meta"))
    text = written + tokens + 3
    letters = text * CHARACTERS
    spoken = letters  # one unit a character, as in the random weights of the other benchmarks
    new = (tokens * CHARACTERS) + 2 * vocoder.receptive_units
    calls: dict[str, tuple[Callable[[], object], int, list[nn.Module]]] = {
        "encoder": (lambda: encoder(meta(1, count, 80)), 1, [encoder]),
        "decoder: source": (lambda: decoder.project_source(source), 1, _source_parts(decoder)),
        "decoder: prefix": (
            lambda: decoder(ids(1, written + 2), memory, last=ids(1)), 1, [decoder.layers],
        ),
        "decoder: steps": (
            lambda: decoder(
                ids(1, 1), memory, ids(1, 1), cache, written + tokens + 2, ids(1)
            ),
            tokens + 1,
            [decoder.layers],
        ),
        "decoder: logits": (lambda: decoder.logits(meta(1, dim)), tokens + 1, [decoder.embed]),
        "text to units": (
            lambda: (
                t2u.encode(meta(1, text, dim), None),
                t2u.duration_predictor(meta(1, letters, dim), None),
                t2u.final_proj(t2u.decode(meta(1, spoken, dim), None)),
            ),
            1,
            [t2u],
        ),
        "vocoder": (lambda: vocoder(ids(1, new), ids(1), ids(1)), 1, [vocoder]),
    }  # fmt: skip
    rate = 1000 / chunk_ms
    rows = []
    for name, (call, times, parts) in calls.items():
        each = flops(call) * times
        weights = sum(p.numel() for part in parts for p in part.parameters())
        rows.append(
            {
                "stage": name,
                "gflop": each / 1e9,
                "calls": times,
                "weight_megabytes": 2 * weights / 1e6,
                "tflop_per_second": speakers * rate * each / 1e12,
            }
        )
    total = sum(float(str(row["gflop"])) for row in rows)
    return {
        "size": size, "seconds": seconds, "tokens": tokens, "written": written,
        "chunk_ms": chunk_ms, "speakers": speakers, "rows": rows, "gflop": total,
        "tflop_per_second": speakers * rate * total / 1e3,
    }  # fmt: skip


def _source_parts(decoder: TextDecoder) -> list[nn.Module]:
    parts: list[nn.Module] = []
    for name, module in decoder.layers.named_modules():
        if name.endswith(("k_energy_proj", "attn.k_proj", "attn.v_proj")) and (
            "energy" in name or "encoder_decoder" in name
        ):
            parts.append(module)
    return parts
