"""Look every locked package up in the advisory databases: PyPI's for Python, npm's for the page.

    make audit

What could not be looked up is not called safe: the exit code is 1 if a package has a known
vulnerability, 2 if a database did not answer or did not know a package, else 0.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "streaming-react-app"
PIP_AUDIT = "pip-audit==2.10.1"


@dataclass
class Audit:
    """What one database said."""

    name: str
    looked_up: int
    vulnerable: list[str]
    unknown: list[str]
    """Packages, or the reason why none was looked up."""


def python() -> Audit:
    """Audits constraints.txt, as it applies to this Python and platform."""
    command = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "--from", PIP_AUDIT]
    command += ["pip-audit", "--requirement", str(ROOT / "constraints.txt")]
    command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return read_python(done.stdout, done.stderr)


def read_python(report: str, errors: str) -> Audit:
    """What pip-audit's JSON says."""
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return Audit("Python", 0, [], [_last_line(errors) or "pip-audit gave no report"])
    known = [one for one in packages if "skip_reason" not in one]
    return Audit(
        "Python",
        len(known),
        [f"{one['name']} {one['version']}: {flaw['id']}" for one in known for flaw in one["vulns"]],
        [one["name"] for one in packages if "skip_reason" in one],
    )


def page() -> Audit:
    """Audits package-lock.json."""
    done = subprocess.run(["npm", "audit", "--json"], cwd=PAGE, capture_output=True, text=True)
    return read_page(done.stdout)


def read_page(report: str) -> Audit:
    """What npm's JSON says."""
    try:
        said: dict[str, Any] = json.loads(report)
    except ValueError:
        said = {}
    if "vulnerabilities" not in said:
        reason = said.get("message") or "npm gave no report"
        return Audit("Page", 0, [], [str(reason).strip().splitlines()[0]])
    return Audit(
        "Page",
        int(said["metadata"]["dependencies"]["total"]),
        [f"{name}: {one['severity']}" for name, one in sorted(said["vulnerabilities"].items())],
        [],
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def exit_code(audits: list[Audit]) -> int:
    """See the module."""
    if any(one.vulnerable for one in audits):
        return 1
    return 2 if any(one.unknown for one in audits) else 0


def main() -> int:
    """Audit both, and say what came of it."""
    audits = [python(), page()]
    print(f"Dependency audit of {datetime.now(timezone.utc):%Y-%m-%d}")
    for one in audits:
        print(
            f"{one.name:<8} {one.looked_up:>4} packages looked up, "
            f"{len(one.vulnerable)} with known vulnerabilities"
        )
        for line in one.vulnerable:
            print(f"         {line}")
        if one.unknown:
            shown = ", ".join(one.unknown[:5]) + (", ..." if len(one.unknown) > 5 else "")
            print(f"         NOT looked up ({len(one.unknown)}): {shown}")
    return exit_code(audits)


if __name__ == "__main__":
    sys.exit(main())
