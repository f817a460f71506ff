"""The files of a finished run that other tools read."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seamless_server.evaluation.records import Record

RESULTS_NAME = "results.tsv"
TRANSCRIPTS_NAME = "whisper_audio_transcriptions.tsv"
SCORES_NAME = "scores.tsv"
CONFIG_NAME = "config.yaml"
METRICS_NAME = "metrics.json"
REPORT_NAME = "report.html"


def _cell(text: str) -> str:
    """Text without what would break an unquoted table."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Columns:
    """Names of the columns of ``results.tsv``."""

    reference: str = "ref_tgt_text"
    text: str = "pred_tgt_text"
    audio: str = "pred_tgt_audio"


def write_results(
    path: Path, records: Sequence[Record], task: str, columns: Columns | None = None
) -> None:
    """The table of references and predictions, with the columns of the official evaluation.

    Args:
        path: where to.
        records: one a line.
        task: decides the name of the column of predictions.
        columns: their names, by default the official ones.
    """
    names = columns or Columns()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(
            file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n"
        )
        writer.writerow(["", names.reference, names.audio if task == "s2st" else names.text])
        for record in records:
            writer.writerow([str(record.index), _cell(record.reference), _cell(record.prediction)])


def write_transcripts(path: Path, records: Sequence[Record], texts: Sequence[str]) -> None:
    """What the recogniser heard in translated speech, as the official evaluation leaves it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", escapechar="\\", lineterminator="\n")
        writer.writerow(["audio", "transcript", "reference"])
        for record, text in zip(records, texts, strict=True):
            writer.writerow([record.prediction, _cell(text), _cell(record.reference)])


def read_texts(folder: Path, task: str) -> dict[int, str]:
    """What was compared with the references in a finished run, by the sentences' indices."""
    with (folder / RESULTS_NAME).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    if task != "s2st":
        return {int(row[0]): row[2] for row in rows}
    path = folder / TRANSCRIPTS_NAME
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        heard = list(csv.reader(file, delimiter="\t", escapechar="\\"))[1:]
    return {int(row[0]): text[1] for row, text in zip(rows, heard, strict=False)}


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
