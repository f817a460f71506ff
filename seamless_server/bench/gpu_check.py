"""Everything that one wants to know of a GPU, step by step; what is done is not done again.

Each step runs in a process of its own, because a fault of a device spoils the process that met it,
and writes what it knows as it goes. So a run that is cut off has all that was measured, and the
next one goes on.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import platform
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from seamless_server import __version__
from seamless_server.bench.gpu_steps import EARNEST, QUICK, STEPS, CheckStep, StepTask
from seamless_server.bench.report import benchmark_page, sections_of
from seamless_server.evaluation.report.rendering import Cell, Section, Table, number

Say = Callable[[str], None]
DONE, FAILED, CUT = "done", "failed", "cut off"


def describe(device: torch.device) -> dict[str, Any]:
    """The machine and its card."""
    machine: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "device": "cpu",
        "torch": torch.__version__,
        "version": __version__,
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        machine["device"] = properties.name
        machine["memory"] = f"{properties.total_memory / 2**30:.0f} GiB"
        machine["cuda"] = torch.version.cuda
    return machine


def gpu_check(
    folder: Path,
    device: torch.device,
    *,
    quick: bool,
    minutes: float,
    names: Sequence[str],
    apart: bool,
    command: str,
    say: Say,
) -> bool:
    """Runs the steps that `folder` does not have yet; returns whether all are done.

    Args:
        quick: do so little that it only shows that everything works.
        minutes: that all steps may take together; what does not fit is left for the next run.
        names: of steps, all of them if empty.
        apart: each in a process of its own, or all in this one, without a limit of time.
    """
    machine = describe(device)
    folder = folder / re.sub(r"[^a-z0-9]+", "-", str(machine["device"]).lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    steps = [step for step in STEPS if not names or step.name in names]
    open_steps = [step for step in steps if _read(folder, step).get("status") != DONE]
    for step in steps:
        state = "has its result" if step not in open_steps else f"about {_cost(folder, step):.0f} s"
        say(f"{step.name:<11} {state:<15} {step.question}")
    deadline = time.monotonic() + 60 * minutes
    document = {"machine": machine, "command": command, "quick": quick}
    try:
        for step in open_steps:
            left = deadline - time.monotonic()
            if left < min(_cost(folder, step), 60 * minutes) / 2:
                say(f"{step.name}: left for the next run, {left:.0f} s are too few")
                continue
            say(f"-- {step.name}")
            if apart:
                _run_apart(folder, step, device, quick, left)
            else:
                run_step(folder, step.name, str(device), quick)
            record = _read(folder, step)
            say(f"{step.name}: {record['status']} {record.get('error', '')}".rstrip())
            write_page(folder, document)
    finally:
        write_page(folder, document)
    say(str(folder / "index.html"))
    return all(_read(folder, step).get("status") == DONE for step in steps)


def _cost(folder: Path, step: CheckStep) -> float:
    """Seconds that a step takes: as long as it took here, else as estimated."""
    return float(_read(folder, step).get("seconds") or step.seconds)


def _read(folder: Path, step: CheckStep) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads((folder / f"{step.name}.json").read_text("utf-8"))
        return found
    return {}


def _write(folder: Path, step: CheckStep, record: dict[str, Any]) -> None:
    """As a whole or not at all."""
    path = folder / f"{step.name}.json"
    new = path.with_suffix(".new")
    new.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    new.replace(path)


def _run_apart(
    folder: Path, step: CheckStep, device: torch.device, quick: bool, limit: float
) -> None:
    """Runs a step in a process of its own, for `limit` seconds at most."""
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_step_alone, args=(folder, step.name, str(device), quick))
    began = time.monotonic()
    child.start()
    try:
        child.join(limit)
    finally:
        if child.is_alive():
            child.terminate()
            child.join(10)
            child.kill()
        record = _read(folder, step)
        if record.get("status") not in (DONE, FAILED):
            record = {**_blank(step, quick), **record}
            why = "out of time" if time.monotonic() - began >= limit else "ended from outside"
            record |= {"status": CUT, "error": f"{why}, code {child.exitcode}"}
            record["seconds"] = time.monotonic() - began
            _write(folder, step, record)


def _step_alone(folder: Path, name: str, device: str, quick: bool) -> None:
    """One step in a process of its own, which ends with the one that started it, however that
    ends: a step that went on would disturb what the next run measures."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    run_step(folder, name, device, quick)


def _blank(step: CheckStep, quick: bool) -> dict[str, Any]:
    return {
        "step": step.name,
        "question": step.question,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": quick,
        "status": "running",
        "said": [],
        "result": {},
    }


def run_step(folder: Path, name: str, device: str, quick: bool) -> None:
    """One step in this process; writes its record as it goes."""
    (step,) = (step for step in STEPS if step.name == name)
    record = _blank(step, quick)

    def say(line: str) -> None:
        print(line, flush=True)
        record["said"].append(line)
        _write(folder, step, record)

    def keep(result: dict[str, Any]) -> None:
        record["result"] = result
        _write(folder, step, record)

    if torch.device(device).type == "cpu":
        torch.set_num_threads(1)
    earlier = {other.name: _read(folder, other).get("result", {}) for other in STEPS}
    task = StepTask(torch.device(device), QUICK if quick else EARNEST, say, keep, earlier)
    began = time.monotonic()
    keep({})
    try:
        record["result"] = step.run(task)
        record["status"] = DONE
    except Exception as error:
        record["status"], record["error"] = FAILED, f"{type(error).__name__}: {error}"
    record["seconds"] = time.monotonic() - began
    _write(folder, step, record)


# -- the page --------------------------------------------------------------------------------------


def write_page(folder: Path, document: dict[str, Any]) -> None:
    """`index.html` and `summary.json` of all that a folder has."""
    records = [(step, _read(folder, step)) for step in STEPS]
    rows = [
        [
            Cell(step.name),
            Cell(step.question),
            Cell(record.get("status", "not run")),
            number(f"{record['seconds']:.0f}" if record.get("seconds") else ""),
        ]
        for step, record in records
    ]
    sections = [Section("Steps", table=Table(["step", "question", "state", "seconds"], rows))]
    for step, record in records:
        sections += _sections(step, record)
    date = max((r["date"] for _, r in records if r.get("date")), default="")
    page = benchmark_page("gpu-check", {**document, "date": date}, sections)
    (folder / "index.html").write_text(page, encoding="utf-8")
    summary = {**document, "date": date, "steps": {s.name: r for s, r in records if r}}
    text = json.dumps(summary, indent=2) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")


def _sections(step: CheckStep, record: dict[str, Any]) -> Iterator[Section]:
    if not record:
        return
    result = record.get("result") or {}
    if record["status"] != DONE:
        yield Section(
            f"{step.name}: {record['status']}",
            lead=str(record.get("error", "")),
            points=record.get("said", ()),
        )
    elif step.name in _TABLES:
        yield Section(step.question, table=_TABLES[step.name](result))
    else:
        yield from sections_of(step.name, result)


def _recordings_table(result: dict[str, Any]) -> Table:
    rows = [[number(str(result["compared"])), Cell(", ".join(result["differ"]) or "none")]]
    return Table(["compared", "that differ"], rows)


def _stages_table(result: dict[str, Any]) -> Table:
    rows = [
        [Cell(part), number(f"{1000 * seconds / result['audio_seconds']:.2f}")]
        for part, seconds in result["parts"].items()
    ]
    rows.append([Cell("loading, s"), number(f"{result['load_seconds']:.1f}")])
    for name in ("weight_bytes", "peak_bytes"):
        if result.get(name):
            label = name.replace("_bytes", ", GB")
            rows.append([Cell(label), number(f"{result[name] / 1e9:.2f}")])
    return Table(["part", "ms for a second of speech"], rows)


def _graphs_table(result: dict[str, Any]) -> Table:
    rows = [
        [Cell(name), number(f"{run['throughput']:.2f}"), Cell("; ".join(run["errors"][:1]))]
        for name, run in result["runs"].items()
    ]
    return Table(["run", "x real time", "errors"], rows)


def _compiled_table(result: dict[str, Any]) -> Table:
    names = ["segments", "plain_ms", "compiled_ms", "plain_first_s", "compiled_first_s"]
    rows = [[number(f"{row[name]:.4g}") for name in names] for row in result["rows"]]
    return Table(names, rows)


def _capacity_table(result: dict[str, Any]) -> Table:
    rows = [
        [number(chunk), number(str(found["speakers"])), number(_lag(found))]
        for chunk, found in result["chunks"].items()
    ]
    return Table(["chunk, ms", "speakers", "p95 lag there, ms"], rows)


def _lag(found: dict[str, Any]) -> str:
    lag = found["p95_lag_ms"].get(str(found["speakers"]))
    return "" if lag is None else f"{lag:.0f}"


def _server_table(result: dict[str, Any]) -> Table:
    def p95(found: dict[str, Any], kind: str) -> str:
        return "" if not found[kind] else f"{found[kind]['p95']:.0f}"

    rows = [
        [
            number(str(found["speakers"])),
            number(p95(found, "text_latency_ms")),
            number(p95(found, "speech_latency_ms")),
            number(p95(found, "lag_ms")),
        ]
        for found in result["results"]
    ]
    return Table(["speakers", "text p95, ms", "speech p95, ms", "lag p95, ms"], rows)


_TABLES: dict[str, Callable[[dict[str, Any]], Table]] = {
    "recordings": _recordings_table,
    "stages": _stages_table,
    "graphs": _graphs_table,
    "compiled": _compiled_table,
    "capacity": _capacity_table,
    "server": _server_table,
}
