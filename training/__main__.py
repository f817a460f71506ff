"""The whole recipe: ``python -m training`` runs every step, ``python -m training STEP ...`` some.

Every step that makes data or trains goes on where it was stopped and is skipped when it has
finished; the others, from ``export`` on but for what ``confidence`` has heard, are done anew. All
files lie under ``--work`` (training/work); the model is written to ``--model``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from seamless_server.checkpoints.loader import CONFIDENCE

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
    "confidence",
    "plots",
    "evaluate",
    "measure",
    "card",
)
THRESHOLDS = (0.3, 0.5, 0.7, 0.85, 0.95, 0.98)
"""Where the read/write policy's dial is measured."""
SHARES = {"train": 0.45, "kokoro": 0.43, "people": 0.04, "other": 0.05, "foreign": 0.03}
"""Folders of speech that the encoder learns from, each with its share of the utterances."""


def commands(work: Path, model: Path, scale: float) -> dict[str, list[list[str]]]:
    """What each step runs, as arguments of ``python -m``; ``scale`` multiplies the effort."""

    def steps(count: int, least: int = 20) -> str:
        return str(max(least, round(count * scale)))

    seen, natural = work / "test_seen", work / "test_kokoro"
    tests = [str(work / "states_seen"), str(work / "states_kokoro")]
    vocabulary = ["--vocabulary", str(work / "vocabulary")]
    encoder = ["--encoder", str(work / "encoder")]
    known = ["--model", str(model)]
    speech, head = "training.make_speech", "training.confidence"
    heard = [str(work / name) for name in SHARES]
    cache = ["training.cache_states", *encoder, *vocabulary]
    return {
        "vocabulary": [["training.vocabulary", "--out", str(work / "vocabulary")]],
        "speech": [
            ["training.recogniser"],
            [speech, "--out", str(work / "train"), "--shards", steps(200, least=1)],
            [
                speech,
                "--out",
                str(work / "kokoro"),
                "--shards",
                steps(200, least=1),
                "--size",
                steps(128, least=16),
                "--first",
                "20000",
                "--engine",
                "kokoro",
                "--taught",
            ],
            ["training.unlabelled", "people", "--out", str(work / "people")],
            [
                "training.unlabelled",
                "foreign",
                "--out",
                str(work / "foreign"),
                "--count",
                steps(1000, least=16),
            ],
            [
                "training.unlabelled",
                "other",
                "--out",
                str(work / "other"),
                "--count",
                steps(2000, least=16),
            ],
            [speech, "--out", str(seen), "--shards", "1", "--first", "910000", "--held-out"],
            [
                speech,
                "--out",
                str(natural),
                "--shards",
                "1",
                "--size",
                steps(128, least=16),
                "--first",
                "710000",
                "--held-out",
                "--engine",
                "kokoro-held-out",
            ],
        ],
        "encoder": [
            [
                "training.train_encoder",
                "--data",
                *(
                    f"{folder}={share}"
                    for folder, share in zip(heard, SHARES.values(), strict=True)
                ),
                *vocabulary,
                "--out",
                str(work / "encoder"),
                "--steps",
                steps(40000),
                "--test",
                str(seen),
                str(natural),
            ]
        ],
        "states": [
            [*cache, "--data", *heard, "--out", str(work / "states"), "--passes", "3"],
            [*cache, "--data", str(seen), "--out", tests[0], "--clean"],
            [*cache, "--data", str(natural), "--out", tests[1], "--clean"],
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
        "confidence": [
            [head, "speak", "--out", str(work / "talks"), "--talks", steps(2400, least=96)],
            [head, "hear", *known, "--data", str(work / "talks"), "--out", str(work / "heard")],
            [head, "fit", "--data", str(work / "heard"), "--out", str(model / CONFIDENCE)],
        ],
        "plots": [["training.plots", "--work", str(work), "--out", str(model / "curves")]],
        "evaluate": [
            [
                "training.evaluate",
                *known,
                "--sentences",
                steps(60, least=2),
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
