"""The EMMA policy (arXiv 2312.04515): write while p_choose allows it.

The loop is a coroutine: it yields decoder steps and is sent their results, so that a driver may run
one loop alone or advance many in one batch. It follows the official agent decision by decision.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seamless_server.checkpoints.tokenizers import EOS
from seamless_server.engine.api import DecodeRequest, DecodeResult, StepRecord
from seamless_server.engine.sample import FREE, NGRAM_WINDOW, Choice, Rule, rule_of
from seamless_server.nn.confidence import ConfidenceHead

MOST_BLOCKS = 5


@dataclass(frozen=True)
class Step:
    """Run the decoder on ``tokens``, the first of which stands at ``position``.

    rule: for the next token. choose: whether that and p_choose are wanted.
    """

    tokens: Sequence[int]
    position: int
    rule: Rule = FREE
    choose: bool = True


@dataclass(frozen=True)
class StepResult:
    """What was chosen at the last position, and features (N, D) of all positions run."""

    choice: Choice
    features: Tensor


Policy = Generator[Step, StepResult, DecodeResult]


class NgramGuard:
    """Blocks repetition before the source has ended (the official ``block_ngrams``)."""

    def __init__(self, target: Sequence[int], blocks: int) -> None:
        self.blocks = blocks
        last = tuple(target[-NGRAM_WINDOW:])
        self._seen = {
            last[i : i + n] for n in (2, 3) for i in range(len(last) - n + 1) if len(last) >= n
        }

    def blocked(self, history: Sequence[int]) -> int:
        """How many predicted tokens to take back: 2 or 1 if ``history`` ends in a repetition."""
        for n in (3, 2):
            if len(history) >= n and self.blocks < MOST_BLOCKS:
                ngram = tuple(history[-n:])
                if ngram in self._seen:
                    self.blocks += 1
                    return n - 1
                self._seen.add(ngram)
        return 0


def emma_policy(request: DecodeRequest, head: ConfidenceHead | None = None) -> Policy:
    """One policy call; its return value is the :class:`DecodeResult`.

    Args:
        head: says how sure to be of the target.

    Raises:
        NumericalError: p_choose or a logit is NaN or infinite.
    """
    options, target = request.options, list(request.target)
    frames = request.source.size(0)
    max_len = options.max_len(frames)
    guard = NgramGuard(target, request.ngram_blocks)
    guarding = options.block_ngrams and not request.source_finished
    context = [*request.prefix, *target]
    predicted: list[int] = []
    features: list[Tensor] = []
    records: list[StepRecord] = []
    finished = False
    tokens, position = context, 0

    while True:
        rule = rule_of(options, target + predicted, request.source_finished)
        result = yield Step(tokens, position, rule)
        choice = result.choice.checked()
        records.append(StepRecord(tokens, choice.index, choice.prob, choice.probability))
        features.append(result.features)
        below = choice.prob < options.decision_threshold
        if options.no_early_stop and not request.source_finished and (below or choice.index == EOS):
            if choice.prob == 1.0:
                predicted = []
            break
        if guarding:
            take_back = guard.blocked([*target, *predicted, choice.index])
            if take_back:
                predicted = predicted[:-take_back]
                features = [torch.cat(features)[:-take_back]]
                break
        length = len(target) + len(predicted)
        if choice.index == EOS or length > max_len:
            finished = True
            break
        if below and not request.source_finished:
            break
        to_end = request.to_end and request.source_finished
        if length >= max_len or (len(predicted) >= options.max_consecutive_write and not to_end):
            break
        position += len(tokens)
        tokens = [choice.index]
        predicted.append(choice.index)

    write = bool(predicted) or finished
    if write:
        # The official code counts the new tokens twice here.
        finished = finished or len(target) + 2 * len(predicted) > max_len
    if request.to_end and request.source_finished:
        write = finished = True
    answer = DecodeResult(predicted, write, finished, 0 if write else guard.blocks, steps=records)
    if head is not None and (target or predicted):
        # Without the prefix's first position: it is the same in every sentence.
        seen = torch.cat(features)[1 : len(context) + len(predicted)]
        answer.confidence = round(float(head(request.source, seen)), 4)
    if write and request.ending_token is not None:
        answer.ids = context + predicted
        if predicted and predicted[-1] != EOS:
            # The cache still holds what n-gram blocking took back: only positions move.
            answer.ids.append(request.ending_token)
            result = yield Step([request.ending_token], position + len(tokens), choose=False)
            features.append(result.features)
        answer.features = torch.cat(features)
    return answer
