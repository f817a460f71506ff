"""Make the held-out test set as sound files with a manifest for `seamless-server evaluate`.

    python -m training.make_held_out

Sentences that no training set may hold, spoken by the voice that no training set hears and by
engines that it does. The result is committed, so that evaluation needs no synthesizer.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
import soundfile

from training.speech import engines
from training.text import sample
from training.text.lexicon import LANGUAGES

SEED = 20261122


def make(folder: Path, unseen_voice: int, seen_voices: int) -> None:
    """Write ``audio/*.ogg`` and ``manifest.tsv``."""
    rng = random.Random(SEED)
    sentences = sample.stream(SEED, True)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    columns = ["id", "audio", "src_lang", *(f"text_{lang}" for lang in LANGUAGES)]
    lines = ["\t".join(columns)]
    spoken: set[str] = set()
    while len(spoken) < unseen_voice + seen_voices:
        sentence = next(sentences)
        if sentence.text("eng") in spoken:
            continue
        number = len(spoken)
        if number < unseen_voice:
            voice = engines.Voice("piper", "joe", rng.uniform(0.9, 1.1))
        else:
            voice = engines.draw_voice(rng)
        pause = np.zeros(engines.RATE // 4, np.float32)
        samples = np.concatenate([pause, engines.speak(sentence.text("eng"), voice), pause])
        name = f"{number:03d}-{voice.engine}"
        path = folder / "audio" / f"{name}.ogg"
        soundfile.write(path, np.clip(samples, -1, 1), engines.RATE, subtype="OPUS")
        texts = [sentence.text(lang) for lang in LANGUAGES]
        lines.append("\t".join([name, f"audio/{path.name}", "eng", *texts]))
        spoken.add(sentence.text("eng"))
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("training/held_out"))
    parser.add_argument("--unseen-voice", type=int, default=40)
    parser.add_argument("--seen-voices", type=int, default=20)
    args = parser.parse_args()
    make(args.out, args.unseen_voice, args.seen_voices)


if __name__ == "__main__":
    main()
