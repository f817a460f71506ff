"""Continuous batching of policy loops: every iteration writes one token for every loop at work.

New loops join after their prefix was taken in, and leave at any step. Keys and values live in slots
that stay dense: the last one moves into a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seamless_server.checkpoints.tokenizers import UNK
from seamless_server.engine.inline import reduce_p_choose
from seamless_server.engine.policy import Policy, Step, StepResult, emma_policy
from seamless_server.engine.requests import DecodeRequest, DecodeResult
from seamless_server.errors import UsageError
from seamless_server.nn import DecoderCache, SourceMemory, TextDecoder

BLOCK = 64


def _up(size: int, step: int = BLOCK) -> int:
    return -(-size // step) * step


@dataclass
class Loop:
    """One policy call at work. ``ticket`` is its owner's, handed back with the result."""

    ticket: object
    request: DecodeRequest
    policy: Policy
    step: Step

    @property
    def end(self) -> int:
        """Positions in use behind its step."""
        return self.step.position + len(self.step.tokens)


class Slots:
    """Keys and values of up to ``count`` loops, of their targets and of their sources."""

    def __init__(self, decoder: TextDecoder, count: int) -> None:
        weight = decoder.embed.weight
        self._decoder, self._device, self._dtype = decoder, weight.device, weight.dtype
        self.count = count
        self._positions, self._frames = 2 * BLOCK, BLOCK
        self._allocate()

    @property
    def bytes(self) -> int:
        """Memory of all slots."""
        tensors = (self.cache.keys, self.cache.values, self.source_keys, self.source_values)
        return sum(x.numel() * x.element_size() for x in tensors)

    def _allocate(self) -> None:
        config = self._decoder.config
        self.cache = DecoderCache(config, self.count, self._positions, self._device, self._dtype)
        heads, size = config.num_heads, config.model_dim // config.num_heads
        shape = (config.num_layers, self.count, heads, self._frames, size)
        self.source_keys = torch.zeros(shape, device=self._device, dtype=self._dtype)
        self.source_values = torch.zeros_like(self.source_keys)
        shape = (config.num_layers, self.count, heads, 1, size)
        self.energy_keys = torch.zeros(shape, device=self._device, dtype=self._dtype)
        self.lengths = torch.zeros(self.count, dtype=torch.long, device=self._device)

    def reserve(self, positions: int, frames: int) -> None:
        """Grow, keeping what is there, so that these fit."""
        if positions > self._positions:
            self._positions = _up(positions)
            self.cache.grow(self._positions)
        if frames > self._frames:
            extra = _up(frames) - self._frames
            self._frames += extra
            pad = (0, 0, 0, extra)
            self.source_keys = torch.nn.functional.pad(self.source_keys, pad)
            self.source_values = torch.nn.functional.pad(self.source_values, pad)

    def fill(
        self, slot: int, cache: DecoderCache, memory: SourceMemory, row: int, used: int, frames: int
    ) -> None:
        """Copy one row of a prefill into a slot."""
        self.reserve(used + BLOCK, frames)
        self.cache.keys[:, slot, :, :used] = cache.keys[:, row, :, :used]
        self.cache.values[:, slot, :, :used] = cache.values[:, row, :, :used]
        for layer, keys in enumerate(memory.keys):
            self.source_keys[layer, slot, :, :frames] = keys[row, :, :frames]
            self.source_values[layer, slot, :, :frames] = memory.values[layer][row, :, :frames]
            self.energy_keys[layer, slot] = memory.energy_keys[layer][row]
        self.lengths[slot] = frames

    def move(self, source: int, target: int) -> None:
        """Copy one slot over another."""
        for tensor in (
            self.cache.keys,
            self.cache.values,
            self.source_keys,
            self.source_values,
            self.energy_keys,
        ):
            tensor[:, target] = tensor[:, source]
        self.lengths[target] = self.lengths[source]

    def view(self, rows: int) -> tuple[DecoderCache, SourceMemory]:
        """The first slots as a batch."""
        frames = int(self.lengths[:rows].max())
        keys, values = (
            self.source_keys[:, :rows, :, :frames],
            self.source_values[:, :rows, :, :frames],
        )
        real = torch.arange(frames, device=self._device) < self.lengths[:rows, None]
        memory = SourceMemory(
            list(keys), list(values), list(self.energy_keys[:, :rows]), real[:, None, None]
        )
        return self.cache.rows(rows), memory


class DecodingBatch:
    """All policy loops of a device."""

    def __init__(self, decoder: TextDecoder, slots: int) -> None:
        self.decoder = decoder
        self.slots = Slots(decoder, slots)
        self.loops: list[Loop] = []
        weight = decoder.embed.weight
        self._device, self._dtype = weight.device, weight.dtype

    @property
    def free(self) -> int:
        """Loops that can join."""
        return self.slots.count - len(self.loops)

    def start(
        self, requests: Sequence[tuple[object, DecodeRequest]]
    ) -> list[tuple[object, DecodeResult]]:
        """Project the sources and take in the prefixes of new loops, in one batch.

        Returns those that are finished by their first decision (most are: READ).
        """
        loops = []
        for ticket, request in requests:
            policy = emma_policy(request)
            loops.append(Loop(ticket, request, policy, next(policy)))
        sources = [x.request.source.to(self._device, self._dtype) for x in loops]
        frames = [len(x) for x in sources]
        even = len(set(frames)) == 1
        lengths = None if even else torch.tensor(frames, device=self._device)
        memory = self.decoder.project_source(pad_sequence(sources, batch_first=True), lengths)
        counts = [len(x.step.tokens) for x in loops]
        size = max(counts)
        self._check(size)
        tokens = torch.zeros(len(loops), size, dtype=torch.long)
        for row, loop in enumerate(loops):
            tokens[row, : counts[row]] = torch.tensor(list(loop.step.tokens))
        positions = torch.arange(size, device=self._device).expand(len(loops), -1)
        cache = DecoderCache(self.decoder.config, len(loops), size, self._device, self._dtype)
        last = torch.tensor(counts, device=self._device) - 1
        features, p_choose = self.decoder(
            tokens.to(self._device), memory, positions, cache, size, last
        )
        best = features[torch.arange(len(loops), device=self._device), last]
        results = self._decide(loops, best, p_choose)
        done = []
        for row, (loop, (index, prob)) in enumerate(zip(loops, results, strict=True)):
            answer = self._send(loop, StepResult(index, prob, features[row, : counts[row]]))
            if answer is not None:
                done.append((loop.ticket, answer))
                continue
            self.slots.fill(len(self.loops), cache, memory, row, counts[row], frames[row])
            self.loops.append(loop)
        return done

    def advance(self) -> list[tuple[object, DecodeResult]]:
        """One token for every loop; returns those that are finished by it."""
        if not self.loops:
            return []
        rows = len(self.loops)
        used = max(loop.end for loop in self.loops)
        self._check(used)
        self.slots.reserve(used, 0)
        cache, memory = self.slots.view(rows)
        tokens = torch.tensor([list(x.step.tokens) for x in self.loops], device=self._device)
        positions = torch.tensor([[x.step.position] for x in self.loops], device=self._device)
        zero = torch.zeros(rows, dtype=torch.long, device=self._device)
        # One more than needed, so that used never equals the number of new tokens.
        features, p_choose = self.decoder(tokens, memory, positions, cache, max(used, 2), zero)
        results = self._decide(self.loops, features[:, 0], p_choose)
        done = []
        for row in reversed(range(rows)):
            loop = self.loops[row]
            index, prob = results[row]
            answer = self._send(loop, StepResult(index, prob, features[row]))
            if answer is not None:
                done.append((loop.ticket, answer))
                self._leave(row)
        return done

    def drop(self, ticket: object) -> None:
        """Forget a loop whose owner is gone."""
        for row, loop in enumerate(self.loops):
            if loop.ticket is ticket:
                self._leave(row)
                return

    def _leave(self, row: int) -> None:
        last = len(self.loops) - 1
        if row != last:
            self.slots.move(last, row)
            self.loops[row] = self.loops[last]
        self.loops.pop()

    def _check(self, positions: int) -> None:
        limit = self.decoder.config.max_seq_len
        if positions > limit:
            raise UsageError(f"a sentence grew beyond the model's {limit} tokens")

    def _decide(
        self, loops: Sequence[Loop], features: Tensor, p_choose: Tensor
    ) -> list[tuple[int, float]]:
        """Best token and p_choose of each row, with one transfer from the device."""
        logits = self.decoder.logits(features)
        for row, loop in enumerate(loops):
            if loop.step.banned:
                logits[row, list(loop.step.banned)] = -torch.inf
        probs = torch.zeros(len(loops), dtype=torch.double, device=self._device)
        for options in {loop.request.options for loop in loops}:
            rows = [i for i, loop in enumerate(loops) if loop.request.options == options]
            probs[rows] = reduce_p_choose(p_choose[rows], options).double()
        both = torch.stack([logits.argmax(-1).double(), probs], 1).tolist()
        return [
            (int(index), prob) if loop.step.choose else (UNK, 0.0)
            for loop, (index, prob) in zip(loops, both, strict=True)
        ]

    @staticmethod
    def _send(loop: Loop, result: StepResult) -> DecodeResult | None:
        try:
            loop.step = loop.policy.send(result)
        except StopIteration as stop:
            answer: DecodeResult = stop.value
            return answer
        return None
