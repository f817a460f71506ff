"""How sure a decoder may be of what it writes, told from what it and its encoder compute.

A decoder's probabilities say little about speech that it was not made for: a small one writes
fluent nonsense and believes in it. Its states tell more, and the encoder's too. This head looks at
all of a sentence so far, heard and written: the means of both go through one hidden layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def pooled(source: Tensor, features: Tensor) -> Tensor:
    """What the head sees of encoder states (S, D) and the decoder's features (N, D): (2 D,)."""
    return torch.cat([source.float().mean(0), features.float().mean(0)])


class ConfidenceHead(nn.Module):
    """A network with one hidden layer.

    Args:
        model_dim: D. hidden: its size.
    """

    def __init__(self, model_dim: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * model_dim, hidden)
        self.output = nn.Linear(hidden, 1)

    def logit(self, x: Tensor) -> Tensor:
        """What was :func:`pooled`, (..., 2 D) -> log odds (...)."""
        out: Tensor = self.output(torch.relu(self.hidden(x)))
        return out.squeeze(-1)

    def forward(self, source: Tensor, features: Tensor) -> Tensor:
        """Encoder states (S, D), the decoder's features (N, D) -> the share of the words so far
        that are right, from 0 to 1."""
        x = pooled(source, features.to(source.device))
        return self.logit(x.to(self.hidden.weight.device)).sigmoid()
