"""What evaluation costs over plain translation, and what workers that share an engine gain.

    python benchmarks/evaluation.py --model SeamlessStreaming-mini --output evaluation.json

Both comparisons alternate between their sides and give the median of the ratios:

* overhead: `seamless-server evaluate` (audio read, agents run under SimulEval, log written, all
  metrics computed) over the loop of `seamless-server translate` on the same files, in processor
  time, which other programs on the machine hardly change;
* workers: one worker on the inline engine over N workers on the scheduled one, in wall-clock time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from seamless_server.audio.reader import read_audio
from seamless_server.evaluation.audio import Preparation
from seamless_server.evaluation.experiment import Evaluator, Experiment, plan
from seamless_server.evaluation.manifest import Selection
from seamless_server.evaluation.provenance import machine, versions
from seamless_server.evaluation.systems import SystemUnderTest, resolve_system
from seamless_server.evaluation.units import Unit
from seamless_server.streaming import Target, load_model

RECORDINGS = Path(__file__).resolve().parents[1] / "tests" / "recordings"
OPTIONS: dict[str, str | bool] = {
    "decision_threshold": "0.5",
    "min_starting_wait_w2vbert": "192",
    "max_len_a": "0",
    "max_len_b": "100",
    "no_early_stop": True,
}


def make_data(folder: Path, sentences: int, seconds: float) -> Path:
    """A manifest of `sentences` different stretches of human speech."""
    samples, rate = soundfile.read(RECORDINGS / "audio" / "human_pauses.flac", dtype="float32")
    size = int(seconds * rate)
    lines = ["id\taudio\ttgt_lang\ttgt_text"]
    for number in range(sentences):
        start = number * size // 3 % len(samples)
        soundfile.write(folder / f"{number}.wav", np.resize(np.roll(samples, -start), size), rate)
        lines.append(f"{number}\t{number}.wav\tspa\tsiete de tréboles")
    path = folder / "data.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@dataclass(frozen=True)
class Cost:
    """Seconds that something took."""

    wall: float
    processor: float


@contextmanager
def measured(costs: list[Cost]) -> Iterator[None]:
    """Append what the block costs."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    costs.append(Cost(time.perf_counter() - wall, time.process_time() - processor))


def translate_all(model: object, data: Path, segment_ms: int) -> None:
    """The loop of `translate` for all files."""
    for path in sorted(data.parent.glob("*.wav"), key=lambda path: int(path.stem)):
        samples = read_audio(path)
        stream = model.open(  # type: ignore[attr-defined]
            {"spa": Target(text=True)},
            {name: _typed(value) for name, value in OPTIONS.items()},
            vad=False,
        )
        size = segment_ms * 16
        for start in range(0, len(samples), size):
            list(stream.push(samples[start : start + size]))
        list(stream.finish())


def _typed(value: str | bool) -> object:
    return value if isinstance(value, bool) else float(value) if "." in value else int(value)


def evaluate_all(system: SystemUnderTest, data: Path, output: Path, workers: int) -> None:
    """An evaluation of the same files, without the HTML report."""
    experiment = Experiment(
        data=data,
        output=output,
        spec=system.spec,
        selection=Selection(),
        preparation=Preparation(strip_silence=False),
        unit=Unit.spm,
        spm_model=system.spm_model,
        system=system.name,
        workers=workers,
        overwrite=True,
    )
    (run,) = plan(experiment)
    result = Evaluator(experiment).run(run)
    assert not result.outcome.failures, result.outcome.failures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(RECORDINGS / "checkpoint"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sentences", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a sentence")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads")
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load_model(args.model, device=args.device, dtype="fp32", speech=False)
    under_test = resolve_system(
        "s2tt",
        model=args.model,
        agent_class=None,
        options=OPTIONS,
        device=args.device,
        dtype="fp32",
        segment_ms=320,
    )
    plain: list[Cost] = []
    one: list[Cost] = []
    many: list[Cost] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_data(folder, args.sentences, args.seconds)
        translate_all(model, data, 320)  # warm-up
        for workers in (1, args.workers):
            evaluate_all(under_test, data, folder / "out", workers)
        for _ in range(args.repeats):
            with measured(plain):
                translate_all(model, data, 320)
            with measured(one):
                evaluate_all(under_test, data, folder / "out", 1)
            with measured(many):
                evaluate_all(under_test, data, folder / "out", args.workers)
    overhead = statistics.median(
        b.processor / a.processor - 1 for a, b in zip(plain, one, strict=True)
    )
    speedup = statistics.median(a.wall / b.wall for a, b in zip(one, many, strict=True))
    figures = {
        "overhead": overhead,
        f"speedup_of_{args.workers}_workers": speedup,
        "seconds": {
            "translate": [asdict(cost) for cost in plain],
            "evaluate": [asdict(cost) for cost in one],
            f"evaluate_{args.workers}": [asdict(cost) for cost in many],
        },
        "setting": {
            **{name: value for name, value in vars(args).items() if name != "output"},
            "model": under_test.name,
        },
        "machine": machine(),
        "versions": versions(),
    }
    print(f"overhead of evaluate over translate: {overhead:+.1%}")
    print(f"{args.workers} workers over 1: {speedup:.2f}x")
    if args.output:
        args.output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
