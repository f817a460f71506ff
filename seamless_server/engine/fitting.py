"""The networks of a checkpoint in the form that a device computes fastest, or that fits it."""

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


INT8 = ("int8", "int8-weights")
"""Whole numbers: for weights and inputs on processors, or for weights alone on any device."""


def keeps_precision(name: str) -> bool:
    """Layers that stay as they are: the energies of p_choose, which decide between READ and WRITE
    at a threshold, and the few small layers behind which everything is rounded to whole numbers."""
    return "energy_proj" in name or "duration_predictor" in name or name == "final_proj"


def quantized(checkpoint: Checkpoint, kind: str) -> Checkpoint:
    """The same system with linear layers of int8; ``kind`` is one of :data:`INT8`.

    Embeddings (which are also the output projection), convolutions and the vocoder stay.
    """
    return replace(
        checkpoint,
        encoder=refit(checkpoint.encoder, kind, keeps_precision),
        decoder=refit(checkpoint.decoder, kind, keeps_precision),
        t2u=None if checkpoint.t2u is None else refit(checkpoint.t2u, kind, keeps_precision),
    )
