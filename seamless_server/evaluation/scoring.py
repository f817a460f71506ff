"""From the records of a run to its figures: quality, latency, speed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from seamless_server.evaluation import latency, quality
from seamless_server.evaluation.listening import Listener
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.runner import Failure
from seamless_server.evaluation.simuleval_figures import simuleval_latency
from seamless_server.evaluation.units import PieceEncoder, Unit, segment

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scored:
    """The figures of one run."""

    metrics: dict[str, Any]
    """What metrics.json holds."""
    sentences: list[dict[str, float]]
    """Scores and latencies of each record, in the records' order."""
    texts: list[str]
    """What was compared with the references: the predictions, or transcripts of speech."""


def sentence_timing(record: Record, unit: Unit, pieces: PieceEncoder | None) -> latency.Timing:
    """What the latency of a record is computed from."""
    return latency.Timing(
        source_ms=record.source_ms,
        delays=record.delays,
        available=record.available,
        reference_length=(
            0 if record.durations is not None else len(segment(record.reference, unit, pieces))
        ),
        durations=record.durations,
    )


def score(
    records: Sequence[Record],
    failures: Sequence[Failure],
    *,
    task: str,
    lang: str,
    unit: Unit,
    pieces: PieceEncoder | None = None,
    spm_model: Path | None = None,
    listener: Listener | None = None,
    official_characters: bool = False,
) -> Scored:
    """Compute every figure of a run.

    Args:
        records: evaluated sentences.
        failures: those that could not be evaluated; they are counted, not scored.
        task: ``s2tt``, ``asr`` or ``s2st``.
        lang: target language.
        unit: what the delays of the records are counted in.
        pieces: the tokenizer, for `Unit.spm`.
        spm_model: its file, from which SimulEval's own figures are computed.
        listener: hears translated speech; without one there is no ASR-BLEU.
        official_characters: score by characters only what the public evaluation does.
    """
    texts: list[str] | None = [record.prediction for record in records]
    if task == "s2st":
        texts = None if listener is None else listener(records)
    references = quality.composed([record.reference for record in records])
    if texts is not None:
        texts, written = quality.composed(texts), texts
        if texts != written:
            count = sum(a != b for a, b in zip(texts, written, strict=True))
            logger.warning(
                "%d texts were not in Unicode's composed form (NFC); they are scored in it", count
            )
    official = official_characters
    scores: list[quality.Score] = []
    if records and texts is not None:
        if task == "asr":
            scores = quality.transcription_scores(texts, references, lang, official=official)
        elif task == "s2tt":
            scores = quality.translation_scores(texts, references, lang, official=official)
        elif listener is not None:
            scores = quality.speech_scores(
                texts, references, lang, listener.signature, official=official
            )
    sentences: list[dict[str, float]] = []
    for index, record in enumerate(records):
        row: dict[str, float] = {}
        if texts is not None:
            row |= quality.sentence_scores(
                texts[index], references[index], lang, task, official=official
            )
        row |= latency.measure(sentence_timing(record, unit, pieces))
        sentences.append(row)
    metrics = {
        "task": task,
        "tgt_lang": lang,
        "official_characters": official_characters,
        "sentences": len(records),
        "failed": len(failures),
        "without_output": sum(not record.delays for record in records),
        "quality": [item.as_dict() for item in scores],
        "latency_unit": "chunk" if task == "s2st" else unit.value,
        "latency": _latency(records, sentences, unit, spm_model, speech=task == "s2st"),
        "speed": _speed(records),
    }
    return Scored(metrics, sentences, texts or [""] * len(records))


def _latency(
    records: Sequence[Record],
    sentences: Sequence[Mapping[str, float]],
    unit: Unit,
    spm_model: Path | None,
    *,
    speech: bool,
) -> dict[str, dict[str, float | None]]:
    """Means over the sentences that have output, beside what SimulEval makes of the same log."""
    theirs = simuleval_latency(records, unit, spm_model, speech=speech)
    names = dict.fromkeys(name for row in sentences for name in row if name in _LATENCY_NAMES)
    return {
        name: {
            "value": fmean(row[name] for row in sentences if name in row),
            "simuleval": theirs.get(name),
        }
        for name in names
    }


_LATENCY_NAMES = frozenset(
    name + suffix
    for name in ("AL", "LAAL", "AP", "DAL", "ATD", "StartOffset", "EndOffset")
    for suffix in ("", "_CA")
)


def _speed(records: Sequence[Record]) -> dict[str, float]:
    audio = sum(record.source_ms for record in records) / 1000.0
    computing = sum(record.computing_ms for record in records) / 1000.0
    return {
        "audio_seconds": audio,
        "computing_seconds": computing,
        "real_time_factor": computing / audio if audio else 0.0,
    }
