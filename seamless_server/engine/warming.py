"""First calls of every stage, before the first speaker comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.engine.requests import (
    DecodeRequest,
    PolicyOptions,
    UnitsRequest,
    VocodeRequest,
)

if TYPE_CHECKING:
    from seamless_server.engine.requests import Engine

FRAMES = (64, 256)
"""Lengths of speech, 0.6 s and 2.6 s: long enough to be real work, short enough to be quick."""


def warm_up(engine: Engine, checkpoint: Checkpoint) -> None:
    """Send requests of usual sizes through every stage.

    Libraries choose and build kernels in these calls, decoder graphs are captured, and the
    scheduler learns its pace. The second round is the one that tells how long calls take.
    """
    config = checkpoint.config
    text = checkpoint.text_tokenizer
    prefix = text.prefix(config.default_lang)
    ending = text.token_to_index(",")
    # Six tokens and no decision of the weights': whatever they are, the same work is done.
    options = PolicyOptions(
        decision_threshold=0.0, no_early_stop=True, max_len_a=0, max_len_b=6,
        max_consecutive_write=6,
    )  # fmt: skip
    for _ in range(2):
        for frames in FRAMES:
            noise = np.random.default_rng(0).standard_normal((frames, 80)).astype(np.float32)
            source = engine.encode(noise)
            decoded = engine.decode(
                DecodeRequest(source, prefix, [], False, options, ending_token=ending)
            )
        if checkpoint.vocoder is None:
            continue
        features = decoded.features
        if features is None:  # nothing was written
            features = torch.zeros(len(prefix), config.decoder.model_dim)
        engine.units(UnitsRequest(features, decoded.ids or prefix))
        lang = next(iter(config.vocoder_langs))
        for count in (32, 64, 96):
            for skip in (0, min(count // 2, checkpoint.vocoder.receptive_units)):
                engine.vocode(VocodeRequest([0] * count, lang, 0, skip))
