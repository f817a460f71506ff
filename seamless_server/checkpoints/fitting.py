"""The networks of a checkpoint in the form that a device computes fastest, or that fits it."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from seamless_server.checkpoints.int8 import INT8, quantized_network
from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.nn.fitted import fit
from seamless_server.nn.fitted_vocoder import fit_vocoder
from seamless_server.nn.linears import Int8Linear, whole_products_are_exact
from seamless_server.nn.onednn import onednn_is_faster

MOST_BYTES = 2 << 30
"""Larger systems are not laid out a second time: memory is worth more than the difference."""


def fit_to_device(checkpoint: Checkpoint) -> Checkpoint:
    """Products and convolutions by oneDNN where that is faster: on some processors, in some types.

    Weights are shared with the checkpoint given, and laid out a second time as oneDNN wants them:
    int8 weights always, whose file is small, others unless they are large.
    """
    weight = checkpoint.decoder.embed.weight
    if weight.device.type != "cpu":
        return checkpoint
    if not (isinstance(checkpoint.decoder.output, Int8Linear) and whole_products_are_exact()):
        networks = (checkpoint.encoder, checkpoint.decoder, checkpoint.t2u, checkpoint.vocoder)
        size = sum(p.numel() * p.element_size() for x in networks if x for p in x.parameters())
        if size > MOST_BYTES or not onednn_is_faster(weight.dtype):
            return checkpoint
    return replace(
        checkpoint,
        encoder=fit(checkpoint.encoder),
        decoder=fit(checkpoint.decoder),
        t2u=None if checkpoint.t2u is None else fit(checkpoint.t2u),
        vocoder=None if checkpoint.vocoder is None else fit_vocoder(checkpoint.vocoder),
    )


def quantized(checkpoint: Checkpoint, kind: str) -> Checkpoint:
    """The same system with linear layers of int8; ``kind`` is one of :data:`INT8`.

    The vocoder stays.
    """
    return replace(
        checkpoint,
        encoder=quantized_network(checkpoint.encoder, kind),
        decoder=quantized_network(checkpoint.decoder, kind),
        t2u=None if checkpoint.t2u is None else quantized_network(checkpoint.t2u, kind),
    )


PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def converted(checkpoint: Checkpoint, form: str) -> Checkpoint:
    """A copy of a system in another precision: one of :data:`PRECISIONS` or :data:`INT8`."""
    if form in INT8:
        return quantized(checkpoint, form)
    dtype = PRECISIONS[form]
    t2u, vocoder, voice = checkpoint.t2u, checkpoint.vocoder, checkpoint.voice
    return replace(
        checkpoint,
        encoder=copy.deepcopy(checkpoint.encoder).to(dtype),
        decoder=copy.deepcopy(checkpoint.decoder).to(dtype),
        t2u=None if t2u is None else copy.deepcopy(t2u).to(dtype),
        vocoder=None if vocoder is None else copy.deepcopy(vocoder).to(dtype),
        voice=None if voice is None else copy.deepcopy(voice).to(dtype),
    )
