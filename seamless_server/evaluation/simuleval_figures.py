"""What SimulEval's own scorers say of a log, to be shown beside ours where they differ."""

from __future__ import annotations

import io
import logging
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from seamless_server.errors import require_simuleval
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.units import Unit

_TEXT_METRICS = ("AL", "LAAL", "AP", "DAL", "ATD", "StartOffset", "EndOffset")
_SPEECH_METRICS = ("ATD", "StartOffset", "EndOffset")


def simuleval_latency(
    records: Sequence[Record], unit: Unit, spm_model: Path | None, *, speech: bool
) -> dict[str, float | None]:
    """SimulEval's corpus figures, by our names; `None` where its scorer fails.

    Computed as its evaluator does after a run, from the lines of the log. The plain metrics are
    those that it prints without ``--computation-aware``; with it, it prints the aware figures under
    both names (its pull requests 96 and 108).
    """
    require_simuleval()
    from simuleval.evaluator.instance import LogInstance
    from simuleval.evaluator.scorers import get_scorer_class

    tokenizer: Any = None
    if unit is Unit.spm and not speech:
        if spm_model is None:
            return {}
        import sentencepiece

        tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(spm_model))
    instances = {}
    for position, record in enumerate(records):
        instance = LogInstance(record.to_json(), Unit.word.value if speech else unit.value)
        instance.set_target_spm_model(tokenizer)
        instances[position] = instance
    figures: dict[str, float | None] = {}
    for name in _SPEECH_METRICS if speech else _TEXT_METRICS:
        for suffix, aware in (("", False), ("_CA", True)):
            scorer = get_scorer_class("latency", name)(computation_aware=aware)
            with _quiet():
                try:
                    figures[name + suffix] = float(scorer(instances))
                except (
                    AssertionError,
                    AttributeError,
                    KeyError,
                    ZeroDivisionError,
                    statistics.StatisticsError,
                ):
                    figures[name + suffix] = None
    return figures


@contextmanager
def _quiet() -> Iterator[None]:
    """Without SimulEval's warnings of sentences that have no output; our report counts them."""
    logger = logging.getLogger("simuleval.latency_scorer")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
