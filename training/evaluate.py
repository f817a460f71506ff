"""Measure the exported model as it is used: simultaneously, 320 ms at a time.

    python -m training.evaluate --model models/SeamlessStreaming-mini --sentences 100

Sentences come from the held-out part of the grammar (training/conditions.py has the sets). Each set
is measured with several seeds, so with other sentences and voices each time; the means are given,
and the least and the most. Delays are computation-unaware (arXiv 2206.05807).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from seamless_server.evaluation.latency import length_adaptive_average_lagging
from seamless_server.streaming import Target, TextOutput, load_model
from training import conditions, config, metrics

CHUNK = 5120
Samples = Any


@dataclass
class Interpretation:
    """Texts by language, for every word the milliseconds of source heard when it came, and the
    languages in which something was given up as not understood."""

    texts: dict[str, str]
    delays: dict[str, list[float]]
    lost: set[str]


def interpret(
    system: Any, samples: Samples, langs: tuple[str, ...], vad: bool, **options: Any
) -> Interpretation:
    """What comes out of samples, 320 ms at a time."""
    stream = system.open({x: Target(text=True) for x in langs}, options, vad=vad)
    texts = dict.fromkeys(langs, "")
    delays: dict[str, list[float]] = {x: [] for x in langs}
    lost: set[str] = set()

    def take(outputs: Any) -> None:
        for out in outputs:
            if isinstance(out, TextOutput):
                if not out.understood:
                    lost.add(out.lang)
                texts[out.lang] += out.text
                words = len(texts[out.lang].split())
                heard = min(stream.position_ms, len(samples) / 16)
                delays[out.lang] += [heard] * (words - len(delays[out.lang]))

    for start in range(0, len(samples), CHUNK):
        take(stream.push(samples[start : start + CHUNK]))
    take(stream.finish())
    stream.close()
    return Interpretation({x: text.strip() for x, text in texts.items()}, delays, lost)


def measure(
    system: Any, rows: list[conditions.Talk], vad: bool = False, **options: Any
) -> dict[str, Any]:
    """Quality and lag by language, and the share of the talks of which nothing was given up."""
    pairs: dict[str, list[tuple[str, str]]] = {x: [] for x in config.LANGUAGES}
    lags: dict[str, list[float]] = {x: [] for x in config.LANGUAGES}
    offline: dict[str, list[float]] = {x: [] for x in config.LANGUAGES}
    kept = 0
    for talk in rows:
        found = interpret(system, talk.samples, config.LANGUAGES, vad, **options)
        texts, delays = found.texts, found.delays
        kept += len(config.LANGUAGES) - len(found.lost)
        size = len(talk.samples) / 16
        for lang in config.LANGUAGES:
            pairs[lang].append((talk.text(lang), texts[lang]))
            words = len(talk.text(lang).split())
            if delays[lang]:
                lags[lang].append(length_adaptive_average_lagging(delays[lang], size, words))
            offline[lang].append(length_adaptive_average_lagging([size] * words, size, words))
    result: dict[str, Any] = {"eng_wer": round(metrics.word_error_rate(pairs["eng"]), 1)}
    for lang in config.LANGUAGES[1:]:
        result[f"{lang}_bleu"] = round(metrics.bleu(pairs[lang]), 1)
    result["kept"] = round(100 * kept / len(rows) / len(config.LANGUAGES), 1)
    for lang in config.LANGUAGES:
        result[f"{lang}_laal_s"] = round(fmean(lags[lang] or [0.0]) / 1000, 2)
        result[f"{lang}_offline_s"] = round(fmean(offline[lang]) / 1000, 2)
    result["examples"] = [
        {lang: pairs[lang][i] for lang in config.LANGUAGES} for i in range(min(5, len(rows)))
    ]
    return result


def over_seeds(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The means of what several seeds gave, and of each number the least and the most."""
    result: dict[str, Any] = {}
    for key in reports[0]:
        if key == "examples":
            result[key] = reports[0][key]
            continue
        values = [report[key] for report in reports]
        result[key] = round(fmean(values), 2)
        if len(values) > 1 and not key.endswith("_s"):
            result[f"{key}_range"] = [min(values), max(values)]
    return result


def heard_numbers(system: Any, rows: list[tuple[str, Samples]]) -> dict[str, Any]:
    """How many recorded numbers come out right, and what the others became."""
    wrong = {}
    for text, samples in rows:
        heard = interpret(system, samples, ("eng",), False).texts["eng"]
        if metrics.plain(heard) != metrics.plain(text):
            wrong[text] = heard
    return {"right": len(rows) - len(wrong), "of": len(rows), "wrong": wrong}


def words_a_minute(system: Any, sounds: dict[str, Samples]) -> dict[str, float]:
    """English words that come out of sounds in which there is nothing to understand, with VAD."""
    found = {}
    for name, samples in sounds.items():
        heard = interpret(system, samples, ("eng",), True).texts["eng"]
        minutes = len(samples) / 16_000 / 60
        found[name] = round(len(heard.split()) / minutes, 1)
    return found


def report_on(
    system: Any,
    sets: dict[str, Callable[[int, int], list[conditions.Talk]]],
    sentences: int,
    seeds: list[int],
    thresholds: Sequence[float] = (),
) -> dict[str, Any]:
    """Quality and lag on every set, of the first one also at other thresholds.

    Sets whose engine or recordings are missing are named.
    """
    report: dict[str, Any] = {"sentences": sentences, "seeds": seeds, "missing": {}}
    for name, make in sets.items():
        vad = name in conditions.VAD
        try:
            rows = [make(sentences, seed) for seed in seeds]
        except (OSError, RuntimeError, ImportError) as error:
            report["missing"][name] = str(error)
            print(f"{name}: cannot be measured here: {error}", flush=True)
            continue
        started = time.monotonic()
        report[name] = over_seeds([measure(system, each, vad) for each in rows])
        spent = time.monotonic() - started
        heard = sum(len(talk.samples) / 16_000 for each in rows for talk in each)
        report[name]["real_time_factor"] = round(spent / heard, 3)
        print(name, json.dumps(report[name], ensure_ascii=False, indent=1), flush=True)
        for threshold in thresholds if name == next(iter(sets)) else ():
            options = {"decision_threshold": threshold}
            found = over_seeds([measure(system, each, vad, **options) for each in rows])
            found.pop("examples")
            report[name][f"threshold {threshold}"] = found
            print(name, threshold, found, flush=True)
    return report


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=60, help="of a set, for each seed")
    parser.add_argument("--seeds", type=int, nargs="*", default=[4242, 4243, 4244])
    parser.add_argument("--sets", nargs="*", choices=list(conditions.SETS), metavar="SET")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each sound outside")
    parser.add_argument("--thresholds", type=float, nargs="*", default=[], help="for the first set")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    system = load_model(args.model, device="cpu", speech=False)
    sets = {name: conditions.SETS[name] for name in args.sets or conditions.SETS}
    report = report_on(system, sets, args.sentences, args.seeds, args.thresholds)
    if conditions.ENGLISH.is_dir():
        report["numbers, people"] = heard_numbers(system, conditions.spoken_numbers())
        print("numbers, people", report["numbers, people"], flush=True)
    else:
        report["missing"]["people"] = f"apt-get install {conditions.PACKAGES}"
    quiet = conditions.nothing(args.seconds / 2)
    sounds = {**quiet, **conditions.strangers(args.seconds, args.seeds[0])}
    report["words_per_minute_outside"] = words_a_minute(system, sounds)
    print(report["words_per_minute_outside"], flush=True)
    if args.out is not None:
        args.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
