"""What the model makes of the few free recordings of real people that a registry carries.

    apt-get install pocketsphinx-testdata
    python -m training.real_voices --model models/SeamlessStreaming-mini

Playing cards, digits and a novel are not a phrasebook: only the number words are in the model's
vocabulary, so those are counted; all texts are printed for the reader's own judgement.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from seamless_server.audio.decoding import Raw
from seamless_server.audio.reader import read_audio
from seamless_server.streaming import load_model
from training.evaluate import interpret
from training.metrics import word_error_rate

FOLDER = Path("/usr/share/pocketsphinx/test/data")
NOVEL = "librivox/sense_and_sensibility_01_austen_64kb"
SPOKEN = {
    "cards/001.wav": "ten of clubs",
    "cards/002.wav": "four queen of clubs",
    "cards/003.wav": "seven of clubs",
    "cards/004.wav": "five five",
    "cards/005.wav": "eight of spades four of clubs seven of hearts",
    "goforward.raw": "go forward ten meters",
    "something.raw": "go somewhere and do something",
    "numbers.raw": "thirty three four six ninety two",
    "tidigits/dhd.2934z.raw": "two nine three four zero",
    f"{NOVEL}-0880.wav": "he was not an ill disposed young man",
    f"{NOVEL}-0930.wav": "he might even have been made amiable himself",
}
_NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen twenty thirty forty "
    "fifty sixty seventy eighty ninety hundred zero"
)
NUMBERS = frozenset(_NUMBERS.split(" "))


def read(path: Path) -> Any:
    """Mono samples at 16 kHz of a WAV or headerless file."""
    return read_audio(path, raw=Raw(16_000, 1, "s16le") if path.suffix == ".raw" else None)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if not args.folder.is_dir():
        parser.error(f"{args.folder} is missing: apt-get install pocketsphinx-testdata")
    torch.set_num_threads(1)
    system = load_model(args.model, device="cpu", speech=False)
    pairs, said, found = [], 0, 0
    for name, text in SPOKEN.items():
        written = interpret(system, read(args.folder / name), ("eng",), False).texts["eng"]
        pairs.append((text, written))
        wanted = Counter(word for word in text.split() if word in NUMBERS)
        heard = Counter(written.lower().replace("-", " ").strip(".?!").replace(",", "").split())
        said += wanted.total()
        found += (wanted & heard).total()
        print(f"{text}\n    {written}")
    report = {
        "recordings": len(pairs),
        "silent": sum(not written for _, written in pairs),
        "number_words_said": said,
        "number_words_found": found,
        "word_error_rate": round(word_error_rate(pairs), 1),
    }
    print(json.dumps(report))
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
