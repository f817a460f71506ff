"""Measure the exported model as it is used: simultaneously, 320 ms at a time.

    python -m training.evaluate --model models/SeamlessStreaming-mini --sentences 100

Sentences come from the held-out part of the grammar; voices are those of training ("seen"), or the
engine that training never heard ("unseen"). Delays are computation-unaware (arXiv 2206.05807).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch

from seamless_server.evaluation.latency import length_adaptive_average_lagging
from seamless_server.streaming import Target, TextOutput, load_system
from training import config, metrics
from training.speech import engines
from training.text import sample

CHUNK = 5120
Samples = Any


def spoken_set(voices: str, sentences: int, seed: int) -> list[tuple[sample.Sentence, Samples]]:
    """Held-out sentences with their sound, a tenth of a second of silence around it."""
    rng = random.Random(seed)
    stream = sample.stream(seed, held_out=True)
    silence = np.zeros(1600, np.float32)
    rows = []
    for _ in range(sentences):
        sentence = next(stream)
        voice = engines.draw_voice(rng, engines.HELD_OUT if voices == "unseen" else "")
        x = engines.speak(sentence.text("eng"), voice)
        x = x * (rng.uniform(0.2, 0.8) / max(1e-3, float(np.abs(x).max())))
        noise = np.random.default_rng(seed).normal(0, 1e-4, len(x) + 3200).astype(np.float32)
        rows.append((sentence, np.concatenate([silence, x, silence]) + noise))
    return rows


def interpret(
    system: Any, samples: Samples, langs: tuple[str, ...], vad: bool, **options: Any
) -> tuple[dict[str, str], dict[str, list[float]]]:
    """Texts by language, and for every word the milliseconds of source heard when it came."""
    stream = system.open_stream({x: Target(text=True) for x in langs}, vad=vad, **options)
    texts = dict.fromkeys(langs, "")
    delays: dict[str, list[float]] = {x: [] for x in langs}

    def take(outputs: Any) -> None:
        for out in outputs:
            if isinstance(out, TextOutput):
                texts[out.lang] += out.text
                words = len(texts[out.lang].split())
                heard = min(stream.position_ms, len(samples) / 16)
                delays[out.lang] += [heard] * (words - len(delays[out.lang]))

    for start in range(0, len(samples), CHUNK):
        take(stream.push(samples[start : start + CHUNK]))
    take(stream.finish())
    stream.close()
    return {x: text.strip() for x, text in texts.items()}, delays


def measure(
    system: Any, rows: list[tuple[sample.Sentence, Samples]], **options: Any
) -> dict[str, Any]:
    """Quality and lag by language."""
    pairs: dict[str, list[tuple[str, str]]] = {x: [] for x in config.LANGUAGES}
    lags: dict[str, list[float]] = {x: [] for x in config.LANGUAGES}
    offline: dict[str, list[float]] = {x: [] for x in config.LANGUAGES}
    for sentence, samples in rows:
        texts, delays = interpret(system, samples, config.LANGUAGES, False, **options)
        size = len(samples) / 16
        for lang in config.LANGUAGES:
            pairs[lang].append((sentence.text(lang), texts[lang]))
            words = len(sentence.words[lang])
            if delays[lang]:
                lags[lang].append(length_adaptive_average_lagging(delays[lang], size, words))
            offline[lang].append(length_adaptive_average_lagging([size] * words, size, words))
    result: dict[str, Any] = {"eng_wer": round(metrics.word_error_rate(pairs["eng"]), 1)}
    for lang in config.LANGUAGES[1:]:
        result[f"{lang}_bleu"] = round(metrics.bleu(pairs[lang]), 1)
    for lang in config.LANGUAGES:
        result[f"{lang}_laal_s"] = round(fmean(lags[lang] or [0.0]) / 1000, 2)
        result[f"{lang}_offline_s"] = round(fmean(offline[lang]) / 1000, 2)
    result["examples"] = [
        {lang: pairs[lang][i] for lang in config.LANGUAGES} for i in range(min(5, len(rows)))
    ]
    return result


def nothing(seconds: float, seed: int = 5) -> dict[str, Samples]:
    """Sounds in which nobody speaks: silence, noise, hum, chords."""
    rng = np.random.default_rng(seed)
    size = int(seconds * 16_000)
    t = np.arange(size) / 16_000
    chords = np.zeros(size)
    for start in range(0, size, 8000):
        for pitch in rng.choice([220, 247, 262, 294, 330, 349, 392, 440], 3, replace=False):
            part = slice(start, min(size, start + 8000))
            tone = t[part] - t[start]
            for harmonic in (1, 2, 3):
                chords[part] += np.sin(2 * np.pi * pitch * harmonic * tone) * np.exp(-3 * tone)
    return {
        "silence": np.zeros(size, np.float32),
        "white noise": rng.normal(0, 0.05, size).astype(np.float32),
        "brown noise": (0.02 * np.cumsum(rng.normal(0, 0.1, size)) % 0.3).astype(np.float32),
        "mains hum": (0.1 * np.sin(2 * np.pi * 50 * t)).astype(np.float32),
        "music": (0.05 * chords).astype(np.float32),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--thresholds", type=float, nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    system = load_system(args.model, device="cpu", speech=False)
    report: dict[str, Any] = {"sentences": args.sentences}
    for voices in ("seen", "unseen"):
        rows = spoken_set(voices, args.sentences, 4242)
        started = time.monotonic()
        report[voices] = measure(system, rows)
        spent = time.monotonic() - started
        report[voices]["real_time_factor"] = round(spent / sum(len(x) / 16_000 for _, x in rows), 3)
        print(voices, json.dumps(report[voices], ensure_ascii=False, indent=1), flush=True)
        for threshold in args.thresholds:
            found = measure(system, rows, decision_threshold=threshold)
            found.pop("examples")
            report[voices][f"threshold {threshold}"] = found
            print(voices, threshold, found, flush=True)
    words = {}
    for name, samples in nothing(30).items():
        texts, _ = interpret(system, samples, ("eng",), True)
        words[name] = 2 * len(texts["eng"].split())
    report["words_per_minute_when_nobody_speaks"] = words
    print(words)
    if args.out is not None:
        args.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
