"""Names of tensors: from the published files' two layouts to those of :mod:`seamless_server.nn`.

The published files hold either the names of the training code (fairseq) or those of the official
inference code (fairseq2). Both also hold tensors that inference does not need.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Rules = Sequence[tuple[str, str]]

ENCODER_FAIRSEQ2: Rules = (
    (r"^speech_encoder_frontend\.", ""),
    (r"^speech_encoder\.inner\.layers\.", "layers."),
    (r"^speech_encoder\.", ""),
    (r"\.self_attn\.sdpa\.rel_k_embed\.", ".self_attn.rel_k_embed."),
)
ENCODER_FAIRSEQ: Rules = (
    (r"^encoder\.w2v_encoder\.w2v_model\.layer_norm\.", "post_extract_layer_norm."),
    (r"^encoder\.w2v_encoder\.w2v_model\.post_extract_proj\.", "model_dim_proj."),
    (r"^encoder\.w2v_encoder\.w2v_model\.encoder\.layer_norm\.", "inner_layer_norm."),
    (r"^encoder\.w2v_encoder\.w2v_model\.encoder\.layers\.", "layers."),
    (r"^encoder\.adaptor\.proj\.0\.", "proj1."),
    (r"^encoder\.adaptor\.proj\.2\.", "proj2."),
    (r"^encoder\.adaptor\.out_ln\.", "layer_norm."),
    (r"^encoder\.adaptor\.layers\.", "adaptor_layers."),
    (r"\.residual_pool\.1\.", ".residual_conv."),
    (r"\.attn_pool\.1\.", ".self_attn_conv."),
    (r"\.(ffn[12])\.layer_norm\.", r".\1_layer_norm."),
    (r"\.w_1\.", ".inner_proj."),
    (r"\.w_2\.", ".output_proj."),
    (r"\.linear_([qkv])\.", r".\1_proj."),
    (r"\.linear_out\.", ".output_proj."),
    (r"\.rel_k_embedding\.", ".rel_k_embed."),
    (r"\.conv_module\.layer_norm\.", ".conv_layer_norm."),
    (r"\.conv_module\.layer_norm2\.", ".conv.layer_norm."),
    (r"\.conv_module\.", ".conv."),
    (r"^(layers\.\d+)\.final_layer_norm\.", r"\1.layer_norm."),
    (r"^(adaptor_layers\.\d+)\.final_layer_norm\.", r"\1.ffn_layer_norm."),
    (r"\.out_proj\.", ".output_proj."),
    (r"\.fc1\.", ".ffn.inner_proj."),
    (r"\.fc2\.", ".ffn.output_proj."),
)
T2U_FAIRSEQ2: Rules = (
    (r"^t2u_model\.encoder\.", "encoder_"),
    (r"^t2u_model\.decoder\.", "decoder_"),
    (r"^t2u_model\.decoder_frontend\.variance_adaptor\.", ""),
    (r"^t2u_model\.decoder_frontend\.", ""),
    (r"^t2u_model\.", ""),
)
T2U_FAIRSEQ: Rules = (
    (r"^synthesizer_encoder\.", "encoder_"),
    (r"^decoder\.dec_pos_emb_alpha$", "pos_emb_alpha"),
    (r"^decoder\.char_upsampler\.pos_emb_alpha$", "pos_emb_alpha_char"),
    (r"^decoder\.embed_tokens_text\.", "embed_char."),
    (r"^decoder\.output_projection\.", "final_proj."),
    (r"^decoder\.var_adaptor\.", ""),
    (r"^decoder\.(layers|layer_norm)\.", r"decoder_\1."),
    (r"^(decoder_layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"^(decoder_layers\.\d+)\.ffn\.ffn\.0\.", r"\1.conv1d.conv1."),
    (r"^(decoder_layers\.\d+)\.ffn\.ffn\.2\.", r"\1.conv1d.conv2."),
    (r"^(decoder_layers\.\d+)\.ffn\.layer_norm\.", r"\1.conv1d_layer_norm."),
    (r"^(encoder_layers\.\d+)\.final_layer_norm\.", r"\1.ffn_layer_norm."),
    (r"\.out_proj\.", ".output_proj."),
    (r"\.fc1\.", ".ffn.inner_proj."),
    (r"\.fc2\.", ".ffn.output_proj."),
)
DECODER_FAIRSEQ2: Rules = (
    (r"^text_decoder_frontend\.", ""),
    (r"^text_decoder\.", ""),
)
DECODER_FAIRSEQ: Rules = (
    (r"^decoder\.embed_tokens\.", "embed."),
    (r"^decoder\.", ""),
    (r"\.encoder_attn\.energy_bias$", ".p_choose_layer.energy_bias"),
    (r"\.encoder_attn\.target_energy_layer\.", ".p_choose_layer.q_energy_proj."),
    (r"\.encoder_attn\.source_energy_layer\.", ".p_choose_layer.k_energy_proj."),
    (r"\.encoder_attn_layer_norm\.", ".encoder_decoder_attn_layer_norm."),
    (r"\.encoder_attn\.", ".encoder_decoder_attn."),
    (r"\.final_layer_norm\.", ".ffn_layer_norm."),
    (r"\.out_proj\.", ".output_proj."),
    (r"\.fc1\.", ".ffn.inner_proj."),
    (r"\.fc2\.", ".ffn.output_proj."),
)
VOCODER: Rules = ((r"^code_generator\.", ""),)

SUPERFLUOUS = (
    r"\.version$",
    r"\.embed_positions\._float_tensor$",
    r"^encoder\.w2v_encoder\.w2v_model\.mask_emb$",
    r"^decoder\.char_upsampler\.embed_tokens_char\.",
    r"^decoder\.alignment_encoder\.",
    r"^decoder_target_letter_decoder\.",
    r"^target_letter_decoder\.",
    r"^decoder\.embed_tokens_unit\.",
    r"^t2u_model\.decoder_frontend\.embed\.",
    r"^(text_encoder|text_encoder_frontend|text_decoder|text_decoder_frontend|final_proj)\.",
)
"""What the files hold and inference does not use (beside a tied copy of the unit projection)."""
SUPERFLUOUS_DECODER = (
    r"\.version$",
    r"\.embed_positions\._float_tensor$",
    r"^decoder\.output_projection\.",
    r"^final_proj\.",
)


def _renamer(rules: Rules) -> Callable[[str], str]:
    compiled = [(re.compile(pattern), target) for pattern, target in rules]

    def rename(key: str) -> str:
        for pattern, target in compiled:
            key = pattern.sub(target, key)
        return key

    return rename


def _matches(key: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, key) for pattern in patterns)


def split_unity(
    state: Mapping[str, Tensor], char_order: Sequence[int] | None
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors of ``seamless_streaming_unity.pt`` -> those of the encoder and of the T2U.

    Args:
        char_order: rows of the character table in this file's order (see :func:`char_order`),
            needed for the fairseq layout, where the table is sorted by character.
    """
    fairseq = any(key.startswith("encoder.w2v_encoder.") for key in state)
    encoder_keys = r"^encoder\." if fairseq else r"^speech_encoder(_frontend)?\."
    to_encoder = _renamer(ENCODER_FAIRSEQ if fairseq else ENCODER_FAIRSEQ2)
    to_t2u = _renamer(T2U_FAIRSEQ if fairseq else T2U_FAIRSEQ2)
    encoder: dict[str, Tensor] = {}
    t2u: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if _matches(key, SUPERFLUOUS):
            continue
        if re.search(encoder_keys, key):
            encoder[to_encoder(key)] = tensor
        else:
            t2u[to_t2u(key)] = tensor
    if fairseq and char_order is not None and "embed_char.weight" in t2u:
        table = t2u["embed_char.weight"]
        if table.dim() == 2 and table.size(0) == len(char_order):
            t2u["embed_char.weight"] = table[torch.tensor(char_order)]
    return encoder, t2u


def char_order(tokens: Sequence[str]) -> list[int]:
    """Row in a fairseq checkpoint of each character: control symbols, then sorted characters."""
    body = list(tokens[4:])
    rank = {token: i + 4 for i, token in enumerate(sorted(body))}
    return [0, 1, 2, 3, *(rank[token] for token in body)]


def convert_decoder(state: Mapping[str, Tensor], vocab_size: int) -> dict[str, Tensor]:
    """Tensors of ``seamless_streaming_monotonic_decoder.pt``, renamed.

    In the fairseq layout the first four rows of the embedding are <s>, <pad>, </s>, <unk>, and the
    published table has one dummy row at its end. Only those rows are rewritten, in place: the file
    is mapped copy-on-write, so that no second copy of the largest tensor is needed.
    """
    fairseq = any(key.startswith("decoder.") for key in state)
    rename = _renamer(DECODER_FAIRSEQ if fairseq else DECODER_FAIRSEQ2)
    out = {rename(k): v for k, v in state.items() if not _matches(k, SUPERFLUOUS_DECODER)}
    table = out.get("embed.weight")
    if table is not None and table.dim() == 2:
        if table.size(0) == vocab_size + 1:
            table = table[:vocab_size]
        if fairseq and table.size(0) >= 4:
            table[:4] = table[[1, 3, 0, 2]].clone()
        out["embed.weight"] = table
    return out


def convert_vocoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of ``vocoder_v2.pt``, renamed, with weight norm (arXiv 1602.07868) folded in.

    The norm runs over all dimensions but the first, also for transposed convolutions.
    """
    rename = _renamer(VOCODER)
    named = {rename(k): v for k, v in state.items() if not k.endswith(".version")}
    out: dict[str, Tensor] = {}
    for key, tensor in named.items():
        if key.endswith(".weight_g"):
            continue
        if not key.endswith(".weight_v"):
            out[key] = tensor
            continue
        base = key.removesuffix("_v")
        gain = named.get(f"{base}_g")
        if gain is None:
            out[key] = tensor
            continue
        dims = tuple(range(1, tensor.dim()))
        norm = torch.linalg.vector_norm(tensor.float(), dim=dims, keepdim=True)
        out[base] = (tensor * (gain / norm)).to(tensor.dtype)
    return out
