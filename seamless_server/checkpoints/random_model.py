"""Systems of the usual sizes with random weights, for benchmarks: right shapes, no meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.published import published_config
from seamless_server.checkpoints.tokenizers import (
    SPACE,
    CharTokenizer,
    TextTokenizer,
    UnitTokenizer,
)
from seamless_server.errors import ConfigError
from seamless_server.nn.config import (
    ModelConfig,
    SpeechEncoderConfig,
    T2UConfig,
    TextDecoderConfig,
    VocoderConfig,
)
from seamless_server.nn.speech_encoder import SpeechEncoder
from seamless_server.nn.t2u import T2U
from seamless_server.nn.text_decoder import TextDecoder
from seamless_server.nn.vocoder import Vocoder

SIZES = ("tiny", "small", "full")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def sized_config(size: str) -> ModelConfig:
    """Configuration of a size.

    tiny: dim 64, as the recordings. small: dim 256, 6 + 4 + 2 + 2 layers, 32,000 pieces, 128
    vocoder channels. full: the published 2.5B model.

    Raises:
        ConfigError: another size.
    """
    full = published_config()
    if size == "full":
        return replace(full, name="full")
    if size not in SIZES:
        raise ConfigError("size", f"{size!r} is not one of {', '.join(SIZES)}")
    tiny = size == "tiny"
    dim, ffn, heads = (64, 128, 4) if tiny else (256, 1024, 4)
    units = 100 if tiny else 1000
    return replace(
        full,
        name=size,
        num_units=units,
        encoder=SpeechEncoderConfig(
            model_dim=dim, num_layers=3 if tiny else 6, num_heads=heads, ffn_dim=ffn
        ),
        decoder=TextDecoderConfig(
            model_dim=dim,
            vocab_size=662 if tiny else 32_000,
            num_layers=2 if tiny else 4,
            num_heads=heads,
            ffn_dim=ffn,
        ),
        t2u=T2UConfig(
            model_dim=dim,
            unit_vocab_size=units + 43,
            char_vocab_size=64,
            num_encoder_layers=2,
            num_decoder_layers=2,
            num_encoder_heads=heads,
            num_decoder_heads=heads,
            ffn_dim=ffn,
            conv_inner_dim=dim,
            duration_hidden_dim=dim // 2,
        ),
        vocoder=VocoderConfig(
            upsample_initial_channel=32 if tiny else 128,
            num_units=units,
            unit_embed_dim=dim,
            lang_embed_dim=dim // 8,
            speaker_embed_dim=dim // 8,
            duration_hidden_dim=dim // 2,
        ),
    )


def random_checkpoint(
    size: str,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Checkpoint:
    """A system with random weights and made-up words of two or three letters."""
    config = sized_config(size)
    assert config.t2u is not None
    assert config.vocoder is not None
    words = config.decoder.vocab_size - 4 - len(config.text_langs) - 3
    pieces = [",", ".", *(_word(i) for i in range(words - 2))]
    torch.manual_seed(seed)
    with torch.device(device):
        networks = (
            SpeechEncoder(config.encoder),
            TextDecoder(config.decoder),
            T2U(config.t2u),
            Vocoder(config.vocoder),
        )
    for network in networks:
        network.to(dtype).requires_grad_(False).eval()
    encoder, decoder, t2u, vocoder = networks
    # One unit a character: three or four words a second then last about a second.
    t2u.duration_predictor.proj.bias.fill_(0.0)
    # Only units are ever the best choice, never control symbols or languages.
    t2u.final_proj.weight[:4] = 0
    t2u.final_proj.weight[4 + config.num_units :] = 0
    return Checkpoint(
        Path(f"random-{size}"),
        config,
        encoder,
        decoder,
        TextTokenizer(None, config.text_langs, config.default_lang, pieces),
        UnitTokenizer(config.num_units, config.unit_langs),
        CharTokenizer(None, [SPACE, *LETTERS, ",", "."]),
        t2u,
        vocoder,
    )


def _word(number: int) -> str:
    """Different words for different numbers; every second one begins a word."""
    letters = ""
    rest = number
    while rest or len(letters) < 2:
        rest, letter = divmod(rest, len(LETTERS))
        letters += LETTERS[letter]
    return (SPACE if number % 2 == 0 else "") + letters
