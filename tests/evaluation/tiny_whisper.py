"""A Whisper model of the real kind and format, made here: whatever it hears, it says one sentence.

Its encoder is random. The decoder's attention is switched off and its positions are orthogonal, so
that the token at each position is known: what the recogniser should return can be said beforehand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctranslate2.specs import WhisperSpec
from faster_whisper.tokenizer import _LANGUAGE_CODES
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

_WIDTH = 16
_MELS = 80
_PROMPT = 3  # start of transcript, language, task


def _vocabulary(words: list[str]) -> tuple[list[str], list[str]]:
    """Whisper's layout: text, then control symbols and languages, then times."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    text = [*letters, *(f"\u0120{word}" for word in words)]
    text += [f"unused{number}" for number in range(50256 - len(text))]
    text.append("")  # by which CTranslate2 knows a model of many languages
    control = ["<|endoftext|>", "<|startoftranscript|>"]
    control += [f"<|{code}|>" for code in _LANGUAGE_CODES]
    control += ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    control += ["<|nospeech|>", "<|notimestamps|>"]
    control += [f"<|{step * 0.02:.2f}|>" for step in range(1501)]
    return text, control


def make_whisper(folder: Path, sentence: str) -> Path:
    """Write a model that hears `sentence` (at most ten words) in every sound of a second or two."""
    words = sentence.split()
    text, control = _vocabulary(words)
    tokens = text + control
    index = {token: number for number, token in enumerate(tokens)}
    said = ["<|0.00|>", *(f"\u0120{word}" for word in words), "<|1.00|>", "<|endoftext|>"]
    random = np.random.default_rng(0)

    def noise(*shape: int) -> Any:
        return (random.normal(size=shape) * 0.02).astype(np.float32)

    def norm(spec: Any) -> None:
        spec.gamma, spec.beta = np.ones(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)

    def linear(spec: Any, rows: int, columns: int, *, off: bool = False) -> None:
        spec.weight = np.zeros((rows, columns), np.float32) if off else noise(rows, columns)
        spec.bias = np.zeros(rows, np.float32)

    def attention(spec: Any, *, off: bool, cross: bool = False) -> None:
        norm(spec.layer_norm)
        sizes = (_WIDTH, 2 * _WIDTH) if cross else (3 * _WIDTH,)
        for part, rows in zip(spec.linear, (*sizes, _WIDTH), strict=True):
            linear(part, rows, _WIDTH, off=off)

    def feed_forward(spec: Any, *, off: bool) -> None:
        norm(spec.layer_norm)
        linear(spec.linear_0, 2 * _WIDTH, _WIDTH, off=off)
        linear(spec.linear_1, _WIDTH, 2 * _WIDTH, off=off)

    spec = WhisperSpec(1, 2, 1, 2)
    encoder, decoder = spec.encoder, spec.decoder
    for conv, width in ((encoder.conv1, _MELS), (encoder.conv2, _WIDTH)):
        conv.weight, conv.bias = noise(_WIDTH, width, 3), np.zeros(_WIDTH, np.float32)
    encoder.position_encodings.encodings = noise(1500, _WIDTH)
    norm(encoder.layer_norm)
    attention(encoder.layer[0].self_attention, off=False)
    feed_forward(encoder.layer[0].ffn, off=False)
    positions, readers = (np.zeros((size, _WIDTH), np.float32) for size in (448, len(tokens)))
    for step, token in enumerate(said):
        positions[_PROMPT - 1 + step, step] = 1.0
        readers[index[token], step] = 5.0
    decoder.position_encodings.encodings = positions
    decoder.embeddings.weight = np.zeros((len(tokens), _WIDTH), np.float32)
    decoder.projection.weight = readers
    norm(decoder.layer_norm)
    attention(decoder.layer[0].self_attention, off=True)
    attention(decoder.layer[0].attention, off=True, cross=True)
    feed_forward(decoder.layer[0].ffn, off=True)
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [index["<|endoftext|>"]]
    spec.config.lang_ids = [index[f"<|{code}|>"] for code in _LANGUAGE_CODES]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True)
    spec.save(str(folder))
    tokenizer = Tokenizer(
        models.BPE(vocab={token: number for number, token in enumerate(text)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in control])
    assert json.loads(tokenizer.to_str())["added_tokens"][0]["id"] == index["<|endoftext|>"]
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def make_openai_whisper(path: Path, sentence: str) -> Path:
    """The same in the form that openai-whisper reads: one file with sizes and tensors."""
    from whisper.model import ModelDimensions, Whisper
    from whisper.tokenizer import get_tokenizer

    tokenizer = get_tokenizer(True, num_languages=99)
    first, last = tokenizer.timestamp_begin, tokenizer.timestamp_begin + 50
    said = [first, *tokenizer.encode(f" {sentence}"), last, tokenizer.eot]
    width = 32
    sizes = {
        "n_mels": _MELS, "n_audio_ctx": 1500, "n_audio_state": width, "n_audio_head": 2,
        "n_audio_layer": 1, "n_vocab": 51865, "n_text_ctx": 448, "n_text_state": width,
        "n_text_head": 2, "n_text_layer": 1,
    }  # fmt: skip
    state = {
        key: torch.zeros_like(value)
        for key, value in Whisper(ModelDimensions(**sizes)).state_dict().items()
    }
    state["decoder.ln.weight"] += 1
    # Position 2 is the last of the prompt; each position's own direction names the next token.
    for step, token in enumerate(said):
        state["decoder.positional_embedding"][_PROMPT - 1 + step, step] = 1000
        state["decoder.token_embedding.weight"][token, step] = 5
    torch.save({"dims": sizes, "model_state_dict": state}, path)
    return path
