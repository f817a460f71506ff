"""The one choice of a token: forbid, penalise, take the best.

Inline, batched and captured decoder steps all choose here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seamless_server.engine.api import PolicyOptions
from seamless_server.errors import NumericalError

NOTHING = -1
"""Fills rows of ids that are shorter than others."""


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


def padded(ids: Sequence[Sequence[int]], width: int | None = None) -> list[list[int]]:
    """Rows of ids in one width. What fills a row changes nothing: its first id, or NOTHING."""
    size = max(map(len, ids), default=0) if width is None else width
    return [[*row, *([row[0] if row else NOTHING] * (size - len(row)))] for row in ids]


def best_tokens(
    logits: Tensor, banned: Tensor, repeated: Tensor | None = None, penalty: Tensor | None = None
) -> Best:
    """Best tokens (B,), their logits (B,) and probabilities (B,). Changes ``logits`` (B, V).

    Args:
        banned: (B, K) ids that must not be chosen, see :func:`padded`.
        repeated: (B, R) ids that the sentence has, likewise.
        penalty: (B, 1) what their logits are divided by, where they are positive, and multiplied
            by elsewhere.
    """
    if repeated is not None and penalty is not None and repeated.size(1):
        ids = repeated.clamp(min=0)
        kept = logits.gather(1, ids)
        changed = torch.where(kept > 0, kept / penalty, kept * penalty)
        logits.scatter_(1, ids, torch.where(repeated != NOTHING, changed, kept))
    if banned.size(1):
        ids = banned.clamp(min=0)
        kept = logits.gather(1, ids)
        logits.scatter_(1, ids, kept.masked_fill(banned != NOTHING, -torch.inf))
    scores, best = logits.max(-1)
    return best, scores, (scores - logits.logsumexp(-1)).exp()


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
