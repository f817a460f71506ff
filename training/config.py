"""Sizes of the embedded model, and the precision that it is trained in."""

from __future__ import annotations

import torch

from seamless_server.nn.config import (
    SpeechEncoderConfig,
    T2UConfig,
    TextDecoderConfig,
    VocoderConfig,
)

DIM = 192
UNITS = 9600
LANGUAGES = ("eng", "spa", "fra", "deu")

ENCODER = SpeechEncoderConfig(
    model_dim=DIM,
    fbank_stride=4,
    num_layers=6,
    num_heads=4,
    ffn_dim=4 * DIM,
    depthwise_kernel_size=15,
    max_left_rel_pos=32,
    max_right_rel_pos=8,
    adaptor_kernel_size=4,
    adaptor_stride=4,
    attention_chunk_size=8,
)


def decoder(vocabulary_size: int) -> TextDecoderConfig:
    """The text decoder for a vocabulary of pieces, language tags and data tags."""
    return TextDecoderConfig(
        model_dim=DIM,
        vocab_size=vocabulary_size,
        num_layers=4,
        num_heads=4,
        ffn_dim=4 * DIM,
        max_seq_len=512,
    )


def t2u(characters: int) -> T2UConfig:
    """The text-to-unit network for a character vocabulary."""
    return T2UConfig(
        model_dim=DIM,
        unit_vocab_size=UNITS + len(LANGUAGES) + 1 + 4,
        char_vocab_size=characters,
        num_encoder_layers=2,
        num_decoder_layers=4,
        num_encoder_heads=4,
        num_decoder_heads=4,
        ffn_dim=4 * DIM,
        conv_inner_dim=DIM,
        duration_hidden_dim=DIM,
        max_seq_len=4096,
    )


VOCODER = VocoderConfig(
    upsample_initial_channel=192,
    resblock_kernel_sizes=(3, 7),
    resblock_dilation_sizes=((1, 3, 5), (1, 3, 5)),
    num_units=UNITS,
    unit_embed_dim=128,
    num_langs=4,
    lang_embed_dim=16,
    num_speakers=4,
    speaker_embed_dim=16,
    duration_hidden_dim=64,
)


def autocast() -> torch.autocast:
    """Networks compute in bf16 inside of it, where the processor can: emulated it is far slower."""
    can = torch.cpu.get_capabilities()
    fast = any(can.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    return torch.autocast("cpu", torch.bfloat16, enabled=fast)
