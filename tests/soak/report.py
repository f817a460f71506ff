"""What a soak run measured, as a page with plots."""

from __future__ import annotations

import json
import os
import platform
from datetime import datetime, timezone
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

from .world import REPLICAS, World

PLOTS = {
    "memory": "Memory (MB)",
    "threads": "Threads",
    "tasks": "Tasks of the event loop",
    "files": "Open files and sockets",
}


def write_report(world: World, folder: Path) -> None:
    """Writes `index.md`, `soak.png` and `soak.json` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {
        "minutes": round(world.seconds / 60, 1),
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}",
        "counts": dict(sorted(world.counts.items())),
        "failures": world.failures,
        "baseline": world.baseline,
        "marks": world.marks,
        "samples": world.samples,
    }
    (folder / "soak.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    _plot(world, folder / "soak.png")
    (folder / "index.md").write_text(_page(world, str(data["date"]), str(data["machine"])), "utf-8")


def _plot(world: World, path: Path) -> None:
    figure, axes = pyplot.subplots(2, 2, figsize=(11, 6.5), constrained_layout=True)
    for axis, (name, title) in zip(axes.flat, PLOTS.items(), strict=True):
        for number in range(REPLICAS):
            mine = [sample for sample in world.samples if sample["replica"] == number]
            label = "killed now and then" if number else "lives through"
            minutes = [sample["at"] / 60 for sample in mine]
            axis.plot(minutes, [sample[name] for sample in mine], label=label, linewidth=1)
        for at, what in world.marks:
            colour = "tab:red" if "replica" in what else "tab:grey"
            axis.axvline(at / 60, color=colour, linewidth=0.5, alpha=0.5)
        axis.set_title(title)
        axis.set_ylim(bottom=0)
        axis.set_xlabel("minutes")
    axes[0][0].legend()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _page(world: World, date: str, machine: str) -> str:
    counts = "\n".join(f"| {what} | {count} |" for what, count in sorted(world.counts.items()))
    verdict = (
        "Nothing was wrong."
        if not world.failures
        else "Wrong:\n\n" + "\n".join(f"- {failure}" for failure in world.failures)
    )
    ends = "\n".join(
        f"| {title} | {world.baseline[name]:.0f} | {peak(world, name):.0f} "
        f"| {world.baseline[f'{name} at the end']:.0f} |"
        for name, title in PLOTS.items()
    )
    return f"""# A soak run

`make soak` on {date}, {world.seconds / 60:.0f} minutes, {machine}: two replicas that share a Redis;
speakers with listeners of both protocols, here and on the other replica; uploads, damaged and
whole; listeners that do not read; floods; connections that say nothing sensible; events in all
orders; engine calls of which three in a thousand fail and as many give NaN; a Redis that hangs and
dies; a replica that is killed. Every talk that none of it struck must say exactly what it says
alone, to everybody who listens.

{verdict}

| what happened | times |
|---|---|
{counts}

![Memory, threads, tasks and files of both servers](soak.png)

Grey lines: Redis hung or died. Red ones: the second replica was killed, and started again.

Of the replica that lived through:

| | before anybody came | at most | when everybody was gone |
|---|---|---|---|
{ends}
"""


def peak(world: World, name: str) -> float:
    """The largest value that the first replica had."""
    return max(float(sample[name]) for sample in world.samples if sample["replica"] == 0)
