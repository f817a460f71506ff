"""What a delay belongs to: words, characters or SentencePiece tokens of the written text."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import Protocol

BOUNDARY = "\u2581"
"""SentencePiece's mark of a space."""


class Unit(str, Enum):
    """Unit that latency is counted in."""

    word = "word"
    char = "char"
    spm = "spm"


class PieceEncoder(Protocol):
    """The part of a SentencePiece tokenizer that is needed here."""

    def encode(self, text: str, /, *, out_type: type[str]) -> list[str]:
        """Pieces of `text`."""
        ...


@dataclass(frozen=True, slots=True)
class Fragment:
    """Text that an agent wrote at once, with the times of that moment (milliseconds)."""

    text: str
    delay: float
    elapsed: float
    available: float


@dataclass(frozen=True, slots=True)
class Units:
    """The written text cut into units; each has the times of the fragment that completed it."""

    texts: list[str]
    delays: list[float]
    elapsed: list[float]
    available: list[float]


def are_pieces(fragments: Sequence[Fragment]) -> bool:
    """Whether an agent wrote raw SentencePiece pieces (separated by spaces) instead of text."""
    return any(BOUNDARY in fragment.text for fragment in fragments)


def readable(fragment: Fragment) -> str:
    """What one fragment says, for a reader: pieces joined, with the spaces that they stand for."""
    if BOUNDARY in fragment.text:
        return "".join(fragment.text.split()).replace(BOUNDARY, " ").strip()
    return fragment.text.strip()


def plain_text(fragments: Sequence[Fragment]) -> str:
    """The translation as a reader sees it.

    Pieces are joined. Text that carries its own leading spaces is concatenated; of agents that
    strip them, as SimulEval's examples do, each fragment is whole words.
    """
    if are_pieces(fragments):
        joined = "".join("".join(fragment.text.split()) for fragment in fragments)
        return joined.replace(BOUNDARY, " ").strip()
    return "".join(_spaced(fragments)).strip()


def _spaced(fragments: Sequence[Fragment]) -> list[str]:
    texts = [fragment.text for fragment in fragments]
    if any(text[:1].isspace() or text[-1:].isspace() for text in texts):
        return texts
    return [text if index == 0 else f" {text}" for index, text in enumerate(texts)]


def split(fragments: Sequence[Fragment], unit: Unit, pieces: PieceEncoder | None = None) -> Units:
    """Cut the written text into units with the times of their last character.

    Args:
        fragments: in the order in which they were written.
        unit: what to count.
        pieces: the model's tokenizer, needed for `Unit.spm` when the agent wrote plain text.
    """
    if unit is Unit.spm and are_pieces(fragments):
        written = [(piece, fragment) for fragment in fragments for piece in fragment.text.split()]
        return _timed([piece for piece, _ in written], [owner for _, owner in written])
    if are_pieces(fragments):
        texts = ["".join(f.text.split()).replace(BOUNDARY, " ") for f in fragments]
    else:
        texts = _spaced(fragments)
    # Each fragment owns the visible characters that it brought; a unit belongs to the fragment
    # that brought its last one.
    ends = list(accumulate(_visible(text) for text in texts))
    units = segment("".join(texts), unit, pieces)
    owners: list[Fragment] = []
    position = 0
    for piece in units:
        position += _visible(piece.replace(BOUNDARY, ""))
        # Pieces may spell characters otherwise than the text (normalisation), hence the clamp.
        index = min(bisect_left(ends, max(position, 1)), len(fragments) - 1)
        owners.append(fragments[index])
    return _timed(units, owners)


def _visible(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _timed(texts: list[str], owners: list[Fragment]) -> Units:
    return Units(
        texts=texts,
        delays=[owner.delay for owner in owners],
        elapsed=[owner.elapsed for owner in owners],
        available=[owner.available for owner in owners],
    )


def segment(text: str, unit: Unit, pieces: PieceEncoder | None = None) -> list[str]:
    """Cut complete text, such as a reference, into units. Spaces are no characters."""
    if unit is Unit.word:
        return text.split()
    if unit is Unit.char:
        return [character for character in text if not character.isspace()]
    if pieces is None:
        raise ValueError("counting SentencePiece tokens needs the model's tokenizer")
    return list(pieces.encode(text.strip(), out_type=str))
