"""docs/fidelity.md says which recording covers which option of the official agents: truly so."""

from __future__ import annotations

from pathlib import Path

from tests.recorded import details, trace_names

DOCUMENT = Path(__file__).parents[1] / "docs" / "fidelity.md"
SAID_ELSEWHERE = {"task", "tgt_lang"}
"""Not behaviour of an agent: the pipeline, and the language of each push."""


def values_recorded() -> dict[str, dict[str, list[str]]]:
    """Recordings by option and value."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in trace_names():
        for option, value in details(f"traces/{name}")["all_args"].items():
            if option not in SAID_ELSEWHERE:
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


def test_the_document_counts_the_recordings() -> None:
    traces = [details(f"traces/{name}") for name in trace_names()]
    pushes = sum(len(session["pushes"]) for trace in traces for session in trace["sessions"])
    text = DOCUMENT.read_text("utf-8")
    assert f"{len(traces)}\ntraces" in text or f"{len(traces)} traces" in text
    assert f"{pushes:,} pushes" in text
