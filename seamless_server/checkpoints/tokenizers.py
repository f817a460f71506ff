"""Tokenizers of SeamlessStreaming: NLLB text pieces, characters and units.

The text vocabulary (NLLB, arXiv 2207.04672) is a SentencePiece model with <pad> put in front, so
that every piece's id is one above SentencePiece's, followed by the language tags in card order and
three data tags.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import sentencepiece

from seamless_server.errors import CheckpointError, LanguageError

logger = logging.getLogger(__name__)

PAD, UNK, BOS, EOS = 0, 1, 2, 3
DATA_TAGS = ("<MINED_DATA>", "<MMT_BT_DATA>", "<SMT_BT_DATA>")
SPACE = "\u2581"


def _load(path: Path) -> sentencepiece.SentencePieceProcessor:
    if not path.is_file():
        raise CheckpointError(path, "is missing")
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(path.read_bytes())
    except PermissionError:
        raise CheckpointError(path, "may not be read") from None
    except (RuntimeError, OSError):
        raise CheckpointError(path, "is not a SentencePiece model, or is truncated") from None
    return processor


class _Pieces:
    """A SentencePiece vocabulary with <pad> at 0 and symbols behind it."""

    unk = UNK

    def __init__(self, path: Path | None, extra: Sequence[str] = (), *, own_ids: bool) -> None:
        if path is None:
            # Names without a SentencePiece model: enough for ids, not for text.
            self._pieces, self._shift = 0, 0
            self._set_tokens(["<pad>", "<unk>", "<s>", "</s>", *extra])
            return
        self._processor = _load(path)
        tokens = [self._processor.IdToPiece(i) for i in range(self._processor.GetPieceSize())]
        padded = tokens[:1] == ["<pad>"]
        self._shift = 0 if padded or own_ids else 1
        tokens = ["<pad>"][: self._shift] + tokens
        self._pieces = len(tokens)
        if tokens[:4] != ["<pad>", "<unk>", "<s>", "</s>"] and (padded or not own_ids):
            raise CheckpointError(path, "is a SentencePiece model of another kind")
        self._set_tokens([*tokens, *extra])
        if not padded and own_ids:
            self.unk = self._processor.unk_id()
            logger.warning(
                "%s has no <pad>: ids are SentencePiece's own, as in the official code", path
            )

    def _set_tokens(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        self._index = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def token_to_index(self, token: str) -> int:
        """Id of a token, the id of <unk> when it is not in the vocabulary."""
        return self._index.get(token, self.unk)

    def index_to_token(self, index: int) -> str:
        """Token of an id.

        Raises:
            ValueError: the id is outside the vocabulary.
        """
        if not 0 <= index < len(self.tokens):
            raise ValueError(f"id {index} is not in the vocabulary of {len(self.tokens)} tokens")
        return self.tokens[index]

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without prefix or suffix."""
        return [i + self._shift for i in self._processor.EncodeAsIds(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; padding, control symbols and language tags are left out."""
        pieces = [int(i) - self._shift for i in ids if 0 < i < self._pieces]
        text: str = self._processor.DecodeIds(pieces)
        return text


class TextTokenizer(_Pieces):
    """NLLB text tokenizer with its language tags."""

    def __init__(
        self,
        path: Path | None,
        langs: Sequence[str],
        default_lang: str = "eng",
        pieces: Sequence[str] = (),
    ) -> None:
        # A model without <pad> gets it in front, which moves every id by one.
        extra = [*pieces, *(f"__{x}__" for x in langs), *DATA_TAGS]
        super().__init__(path, extra, own_ids=False)
        self.langs = tuple(langs)
        self.default_lang = default_lang
        tags = (f"__{x}__" for x in self.langs)
        self._control = frozenset(("<pad>", "<s>", "</s>", *tags, *DATA_TAGS))

    def lang_index(self, lang: str) -> int:
        """Id of a language's tag.

        Raises:
            LanguageError: the model has no such target language.
        """
        index = self._index.get(f"__{lang}__")
        if index is None:
            raise LanguageError(
                f"{lang!r} is not a target language of this model; it has: {', '.join(self.langs)}"
            )
        return index

    def text(self, tokens: Sequence[str]) -> list[str]:
        """The tokens that stand for text: no padding, no sentence ends, no language or data tags.

        <unk> stays: it stands for a piece that the vocabulary lacks.
        """
        return [x for x in tokens if x not in self._control]

    def prefix(self, lang: str, mode: str = "target") -> list[int]:
        """Ids before a text: [</s>, language] for a target, [language] for a source."""
        tag = self.lang_index(lang)
        return [EOS, tag] if mode == "target" else [tag]


class CharTokenizer(_Pieces):
    """Characters of the text-to-unit network; their ids are those of the SentencePiece model."""

    def __init__(self, path: Path | None, characters: Sequence[str] = ()) -> None:
        super().__init__(path, characters, own_ids=True)

    def encode_characters(self, text: str) -> list[int]:
        """One id a character, <unk> where the vocabulary lacks it."""
        return [self.token_to_index(c) for c in text]


class UnitTokenizer:
    """Speech units: 4 control symbols, the units, the languages, <mask>."""

    BOS, PAD, EOS, UNK = 0, 1, 2, 3
    OFFSET = 4

    def __init__(self, num_units: int, langs: Sequence[str]) -> None:
        self.num_units = num_units
        self.langs = tuple(langs)
        self.vocab_size = num_units + len(langs) + 1 + self.OFFSET

    def allowed(self, any_id: bool = False) -> slice:
        """The ids of units, or all ids."""
        if any_id:
            return slice(0, self.vocab_size)
        return slice(self.OFFSET, self.OFFSET + self.num_units)

    def lang_to_index(self, lang: str) -> int:
        """Id of a unit language.

        Raises:
            LanguageError: units have no such language.
        """
        try:
            return self.num_units + self.OFFSET + self.langs.index(lang)
        except ValueError:
            raise LanguageError(
                f"{lang!r} is not a unit language of this model; it has: {', '.join(self.langs)}"
            ) from None

    def encode(self, units: Sequence[int]) -> list[int]:
        """Units to ids; what is no unit becomes <unk>."""
        return [u + self.OFFSET if 0 <= u < self.num_units else self.UNK for u in units]

    def decode(self, ids: Sequence[int]) -> list[int]:
        """Ids to units as the official decoder does: </s> reads as padding, 4 is subtracted.

        Control symbols thus come out negative and languages at or above ``num_units``.
        """
        return [
            (self.PAD if i == self.EOS else i) - (0 if i in (self.PAD, self.EOS) else self.OFFSET)
            for i in ids
        ]


def characters_of(
    ids: Sequence[int], text: TextTokenizer, chars: CharTokenizer
) -> tuple[list[int], list[int]]:
    """Characters of a target text for the text-to-unit network.

    A punctuation mark takes over the space that the next piece starts with, and the counts stand
    one place behind their tokens (0 for the first position, 0 for the last): the network was
    trained so (UnitY2's ``postprocess_dur_or_len``).

    Args:
        ids: whole target, [</s>, language, token, ...].

    Returns:
        ids of the characters, and how many of them each position of the target stands for.
    """
    body = [i for i in ids[2:] if i not in (PAD, EOS)]
    missing = len(ids) - 2 - len(body)
    pieces = [text.index_to_token(i) for i in body]
    takes_space = [
        len(piece) == 1
        and not piece.isalpha()
        and not piece.isnumeric()
        and piece != SPACE
        and len(following) > 1
        and following.startswith(SPACE)
        # Not strict: where no text is, nothing follows.
        for piece, following in zip(pieces, [*pieces[1:], ""], strict=False)
    ]
    out: list[int] = []
    counts: list[int] = []
    for i, (token, piece) in enumerate(zip(body, pieces, strict=True)):
        if token == UNK:
            out.append(UNK)
            counts.append(1)
            continue
        out += chars.encode_characters(piece)
        counts.append(len(piece) + takes_space[i] - (i > 0 and takes_space[i - 1]))
    return out, [0, *counts, *([0] * missing), 0]
