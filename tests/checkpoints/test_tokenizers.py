"""The three tokenizers against the recordings."""

from __future__ import annotations

from typing import Any

import pytest

from seamless_server.checkpoints.loader import Checkpoint
from seamless_server.checkpoints.tokenizers import EOS, CharTokenizer, UnitTokenizer
from seamless_server.errors import LanguageError
from tests.recorded import details

RECORDED = details("tokenizers")


def chars(checkpoint: Checkpoint) -> CharTokenizer:
    """The recorded characters."""
    assert checkpoint.char_tokenizer is not None
    return checkpoint.char_tokenizer


def units(checkpoint: Checkpoint) -> UnitTokenizer:
    """The recorded units."""
    assert checkpoint.unit_tokenizer is not None
    return checkpoint.unit_tokenizer


def test_vocabularies_are_the_recorded_ones(checkpoint: Checkpoint) -> None:
    text = checkpoint.text_tokenizer
    assert list(text.tokens) == RECORDED["text_index_to_token"]
    assert len(text) == RECORDED["text_vocab_info"]["size"]
    assert list(chars(checkpoint).tokens) == RECORDED["char_index_to_token"]
    assert units(checkpoint).vocab_size == RECORDED["unit_vocab_info"]["size"]
    for i, token in enumerate(RECORDED["text_index_to_token"]):
        assert text.index_to_token(i) == token


def test_tokens_are_found_and_unknown_ones_are_unk(checkpoint: Checkpoint) -> None:
    for token, index in RECORDED["text_token_to_index"].items():
        assert checkpoint.text_tokenizer.token_to_index(token) == index, token
    for token, index in RECORDED["char_token_to_index"].items():
        assert chars(checkpoint).token_to_index(token) == index, token


@pytest.mark.parametrize("sample", RECORDED["text_encode_raw"], ids=lambda x: x["text"][:20])
def test_texts_are_encoded_and_decoded(checkpoint: Checkpoint, sample: dict[str, object]) -> None:
    ids = checkpoint.text_tokenizer.encode(str(sample["text"]))
    assert ids == sample["ids"]
    assert checkpoint.text_tokenizer.decode(ids) == sample["decoded"]


@pytest.mark.parametrize(
    "sample", RECORDED["text_encode"], ids=lambda x: f"{x['lang']}-{x['mode']}"
)
def test_texts_with_their_prefix(checkpoint: Checkpoint, sample: dict[str, Any]) -> None:
    text = checkpoint.text_tokenizer
    mode = sample["mode"]
    ids = text.encode(sample["text"])
    if mode == "target":
        assert text.prefix(sample["lang"]) + ids == sample["ids"]
        return
    prefix = text.prefix(sample["lang"], "source")
    if mode == "source_mining":
        prefix = [*prefix, text.token_to_index("<MINED_DATA>")]
    assert [*prefix, *ids, EOS] == sample["ids"]


def test_prefixes_of_languages(checkpoint: Checkpoint) -> None:
    for lang, recorded in RECORDED["prefix_indices"].items():
        assert checkpoint.text_tokenizer.prefix(lang) == recorded["target"][0]
        assert checkpoint.text_tokenizer.prefix(lang, "source") == recorded["source"][0]


def test_special_ids_are_left_out_of_decoded_text(checkpoint: Checkpoint) -> None:
    for sample in RECORDED["decode_with_specials"]:
        assert checkpoint.text_tokenizer.decode(sample["ids"]) == sample["text"]


def test_unknown_languages_and_ids_are_refused(checkpoint: Checkpoint) -> None:
    text = checkpoint.text_tokenizer
    with pytest.raises(LanguageError, match="'xxx' is not a target language"):
        text.prefix("xxx")
    for index in (-1, len(text)):
        with pytest.raises(ValueError, match=str(index)):
            text.index_to_token(index)
    with pytest.raises(LanguageError, match="'xxx' is not a unit language"):
        units(checkpoint).lang_to_index("xxx")


def test_characters_are_encoded(checkpoint: Checkpoint) -> None:
    for sample in RECORDED["char_encode"]:
        # Recorded on SentencePiece's spelling: a space in front of every word.
        text = "\u2581" + sample["text"].replace(" ", "\u2581")
        assert chars(checkpoint).encode_characters(text) == sample["ids"]


def test_units_are_encoded_and_decoded(checkpoint: Checkpoint) -> None:
    tokenizer = units(checkpoint)
    for sample in RECORDED["unit_encode"]:
        assert tokenizer.encode(sample["in"]) == sample["out"]
    for sample in RECORDED["unit_decode"]:
        assert tokenizer.decode(sample["in"]) == sample["out"]
    for lang, index in RECORDED["unit_lang_to_index"].items():
        assert tokenizer.lang_to_index(lang) == index
