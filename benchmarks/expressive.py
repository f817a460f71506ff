"""What the expressive voice costs: by the audio that it listens to, and against the plain vocoder.

    python benchmarks/expressive.py

Both vocoders of the published size with random weights, on the CPU. Everything is measured in one
run and given as a ratio to the plain vocoder's time for the same units.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from seamless_server.nn.config import VocoderConfig
from seamless_server.nn.pretssel import Pretssel, PretsselConfig
from seamless_server.nn.vocoder import Vocoder

HEARD = (1, 2, 5, 10, 20)
UNITS_PER_SECOND, FRAMES_PER_SECOND = 50, 100


def best(call: Callable[[], object], repeat: int) -> float:
    """Seconds of the fastest of several calls."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


@torch.inference_mode()
def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--speech", type=float, default=1.0, help="seconds that are spoken (1)")
    parser.add_argument("--repeat", type=int, default=5, help="the fastest of so many counts (5)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    plain, own = Vocoder(VocoderConfig()).eval(), Pretssel(PretsselConfig()).eval()
    units = torch.randint(0, 10_000, (int(args.speech * UNITS_PER_SECOND),)).tolist()
    zero = torch.tensor([0])
    base = best(lambda: plain(torch.tensor([units]), zero, zero), args.repeat)
    print(f"{args.speech:g} s of speech, plain vocoder: {base:.3f} s, here 1")
    for seconds in HEARD:
        frames = 12 + 4 * torch.randn(seconds * FRAMES_PER_SECOND, 80)
        took = best(partial(own, [units], zero, [frames]), args.repeat)
        print(f"expressive, having heard {seconds:2d} s: {took / base:.2f}")


if __name__ == "__main__":
    main()
