"""The official algorithm without any caching, for comparison in benchmarks.

Every decoder step runs the whole target again and projects the whole source anew (keys, values and
all p_choose keys), relative attention gathers a vector for every pair of frames, units are computed
in full however few there are, and every new length of speech is a new shape. Results are those of
the inline engine.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine.api import (
    DecodeRequest,
    DecodeResult,
    UnitsRequest,
    UnitsResult,
)
from seamless_server.engine.inline import InlineEngine
from seamless_server.engine.policy import Step, StepResult, emma_policy
from seamless_server.engine.stages import Stages
from seamless_server.errors import SeamlessError
from seamless_server.nn.conformer import ConformerBlock, ShawAttention


class _PairwiseAttention(ShawAttention):
    """Relative attention with one relative key vector for every pair, (S, S, D/H).

    Made of the layer that it stands in for, whose parameters it shares.
    """

    def __init__(self, attention: ShawAttention) -> None:
        nn.Module.__init__(self)
        self.num_heads = attention.num_heads
        for name, part in attention.named_children():
            self.add_module(name, part)

    def forward_relative(self, x: Tensor, index: Tensor, mask: Tensor | None) -> Tensor:
        q, (keys, values) = self.split(self.q_proj(x)), self.project_kv(x)
        logits = torch.matmul(q, keys.transpose(-1, -2))
        logits = logits + torch.einsum("bhsd,std->bhst", q, self.rel_k_embed(index))
        logits = logits * q.size(-1) ** -0.5
        if mask is not None:
            logits = logits + mask
        out = torch.matmul(torch.softmax(logits, -1), values)
        y: Tensor = self.output_proj(out.transpose(1, 2).flatten(2))
        return y


class _NaiveStages(Stages):
    """Every length is a shape of its own, and units heard before are computed again."""

    def _size(self, name: str, lengths: Sequence[int]) -> int:
        return max(lengths)

    def skipped(self, units: int) -> int:
        return 0

    def units(self, requests: Sequence[UnitsRequest]) -> list[UnitsResult | SeamlessError]:
        return super().units([replace(x, at_least=0) for x in requests])


class NaiveEngine(InlineEngine):
    """See the module."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        checkpoint = copy.copy(checkpoint)
        checkpoint.encoder = copy.deepcopy(checkpoint.encoder)
        for block in checkpoint.encoder.layers:
            assert isinstance(block, ConformerBlock)
            block.self_attn = _PairwiseAttention(block.self_attn)
        super().__init__(checkpoint)
        self.stages = _NaiveStages(checkpoint)

    def _decode(self, request: DecodeRequest) -> DecodeResult:
        """As the inline engine, but with the whole target and source in every step."""
        loop = emma_policy(request, self.checkpoint.confidence)
        step = next(loop)
        fed: list[int] = []
        while True:
            fed += step.tokens
            result = self._replay(step, fed, request)
            try:
                step = loop.send(result)
            except StopIteration as stop:
                answer: DecodeResult = stop.value
                return answer

    def _replay(self, step: Step, fed: list[int], request: DecodeRequest) -> StepResult:
        decoder = self.checkpoint.decoder
        source = request.source[None].to(self.device, self.dtype)
        memory = decoder.project_source(source, last_only=False)
        tokens = torch.tensor([fed], device=self.device)
        features, p_choose = decoder(tokens, memory)
        new = features[0, -len(step.tokens) :]
        return self.choose(replace(step, choose=True), new, p_choose, request.options)
