"""docs/fidelity.md says which recording covers which option of the official agents: truly so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seamless_server.agents import pipelines
from seamless_server.agents.building import known_options
from tests.recorded import RECORDINGS, details, trace_names

DOCUMENT = Path(__file__).parents[1] / "docs" / "fidelity.md"
OURS = {
    "model",
    "compat",
    "max_segment_seconds",
    "min_confidence",
    "patience",
    "prosody_seconds",
    "raise_quiet_speech",
    "repetition_penalty",
    "speech_pad_ms",
    "vad_threshold",
    "voice_number",
}
"""Options that the official agents have not."""
NEVER_RECORDED = {"device": {"cpu": [""]}, "dtype": {"fp32": [""]}}
"""SimulEval's own, which the recordings name nowhere: all were made on a CPU, in fp32."""


def all_traces() -> dict[str, dict[str, Any]]:
    """Every recording of a pipeline, the expressive ones too."""
    found: dict[str, dict[str, Any]] = {x: details(f"traces/{x}") for x in trace_names()}
    for path in sorted((RECORDINGS / "expressive" / "traces").glob("*.json")):
        found[path.stem] = json.loads(path.read_text("utf-8"))
    return found


def values_recorded() -> dict[str, dict[str, list[str]]]:
    """Recordings by option and value."""
    found: dict[str, dict[str, list[str]]] = {k: dict(v) for k, v in NEVER_RECORDED.items()}
    for name, trace in all_traces().items():
        pushed = {"source_segment_size": f"{trace['chunk'] / 16:g}"}
        for option, value in {**trace["all_args"], **pushed}.items():
            found.setdefault(option, {}).setdefault(str(value), []).append(name)
    return found


def option_table() -> str:
    """Every option of the official agents, the values that were recorded, and where."""
    lines = ["| option | recorded values | for example in |", "|---|---|---|"]
    for option, values in sorted(values_recorded().items()):
        flag = "--" + option.replace("_", "-")
        if len(values) == 1:
            lines.append(f"| `{flag}` | `{next(iter(values))}` | other values: not covered |")
            continue
        shown = ", ".join(f"`{value}`" for value in sorted(values, key=_order))
        rarest = min(values.values(), key=len)[0]
        lines.append(f"| `{flag}` | {shown} | `{rarest}` |")
    return "\n".join(lines) + "\n"


def _order(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value


def test_the_table_of_options_is_true() -> None:
    table = option_table()
    assert table in DOCUMENT.read_text("utf-8"), f"put this into {DOCUMENT.name}:\n{table}"
    # What tells behaviours apart was recorded in more than one value.
    for option in ("decision_method", "decision_threshold", "block_ngrams", "no_early_stop"):
        assert len(values_recorded()[option]) > 1


def test_no_option_of_the_official_agents_is_left_out() -> None:
    classes = [x for name, x in vars(pipelines).items() if name.endswith("Agent")]
    official = {option for each in classes for option in known_options(each)} - OURS
    assert len(official) > 30
    assert official <= values_recorded().keys()


def test_the_document_counts_the_recordings() -> None:
    traces = [details(f"traces/{name}") for name in trace_names()]
    pushes = sum(len(session["pushes"]) for trace in traces for session in trace["sessions"])
    text = DOCUMENT.read_text("utf-8")
    assert f"{len(traces)}\ntraces" in text or f"{len(traces)} traces" in text
    assert f"{pushes:,} pushes" in text
