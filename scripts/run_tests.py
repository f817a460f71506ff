"""Run every test of the repository and add up: Python, web page, web page in a real browser.

    .venv/bin/python scripts/run_tests.py [--fast | --measure] [python|page|browser ...]

``--fast`` leaves out what takes long: the tests that tests/slow.txt lists, and the browser.
``--measure`` writes that list anew from how long each test took. Each part's own output is shown as
it comes. The exit code is 1 if any test failed, any part broke off, or any part ran no
test. The last line is ``N passed, N failed``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "streaming-react-app"
PARTS = ("python", "page", "browser")
SLOW = ROOT / "tests" / "slow.txt"
SLOW_SECONDS = 0.5
"""A test function that takes longer in all its cases together is left out of the fast set."""

MOST_WORKERS = 4


@dataclass
class Outcome:
    """What one part did."""

    name: str
    passed: int
    failed: int
    skipped: int
    exit_code: int
    seconds: float


def count(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped test cases of a JUnit report; zeros if there is none."""
    if not report.is_file():
        return 0, 0, 0
    passed = failed = skipped = 0
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            failed += 1
        elif "skipped" in kinds:
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def run(name: str, command: list[str], cwd: Path, report: Path, **environment: str) -> Outcome:
    """Run one part with its output passed through."""
    print(f"\n=== {name}: {' '.join(command)}", flush=True)
    start = time.monotonic()
    try:
        exit_code = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}).returncode
    except FileNotFoundError as error:
        print(f"{name}: {error.filename} is not installed", file=sys.stderr)
        exit_code = 127
    passed, failed, skipped = count(report)
    if failed == 0 and (exit_code != 0 or passed == 0):
        failed = 1  # the part itself broke off, or found nothing to run
    return Outcome(name, passed, failed, skipped, exit_code, time.monotonic() - start)


def list_slow_tests(report: Path) -> None:
    """Write tests/slow.txt from a JUnit report of all Python tests."""
    seconds: dict[str, float] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        file = case.attrib["classname"].replace(".", "/") + ".py"
        function = f"{file}::{case.attrib['name'].partition('[')[0]}"
        seconds[function] = seconds.get(function, 0.0) + float(case.attrib["time"])
    slow = sorted(function for function, took in seconds.items() if took > SLOW_SECONDS)
    SLOW.write_text("\n".join([*_heading(SLOW), *slow]) + "\n", encoding="utf-8")
    rest = sum(took for took in seconds.values() if took <= SLOW_SECONDS)
    print(f"{len(slow)} slow tests listed in {SLOW.name}; the others take {rest:.0f} s")


def _heading(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [line for line in lines if line.startswith("#")]


def workers() -> int:
    """Processes that run Python tests at once, each in about 2 GB.

    One more than there are cores, since many tests wait for a server or a pause in speech.
    """
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


def parts(wanted: list[str], folder: Path, fast: bool, measure: bool) -> list[Outcome]:
    """Run the wanted parts in order."""
    outcomes = []
    if "python" in wanted:
        report = folder / "python.xml"
        pytest = [sys.executable, "-m", "pytest", f"--junitxml={report}", "--durations=10"]
        # A file's tests share servers and models, so they stay together.
        # In their own order: the longest ones are not the last.
        pytest += ["--quiet", "--dist=loadfile", f"--numprocesses={workers()}"]
        pytest += ["--no-loadscope-reorder"]
        pytest += ["-m", "not slow"] if fast else []
        # One thread each: the networks are small, and the processes fill the cores.
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        outcomes.append(run("Python", pytest, ROOT, report, OMP_NUM_THREADS=threads))
        if measure and report.is_file():
            list_slow_tests(report)
    if "page" in wanted:
        report = folder / "page.xml"
        reporters = ["--reporter=default", "--reporter=junit", f"--outputFile.junit={report}"]
        outcomes.append(run("Page", ["npm", "test", "--silent", "--", *reporters], PAGE, report))
    if "browser" in wanted:
        report = folder / "browser.xml"
        outcomes.append(
            run(
                "Browser",
                ["npm", "run", "--silent", "e2e", "--", "--reporter=list,junit"],
                PAGE,
                report,
                PLAYWRIGHT_JUNIT_OUTPUT_FILE=str(report),
            )
        )
    return outcomes


def main() -> int:
    """Run, add up, say it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--fast", action="store_true", help="only what is quick")
    way.add_argument("--measure", action="store_true", help="list the slow tests anew")
    parser.add_argument(
        "parts", nargs="*", metavar="part", choices=[*PARTS, []], help=", ".join(PARTS)
    )
    given = parser.parse_args()
    wanted = given.parts or [x for x in PARTS if not (given.fast and x == "browser")]
    if not (PAGE / "package.json").is_file():
        wanted = [part for part in wanted if part == "python"]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = parts(wanted, Path(folder), given.fast, given.measure)
    print()
    for one in outcomes:
        print(
            f"{one.name:<8} {one.passed:>5} passed {one.failed:>4} failed {one.skipped:>4} skipped"
            f"  exit code {one.exit_code}  {one.seconds:.0f} s"
        )
    passed, failed, skipped = (
        sum(getattr(one, field) for one in outcomes) for field in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
