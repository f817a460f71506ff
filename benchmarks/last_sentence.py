"""What the last sentence costs in a language that comes behind it: by kept states, or by its audio.

    OMP_NUM_THREADS=1 python benchmarks/last_sentence.py

Each sample of the embedded model is one segment. It is translated into one language as it is
spoken, 320 ms at a time, and at once, as somebody who has just come would get it: by its audio
(features, encoder and decoder), or by the encoder's states (the decoder alone). Milliseconds,
median of the samples.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median

import soundfile
import torch

from seamless_server.checkpoints.cards import EMBEDDED, find_model
from seamless_server.streaming import Stream, Target, load_model


def spent(stream: Stream, *stages: str) -> float:
    """Milliseconds in stages."""
    return 1000 * sum(stream.stats[name][0] for name in stages if name in stream.stats)


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=EMBEDDED)
    parser.add_argument("--lang", default="deu")
    args = parser.parse_args()
    model, folder = load_model(args.model, "cpu"), find_model(args.model)
    rows: list[dict[str, float]] = []
    for path in sorted(Path(folder).glob("samples/*.flac")):
        samples, _ = soundfile.read(path, dtype="float32")
        row: dict[str, float] = {"seconds": len(samples) / 16_000}
        for name, step in (("as spoken", 5120), ("at once", len(samples))):
            stream = model.open({args.lang: Target(text=True)}, vad=False)
            for start in range(0, len(samples), step):
                list(stream.push(samples[start : start + step]))
            list(stream.finish())
            row[f"{name}: encoder"] = spent(stream, "features", "encode")
            row[f"{name}: decoder"] = spent(stream, "decode")
        rows.append(row)
    print(json.dumps({key: round(median(x[key] for x in rows), 1) for key in rows[0]}, indent=1))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
