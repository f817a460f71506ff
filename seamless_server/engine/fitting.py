"""The networks of a checkpoint in the form that its device computes fastest."""

from __future__ import annotations

from dataclasses import replace

import torch

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.linears import onednn_is_faster, refit


def fit_to_device(checkpoint: Checkpoint) -> Checkpoint:
    """Linear layers by oneDNN where that is faster: single precision on some processors.

    Weights are shared with the checkpoint given.
    """
    weight = checkpoint.decoder.embed.weight
    if weight.device.type != "cpu" or weight.dtype != torch.float32 or not onednn_is_faster():
        return checkpoint
    return replace(
        checkpoint,
        encoder=refit(checkpoint.encoder, "onednn"),
        decoder=refit(checkpoint.decoder, "onednn"),
        t2u=None if checkpoint.t2u is None else refit(checkpoint.t2u, "onednn"),
    )
