"""The whole recipe: ``python -m training`` runs every step, ``python -m training STEP ...`` some.

Every step that makes data or trains goes on where it was stopped and is skipped when it has
finished; the others, from ``export`` on, are done anew. All files lie under ``--work``
(training/work); the model is written to ``--model``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from training.speech import engines

STEPS = (
    "vocabulary",
    "speech",
    "encoder",
    "states",
    "decoder",
    "units",
    "vocoder",
    "t2u",
    "export",
    "plots",
    "evaluate",
    "measure",
    "card",
)
THRESHOLDS = (0.3, 0.5, 0.7, 0.85, 0.95, 0.98)
"""Where the read/write policy's dial is measured."""


def commands(work: Path, model: Path, scale: float) -> dict[str, list[list[str]]]:
    """What each step runs, as arguments of ``python -m``; ``scale`` multiplies the effort."""

    def steps(count: int, least: int = 20) -> str:
        return str(max(least, round(count * scale)))

    seen, unseen = work / "test_seen", work / "test_unseen"
    tests = [str(work / "states_seen"), str(work / "states_unseen")]
    vocabulary = ["--vocabulary", str(work / "vocabulary")]
    encoder = ["--encoder", str(work / "encoder")]
    known = ["--model", str(model)]
    speech = "training.make_speech"
    cache = ["training.cache_states", *encoder, *vocabulary]
    return {
        "vocabulary": [["training.vocabulary", "--out", str(work / "vocabulary")]],
        "speech": [
            [speech, "--out", str(work / "train"), "--shards", steps(400, least=1)],
            [speech, "--out", str(seen), "--shards", "2", "--first", "900000", "--held-out"],
            [
                speech,
                "--out",
                str(unseen),
                "--shards",
                "1",
                "--first",
                "800000",
                "--held-out",
                "--engine",
                engines.HELD_OUT,
            ],
        ],
        "encoder": [
            [
                "training.train_encoder",
                "--data",
                str(work / "train"),
                *vocabulary,
                "--out",
                str(work / "encoder"),
                "--steps",
                steps(40000),
                "--test",
                str(seen),
                str(unseen),
            ]
        ],
        "states": [
            [*cache, "--data", str(work / "train"), "--out", str(work / "states"), "--passes", "2"],
            [*cache, "--data", str(seen), "--out", tests[0], "--clean"],
            [*cache, "--data", str(unseen), "--out", tests[1], "--clean"],
        ],
        "decoder": [
            [
                "training.train_decoder",
                "--states",
                str(work / "states"),
                *encoder,
                *vocabulary,
                "--out",
                str(work / "decoder"),
                "--steps",
                steps(12000),
                "--test",
                *tests,
            ]
        ],
        "units": [
            [
                "training.units",
                "--out",
                str(work / "units"),
                "--sentences",
                steps(1500),
                "--more",
                steps(5500),
            ]
        ],
        "vocoder": [
            [
                "training.train_vocoder",
                "--data",
                str(work / "units"),
                "--out",
                str(work / "vocoder"),
                "--steps",
                steps(60000),
            ]
        ],
        "t2u": [
            [
                "training.train_t2u",
                "--units",
                str(work / "units"),
                *vocabulary,
                "--decoder",
                str(work / "decoder"),
                "--out",
                str(work / "t2u"),
                "--steps",
                steps(30000),
                "--sentences",
                steps(7000),
            ]
        ],
        "export": [["training.export", "--work", str(work), "--out", str(model)]],
        "plots": [["training.plots", "--work", str(work), "--out", str(model / "curves")]],
        "evaluate": [
            [
                "training.evaluate",
                *known,
                "--sentences",
                steps(80),
                "--thresholds",
                *(str(threshold) for threshold in THRESHOLDS),
                "--out",
                str(model / "evaluation.json"),
            ]
        ],
        "measure": [
            ["training.real_voices", *known, "--out", str(model / "real_voices.json")],
            ["benchmarks.embedded", *known, "--out", str(model / "footprint.json")],
            ["training.recogniser"],
            [
                "training.intelligibility",
                *known,
                "--units",
                str(work / "units"),
                "--sentences",
                # Whisper needs minutes for a sentence of a model that only babbles.
                steps(120, least=2),
                "--out",
                str(model / "intelligibility.json"),
            ],
        ],
        "card": [["training.model_card", *known, "--work", str(work)]],
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m training")
    parser.add_argument("steps", nargs="*", choices=[*STEPS, []], help="default: all, in order")
    parser.add_argument("--work", type=Path, default=Path("training/work"))
    parser.add_argument("--model", type=Path, default=Path("models/SeamlessStreaming-mini"))
    parser.add_argument(
        "--scale", type=float, default=1.0, help="effort; 0.01 is a quick rehearsal"
    )
    args = parser.parse_args()
    table = commands(args.work, args.model, args.scale)
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    for step in args.steps or STEPS:
        for command in table[step]:
            print(f"== {step}: python -m {' '.join(command)}", flush=True)
            status = subprocess.run([sys.executable, "-m", *command], env=environment).returncode
            if status:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
