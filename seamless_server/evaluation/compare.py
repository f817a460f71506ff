"""Two runs on the same sentences: which is better, and is the difference more than chance?

BLEU and chrF++ go through sacrebleu's paired bootstrap (Koehn 2004); error rates and latencies
through the same test on what they are made of.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from seamless_server.errors import UsageError
from seamless_server.evaluation import quality
from seamless_server.evaluation.provenance import RunFolderError, read_metrics, read_run
from seamless_server.evaluation.records import LOG_NAME, Record, read_log
from seamless_server.evaluation.run_files import read_texts

SAMPLES = 1000
FEWEST = 30
"""Common sentences below which chance explains everything: no verdict is given."""
_SEED = 12345

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of two runs."""

    metric: str
    a: float
    b: float
    p_value: float
    """How likely a difference so large is if the runs are equally good."""
    sentences: int
    higher_is_better: bool
    method: str

    @property
    def significant(self) -> bool:
        """At the 5% level, on sentences enough for a test."""
        return self.sentences >= FEWEST and self.p_value < 0.05

    @property
    def better(self) -> str:
        """``A``, ``B`` or, if it may be chance, ``-``."""
        if not self.significant or self.a == self.b:
            return "-"
        return "A" if (self.a > self.b) == self.higher_is_better else "B"


@dataclass(frozen=True)
class Side:
    """A finished run, read back."""

    folder: Path
    info: dict[str, Any]
    metrics: dict[str, Any]
    records: dict[int, Record]
    texts: dict[int, str]
    figures: dict[int, dict[str, float]]

    @property
    def label(self) -> str:
        """What tells it from another run."""
        return self.folder.name


@dataclass(frozen=True)
class Comparison:
    """The result."""

    a: Side
    b: Side
    shared: list[int]
    """Indices, in the first run, of the sentences that both runs have."""
    differences: list[Difference]
    notices: list[str]
    """What to know before believing it."""


def run_folders(folder: Path) -> dict[str, Path]:
    """The runs in a folder, by their path below it: itself, or those of an experiment.

    Raises:
        RunFolderError: there is none.
    """
    if (folder / LOG_NAME).is_file():
        return {"": folder}
    found = {
        path.parent.relative_to(folder).as_posix(): path.parent
        for path in sorted(folder.rglob(LOG_NAME))
    }
    if not found:
        raise RunFolderError(f"{folder} holds no run of an evaluation")
    return found


def _listed(runs: Mapping[str, Path]) -> str:
    return ", ".join(name or "a single run" for name in runs)


def read_side(folder: Path) -> Side:
    """Read a finished run back.

    Raises:
        RunFolderError: it is not there or not finished.
    """
    info, metrics = read_run(folder), read_metrics(folder)
    figures = _figures(folder)
    records = {
        record.index: record
        for record in read_log(folder / LOG_NAME)
        if record.index in figures  # the log may hold more than the last selection
    }
    texts = read_texts(folder, metrics["task"])
    return Side(folder, info, metrics, records, texts, figures)


def _figures(folder: Path) -> dict[int, dict[str, float]]:
    with (folder / "metrics.tsv").open(encoding="utf-8", newline="") as file:
        return {
            int(row["index"]): {
                name: float(value)
                for name, value in row.items()
                if name not in ("index", "id") and value
            }
            for row in csv.DictReader(file, delimiter="\t")
        }


def compare(a: Path, b: Path, samples: int = SAMPLES) -> list[Comparison]:
    """Compare two runs, or the runs of two experiments that have the same place in them.

    Raises:
        RunFolderError: one of them is no finished run.
        UsageError: they have nothing in common.
    """
    runs_a, runs_b = run_folders(a), run_folders(b)
    if len(runs_a) == len(runs_b) == 1:
        pairs = [(next(iter(runs_a.values())), next(iter(runs_b.values())))]
    else:
        pairs = [(runs_a[name], runs_b[name]) for name in runs_a if name in runs_b]
    if not pairs:
        raise UsageError(
            f"{a} and {b} have no run in common (A: {_listed(runs_a)}; B: {_listed(runs_b)}): "
            "name the folders of the two runs"
        )
    return [_compare(read_side(one), read_side(two), samples) for one, two in pairs]


def _compare(a: Side, b: Side, samples: int) -> Comparison:
    for key in ("task", "tgt_lang"):
        if a.metrics[key] != b.metrics[key]:
            raise UsageError(
                f"the runs cannot be compared: {key} is {a.metrics[key]} in {a.folder} and "
                f"{b.metrics[key]} in {b.folder}"
            )
    notices = [
        f"{side.folder} has these ids more than once: {', '.join(found[:10])}; the first is "
        "compared with the other run's first, and so on"
        for side in (a, b)
        if (found := _repeated(side))
    ]
    b = _indexed_as(b, a)
    shared = [
        index
        for index, record in a.records.items()
        if index in b.records
        and quality.composed([b.records[index].reference]) == quality.composed([record.reference])
    ]
    if not shared:
        raise UsageError(
            f"{a.folder} and {b.folder} have no sentence in common: none has the same id and the "
            "same reference"
        )
    differences = _quality(a, b, shared, samples) if a.texts and b.texts else []
    if len(shared) < FEWEST:
        notices.append(
            f"No verdict: {len(shared)} common sentences are too few, {FEWEST} are needed."
        )
    return Comparison(a, b, shared, differences + _latency(a, b, shared, samples), notices)


def _keys(side: Side) -> dict[int, tuple[str, int]]:
    """The id of each sentence, and how often it was there before."""
    seen: Counter[str] = Counter()
    keys = {}
    for index, record in sorted(side.records.items()):
        keys[index] = (record.id, seen[record.id])
        seen[record.id] += 1
    return keys


def _repeated(side: Side) -> list[str]:
    return [
        name for name, times in Counter(x.id for x in side.records.values()).items() if times > 1
    ]


def _indexed_as(side: Side, other: Side) -> Side:
    """The same run, its sentences under the indices that the other run has for their ids."""
    places = {key: index for index, key in _keys(other).items()}
    moved = {index: places[key] for index, key in _keys(side).items() if key in places}
    return replace(
        side,
        records={moved[i]: record for i, record in side.records.items() if i in moved},
        texts={moved[i]: text for i, text in side.texts.items() if i in moved},
        figures={moved[i]: row for i, row in side.figures.items() if i in moved},
    )


def _quality(a: Side, b: Side, shared: Sequence[int], samples: int) -> list[Difference]:
    task, lang = a.metrics["task"], a.metrics["tgt_lang"]
    references = quality.composed([a.records[index].reference for index in shared])
    texts_a = quality.composed([a.texts[index] for index in shared])
    texts_b = quality.composed([b.texts[index] for index in shared])
    official = bool(a.metrics.get("official_characters"))
    if task == "asr":
        counts = [
            np.array(
                [
                    quality.error_counts(h, r, lang, official=official)
                    for h, r in zip(texts, references, strict=True)
                ],
                dtype=np.float64,
            )
            for texts in (texts_a, texts_b)
        ]
        name = quality.error_rate_name(lang, official=official)
        return [_bootstrap(name, counts[0], counts[1], samples, scale=100.0)]
    if not any(texts_a) and not any(texts_b):
        return []
    if task == "s2st":
        if not (a.metrics["quality"] and b.metrics["quality"]):
            return []
        normalise = quality.normalizer(lang)
        texts_a, texts_b, references = (
            [normalise(text) for text in each] for each in (texts_a, texts_b, references)
        )
    metrics: dict[str, Any] = {
        ("ASR-BLEU" if task == "s2st" else "BLEU"): quality.bleu_metric(
            lang, lowercase=task == "s2st", official=official
        )
    }
    if task == "s2tt":
        metrics["chrF++"] = quality.chrf_metric()
    return [
        _sacrebleu(name, metric, texts_a, texts_b, references, samples)
        for name, metric in metrics.items()
    ]


def _sacrebleu(
    name: str,
    metric: Any,
    texts_a: Sequence[str],
    texts_b: Sequence[str],
    references: Sequence[str],
    samples: int,
) -> Difference:
    from sacrebleu.significance import PairedTest

    test = PairedTest(
        [("A", list(texts_a)), ("B", list(texts_b))],
        {name: metric},
        [list(references)],
        test_type="bs",
        n_samples=samples,
    )
    signatures, scores = test()
    key = next(iter(signatures))
    first, second = cast(list[Any], scores[key])
    return Difference(
        metric=name,
        a=float(first.score),
        b=float(second.score),
        # sacrebleu's count would call two identical runs different.
        p_value=float(second.p_value) if first.score != second.score else 1.0,
        sentences=len(references),
        higher_is_better=True,
        method=f"sacrebleu {signatures[key]}",
    )


def _latency(a: Side, b: Side, shared: Sequence[int], samples: int) -> list[Difference]:
    differences = []
    for name in a.metrics["latency"]:
        both = [index for index in shared if name in a.figures[index] and name in b.figures[index]]
        if both:
            columns = [
                np.array([[side.figures[index][name], 1.0] for index in both]) for side in (a, b)
            ]
            differences.append(_bootstrap(name, columns[0], columns[1], samples))
    return differences


def _bootstrap(name: str, a: Floats, b: Floats, samples: int, scale: float = 1.0) -> Difference:
    """Paired bootstrap of a ratio of sums, such as a mean or an error rate; lower is better.

    Args:
        name: the metric.
        a: numerators and denominators, shape (sentences, 2).
        b: of the other run, for the same sentences.
        samples: how many corpora are drawn.
        scale: what the ratio is multiplied with.
    """
    random = np.random.default_rng(_SEED)

    def ratio(sums: Floats) -> float:
        return scale * float(sums[0]) / max(float(sums[1]), 1e-12)

    observed_a, observed_b = ratio(a.sum(axis=0)), ratio(b.sum(axis=0))
    gaps = np.empty(samples)
    for sample in range(samples):
        drawn = random.integers(len(a), size=len(a))
        gaps[sample] = ratio(a[drawn].sum(axis=0)) - ratio(b[drawn].sum(axis=0))
    # Shifted to what they would be around if there were no difference (Efron and Tibshirani 1993).
    beyond = int((np.abs(gaps - gaps.mean()) >= abs(observed_a - observed_b)).sum())
    return Difference(
        metric=name,
        a=observed_a,
        b=observed_b,
        p_value=(beyond + 1) / (samples + 1),
        sentences=len(a),
        higher_is_better=False,
        method=f"paired bootstrap|bs:{samples}|seed:{_SEED}",
    )
