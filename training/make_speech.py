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

import numpy as np

from training.features import fbank, silence
from training.speech import engines
from training.text import sample

PER_SHARD = 256


def make_utterance(
    rng: random.Random, voice: engines.Voice, source: list[sample.Sentence]
) -> tuple[np.ndarray, dict]:  # type: ignore[type-arg]
    """Speak ``source`` sentence by sentence -> features (T, 80) and their description."""
    pieces = [silence(rng.randint(0, 45))]
    for number, sentence in enumerate(source):
        if number:
            pieces.append(silence(rng.randint(15, 60)))
        pieces.append(fbank(engines.speak(sentence.text("eng"), voice)))
    pieces.append(silence(rng.randint(8, 60)))
    described = {
        "voice": [voice.engine, voice.name, round(voice.rate, 3), round(voice.pitch, 3)],
        "sentences": [
            {
                "words": {lang: list(words) for lang, words in sentence.words.items()},
                "needs": {lang: list(needs) for lang, needs in sentence.needs.items()},
                "template": sentence.template,
            }
            for sentence in source
        ],
    }
    return np.concatenate(pieces), described


def make_shard(path: Path, seed: int, held_out: bool = False, engine: str = "") -> None:
    """Write one shard; ``engine`` restricts the voices."""
    rng = random.Random(seed)
    stream = sample.stream(seed, held_out)
    features: list[np.ndarray] = []  # type: ignore[type-arg]
    described: list[dict] = []  # type: ignore[type-arg]
    while len(features) < PER_SHARD:
        voice = engines.draw_voice(rng, engine)
        count = rng.choices((1, 2, 3), (0.78, 0.18, 0.04))[0] if not held_out else 1
        x, text = make_utterance(rng, voice, [next(stream) for _ in range(count)])
        if 40 < len(x) < 1500:
            features.append(x.astype(np.float16))
            described.append(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez(
        part,
        features=np.concatenate(features),
        lengths=np.array([len(x) for x in features]),
        described=np.array(json.dumps(described, ensure_ascii=False)),
    )
    part.rename(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shards", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="sentences kept from training")
    parser.add_argument("--engine", default="", help="only this engine's voices")
    args = parser.parse_args()
    for number in range(args.first, args.first + args.shards):
        path = args.out / f"{number:05d}.npz"
        if not path.exists():
            make_shard(path, 1000 * number + 17, args.held_out, args.engine)
            print(path, flush=True)


if __name__ == "__main__":
    main()
