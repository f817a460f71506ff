"""Learning from the teacher's states: how far the encoder's own, mapped linearly, are from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from training import teacher
from training.data import Batch, read_shard, shards

STRIDE = 4
"""Frames of 10 ms in a frame of the encoder, and in one of the teacher's kept states."""


class Distillation(nn.Module):
    """A linear map to the teacher's states, standardised by what they mostly are."""

    mean: Tensor
    spread: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.map = nn.Linear(dim, teacher.DIM)
        self.register_buffer("mean", torch.zeros(teacher.DIM))
        self.register_buffer("spread", torch.zeros(teacher.DIM))

    def measure(self, folders: list[Path]) -> None:
        """Take mean and spread from some shards, if they are not known yet."""
        if bool(self.spread.any()):
            return
        found = [
            u.states.astype(np.float32)
            for folder in folders
            for path in shards(folder)[:4]
            for u in read_shard(path)
            if u.states is not None
        ]
        if found:
            states = torch.from_numpy(np.concatenate(found))
            self.mean.copy_(states.mean(0))
            self.spread.copy_(states.std(0) + 1e-3)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """Mean squared error over the frames that have a teacher; x is (B, S, D)."""
        wanted, real = [], torch.zeros(x.shape[:2], dtype=torch.bool)
        for row, utterance in enumerate(batch.utterances):
            if utterance.states is None:
                continue
            rows = torch.from_numpy(utterance.heard[STRIDE // 2 :: STRIDE])[: x.size(1)]
            real[row, : len(rows)] = rows >= 0
            wanted.append(torch.from_numpy(utterance.states[rows[rows >= 0].numpy()]).float())
        if not wanted or not bool(self.spread.any()):
            return x.sum() * 0.0
        states = (torch.cat(wanted) - self.mean) / self.spread
        error: Tensor = (self.map(x[real]).float() - states).square().mean()
        return error
