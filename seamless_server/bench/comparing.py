"""How much of some texts is as in others."""

from __future__ import annotations

from collections.abc import Sequence


def compare_words(wanted: Sequence[list[str]], got: Sequence[list[str]]) -> dict[str, float]:
    """How much of the text stays: 1 - edits / words, and the share of texts without any."""
    words = sum(max(len(a), len(b)) for a, b in zip(wanted, got, strict=True))
    edits = sum(_edits(a, b) for a, b in zip(wanted, got, strict=True))
    equal = sum(a == b for a, b in zip(wanted, got, strict=True))
    return {
        "token_agreement": 1 - edits / words if words else 1.0,
        "same_text": equal / max(1, len(wanted)),
    }


def _edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Fewest insertions, deletions and replacements between two sequences."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]
