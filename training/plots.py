"""Training curves as pictures (SVG, drawn here: no plotting library is needed).

    python -m training.plots --work WORK --out models/SeamlessStreaming-mini/curves
    python -m training.plots --policies supervised=A.json emma=B.json --out docs/images

The second form compares policies: quality over lag, from ``training.evaluate --thresholds``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

COLOURS = ("#1f6feb", "#d1442f", "#2e8b57", "#8a4fbf", "#c98a00", "#007c8a", "#b0306a", "#555555")
WIDTH, HEIGHT, LEFT, BOTTOM = 640, 320, 56, 36


def chart(title: str, series: dict[str, list[tuple[float, float]]]) -> str:
    """An SVG line chart of named (step, value) lists."""
    points = [p for line in series.values() for p in line]
    right = max((x for x, _ in points), default=1) or 1
    top = max((y for _, y in points), default=1) or 1

    def place(x: float, y: float) -> str:
        across = LEFT + x / right * (WIDTH - LEFT - 140)
        return f"{across:.1f},{HEIGHT - BOTTOM - y / top * (HEIGHT - BOTTOM - 40):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{title}</text>',
    ]
    for i in range(5):
        value = top * i / 4
        x, y = place(0, value).split(",")
        parts.append(
            f'<line x1="{x}" x2="{WIDTH - 140}" y1="{y}" y2="{y}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    for i in range(5):
        x, y = place(right * i / 4, 0).split(",")
        parts.append(
            f'<text x="{x}" y="{float(y) + 18:.1f}" text-anchor="middle">{right * i / 4:.0f}</text>'
        )
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(place(x, y) for x, y in line)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
            f'<text x="{WIDTH - 132}" y="{50 + 18 * number}" fill="{colour}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


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

CHARTS = {
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
    return chart("BLEU (mean of es, fr, de) over LAAL in ms, seen voices", series)


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
