"""How many sentences of somebody who hardly pauses the embedded model translates.

    python benchmarks/monologue.py --pauses 0.05 0.1 0.3 0.5 --seconds 300

The sample clips are cut to their speech and joined with silence between, first five in a row, then
in random order to a long talk. A sentence has arrived when at least four fifths of its words stand
in their place. Options of streams change what is measured: --option silence_limit_ms=300.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np

from seamless_server.audio.reader import SAMPLE_RATE, Samples, read_audio
from seamless_server.streaming import Model, Target, TextOutput, load_model

MODEL = Path(__file__).parent.parent / "models" / "SeamlessStreaming-mini"
CHUNK = 5120
ARRIVED = 0.8
SILENT = 0.005


def read_clips(lang: str) -> list[tuple[Samples, str]]:
    """The sample clips without the silence around them, and what they are in ``lang``."""
    found = []
    for row in json.loads((MODEL / "samples" / "samples.json").read_text(encoding="utf-8")):
        samples = read_audio(MODEL / "samples" / row["file"])
        loud = np.flatnonzero(np.abs(samples) > SILENT)
        text = {"eng": row["text"], **row["translations"]}[lang]
        found.append((samples[loud[0] : loud[-1] + 1], text))
    return found


def translate(model: Model, samples: Samples, lang: str, options: dict[str, Any]) -> str:
    """All text of a stream that is pushed 320 ms at a time."""
    stream = model.open({lang: Target()}, options)
    outputs = [
        x for i in range(0, len(samples), CHUNK) for x in stream.push(samples[i : i + CHUNK])
    ]
    outputs += stream.finish()
    text = ""
    for output in outputs:
        assert isinstance(output, TextOutput)
        text += output.text + (" " if output.finished else "")
    return text


def words_of(text: str) -> list[str]:
    """Without case and punctuation."""
    return re.findall(r"\w+", text.casefold())


def count_arrived(wanted: Sequence[str], text: str) -> int:
    """Sentences most of whose words stand in their place."""
    sentences = [words_of(one) for one in wanted]
    said = [word for one in sentences for word in one]
    matcher = SequenceMatcher(None, said, words_of(text), autojunk=False)
    found = np.zeros(len(said), bool)
    for block in matcher.get_matching_blocks():
        found[block.a : block.a + block.size] = True
    ends = np.cumsum([len(one) for one in sentences])
    parts = np.split(found, ends[:-1])
    return sum(float(part.mean()) >= ARRIVED for part in parts)


def measure(
    model: Model, talk: list[tuple[Samples, str]], pause: float, lang: str, options: dict[str, Any]
) -> dict[str, Any]:
    """What arrives of a talk with ``pause`` seconds between its sentences."""
    gap = np.zeros(round(pause * SAMPLE_RATE), np.float32)
    samples = np.concatenate([part for sound, _ in talk for part in (sound, gap)])
    began = time.perf_counter()
    text = translate(model, samples, lang, options)
    took = time.perf_counter() - began
    seconds = len(samples) / SAMPLE_RATE
    return {
        "seconds": round(seconds, 1),
        "pause_s": pause,
        "sentences": len(talk),
        "arrived": count_arrived([wanted for _, wanted in talk], text),
        "real_time_factor": round(took / seconds, 2),
    }


def draw_talk(
    clips: list[tuple[Samples, str]], seconds: float, pause: float, seed: int
) -> list[tuple[Samples, str]]:
    """Clips in random order, none twice in a row, of about ``seconds``."""
    rng = random.Random(seed)
    talk: list[tuple[Samples, str]] = []
    total = 0.0
    while total < seconds:
        clip = rng.choice([one for one in clips if not talk or one is not talk[-1]])
        talk.append(clip)
        total += len(clip[0]) / SAMPLE_RATE + pause
    return talk


def main() -> None:
    """Command line: one line of JSON a measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=str(MODEL))
    parser.add_argument("--lang", default="eng", help="eng, spa, fra or deu")
    parser.add_argument("--pauses", type=float, nargs="+", default=[0.05, 0.1, 0.3, 0.5, 0.7])
    parser.add_argument("--seconds", type=float, default=300, help="length of the long talk")
    parser.add_argument("--long-pause", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    options = {}
    for one in args.option:
        name, _, value = one.partition("=")
        options[name] = json.loads(value)
    model, clips = load_model(args.model, "cpu"), read_clips(args.lang)
    for pause in args.pauses:
        print(json.dumps(measure(model, clips[:5], pause, args.lang, options)), flush=True)
    if args.seconds > 0:
        talk = draw_talk(clips, args.seconds, args.long_pause, args.seed)
        print(json.dumps(measure(model, talk, args.long_pause, args.lang, options)), flush=True)


if __name__ == "__main__":
    main()
