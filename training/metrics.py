"""Scores that training looks at."""

from __future__ import annotations

import re
from collections.abc import Iterable

import jiwer
import sacrebleu


def plain(text: str) -> str:
    """Lower case, no punctuation, hyphens as spaces."""
    return " ".join(re.sub(r"[^\w\s']", " ", text.lower()).split())


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Word error rate in per cent of (reference, hypothesis) pairs, case and punctuation aside."""
    references, hypotheses = zip(*((plain(a), plain(b)) for a, b in pairs), strict=True)
    return 100.0 * float(jiwer.wer(list(references), list(hypotheses)))


def bleu(pairs: Iterable[tuple[str, str]]) -> float:
    """Corpus BLEU of (reference, hypothesis) pairs, case and punctuation included."""
    references, hypotheses = zip(*pairs, strict=True)
    return float(sacrebleu.corpus_bleu(list(hypotheses), [list(references)]).score)
