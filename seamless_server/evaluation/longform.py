"""Long recordings: StreamLAAL and LongYAAL, through OmniSTEval (the ``longform`` extra).

OmniSTEval cuts the output of a whole recording into the reference's sentences and scores those
(Papi et al. 2024, arXiv 2406.14177, for StreamLAAL, which it prints as LongLAAL; Polák et al. 2025,
arXiv 2509.17349, for LongYAAL). It reads SimulEval's log with one delay a word or character.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from seamless_server.errors import DependencyError, SeamlessError
from seamless_server.evaluation.quality import CHARACTER_LANGUAGES, bleu_tokenizer
from seamless_server.evaluation.records import Record
from seamless_server.evaluation.units import Unit, split

LONGFORM_LOG_NAME = "longform.log"


class LongformError(SeamlessError):
    """OmniSTEval could not evaluate a run."""

    code = "longform"


def export(path: Path, records: Sequence[Record], lang: str) -> None:
    """Write the log that OmniSTEval reads.

    Times count from the start of the recording, stripped silence included. ``elapsed`` is the time
    in which the source arrives in real time, so that its ``--fix_simuleval_emission_ca`` is not
    needed.

    Args:
        path: where to.
        records: one a recording, of text output.
        lang: target language; decides between words and characters.

    Raises:
        LongformError: the output is speech.
    """
    if any(record.durations is not None for record in records):
        raise LongformError("long recordings are scored on text, and this run gave speech")
    characters = lang in CHARACTER_LANGUAGES
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            units = split(record.fragments, Unit.char if characters else Unit.word)
            info = {
                "index": record.index,
                "source": [record.audio],
                "prediction": ("" if characters else " ").join(units.texts),
                "delays": [delay + record.trimmed_ms for delay in units.delays],
                "elapsed": [time + record.trimmed_ms for time in units.available],
                "source_length": record.source_ms + record.trimmed_ms,
            }
            file.write(json.dumps(info, ensure_ascii=False) + "\n")


def evaluate(
    log: Path,
    segmentation: Path,
    references: Path,
    lang: str,
    output: Path,
    moses_lang: str | None = None,
) -> dict[str, float]:
    """Score an exported log.

    Args:
        log: what `export` wrote.
        segmentation: YAML or JSON with one ``{wav, offset, duration}`` (seconds) a sentence.
        references: one sentence a line, in the same order.
        lang: target language.
        output: folder for OmniSTEval's files.
        moses_lang: two-letter code for Moses' tokenizer, which helps the alignment; it needs Perl.

    Returns:
        OmniSTEval's figures by its names.

    Raises:
        DependencyError: it is not installed.
        LongformError: it failed; says how.
    """
    if find_spec("omnisteval") is None:
        raise DependencyError(
            "OmniSTEval", "evaluation of long recordings", "pip install 'seamless-server[longform]'"
        )
    for path in (segmentation, references):
        if not path.is_file():
            raise LongformError(f"{path}: no such file")
    arguments = ["longform", "--hypothesis_file", str(log), "--output_folder", str(output)]
    arguments += ["--speech_segmentation", str(segmentation)]
    arguments += ["--ref_sentences_file", str(references)]
    arguments += ["--bleu_tokenizer", bleu_tokenizer(lang)]
    arguments.append("--char_level" if lang in CHARACTER_LANGUAGES else "--word_level")
    if moses_lang is not None:
        arguments += ["--lang", moses_lang]
    done = subprocess.run(
        [sys.executable, "-c", "from omnisteval.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise LongformError(f"OmniSTEval failed: {last}")
    lines = (output / "scores.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return {name: float(value) for name, value in (line.split("\t") for line in lines)}
