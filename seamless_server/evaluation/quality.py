"""Quality of translations and transcripts, through sacrebleu and jiwer, with signatures.

As the public evaluation of the Seamless models defines it: BLEU with tokenizer ``13a``, or ``char``
for languages written without spaces, on unnormalised text; error rates of transcripts, and BLEU of
transcribed speech, after Whisper's text normalisation.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any

OFFICIAL_CHARACTER_LANGUAGES = frozenset({"cmn", "cmn_Hant", "jpn", "tha", "lao", "mya"})
"""Languages that the public evaluation scores by characters, and Mandarin's other script."""

CHARACTER_LANGUAGES = OFFICIAL_CHARACTER_LANGUAGES | {"yue", "khm", "bod"}
"""All that are written without spaces between words, which scores by words make no sense of."""


def by_characters(lang: str, *, official: bool = False) -> bool:
    """Whether a language is scored by characters; `official`: as the public evaluation does."""
    return lang in (OFFICIAL_CHARACTER_LANGUAGES if official else CHARACTER_LANGUAGES)


def composed(texts: Sequence[str]) -> list[str]:
    """Texts in Unicode's composed form (NFC), so that what looks equal is equal."""
    return [unicodedata.normalize("NFC", text) for text in texts]


@dataclass(frozen=True, slots=True)
class Score:
    """One metric of a whole corpus."""

    name: str
    value: float
    signature: str
    higher_is_better: bool = True
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return asdict(self)


def bleu_tokenizer(lang: str, *, official: bool = False) -> str:
    """sacrebleu's tokenizer for a target language."""
    return "char" if by_characters(lang, official=official) else "13a"


@lru_cache(maxsize=8)
def normalizer(lang: str) -> Callable[[str], str]:
    """Whisper's text normaliser: its English one for ``eng``, its basic one for all others."""
    if lang == "eng":
        from whisper_normalizer.english import EnglishTextNormalizer

        english: Callable[[str], str] = EnglishTextNormalizer()
        return english
    from whisper_normalizer.basic import BasicTextNormalizer

    basic: Callable[[str], str] = BasicTextNormalizer()
    return basic


def bleu_metric(lang: str, *, lowercase: bool = False, official: bool = False) -> Any:
    """A sacrebleu BLEU object for a target language."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=bleu_tokenizer(lang, official=official), lowercase=lowercase)


def chrf_metric() -> Any:
    """A sacrebleu chrF++ object (chrF with word bigrams, Popović 2017)."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=2)


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str], lang: str, *, official: bool = False
) -> list[Score]:
    """BLEU and chrF++ of text translations, unnormalised.

    Args:
        hypotheses: one per sentence, ``""`` where nothing was written.
        references: one per sentence.
        lang: target language, three-letter code.
        official: see `by_characters`; here and below.
    """
    bleu, chrf = bleu_metric(lang, official=official), chrf_metric()
    scores = []
    for name, metric in (("BLEU", bleu), ("chrF++", chrf)):
        value = metric.corpus_score(list(hypotheses), [list(references)]).score
        scores.append(Score(name, float(value), str(metric.get_signature())))
    return scores


def speech_scores(
    transcripts: Sequence[str],
    references: Sequence[str],
    lang: str,
    asr: str,
    *,
    official: bool = False,
) -> list[Score]:
    """ASR-BLEU: BLEU of what a recogniser heard in the translated speech.

    Both sides go through Whisper's normaliser and lower-casing.

    Args:
        transcripts: of the translated speech, one per sentence.
        references: translations as text.
        lang: target language.
        asr: how the transcripts were made, for the signature.
    """
    normalise = normalizer(lang)
    metric = bleu_metric(lang, lowercase=True, official=official)
    value = metric.corpus_score(
        [normalise(text) for text in transcripts], [[normalise(text) for text in references]]
    ).score
    signature = f"{metric.get_signature()}|norm:whisper|asr:{asr}"
    return [Score("ASR-BLEU", float(value), signature)]


def official_file(
    task: str,
    texts: Sequence[str],
    references: Sequence[str],
    lang: str,
    *,
    normalized: bool = False,
    asr: Mapping[str, object] | None = None,
) -> tuple[str, str]:
    """Name and content of the file in which the official evaluation leaves its score.

    Args:
        texts: predictions, or transcripts of translated speech.
        normalized: text translations are scored after Whisper's normaliser, in lower case.
        asr: what made the transcripts, for the signature.
    """
    if task == "asr":
        swapped = [
            error_counts(r, t, lang, official=True) for t, r in zip(texts, references, strict=True)
        ]
        rate = _percent(swapped) / 100
        # Under this name whatever the unit; the other figure of `transcription_scores` is right.
        score = {
            "name": "WER",
            "score": rate,
            "signature": f"{error_rate_name(lang, official=True).lower()} is {rate}",
        }
        return "asr_error_rate.json", json.dumps(score, indent=1, ensure_ascii=False)
    normalized = normalized or task == "s2st"
    if normalized:
        normalise = normalizer(lang)
        texts, references = [normalise(x) for x in texts], [normalise(x) for x in references]
    metric = bleu_metric(lang, lowercase=normalized, official=True)
    score = metric.corpus_score(list(texts), [list(references)])
    signature = metric.get_signature()
    signature.info |= {"whisper_normalize": normalized, **(asr or {})}
    content: str = score.format(signature=signature.format(), is_json=True)
    if task == "s2st":
        return "s2st_asr_bleu_normalized.json", content
    return "s2tt_bleu_normalized.json" if normalized else "s2tt_bleu.json", content


def error_rate_name(lang: str, *, official: bool = False) -> str:
    """``CER`` for languages without spaces, ``WER`` for the others."""
    return "CER" if by_characters(lang, official=official) else "WER"


def error_counts(
    hypothesis: str, reference: str, lang: str, *, official: bool = False
) -> tuple[int, int]:
    """Edit errors of a transcript and the length of its reference, both after normalisation.

    Returns:
        ``(errors, length)`` in words, or in characters for `CHARACTER_LANGUAGES`.
    """
    import jiwer

    normalise = normalizer(lang)
    characters = by_characters(lang, official=official)
    process = jiwer.process_characters if characters else jiwer.process_words
    # jiwer refuses to divide by the length of an empty reference; what is written there is wrong.
    wanted, heard = normalise(reference).strip(), normalise(hypothesis).strip()
    if not wanted:
        return (len(heard) if characters else len(heard.split())), 0
    result = process([wanted], [heard])
    errors = result.substitutions + result.deletions + result.insertions
    return int(errors), int(result.hits + result.substitutions + result.deletions)


def transcription_scores(
    hypotheses: Sequence[str], references: Sequence[str], lang: str, *, official: bool = False
) -> list[Score]:
    """WER, or CER for `CHARACTER_LANGUAGES`, in percent of the reference's length.

    The public evaluation hands jiwer hypothesis and reference the wrong way round, so that its
    figure is in percent of the hypothesis's length; that one is given too, marked as such.
    """
    pairs = list(zip(hypotheses, references, strict=True))
    counts = [error_counts(h, r, lang, official=official) for h, r in pairs]
    swapped = [error_counts(r, h, lang, official=official) for h, r in pairs]
    name = error_rate_name(lang, official=official)
    kind = "english" if lang == "eng" else "basic"
    signature = (
        f"norm:whisper-{kind}|unit:{'char' if name == 'CER' else 'word'}"
        f"|jiwer:{metadata.version('jiwer')}"
        f"|whisper-normalizer:{metadata.version('whisper-normalizer')}"
    )
    return [
        Score(name, _percent(counts), signature, higher_is_better=False),
        Score(
            f"{name} (per hypothesis length)",
            _percent(swapped),
            f"{signature}|arguments:swapped",
            higher_is_better=False,
            note="as the official tool computes it; not an error rate in the usual sense",
        ),
    ]


def _percent(counts: Sequence[tuple[int, int]]) -> float:
    errors = sum(count for count, _ in counts)
    length = sum(size for _, size in counts)
    return 100.0 * errors / length if length else (100.0 if errors else 0.0)


def sentence_scores(
    hypothesis: str, reference: str, lang: str, task: str, *, official: bool = False
) -> dict[str, float]:
    """Scores of one sentence, to find the worst; corpus scores are no means of these."""
    if task == "asr":
        errors, length = error_counts(hypothesis, reference, lang, official=official)
        return {error_rate_name(lang, official=official): _percent([(errors, length)])}
    if task == "s2st":
        normalise = normalizer(lang)
        hypothesis, reference = normalise(hypothesis), normalise(reference)
    chrf = chrf_metric()
    return {"chrF++": float(chrf.sentence_score(hypothesis, [reference]).score)}
