"""Put the trained networks together as a model folder that the server loads.

python -m training.export --work WORK --out models/SeamlessStreaming-mini
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seamless_server.checkpoints import model_file
from seamless_server.checkpoints.cards import EMBEDDED, SYSTEM_DIRS
from seamless_server.nn.vocoder import Vocoder
from training import checkpoint, config
from training.vocabulary import CHARACTER_FILE, TEXT_FILE, Vocabulary


def config_json(vocabulary: Vocabulary, speech: bool) -> dict[str, Any]:
    """``config.json`` in the field names of the official configuration."""
    encoder = config.ENCODER
    decoder = config.decoder(len(vocabulary.text))
    t2u = config.t2u(len(vocabulary.chars))
    vocoder = config.VOCODER
    unity: dict[str, Any] = {
        "model_dim": encoder.model_dim,
        "w2v2_encoder_config": {
            "model_dim": encoder.model_dim,
            "num_fbank_channels": encoder.num_fbank_channels,
            "fbank_stride": encoder.fbank_stride,
            "feature_dim": encoder.feature_dim,
            "use_fbank": True,
            "use_conformer": True,
            "pos_encoder_type": "shaw_relative",
            "norm_order": "POST",
            "num_encoder_layers": encoder.num_layers,
            "num_encoder_attn_heads": encoder.num_heads,
            "ffn_inner_dim": encoder.ffn_dim,
            "depthwise_conv_kernel_size": encoder.depthwise_kernel_size,
            "attention_chunk_size": encoder.attention_chunk_size,
            "attention_left_chunks": encoder.attention_left_chunks,
            "shaw_rel_pos_sdpa_config": {
                "max_left_rel_pos": encoder.max_left_rel_pos,
                "max_right_rel_pos": encoder.max_right_rel_pos,
                "use_rel_pos_values": False,
            },
        },
        "num_adaptor_layers": encoder.num_adaptor_layers,
        "adaptor_kernel_size": encoder.adaptor_kernel_size,
        "adaptor_stride": encoder.adaptor_stride,
        "adaptor_layer_norm": True,
    }
    data: dict[str, Any] = {
        "name": EMBEDDED,
        "description": "Demonstration model of a travel and meeting phrasebook.",
        "unity": unity,
        "monotonic_decoder": {
            "model_dim": decoder.model_dim,
            "max_seq_len": decoder.max_seq_len,
            "vocab_info": {
                "size": decoder.vocab_size,
                "unk_idx": 1,
                "bos_idx": 2,
                "eos_idx": 3,
                "pad_idx": 0,
            },
            "num_decoder_layers": decoder.num_layers,
            "num_decoder_attn_heads": decoder.num_heads,
            "ffn_inner_dim": decoder.ffn_dim,
            "energy_bias_value": decoder.energy_bias_value,
            "monotonic_temperature": decoder.monotonic_temperature,
            "num_monotonic_energy_layers": decoder.num_monotonic_energy_layers,
            "pre_decision_ratio": decoder.pre_decision_ratio,
        },
        "text_langs": list(config.LANGUAGES),
        "text_default_lang": "eng",
        "source_langs": ["eng"],
        "sample_rate": 16_000,
    }
    if not speech:
        return data
    unity["t2u_config"] = {
        "model_dim": t2u.model_dim,
        "unit_max_seq_len": t2u.max_seq_len,
        "target_vocab_info": {
            "size": t2u.unit_vocab_size,
            "unk_idx": 3,
            "bos_idx": 0,
            "eos_idx": 2,
            "pad_idx": 1,
        },
        "num_encoder_layers": t2u.num_encoder_layers,
        "num_decoder_layers": t2u.num_decoder_layers,
        "num_encoder_attn_heads": t2u.num_encoder_heads,
        "num_decoder_attn_heads": t2u.num_decoder_heads,
        "ffn_inner_dim": t2u.ffn_dim,
        "nar_decoder_frontend_config": {
            "subword_to_unit_upsampling_type": "hard",
            "duration_predictor_config": {
                "var_pred_hidden_dim": t2u.duration_hidden_dim,
                "var_pred_kernel_size": t2u.duration_kernel_size,
            },
        },
        "nar_decoder_config": {
            "char_vocabulary_size": t2u.char_vocab_size,
            "conv1d_kernel_size": t2u.conv_kernel_size,
            "conv1d_inner_dim": t2u.conv_inner_dim,
        },
        "char_pad_idx": 1,
    }
    fields = asdict(vocoder)
    data["num_units"] = config.UNITS
    data["unit_langs"] = list(config.LANGUAGES)
    data["vocoder"] = {
        "upsample_rates": fields["upsample_rates"],
        "upsample_kernel_sizes": fields["upsample_kernel_sizes"],
        "upsample_initial_channel": vocoder.upsample_initial_channel,
        "resblock_kernel_sizes": fields["resblock_kernel_sizes"],
        "resblock_dilation_sizes": fields["resblock_dilation_sizes"],
        "model_in_dim": vocoder.in_dim,
        "num_embeddings": vocoder.num_units,
        "embedding_dim": vocoder.unit_embed_dim,
        "num_langs": vocoder.num_langs,
        "lang_embedding_dim": vocoder.lang_embed_dim,
        "num_spkrs": vocoder.num_speakers,
        "spkr_embedding_dim": vocoder.speaker_embed_dim,
        "dur_predictor_params": {
            "encoder_embed_dim": vocoder.unit_embed_dim,
            "var_pred_hidden_dim": vocoder.duration_hidden_dim,
            "var_pred_kernel_size": vocoder.duration_kernel_size,
        },
        "lang_spkr_idx_map": {
            "multilingual": {lang: i for i, lang in enumerate(config.LANGUAGES)},
            "multispkr": {lang: [i] for i, lang in enumerate(config.LANGUAGES)},
        },
    }
    return data


def states(work: Path) -> dict[str, dict[str, Tensor]]:
    """Weights of the finished stages, by network; speech only when both of its parts are there."""
    translator = checkpoint.best_weights(work / "decoder" / "state.pt")
    found: dict[str, dict[str, Tensor]] = {"encoder": {}, "decoder": {}}
    for key, tensor in translator.items():
        part, _, rest = key.partition(".")
        found[part][rest] = tensor
    if (work / "t2u" / "state.pt").exists() and (work / "vocoder" / "state.pt").exists():
        found["t2u"] = checkpoint.best_weights(work / "t2u" / "state.pt")
        found["vocoder"] = checkpoint.best_weights(work / "vocoder" / "state.pt")
        missing = set(Vocoder(config.VOCODER).state_dict()) - set(found["vocoder"])
        if missing:
            raise ValueError(f"the vocoder's checkpoint lacks {sorted(missing)[0]}")
    return found


def export(work: Path, out: Path) -> None:
    """Write weights in half precision, configuration and tokenizers; the system files stay."""
    out.mkdir(parents=True, exist_ok=True)
    vocabulary = Vocabulary(work / "vocabulary")
    tensors = states(work)
    model_file.write_model_file(out / model_file.FILE, tensors, torch.float16)
    data = config_json(vocabulary, "t2u" in tensors)
    (out / "config.json").write_text(json.dumps(data, indent=1) + "\n")
    shutil.copy(work / "vocabulary" / TEXT_FILE, out / TEXT_FILE)
    if "t2u" in tensors:
        shutil.copy(work / "vocabulary" / CHARACTER_FILE, out / CHARACTER_FILE)
    for file in (SYSTEM_DIRS / EMBEDDED).glob("*.yaml"):
        if not (out / file.name).exists():
            shutil.copy(file, out / file.name)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    export(args.work, args.out)
    for path in sorted(args.out.iterdir()):
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
