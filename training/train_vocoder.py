"""The unit vocoder: units of the target voices back to their flat-pitch speech.

    python -m training.train_vocoder --data WORK/units --out WORK/vocoder

Multi-resolution STFT losses (arXiv 1910.11480), mel bands (arXiv 2010.05646), and the waveform
itself: with the pitch period bound to the unit grid, phase is no matter of chance. Goes on from its
last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seamless_server.nn.vocoder import Vocoder
from training import checkpoint, config, units

RESOLUTIONS = ((256, 64), (512, 128), (1024, 256))
BANDS = {512: 40, 1024: 80}
"""Mel bands, where windows are long enough for them."""
SEGMENT = 36


def spectral_loss(made: Tensor, wanted: Tensor) -> Tensor:
    """Spectral convergence and log-magnitude distance, mean over the resolutions.

    The distance is that of the bins, half of which are above 4 kHz, and that of mel bands.
    """
    total = torch.zeros(())
    for size, hop in RESOLUTIONS:
        window = torch.hann_window(size)
        a, b = (
            torch.stft(x, size, hop, window=window, return_complex=True).abs().clamp(min=1e-4)
            for x in (made, wanted)
        )
        total = total + (a - b).norm() / b.norm() + F.l1_loss(a.log(), b.log())
        if size in BANDS:
            bands = torch.from_numpy(units.mel_matrix(BANDS[size], size // 2 + 1)).float()
            total = total + F.l1_loss((bands @ a).log(), (bands @ b).log())
    return total / len(RESOLUTIONS)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    table = [
        (number, u, wave)
        for number, lang in enumerate(config.LANGUAGES)
        for _, u, wave in units.read(args.data, lang)
        if len(u) > SEGMENT
    ]
    vocoder = Vocoder(config.VOCODER)
    with torch.no_grad():
        # Units that sound alike start alike.
        shapes = units.embeddings(args.data, config.VOCODER.unit_embed_dim)
        vocoder.dict.weight.copy_(torch.from_numpy(shapes))
    optimizer = torch.optim.AdamW(vocoder.parameters(), lr=args.rate, betas=(0.8, 0.99))
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "state.pt"
    step = checkpoint.load(path, vocoder, optimizer)
    saved = time.monotonic()
    totals, counted = np.zeros(2), 0
    while step < args.steps:
        warmth = checkpoint.warmth(optimizer, 200)
        for group in optimizer.param_groups:
            group["lr"] = args.rate * warmth * max(0.03, 1 - step / args.steps)
        rows = [table[i] for i in rng.integers(len(table), size=args.batch)]
        ids, waves = [], []
        for _, u, wave in rows:
            start = int(rng.integers(0, len(u) - SEGMENT))
            ids.append(u[start : start + SEGMENT])
            waves.append(wave[start * units.HOP : (start + SEGMENT) * units.HOP])
        langs = torch.tensor([row[0] for row in rows])
        wanted = torch.from_numpy(np.stack(waves))
        with config.autocast():
            made = vocoder(torch.from_numpy(np.stack(ids)), langs, langs)
        made = made.float()
        spectral, direct = spectral_loss(made, wanted), F.l1_loss(made, wanted)
        loss = spectral + 10.0 * direct
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(vocoder.parameters(), 5.0)
        optimizer.step()
        step += 1
        totals += (float(spectral.detach()), float(direct.detach()))
        counted += 1
        if step % 100 == 0:
            mean = (totals / counted).tolist()
            line = {
                "step": step,
                "spectral": round(mean[0], 4),
                "wave": round(mean[1], 5),
                "seconds": round(time.monotonic() - saved, 1),
            }
            totals[:], counted = 0, 0
            print(line, flush=True)
            with (args.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if step >= args.steps or time.monotonic() - saved > 120:
            saved = time.monotonic()
            checkpoint.save(path, step, vocoder, optimizer)


if __name__ == "__main__":
    main()
