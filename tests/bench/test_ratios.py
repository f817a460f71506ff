"""`bench all`: every comparison in short, beside the committed ratios."""

from __future__ import annotations

import math

from seamless_server.bench.ratios import MEANINGS, Scale, committed, measure, table
from seamless_server.checkpoints.cards import EMBEDDED, SYSTEM_DIRS

TINY = Scale("tiny", 2, 1.5, 1.0, 1, SYSTEM_DIRS / EMBEDDED, 1)


def test_every_comparison_gives_a_ratio_and_stands_beside_the_committed_one() -> None:
    said: list[str] = []
    here = dict(measure(TINY, said.append))
    assert set(here) == set(MEANINGS)
    # One language less is a difference of two timings, so noise may make it negative.
    assert all(math.isfinite(x) and (x > 0 or "language" in name) for name, x in here.items())
    # Counted on one recording, so the same everywhere.
    assert 1.4 < here["steps_640_over_320"] < 2.2
    known = committed()
    assert set(known["ratios"]) <= set(MEANINGS)
    shown = table(here, known)
    for name, meaning in MEANINGS.items():
        [line] = [line for line in shown.splitlines() if line.endswith(meaning)]
        assert f"{here[name]:.2f}" in line
        if name in known["ratios"]:
            assert f"{known['ratios'][name]:.2f}" in line
