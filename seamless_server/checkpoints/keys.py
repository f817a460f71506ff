"""Names of tensors: what each tensor of :mod:`seamless_server.nn` is called in published files.

The published files hold either the names of the official inference code (fairseq2) or those of the
training code (fairseq). Both also hold tensors that inference does not need.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

Layout = Literal["fairseq2", "fairseq"]
LAYOUTS: tuple[Layout, Layout] = ("fairseq2", "fairseq")
States = dict[str, dict[str, Tensor]]
"""Tensors by network: ``encoder``, ``decoder``, ``t2u``, ``vocoder``."""

Rules = Sequence[tuple[str, str]]
"""Replacements that are made one after the other in a name of ours."""

_W2V = "encoder.w2v_encoder.w2v_model"
_ENCODER_FAIRSEQ: Rules = (
    (r"^post_extract_layer_norm\.", f"{_W2V}.layer_norm."),
    (r"^model_dim_proj\.", f"{_W2V}.post_extract_proj."),
    (r"^inner_layer_norm\.", f"{_W2V}.encoder.layer_norm."),
    (r"^proj1\.", "encoder.adaptor.proj.0."),
    (r"^proj2\.", "encoder.adaptor.proj.2."),
    (r"^layer_norm\.", "encoder.adaptor.out_ln."),
    # Conformer layers.
    (r"^(layers\.\d+\.ffn[12])_layer_norm\.", r"\1.layer_norm."),
    (r"^(layers\.\d+\.ffn[12])\.inner_proj\.", r"\1.w_1."),
    (r"^(layers\.\d+\.ffn[12])\.output_proj\.", r"\1.w_2."),
    (r"^(layers\.\d+\.self_attn)\.([qkv])_proj\.", r"\1.linear_\2."),
    (r"^(layers\.\d+\.self_attn)\.output_proj\.", r"\1.linear_out."),
    (r"^(layers\.\d+\.self_attn)\.rel_k_embed\.", r"\1.rel_k_embedding."),
    (r"^(layers\.\d+)\.conv\.layer_norm\.", r"\1.conv_module.layer_norm2."),
    (r"^(layers\.\d+)\.conv\.", r"\1.conv_module."),
    (r"^(layers\.\d+)\.conv_layer_norm\.", r"\1.conv_module.layer_norm."),
    (r"^(layers\.\d+)\.layer_norm\.", r"\1.final_layer_norm."),
    (r"^layers\.", f"{_W2V}.encoder.layers."),
    # The adaptor.
    (r"^(adaptor_layers\.\d+)\.residual_conv\.", r"\1.residual_pool.1."),
    (r"^(adaptor_layers\.\d+)\.self_attn_conv\.", r"\1.attn_pool.1."),
    (r"^(adaptor_layers\.\d+\.self_attn)\.output_proj\.", r"\1.out_proj."),
    (r"^(adaptor_layers\.\d+)\.ffn_layer_norm\.", r"\1.final_layer_norm."),
    (r"^(adaptor_layers\.\d+)\.ffn\.inner_proj\.", r"\1.fc1."),
    (r"^(adaptor_layers\.\d+)\.ffn\.output_proj\.", r"\1.fc2."),
    (r"^adaptor_layers\.", "encoder.adaptor.layers."),
)
_DECODER_FAIRSEQ: Rules = (
    (r"^embed\.", "embed_tokens."),
    (r"\.p_choose_layer\.energy_bias$", ".encoder_attn.energy_bias"),
    (r"\.p_choose_layer\.q_energy_proj\.", ".encoder_attn.target_energy_layer."),
    (r"\.p_choose_layer\.k_energy_proj\.", ".encoder_attn.source_energy_layer."),
    (r"\.encoder_decoder_attn_layer_norm\.", ".encoder_attn_layer_norm."),
    (r"\.encoder_decoder_attn\.", ".encoder_attn."),
    (r"\.ffn_layer_norm\.", ".final_layer_norm."),
    (r"\.ffn\.inner_proj\.", ".fc1."),
    (r"\.ffn\.output_proj\.", ".fc2."),
    (r"\.output_proj\.", ".out_proj."),
    (r"^", "decoder."),
)
_T2U_FAIRSEQ: Rules = (
    (r"^pos_emb_alpha$", "decoder.dec_pos_emb_alpha"),
    (r"^pos_emb_alpha_char$", "decoder.char_upsampler.pos_emb_alpha"),
    (r"^embed_char\.", "decoder.embed_tokens_text."),
    (r"^final_proj\.", "decoder.output_projection."),
    (r"^duration_predictor\.", "decoder.var_adaptor.duration_predictor."),
    (r"^(decoder_layers\.\d+)\.self_attn_layer_norm\.", r"\1.layer_norm."),
    (r"^(decoder_layers\.\d+)\.conv1d\.conv1\.", r"\1.ffn.ffn.0."),
    (r"^(decoder_layers\.\d+)\.conv1d\.conv2\.", r"\1.ffn.ffn.2."),
    (r"^(decoder_layers\.\d+)\.conv1d_layer_norm\.", r"\1.ffn.layer_norm."),
    (r"^(encoder_layers\.\d+)\.ffn_layer_norm\.", r"\1.final_layer_norm."),
    (r"\.ffn\.inner_proj\.", ".fc1."),
    (r"\.ffn\.output_proj\.", ".fc2."),
    (r"\.output_proj\.", ".out_proj."),
    (r"^encoder_", "synthesizer_encoder."),
    (r"^decoder_", "decoder."),
)
_OFFICIAL: Mapping[tuple[str, Layout], Rules] = {
    ("encoder", "fairseq2"): (
        (r"\.rel_k_embed\.", ".sdpa.rel_k_embed."),
        (r"^layers\.", "inner.layers."),
        (r"^(post_extract_layer_norm|model_dim_proj)\.", r"_frontend.\1."),
        (r"^(?!_frontend\.)", "."),
        (r"^", "speech_encoder"),
    ),
    ("encoder", "fairseq"): _ENCODER_FAIRSEQ,
    ("decoder", "fairseq2"): (
        (r"^embed\.", "_frontend.embed."),
        (r"^(?!_frontend\.)", "."),
        (r"^", "text_decoder"),
    ),
    ("decoder", "fairseq"): _DECODER_FAIRSEQ,
    ("t2u", "fairseq2"): (
        (r"^(encoder|decoder)_", r"\1."),
        (r"^(pos_emb_alpha|embed_char)", r"decoder_frontend.\1"),
        (r"^duration_predictor\.", "decoder_frontend.variance_adaptor.duration_predictor."),
        (r"^", "t2u_model."),
    ),
    ("t2u", "fairseq"): _T2U_FAIRSEQ,
    ("vocoder", "fairseq2"): ((r"^", "code_generator."),),
    ("vocoder", "fairseq"): (),
}

_COPIES: Mapping[tuple[str, str], Mapping[Layout, str]] = {
    ("decoder", "embed.weight"): {
        "fairseq2": "final_proj.weight",
        "fairseq": "decoder.output_projection.weight",
    },
    ("t2u", "final_proj.weight"): {
        "fairseq2": "t2u_model.decoder_frontend.embed.weight",
        "fairseq": "decoder.embed_tokens_unit.weight",
    },
}
"""A tied tensor stands twice in the files; a file may hold only the second name."""

_FAIRSEQ_MARKS = {
    "unity": r"^(encoder\.w2v_encoder|synthesizer_encoder)\.",
    "decoder": r"^decoder\.",
    "vocoder": r"^(?!code_generator\.)",
}
"""What tells the training code's layout, by file."""

_PARTS = {"unity": ("encoder", "t2u"), "decoder": ("decoder",), "vocoder": ("vocoder",)}

_SUPERFLUOUS = re.compile(
    r"\.version$"
    r"|\.embed_positions\._float_tensor$"
    r"|^encoder\.w2v_encoder\.w2v_model\.mask_emb$"
    r"|^decoder\.char_upsampler\.embed_tokens_char\."
    r"|^decoder\.alignment_encoder\."
    r"|^decoder_target_letter_decoder\."
)
"""What training leaves in every file."""

_LEFT_OUT = re.compile(
    r"^((?:text_encoder|text_decoder)(?:_frontend)?|target_letter_decoder|final_proj"
    r"|prosody_encoder_model|t2u_model\.prosody_proj"
    r"|t2u_model\.decoder_frontend\.variance_adaptor\.(?:pitch|energy)_predictor"
    r"|decoder\.var_adaptor\.(?:pitch|energy)_predictor"
    r"|speech_encoder_frontend\.(?:feature_extractor|pos_encoder)"
    r"|speech_encoder\.inner\.layer_norm)\."
)
"""Modules of the unity file that the official configuration leaves out: PyTorch passes over tensors
below such, and so do we."""
_T2U_PREFIX = re.compile(r"^(t2u_model|synthesizer_encoder|decoder)\.")


@dataclass
class FileTensors:
    """What the published files gave."""

    states: States = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """Tensors that no network has, one sentence each."""
    notices: list[str] = field(default_factory=list)
    """What is there and not used, one sentence a module."""


def official_name(part: str, key: str, layout: Layout) -> str:
    """What the tensor `key` of a network is called in the published file of a layout."""
    for pattern, replacement in _OFFICIAL[part, layout]:
        key = re.sub(pattern, replacement, key)
    return key


def take_tensors(
    into: FileTensors,
    file: Literal["unity", "decoder", "vocoder"],
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Iterable[str]],
) -> Layout:
    """Sort the tensors of one published file by network, under our names, and tell its layout.

    Nothing is copied but the vocoder's weights, whose norm is folded in.

    Args:
        wanted: names of the tensors of each network that is to be built.
    """
    mark = re.compile(_FAIRSEQ_MARKS[file])
    layout: Layout = "fairseq" if any(mark.search(key) for key in tensors) else "fairseq2"
    rest = {k: v for k, v in tensors.items() if not _SUPERFLUOUS.search(k)}
    if file == "vocoder":
        rest = fold_weight_norm(rest)
    for part in _PARTS[file]:
        if part not in wanted:
            continue
        state = into.states.setdefault(part, {})
        for key in wanted[part]:
            copy = _COPIES.get((part, key), {}).get(layout)
            second = rest.pop(copy, None) if copy is not None else None
            tensor = rest.pop(official_name(part, key, layout), second)
            if tensor is not None:
                state[key] = tensor
    unused: dict[str, int] = {}
    for key, tensor in rest.items():
        left_out = _LEFT_OUT.match(key) if file == "unity" else None
        if left_out is None and file == "unity" and "t2u" not in wanted:
            left_out = _T2U_PREFIX.match(key)
        if left_out is not None:
            unused[left_out.group(1)] = unused.get(left_out.group(1), 0) + 1
        else:
            into.problems.append(f"{key}: extra, {list(tensor.shape)}")
    into.notices += [f"{module}: {count} tensors, not used" for module, count in unused.items()]
    return layout


def char_order(tokens: Sequence[str]) -> list[int]:
    """Row in a fairseq checkpoint of each character: control symbols, then sorted characters."""
    body = list(tokens[4:])
    rank = {token: i + 4 for i, token in enumerate(sorted(body))}
    return [0, 1, 2, 3, *(rank[token] for token in body)]


def order_characters(t2u: dict[str, Tensor], tokens: Sequence[str]) -> None:
    """Put the character table of the fairseq layout into the tokenizer's order.

    The published table has more rows than there are characters; those behind them stay where they
    are.
    """
    table = t2u.get("embed_char.weight")
    if table is None or table.dim() != 2 or table.size(0) < len(tokens) or len(tokens) < 4:
        return  # which the comparison of shapes reports
    table[: len(tokens)] = table[torch.tensor(char_order(tokens))]


def order_vocabulary(decoder: dict[str, Tensor], vocab_size: int, layout: Layout) -> None:
    """Put the text embedding into fairseq2's order.

    In the fairseq layout its first four rows are <s>, <pad>, </s>, <unk>, and the published table
    has one dummy row at its end. Only those rows are rewritten, in place: the file is mapped
    copy-on-write, so that no second copy of the largest tensor is needed.
    """
    table = decoder.get("embed.weight")
    if table is None or table.dim() != 2:
        return
    if table.size(0) == vocab_size + 1:
        table = table[:vocab_size]
    if layout == "fairseq" and table.size(0) >= 4:
        table[:4] = table[[1, 3, 0, 2]].clone()
    decoder["embed.weight"] = table


def fold_weight_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with weight norm (arXiv 1602.07868) folded in.

    The norm runs over all dimensions but the first, also for transposed convolutions. Halves that
    do not belong together stay as they are, for the comparison with the network to report.
    """
    out = dict(state)
    for key, tensor in state.items():
        if not key.endswith(".weight_v"):
            continue
        base = key.removesuffix("_v")
        gain = state.get(f"{base}_g")
        if gain is None or gain.shape != (*tensor.shape[:1], *[1] * (tensor.dim() - 1)):
            continue
        dims = tuple(range(1, tensor.dim()))
        norm = torch.linalg.vector_norm(tensor.float(), dim=dims, keepdim=True)
        del out[key], out[f"{base}_g"]
        out[base] = (tensor * (gain / norm)).to(tensor.dtype)
    return out
