"""How much memory a long sound file takes, against one of a minute.

    python benchmarks/long_file.py --hours 3
    python benchmarks/long_file.py --hours 3 --translate

Makes 44.1 kHz stereo FLAC of sample sentences in a temporary folder, and reads it, or translates it
with the embedded model, in a process of its own each. Peak memory is that of the process (Linux).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

from seamless_server.audio.reader import SAMPLE_RATE, read_audio

CLIP = Path(__file__).parent.parent / "models/SeamlessStreaming-mini/samples/clip6.flac"
RATE = 44_100
MEASURED = """\
import resource, sys
from seamless_server.audio.reader import open_audio
take = lambda samples: None
if sys.argv[2] == "translate":
    from seamless_server.streaming import Target, load_model
    stream = load_model("SeamlessStreaming-mini", "cpu").open({"spa": Target()})
    take = lambda samples: list(stream.push(samples))
with open_audio(sys.argv[1]) as sound:
    for samples in sound.blocks(5120):
        take(samples)
print(sound.duration_ms / 1000, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
"""


def write_sound(path: Path, seconds: float) -> None:
    """A sentence again and again, with a second of silence between."""
    sentence = soxr.resample(read_audio(CLIP), SAMPLE_RATE, RATE)
    block = np.stack([np.concatenate([sentence, np.zeros(RATE, np.float32)])] * 2, axis=1)
    with soundfile.SoundFile(path, "w", RATE, 2, format="FLAC") as file:
        for _ in range(max(1, round(seconds * RATE / len(block)))):
            file.write(block)


def measure(path: Path, work: str) -> dict[str, float]:
    """Seconds of sound, seconds of work, and peak memory in MB."""
    began = time.perf_counter()
    command = [sys.executable, "-c", MEASURED, str(path), work]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    took = time.perf_counter() - began
    return {"sound_s": float(said[0]), "took_s": round(took, 1), "peak_mb": float(said[1])}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--translate", action="store_true", help="with the embedded model, too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for seconds in (60, args.hours * 3600):
            path = Path(folder) / "long.flac"
            write_sound(path, seconds)
            print(json.dumps(measure(path, "translate" if args.translate else "read")), flush=True)


if __name__ == "__main__":
    main()
