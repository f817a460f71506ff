"""Make training utterances: sentences spoken by many voices, stored as features.

    python -m training.make_speech --out WORK/train --shards 200

Each shard is one ``.npz`` with the features of its utterances in half precision and a JSON text
that says what was spoken. Shards are independent and made in any order, so a killed run goes on.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training import teacher
from training.features import fbank
from training.speech import engines
from training.text import sample

Array = npt.NDArray[Any]

PER_SHARD = 256


def describe(voice: engines.Voice, sentence: sample.Sentence) -> dict[str, Any]:
    """What is known of ``sentence`` spoken by ``voice``."""
    return {
        "voice": [voice.engine, voice.name, round(voice.rate, 3), round(voice.pitch, 3)],
        "sentences": [
            {
                "words": {lang: list(words) for lang, words in sentence.words.items()},
                "needs": {lang: list(needs) for lang, needs in sentence.needs.items()},
                "template": sentence.template,
            }
        ],
    }


def make_shard(
    path: Path,
    seed: int,
    held_out: bool = False,
    engine: str = "",
    size: int = PER_SHARD,
    taught: bool = False,
) -> None:
    """Write one shard of ``size`` utterances, without silence around them.

    ``engine`` restricts the voices; with ``taught`` what the teacher hears is kept beside them.
    """
    rng = random.Random(seed)
    stream = sample.stream(seed, held_out)
    features: list[Array] = []
    described: list[dict[str, Any]] = []
    states: list[Array] = []
    while len(features) < size:
        voice, sentence = engines.draw_voice(rng, engine), next(stream)
        samples = engines.speak(sentence.text("eng"), voice)
        x = fbank(samples)
        if 15 < len(x) < 1500:
            features.append(x.astype(np.float16))
            described.append(describe(voice, sentence))
            if taught:
                states.append(teacher.listen(samples))
    write_shard(path, features, described, states)


def write_shard(
    path: Path,
    features: list[Array],
    described: list[dict[str, Any]],
    states: list[Array],
) -> None:
    """Write a shard; ``states`` of the teacher may be empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    kept: dict[str, Any] = {
        "features": np.concatenate(features),
        "lengths": np.array([len(x) for x in features]),
        "described": np.array(json.dumps(described, ensure_ascii=False)),
    }
    if states:
        kept |= {"states": np.concatenate(states), "heard": np.array([len(s) for s in states])}
    np.savez(part, **kept)
    part.rename(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="sentences kept from training")
    parser.add_argument("--engine", default="", help="only this engine's voices")
    parser.add_argument("--size", type=int, default=PER_SHARD, help="utterances in a shard")
    parser.add_argument("--taught", action="store_true", help="keep Whisper's states beside them")
    args = parser.parse_args()
    for number in range(args.first, args.first + args.shards):
        path = args.out / f"{number:05d}.npz"
        if not path.exists():
            make_shard(path, 1000 * number + 17, args.held_out, args.engine, args.size, args.taught)
            print(path, flush=True)


if __name__ == "__main__":
    main()
