"""Continuous batching of policy loops: every iteration writes one token for every loop at work.

New loops join after their prefix was taken in, and leave at any step. A loop can be suspended: it
gives its slot up, and takes its tokens in again when it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seamless_server.checkpoints.tokenizers import UNK
from seamless_server.engine.inline import reduce_p_choose
from seamless_server.engine.memory import USUAL
from seamless_server.engine.policy import Policy, Step, StepResult, emma_policy
from seamless_server.engine.requests import DecodeRequest, DecodeResult
from seamless_server.engine.slots import Slots
from seamless_server.engine.static_steps import StaticSteps
from seamless_server.errors import UsageError
from seamless_server.nn import DecoderCache, SourceMemory, TextDecoder

Done = list[tuple["Loop", DecodeResult]]


@dataclass(eq=False)
class Loop:
    """One policy call at work. ``owner`` is its owner's business.

    fed: tokens taken in before its step. turns: steps since it joined.
    """

    owner: object
    request: DecodeRequest
    policy: Policy = field(init=False)
    step: Step = field(init=False)
    fed: list[int] = field(default_factory=list)
    turns: int = 0

    def __post_init__(self) -> None:
        self.policy = emma_policy(self.request)
        self.step = next(self.policy)

    @property
    def end(self) -> int:
        """Positions in use behind its step."""
        return len(self.fed) + len(self.step.tokens)

    def send(self, result: StepResult) -> DecodeResult | None:
        """Go on to the next step; the result if there is none."""
        self.fed += self.step.tokens
        self.turns += 1
        try:
            self.step = self.policy.send(result)
        except StopIteration as stop:
            answer: DecodeResult = stop.value
            return answer
        return None


class DecodingBatch:
    """All policy loops of a device.

    Args:
        slots: loops at a time. budget: bytes that their keys and values may take.
        static: run steps in fixed shapes, as CUDA graphs need them.
    """

    def __init__(
        self, decoder: TextDecoder, slots: int, budget: int | None = None, static: bool = False
    ) -> None:
        self.decoder = decoder
        weight = decoder.embed.weight
        # Graphs hold addresses, so on CUDA slots begin as long as they usually get.
        size = {"size": USUAL} if weight.device.type == "cuda" else {}
        self.slots = Slots(decoder, slots, budget, **size)
        self.loops: list[Loop] = []
        self.homeless: list[Loop] = []
        """Loops that had to give their slots up because sentences grew; to be started again."""
        self.most = slots
        """Loops at a time, when that is fewer than there are slots."""
        self._device, self._dtype = weight.device, weight.dtype
        self._static = StaticSteps(decoder, self.slots) if static else None

    @property
    def free(self) -> int:
        """Loops that can join."""
        return min(self.most, self.slots.count) - len(self.loops)

    def start(self, loops: Sequence[Loop]) -> Done:
        """Project the sources and take in the prefixes of loops, in one batch.

        Returns those that are finished by their first decision (most are: READ).
        """
        memory, frames = self._project([x.request.source for x in loops])
        counts = [x.end for x in loops]
        size = max(counts)
        self._check(size)
        tokens = torch.zeros(len(loops), size, dtype=torch.long)
        for row, loop in enumerate(loops):
            tokens[row, : counts[row]] = torch.tensor([*loop.fed, *loop.step.tokens])
        positions = torch.arange(size, device=self._device).expand(len(loops), -1)
        cache = DecoderCache(self.decoder.config, len(loops), size, self._device, self._dtype)
        last = torch.tensor(counts, device=self._device) - 1
        features, p_choose = self.decoder(
            tokens.to(self._device), memory, positions, cache, size, last
        )
        best = features[torch.arange(len(loops), device=self._device), last]
        results = self._decide(loops, self._best(loops, best), p_choose)
        done: Done = []
        for row, (loop, (index, prob)) in enumerate(zip(loops, results, strict=True)):
            new = features[row, len(loop.fed) : counts[row]]
            answer = loop.send(StepResult(index, prob, new))
            if answer is not None:
                done.append((loop, answer))
                continue
            loop.turns = 0
            self._make_room(counts[row] + 1, frames[row])
            if self.free <= 0:
                self.homeless.append(loop)
                continue
            self.slots.fill(len(self.loops), cache, memory, row, counts[row], frames[row])
            self.loops.append(loop)
        return done

    def _project(self, sources: Sequence[Tensor]) -> tuple[SourceMemory, list[int]]:
        """Projections of all sources and their lengths; languages of one speaker share theirs."""
        different = list({id(x): x for x in sources}.values())
        frames = [len(x) for x in different]
        even = len(set(frames)) == 1
        lengths = None if even else torch.tensor(frames, device=self._device)
        padded = pad_sequence([x.to(self._device, self._dtype) for x in different], True)
        memory = self.decoder.project_source(padded, lengths)
        if len(different) < len(sources):
            places = {id(x): row for row, x in enumerate(different)}
            memory = memory.take([places[id(x)] for x in sources])
        return memory, [len(x) for x in sources]

    def advance(self) -> Done:
        """One token for every loop; returns those that are finished by it."""
        if not self.loops:
            return []
        longest = max(loop.end for loop in self.loops)
        self._check(longest)
        self._make_room(longest, 0)
        features, best, p_choose = self._step()
        results = self._decide(self.loops, best, p_choose)
        done: Done = []
        for row in reversed(range(len(self.loops))):
            loop = self.loops[row]
            index, prob = results[row]
            answer = loop.send(StepResult(index, prob, features[row : row + 1]))
            if answer is not None:
                done.append((loop, answer))
                self.leave(loop)
        return done

    def _step(self) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, D), best tokens (B,) and p_choose of every loop's step."""
        if self._static is not None:
            return self._static.run([loop.step for loop in self.loops])
        rows = len(self.loops)
        cache, memory = self.slots.view(rows)
        tokens = torch.tensor([list(x.step.tokens) for x in self.loops], device=self._device)
        positions = torch.tensor([[x.step.position] for x in self.loops], device=self._device)
        zero = torch.zeros(rows, dtype=torch.long, device=self._device)
        # One more than needed, so that used never equals the number of new tokens.
        used = max(2, *(loop.end for loop in self.loops))
        features, p_choose = self.decoder(tokens, memory, positions, cache, used, zero)
        return features[:, 0], self._best(self.loops, features[:, 0]), p_choose

    def leave(self, loop: Loop) -> None:
        """Free a loop's slot at once, finished or not."""
        row = self.loops.index(loop)
        last = len(self.loops) - 1
        if row != last:
            self.slots.move(last, row)
            self.loops[row] = self.loops[last]
        self.loops.pop()
        if not self.loops:
            self.slots.reset()

    def forget(self, loops: Sequence[Loop]) -> None:
        """Free the slots of all of these that have one."""
        for loop in loops:
            if loop in self.loops:
                self.leave(loop)
            elif loop in self.homeless:
                self.homeless.remove(loop)

    def _make_room(self, positions: int, frames: int) -> None:
        """Let slots grow; the newest loops leave when longer slots are fewer."""
        fitting = self.slots.fitting(positions, frames)
        while len(self.loops) > fitting:
            self.homeless.append(self.loops.pop())
        self.slots.reserve(positions, frames)

    def _check(self, positions: int) -> None:
        limit = self.decoder.config.max_seq_len
        if positions > limit:
            raise UsageError(f"a sentence grew beyond the model's {limit} tokens")

    def _best(self, loops: Sequence[Loop], features: Tensor) -> Tensor:
        logits = self.decoder.logits(features)
        for row, loop in enumerate(loops):
            if loop.step.banned:
                logits[row, list(loop.step.banned)] = -torch.inf
        return logits.argmax(-1)

    def _decide(
        self, loops: Sequence[Loop], best: Tensor, p_choose: Tensor
    ) -> list[tuple[int, float]]:
        """Best token and p_choose of each row, with one transfer from the device."""
        probs = torch.zeros(len(loops), dtype=torch.double, device=self._device)
        kinds = {loop.request.options for loop in loops}
        for options in kinds:
            if len(kinds) == 1:
                probs = reduce_p_choose(p_choose, options).double()
                break
            rows = [i for i, loop in enumerate(loops) if loop.request.options == options]
            probs[rows] = reduce_p_choose(p_choose[rows], options).double()
        both = torch.stack([best.double(), probs], 1).tolist()
        return [
            (int(index), prob) if loop.step.choose else (UNK, 0.0)
            for loop, (index, prob) in zip(loops, both, strict=True)
        ]
