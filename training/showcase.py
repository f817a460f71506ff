"""What people see and hear of the model: phrases to try, sample clips, a small test set.

python -m training.showcase --model models/SeamlessStreaming-mini --held-out training/held_out
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import soundfile

from training import conditions, config
from training.speech import engines
from training.text import sample

# Templates and seeds were chosen by reading; see the phrases in the written file.
CLIPS = (
    ("pico", "en-US", 1),
    ("flite", "slt", 1),
    ("pico", "en-GB", 1),
    ("flite", "rms", 1),
    ("piper", "joe", 1),
    ("pico", "en-US", 2),
)


def phrases(count: int, seed: int = 2026) -> list[dict[str, object]]:
    """Short sentences with their translations, one of a template."""
    used: set[str] = set()
    found: list[dict[str, object]] = []
    for sentence in sample.stream(seed):
        size = len(sentence.words["eng"])
        if "+" in sentence.template or sentence.template in used or not 4 <= size <= 9:
            continue
        used.add(sentence.template)
        translations = {lang: sentence.text(lang) for lang in config.LANGUAGES[1:]}
        found.append({"text": sentence.text("eng"), "translations": translations})
        if len(found) == count:
            return found
    return found


def write_clips(folder: Path, seed: int = 155) -> None:
    """Sample clips of held-out sentences, with their texts and translations."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    stream = sample.stream(seed, held_out=True)
    listing = []
    for number, (engine, name, count) in enumerate(CLIPS):
        sentences: list[sample.Sentence] = []
        while len(sentences) < count:
            sentence = next(stream)
            if "+" not in sentence.template and 5 <= len(sentence.words["eng"]) <= 10:
                sentences.append(sentence)
        pieces = [np.zeros(4000, np.float32)]
        for sentence in sentences:
            voice = engines.Voice(engine, name, rng.uniform(0.9, 1.0))
            x = engines.speak(sentence.text("eng"), voice)
            pieces += [x * (0.5 / float(np.abs(x).max())), np.zeros(19_200, np.float32)]
        file = f"clip{number + 1}.flac"
        soundfile.write(folder / file, np.concatenate(pieces), engines.RATE)
        listing.append(
            {
                "file": file,
                "text": " ".join(s.text("eng") for s in sentences),
                "translations": {
                    lang: " ".join(s.text(lang) for s in sentences) for lang in config.LANGUAGES[1:]
                },
                "voice": f"{engine} {name}",
            }
        )
    (folder / "samples.json").write_text(json.dumps(listing, ensure_ascii=False, indent=1) + "\n")


def write_held_out(folder: Path, each: int = 20) -> None:
    """A small test set as a manifest for ``seamless-server evaluate``."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["id", "audio", "src_lang", "src_text"]
    lines = ["\t".join([*columns, *(f"text_{x}" for x in config.LANGUAGES)])]
    for voices, name in (("seen", "seen"), ("unseen", "held-out Kokoro")):
        for number, talk in enumerate(conditions.SETS[name](each, 99)):
            file = f"{voices}{number + 1:02d}.ogg"
            soundfile.write(
                folder / file, talk.samples, engines.RATE, format="OGG", subtype="VORBIS"
            )
            texts = [talk.text(lang) for lang in config.LANGUAGES]
            lines.append("\t".join([file[:-4], file, "eng", texts[0], *texts]))
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    args = parser.parse_args()
    args.model.mkdir(parents=True, exist_ok=True)
    text = json.dumps(phrases(48), ensure_ascii=False, indent=1)
    (args.model / "phrases.json").write_text(text + "\n")
    write_clips(args.model / "samples")
    write_held_out(args.held_out)


if __name__ == "__main__":
    main()
