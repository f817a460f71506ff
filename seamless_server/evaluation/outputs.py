"""The files of a finished run that other tools read."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seamless_server.evaluation.records import Record

RESULTS_NAME = "results.tsv"
SCORES_NAME = "scores.tsv"
CONFIG_NAME = "config.yaml"
METRICS_NAME = "metrics.json"
REPORT_NAME = "report.html"


def _cell(text: str) -> str:
    """Text without what would break an unquoted table."""
    return " ".join(text.split())


def write_results(path: Path, records: Sequence[Record], task: str, texts: Sequence[str]) -> None:
    """The table of references and predictions, with the columns of the official evaluation.

    Args:
        path: where to.
        records: one a line.
        task: decides the name of the column of predictions.
        texts: transcripts of translated speech, for ``s2st``.
    """
    columns = ["", "ref_tgt_text", "pred_tgt_audio" if task == "s2st" else "pred_tgt_text"]
    if task == "s2st":
        columns.append("pred_tgt_text")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(
            file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
        )
        writer.writerow(columns)
        for record, text in zip(records, texts, strict=True):
            row = [str(record.index), _cell(record.reference), _cell(record.prediction)]
            writer.writerow([*row, _cell(text)] if task == "s2st" else row)


def write_config(path: Path, task: str) -> None:
    """What SimulEval needs to score the log itself (``simuleval --score-only --output FOLDER``)."""
    target = "speech" if task == "s2st" else "text"
    path.write_text(f"source_type: speech\ntarget_type: {target}\n", encoding="utf-8")


def write_scores(path: Path, metrics: Mapping[str, Any]) -> None:
    """SimulEval's one-line table of scores, with our figures."""
    figures = {item["name"]: item["value"] for item in metrics["quality"]}
    figures |= {name: figure["value"] for name, figure in metrics["latency"].items()}
    names = "\t".join(figures)
    values = "\t".join(f"{value:.3f}" for value in figures.values())
    path.write_text(f"{names}\n{values}\n", encoding="utf-8")
