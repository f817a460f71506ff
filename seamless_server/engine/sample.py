"""The one choice of a token: forbid, penalise, take the best.

Inline, batched and captured decoder steps all choose here. What an option does to the choice is a
field of `Rule`, filled by `rule_of` and applied by `best_tokens`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seamless_server.engine.api import PolicyOptions
from seamless_server.errors import NumericalError

NOTHING = -1
"""Fills rows of ids that are shorter than others."""
NGRAM_WINDOW = 4
MOST_REPEATED = 64
"""Tokens of a sentence, the last ones, that the repetition penalty looks at."""
WIDEST = 1 + NGRAM_WINDOW + MOST_REPEATED
"""Numbers that a rule becomes, at most."""


@dataclass(frozen=True)
class Rule:
    """What holds for one choice.

    banned: ids that must not be chosen. repeated: ids whose logits are divided by ``penalty`` where
    they are positive, and multiplied by it elsewhere.
    """

    banned: Sequence[int] = ()
    repeated: Sequence[int] = ()
    penalty: float = 1.0


FREE = Rule()


def rule_of(options: PolicyOptions, said: Sequence[int], source_finished: bool) -> Rule:
    """What holds for the token behind those of the sentence so far."""
    banned = said[-NGRAM_WINDOW:] if options.block_ngrams and source_finished else ()
    repeated = said[-MOST_REPEATED:] if options.repetition_penalty != 1 else ()
    return Rule(banned, repeated, options.repetition_penalty)


def rows_of(rules: Sequence[Rule]) -> list[list[int]]:
    """Rules as rows of numbers: the bits of the penalty, banned ids, repeated ids if there are any.

    All rows have one of two widths, so that captured steps have few shapes.
    """
    bits = np.array([x.penalty for x in rules], np.float32).view(np.int32).tolist()
    banned = padded([x.banned for x in rules], NGRAM_WINDOW)
    width = MOST_REPEATED if any(x.repeated for x in rules) else 0
    repeated = padded([x.repeated for x in rules], width)
    return [[a, *b, *c] for a, b, c in zip(bits, banned, repeated, strict=True)]


Best = tuple[Tensor, Tensor, Tensor]
"""Best tokens (B,), their logits (B,) and their probabilities (B,)."""


@dataclass(frozen=True)
class Choice:
    """Best next token, its logit and its probability, and p_choose as one number."""

    index: int
    score: float
    probability: float
    prob: float

    def checked(self) -> Choice:
        """Itself.

        Raises:
            NumericalError: the logit or p_choose is NaN or infinite.
        """
        if not all(map(math.isfinite, (self.score, self.probability, self.prob))):
            raise NumericalError("the text decoder's choice of a token")
        return self


def padded(ids: Sequence[Sequence[int]], width: int) -> list[list[int]]:
    """Rows of ids in one width. What fills a row changes nothing: its first id, or NOTHING."""
    return [[*row, *([row[0] if row else NOTHING] * (width - len(row)))] for row in ids]


def best_tokens(logits: Tensor, rules: Tensor | None) -> Best:
    """Best tokens (B,), their logits (B,) and probabilities (B,). Changes ``logits`` (B, V).

    Args:
        rules: (B, K) see :func:`rows_of`; None is no rule.
    """
    if rules is not None:
        penalty = rules[:, :1].to(torch.int32).view(torch.float32)
        banned, repeated = rules[:, 1 : 1 + NGRAM_WINDOW], rules[:, 1 + NGRAM_WINDOW :]
        if repeated.size(1):
            ids = repeated.clamp(min=0)
            kept = logits.gather(1, ids)
            changed = torch.where(kept > 0, kept / penalty, kept * penalty)
            logits.scatter_(1, ids, torch.where(repeated != NOTHING, changed, kept))
        ids = banned.clamp(min=0)
        kept = logits.gather(1, ids)
        logits.scatter_(1, ids, kept.masked_fill(banned != NOTHING, -torch.inf))
    # On a processor numpy finds the place of the largest number ten times as fast as PyTorch, and
    # softmax takes half the time of logsumexp (benchmarks/products.py).
    if logits.device.type == "cpu" and logits.dtype == torch.float32:
        best = torch.from_numpy(logits.numpy().argmax(-1))
    else:
        best = logits.argmax(-1)
    place = best[:, None]
    return best, logits.gather(1, place)[:, 0], logits.softmax(-1).gather(1, place)[:, 0]


def best_under(logits: Tensor, rules: Sequence[Rule]) -> Best:
    """Best tokens of logits (B, V) as each row's rule allows; changes ``logits``."""
    if not any(x.banned or x.repeated for x in rules):
        return best_tokens(logits, None)
    return best_tokens(logits, torch.tensor(rows_of(rules), device=logits.device))


def reduce_p_choose(p_choose: Tensor, options: PolicyOptions) -> Tensor:
    """p_choose (B, L, H, N, P) -> (B,): one number at the last target and source position."""
    last = p_choose[:, options.p_choose_start_layer :, :, -1, -1].flatten(1)
    if options.decision_method == "min":
        return last.amin(1)
    if options.decision_method == "mean":
        return last.mean(1)
    return last.median(1).values


def choices(best: Best, p_choose: Tensor, options: Sequence[PolicyOptions]) -> list[Choice]:
    """What each row of a step chose, with one transfer from the device."""
    kinds = {(x.decision_method, x.p_choose_start_layer): x for x in options}
    if len(kinds) == 1:
        probs = reduce_p_choose(p_choose, options[0]).double()
    else:
        probs = torch.zeros(len(options), dtype=torch.double, device=p_choose.device)
        for kind, example in kinds.items():
            rows = [
                i
                for i, x in enumerate(options)
                if (x.decision_method, x.p_choose_start_layer) == kind
            ]
            probs[rows] = reduce_p_choose(p_choose[rows], example).double()
    table = torch.stack([*(x.double() for x in best), probs], 1).tolist()
    return [Choice(int(index), *numbers) for index, *numbers in table]
