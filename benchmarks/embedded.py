"""How many speakers the embedded model carries on this machine, and in how much memory.

    python benchmarks/embedded.py --speakers 4

Every speaker is a stream of its own (speech to Spanish text and speech, VAD, inline engine) in a
thread of its own and gets its audio as fast as it takes it: real-time speakers are seconds of audio
by seconds of work. Beside it stands what Python with PyTorch takes before any model is loaded.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from pathlib import Path

import numpy as np
import soundfile

from seamless_server.nn import hifigan
from seamless_server.streaming import Target, load_model

MODEL = Path(__file__).parent.parent / "models" / "SeamlessStreaming-mini"
CHUNK = 5120


def memory_mb(field: str) -> float:
    """Memory of this process in MB (Linux): VmRSS is now, VmHWM the most that it was."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(field + ":")[1].split()[0]) * 1024 / 1e6


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--speakers", type=int, default=4)
    parser.add_argument(
        "--repeats", type=int, default=3, help="how often each speaker's clip comes"
    )
    parser.add_argument(
        "--piece",
        type=int,
        default=hifigan.PIECE,
        metavar="UNITS",
        help="units that the vocoder makes audible at a time; 9999: all at once, the plain way",
    )
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    hifigan.PIECE = args.piece
    before = memory_mb("VmRSS")
    model = load_model(args.model, device="cpu")
    clip, _ = soundfile.read(sorted((MODEL / "samples").glob("*.flac"))[-1], dtype="float32")
    samples = np.tile(clip, args.repeats)

    def speak() -> None:
        stream = model.open({"spa": Target(text=True, speech=True)})
        for start in range(0, len(samples), CHUNK):
            list(stream.push(samples[start : start + CHUNK]))
        list(stream.finish())

    speak()  # warm-up
    threads = [threading.Thread(target=speak) for _ in range(args.speakers)]
    busy, started = time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, busy = time.perf_counter() - started, time.process_time() - busy
    audio = args.speakers * len(samples) / 16_000
    report = {
        "speakers": args.speakers,
        "audio_s": round(audio, 1),
        "wall_s": round(wall, 2),
        "cpu_s": round(busy, 2),
        "real_time_speakers": round(audio / wall, 1),
        "memory_before_model_mb": round(before),
        "memory_peak_mb": round(memory_mb("VmHWM")),
    }
    print(json.dumps(report, indent=1))
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
