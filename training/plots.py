"""Training curves as pictures.

    python -m training.plots --work WORK --out models/SeamlessStreaming-mini/curves
    python -m training.plots --policies supervised=A.json emma=B.json --out docs/images

The second form compares policies: quality over lag, from ``training.evaluate --thresholds``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from seamless_server.evaluation.report.charts import Point, curve


def chart(
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    x_name: str = "steps",
    y_name: str = "",
    *,
    dots: bool = False,
) -> str:
    """An SVG picture of named (x, y) lists, one line each."""
    points = [Point(x, y, "", name) for name, line in series.items() for x, y in line]
    drawn = curve(points, x_name, y_name, title, dots=dots)
    white = 'xmlns="http://www.w3.org/2000/svg" style="background: white"'
    return drawn.replace('xmlns="http://www.w3.org/2000/svg"', white, 1) + "\n"


def read(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Series of a training log; a run that went on replaces the steps that it repeated."""
    series: dict[str, dict[float, float]] = {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        for name, value in line.items():
            if name != "step":
                series.setdefault(name, {})[line["step"]] = value
    return {name: sorted(points.items()) for name, points in series.items()}


def last_step(path: Path) -> int:
    """The last step of a training log, 0 without one."""
    if not path.exists():
        return 0
    return int(max(step for line in read(path).values() for step, _ in line))


TRANSLATED = ("spa", "fra", "deu")

CHARTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "encoder": {
        "loss": ("loss", "phonemes"),
        "word error rate (CTC, per cent)": ("wer_test_seen", "wer_test_unseen"),
    },
    "decoder": {
        "loss": ("entropy", "policy"),
        "scores on seen voices": tuple(f"states_seen_{x}" for x in ("eng", "spa", "fra", "deu")),
        "scores on the unseen voice": tuple(
            f"states_unseen_{x}" for x in ("eng", "spa", "fra", "deu")
        ),
    },
    "t2u": {"loss": ("units", "durations"), "right units": ("right", "right_unheard")},
    "vocoder": {"loss": ("stft", "spectral")},
}


def policies(reports: dict[str, Path]) -> str:
    """Mean BLEU over mean lag in ms of each report's thresholds, as a chart."""
    series = {}
    for name, path in reports.items():
        found = json.loads(path.read_text())["seen"]
        rows = [row for key, row in found.items() if key.startswith("threshold ")]
        series[name] = sorted(
            (
                1000 * sum(row[f"{lang}_laal_s"] for lang in TRANSLATED) / len(TRANSLATED),
                sum(row[f"{lang}_bleu"] for lang in TRANSLATED) / len(TRANSLATED),
            )
            for row in rows
        )
    return chart("Seen voices", series, "LAAL in ms", "BLEU, mean of es, fr, de", dots=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=Path("training/work"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--policies", nargs="*", default=[], metavar="NAME=REPORT")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.policies:
        reports = {name: Path(path) for name, path in (x.split("=", 1) for x in args.policies)}
        (args.out / "policies.svg").write_text(policies(reports))
        return
    for stage, charts in CHARTS.items():
        path = args.work / stage / "log.jsonl"
        if not path.exists():
            continue
        found = read(path)
        for number, (title, names) in enumerate(charts.items()):
            series = {name: found[name] for name in names if name in found}
            if series:
                file = args.out / f"{stage}{number + 1}.svg"
                file.write_text(chart(f"{stage}: {title}", series))
                print(file)


if __name__ == "__main__":
    main()
