"""Put small mistakes into the modules where a silent one hurts people, and count what tests notice.

    make mutants                        # goes on where it was broken off
    make mutants ARGS="python"          # or page; both by default
    make mutants ARGS="--fresh"         # forgets what is known
    make mutants ARGS="--every 8"       # tries each eighth mistake of each Python module: a sample

mutmut (Python) and StrykerJS (the page) make the mistakes, one at a time, and run the fast tests
that reach the changed line. What was tried is kept in mutants/ and node_modules/.stryker, so that a
second run tries only what changed. The table is written to docs/mutants.md; the exit code is 1 if
tests notice less than 80 % of the mistakes in any module.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "streaming-react-app"
REPORT = ROOT / "docs" / "mutants.md"
LEAST = 0.8
"""Share of the mistakes that the tests of each module must notice."""
KILLED, TIMEOUT = {1, 3, 37}, {24, 36, 152, 255, -24}
"""Exit codes by which mutmut says that tests failed, or never ended, with the mistake."""
HEADING = """\
# Mistakes that tests notice

`make mutants` puts small mistakes into the modules where a silent one would hurt people, one at a
time: a comparison with its edge on the other side, a number that is one off, an argument that is
missing, a condition that is turned round. For each it runs the fast tests that reach the changed
line. [mutmut](https://mutmut.readthedocs.io) does so for Python,
[StrykerJS](https://stryker-mutator.io) for the page. A mistake is noticed when a test fails with
it, or when tests do not come to an end. Some cannot be noticed, because they change nothing that
anybody could see.
"""


@dataclass(frozen=True)
class Score:
    """What was noticed in one module, of the mistakes that could be made there."""

    module: str
    possible: int
    tried: int
    noticed: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.noticed / self.tried if self.tried else 1.0


def score_python(folder: Path) -> list[Score]:
    """Scores from mutmut's files below `folder`."""
    scores = []
    for path in sorted(folder.rglob("*.meta")):
        codes = json.loads(path.read_text("utf-8"))["exit_code_by_key"].values()
        tried = [code for code in codes if code is not None]
        noticed = sum(code in KILLED | TIMEOUT for code in tried)
        if tried:
            name = path.relative_to(folder).as_posix().removesuffix(".meta")
            scores.append(Score(name, len(codes), len(tried), noticed))
    return scores


def score_page(report: Path) -> list[Score]:
    """Scores from StrykerJS's report."""
    scores = []
    for name, file in sorted(json.loads(report.read_text("utf-8"))["files"].items()):
        statuses = [mutant["status"] for mutant in file["mutants"]]
        noticed = sum(status in ("Killed", "Timeout") for status in statuses)
        tried = noticed + sum(status in ("Survived", "NoCoverage") for status in statuses)
        scores.append(Score(f"{PAGE.name}/{name}", tried, tried, noticed))
    return scores


def table(scores: Iterable[Score]) -> str:
    """The table of the report."""
    lines = ["| module | mistakes | tried | noticed | share |", "|---|---|---|---|---|"]
    lines += [
        f"| `{one.module}` | {one.possible} | {one.tried} | {one.noticed} | {one.share:.0%} |"
        for one in scores
    ]
    return "\n".join(lines)


def sample(folder: Path, every: int) -> list[str]:
    """Names of each `every`-th mistake of each module."""
    return [
        name
        for path in sorted(folder.rglob("*.meta"))
        for name in list(json.loads(path.read_text("utf-8"))["exit_code_by_key"])[::every]
    ]


def run_python(given: argparse.Namespace) -> list[Score]:
    """Runs mutmut in the checkout, and gives its scores."""
    folder = ROOT / "mutants"
    if given.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(given.children)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    names: list[str] = []
    if given.every > 1:
        # Asked for one that does not exist, mutmut makes them all and tries none.
        subprocess.run([*command, "none"], cwd=ROOT, env=environment, check=False)
        names = sample(folder, given.every)
    subprocess.run([*command, *names], cwd=ROOT, env=environment, check=True)
    return score_python(folder)


def run_page(given: argparse.Namespace) -> list[Score]:
    """Runs StrykerJS, and gives its scores."""
    command = ["npx", "stryker", "run", "--concurrency", str(given.children)]
    command += ["--force"] if given.fresh else []
    subprocess.run(command, cwd=PAGE, check=True)
    return score_page(PAGE / "node_modules" / ".stryker" / "report.json")


def write(parts: dict[str, list[Score]], minutes: dict[str, float]) -> None:
    """Writes the parts that ran into the report; others stay as they are in it."""
    old = REPORT.read_text("utf-8") if REPORT.is_file() else ""
    text = HEADING
    for part, title in (("python", "Server, engine and client"), ("page", "Page")):
        section = f"\n## {title}\n"
        if part in parts:
            today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
            scores = parts[part]
            noticed, tried = sum(x.noticed for x in scores), sum(x.tried for x in scores)
            section += (
                f"\n{today}: {noticed} of {tried} noticed, {noticed / max(1, tried):.0%}; the run "
                f"took {minutes[part]:.0f} minutes on {os.cpu_count()} cores.\n\n{table(scores)}\n"
            )
            text += section
        elif section in old:
            text += section + old.split(section)[1].split("\n## ")[0]
    REPORT.write_text(text, encoding="utf-8")


def main() -> int:
    """Run, write, judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="try everything again")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 2, help="at once")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="a sample (Python)")
    parser.add_argument("parts", nargs="*", choices=["python", "page", []], help="by default both")
    given = parser.parse_args()
    runs = {"python": run_python, "page": run_page}
    parts: dict[str, list[Score]] = {}
    minutes: dict[str, float] = {}
    for part in given.parts or list(runs):
        started = time.monotonic()
        parts[part] = runs[part](given)
        minutes[part] = (time.monotonic() - started) / 60
        print(table(parts[part]))
    write(parts, minutes)
    weak = [one.module for scores in parts.values() for one in scores if one.share < LEAST]
    if weak:
        print(f"below {LEAST:.0%}: {', '.join(weak)}")
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main())
