"""Continuous batching of policy loops: every iteration writes one token for every loop at work.

New loops join after their prefix was taken in, and leave at any step. A loop can be suspended: it
gives its slot up, and takes its tokens in again when it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seamless_server.engine.api import DecodeRequest, DecodeResult
from seamless_server.engine.memory import BLOCK, USUAL, Slots
from seamless_server.engine.policy import Policy, Step, StepResult, emma_policy
from seamless_server.engine.sample import (
    FREE,
    WIDEST,
    Best,
    best_tokens,
    best_under,
    choices,
    rows_of,
)
from seamless_server.errors import SeamlessError, UsageError
from seamless_server.nn.confidence import ConfidenceHead
from seamless_server.nn.graphs import Graphs
from seamless_server.nn.text_decoder import DecoderCache, SourceMemory, TextDecoder

Done = list[tuple["Loop", DecodeResult | SeamlessError]]
Outputs = tuple[Tensor, Best, Tensor]
"""Features (B, D), the best tokens and p_choose (B, L, H, 1, 1) of a step."""


@dataclass(eq=False)
class Loop:
    """One policy call at work. ``owner`` is its owner's business; ``head`` tells its confidence.

    fed: tokens taken in before its step. turns: steps since it joined.
    """

    owner: object
    request: DecodeRequest
    head: ConfidenceHead | None = None
    policy: Policy = field(init=False)
    step: Step = field(init=False)
    fed: list[int] = field(default_factory=list)
    turns: int = 0

    def __post_init__(self) -> None:
        self.policy = emma_policy(self.request, self.head)
        self.step = next(self.policy)

    @property
    def end(self) -> int:
        """Positions in use behind its step."""
        return len(self.fed) + len(self.step.tokens)

    def send(self, result: StepResult) -> DecodeResult | SeamlessError | None:
        """Go on to the next step; the result, or what went wrong, if there is none."""
        self.fed += self.step.tokens
        self.turns += 1
        try:
            self.step = self.policy.send(result)
        except StopIteration as stop:
            answer: DecodeResult = stop.value
            return answer
        except SeamlessError as error:
            return error
        return None


class DecodingBatch:
    """All policy loops of a device.

    Args:
        slots: loops at a time. budget: bytes that their keys and values may take.
        static: run steps in fixed shapes, as CUDA graphs need them.
        graphs: record those as graphs, on CUDA.
    """

    def __init__(
        self,
        decoder: TextDecoder,
        slots: int,
        budget: int | None = None,
        static: bool = False,
        graphs: bool = True,
    ) -> None:
        self.decoder = decoder
        weight = decoder.embed.weight
        # Graphs hold addresses, so on CUDA slots begin as long as they usually get.
        size = {"size": USUAL} if weight.device.type == "cuda" else {}
        self.slots = Slots(decoder, slots, budget, **size)
        self.loops: list[Loop] = []
        self.evicted: list[Loop] = []
        """Loops that had to give their slots up because sentences grew; to be started again."""
        self.most = slots
        """Loops at a time, when that is fewer than there are slots."""
        self._device, self._dtype = weight.device, weight.dtype
        self._static = StaticSteps(decoder, self.slots, graphs) if static else None

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
        chosen = choices(self._best(loops, best), p_choose, [x.request.options for x in loops])
        done: Done = []
        for row, (loop, choice) in enumerate(zip(loops, chosen, strict=True)):
            new = features[row, len(loop.fed) : counts[row]]
            answer = loop.send(StepResult(choice, new))
            if answer is not None:
                done.append((loop, answer))
                continue
            loop.turns = 0
            self._make_room(counts[row] + 1, frames[row])
            if self.free <= 0:
                self.evicted.append(loop)
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
        chosen = choices(best, p_choose, [x.request.options for x in self.loops])
        done: Done = []
        for row in reversed(range(len(self.loops))):
            loop = self.loops[row]
            answer = loop.send(StepResult(chosen[row], features[row : row + 1]))
            if answer is not None:
                done.append((loop, answer))
                self.leave(loop)
        return done

    def _step(self) -> Outputs:
        """Every loop's step."""
        if self._static is not None:
            return self._static.run(self.loops)
        rows = len(self.loops)
        cache, memory = self.slots.view(rows)
        tokens = torch.tensor([list(x.step.tokens) for x in self.loops], device=self._device)
        positions = torch.tensor([[x.step.position] for x in self.loops], device=self._device)
        zero = torch.zeros(rows, dtype=torch.long, device=self._device)
        ends = [loop.end for loop in self.loops]
        # One more than needed, so that used never equals the number of new tokens.
        used = max(2, *ends)
        self.slots.clean(ends, used, max(self.slots.frames_used[:rows]))
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
            elif loop in self.evicted:
                self.evicted.remove(loop)

    def _make_room(self, positions: int, frames: int) -> None:
        """Let slots grow; the newest loops leave when longer slots are fewer."""
        fitting = self.slots.fitting(positions, frames)
        while len(self.loops) > fitting:
            self.evicted.append(self.loops.pop())
        self.slots.reserve(positions, frames, len(self.loops))

    def _check(self, positions: int) -> None:
        limit = self.decoder.config.max_seq_len
        if positions > limit:
            raise UsageError(f"a sentence grew beyond the model's {limit} tokens")

    def _best(self, loops: Sequence[Loop], features: Tensor) -> Best:
        rows = [row for row, loop in enumerate(loops) if loop.step.choose]
        rules = [loops[row].step.rule for row in rows]
        if len(rows) == len(loops):
            return best_under(self.decoder.logits(features), rules)
        # A quarter of all steps only takes a sentence's end in.
        nothing = torch.zeros(len(loops), device=self._device)
        best = (nothing.long(), nothing, nothing.clone())
        if rows:
            chosen = best_under(self.decoder.logits(features[rows]), rules)
            for whole, part in zip(best, chosen, strict=True):
                whole[rows] = part.to(whole.dtype)
        return best


def power(size: int, least: int, most: int) -> int:
    """The next power of two times ``least``, at most ``most``."""
    bucket = least
    while bucket < size:
        bucket *= 2
    return min(bucket, most)


class StaticSteps:
    """Decoder steps in fixed shapes over the first rows of ``slots``, which become CUDA graphs.

    Rows, positions and frames are rounded up to powers of two, rows that nobody uses compute on
    empty slots, and everything that changes from step to step is copied into one small tensor.
    """

    def __init__(self, decoder: TextDecoder, slots: Slots, graphs: bool = True) -> None:
        self._decoder, self._slots = decoder, slots
        device = decoder.embed.weight.device
        shape = (slots.count, 2 + WIDEST)
        pinned = device.type == "cuda"
        self._host = torch.zeros(shape, dtype=torch.long, pin_memory=pinned)
        self._inputs = torch.zeros(shape, dtype=torch.long, device=device)
        self._graphs = Graphs(device, graphs)
        self._generation = slots.generation

    def run(self, loops: Sequence[Loop]) -> Outputs:
        """One step of each loop. All but features are valid until the next step."""
        rows = len(loops)
        steps = [x.step for x in loops]
        # Unused rows take part at position 0 of slots that nobody has.
        unused = power(rows, 1, self._slots.count) - rows
        places = [[x.tokens[0], x.position] for x in steps] + [[0, 0]] * unused
        rules = rows_of([*(x.rule for x in steps), *[FREE] * unused])
        table = [a + b for a, b in zip(places, rules, strict=True)]
        shape = (
            len(table),
            power(max(x.position for x in steps) + 1, BLOCK, self._slots.positions),
            power(max(self._slots.frames_used[:rows]), BLOCK, self._slots.frames),
            len(table[0]),
        )
        self._slots.clean([x.position + 1 for x in steps], shape[1], shape[2], launches=True)
        self._host[: shape[0], : shape[3]] = torch.tensor(table)
        self._inputs.copy_(self._host, non_blocking=True)
        if self._generation != self._slots.generation:  # the tensors moved: graphs point nowhere
            self._graphs.clear()
            self._generation = self._slots.generation
        # A recording runs twice; both write the same keys and values of the same tokens.
        compute = partial(self._compute, shape)
        features, *best, p_choose = self._graphs.run(shape, compute)
        tokens, scores, probabilities = (x[:rows] for x in best)
        # Features outlive the step: the speech branch collects them.
        return features[:rows].clone(), (tokens, scores, probabilities), p_choose[:rows]

    def _compute(self, shape: tuple[int, int, int, int]) -> tuple[Tensor, ...]:
        rows, positions, frames, columns = shape
        inputs = self._inputs[:rows, :columns]
        features, p_choose = self._decoder(
            inputs[:, :1],
            self._slots.sources(rows, frames),
            inputs[:, 1:2],
            self._slots.cache.rows(rows),
            positions,
            torch.zeros(rows, dtype=torch.long, device=inputs.device),
        )
        best = best_tokens(self._decoder.logits(features[:, 0]), inputs[:, 2:])
        return features[:, 0], *best, p_choose
