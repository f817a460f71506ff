"""Carrying out an experiment at a terminal: progress, summary, reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from seamless_server.checkpoints.cards import PUBLISHED
from seamless_server.evaluation import runner
from seamless_server.evaluation.compare import read_side, run_folders
from seamless_server.evaluation.experiment import Evaluator, Experiment, Run, RunResult, plan
from seamless_server.evaluation.provenance import write_json
from seamless_server.evaluation.report import ReportOptions, experiment_report, run_report
from seamless_server.evaluation.run_files import METRICS_NAME, REPORT_NAME

_PLAIN_SECONDS = 30.0
"""Between two lines of progress where there is no terminal."""


class Display:
    """Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=console,
            )

    @contextmanager
    def show(self) -> Iterator[None]:
        """While progress is shown."""
        if self._bar is None:
            yield
        else:
            with self._bar:
                yield

    def follow(self, name: str, total: int) -> _Follower:
        """Start showing a run."""
        return _Follower(name, total, self._console, self._bar)


class _Follower:
    """Shows one run."""

    def __init__(self, name: str, total: int, console: Console, bar: Progress | None) -> None:
        self._name = name
        self._console = console
        self._bar = bar
        self._task = bar.add_task(name, total=total, note="") if bar else None
        self._began = self._said = time.monotonic()
        self._before: int | None = None
        self._failed = 0

    def __call__(self, progress: runner.RunProgress) -> None:
        if self._before is None:
            self._before = progress.done - 1
        if progress.failed > self._failed:
            self._failed = progress.failed
            self._console.print(f"{self._name}: a sentence failed ({progress.failed} so far)")
        if self._bar is not None and self._task is not None:
            note = f"{progress.failed} failed" if progress.failed else ""
            self._bar.update(self._task, completed=progress.done, note=note)
            return
        now = time.monotonic()
        if now - self._said >= _PLAIN_SECONDS or progress.done == progress.total:
            self._said = now
            pace = (now - self._began) / max(1, progress.done - self._before)
            left = pace * (progress.total - progress.done)
            self._console.print(
                f"{self._name}: {progress.done}/{progress.total}, about {left:.0f} s left"
            )


def evaluate(experiment: Experiment, report: ReportOptions) -> list[RunResult]:
    """Check, run, score and report; what `seamless-server evaluate` does.

    Raises:
        SeamlessError: before anything is computed if the request cannot be carried out.
    """
    console = Console(stderr=True)
    runs = plan(experiment)
    evaluator = Evaluator(experiment)
    evaluator.prepare()
    console.print(behaviour(experiment), soft_wrap=True, markup=False)
    display = Display(console)
    results = []
    try:
        with display.show():
            for run in runs:
                label = run.name or run.lang
                count = len(run.sentences)
                hear = experiment.asr_model is not None
                result = evaluator.run(
                    run,
                    display.follow(label, count),
                    display.follow(f"{label}, listening", count) if hear else None,
                )
                results.append(result)
                if result.outcome.resumed:
                    console.print(f"{label}: {result.outcome.resumed} sentences were there already")
                write_run_report(run.folder, report)
    except KeyboardInterrupt:
        console.print("Interrupted; the same command goes on from here.")
        raise
    for result in results:
        for failure in result.outcome.failures:
            console.print(
                f"not evaluated: {failure.id} ({failure.audio}): {failure.error}", markup=False
            )
    if len(results) > 1:
        _write_experiment(experiment, results)
    _summarise(runs, results)
    path = write_reports(experiment.output, report) if len(results) > 1 else None
    print(f"Report: {path or experiment.output / REPORT_NAME}")
    return results


def behaviour(experiment: Experiment) -> str:
    """Which behaviour of the agents is evaluated, and what published figures were made with."""
    compat = experiment.spec.options.get("compat")
    if compat == "official":
        return "Behaviour: official, with its quirks and its default options (--compat official)"
    told = "Behaviour: the agents' own, defects of the official ones mended (docs/fidelity.md)"
    if experiment.system == PUBLISHED:
        told += "; to repeat published figures, which were made with these, add --compat official"
    return told


def _write_experiment(experiment: Experiment, results: list[RunResult]) -> None:
    runs = [{"run": result.run.name, **result.scored.metrics} for result in results]
    write_json(experiment.output / METRICS_NAME, {"runs": runs})


def write_run_report(folder: Path, options: ReportOptions) -> Path:
    """Write the report of one run."""
    path = folder / REPORT_NAME
    path.write_text(run_report(read_side(folder), options), encoding="utf-8")
    return path


def write_reports(folder: Path, options: ReportOptions) -> Path:
    """Write the reports of a run, or of all runs of an experiment and the one over them.

    Raises:
        RunFolderError: there is no finished run.
    """
    folders = run_folders(folder)
    for each in folders.values():
        write_run_report(each, options)
    path = folder / REPORT_NAME
    if "" not in folders:
        sides = [read_side(each) for each in folders.values()]
        path.write_text(experiment_report(sides, folder), encoding="utf-8")
    return path


def _summarise(runs: list[Run], results: list[RunResult]) -> None:
    """The figures on standard output, with their signatures."""
    console = Console(file=sys.stdout)
    for run, result in zip(runs, results, strict=True):
        metrics = result.scored.metrics
        table = Table(title=run.name or run.lang)
        table.add_column("metric")
        table.add_column("value", justify="right")
        table.add_column("SimulEval's", justify="right")
        for item in metrics["quality"]:
            table.add_row(item["name"], f"{item['value']:.2f}", "")
        for name, figure in metrics["latency"].items():
            theirs = figure["simuleval"]
            table.add_row(
                name, f"{figure['value']:.3f}", "fails" if theirs is None else f"{theirs:.3f}"
            )
        table.add_row("real-time factor", f"{metrics['speed']['real_time_factor']:.3f}", "")
        table.add_row("sentences", str(metrics["sentences"]), "")
        if metrics["failed"]:
            table.add_row("failed", str(metrics["failed"]), "")
        console.print(table)
        for item in metrics["quality"]:
            console.print(f"{item['name']}: {item['signature']}", soft_wrap=True, markup=False)
