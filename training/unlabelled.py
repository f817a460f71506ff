"""Speech that is not to be understood: people, other languages, English of another world.

    python -m training.unlabelled people --out WORK/people
    python -m training.unlabelled foreign --out WORK/foreign --count 400
    python -m training.unlabelled other --out WORK/other --count 600

Shards of it have no sentences: the decoder learns to be silent and the encoder what its teacher
hears. ``people`` are recorded prompts, which come from Debian packages. Files whose names begin
with n to z, and digits, are for testing and never read here. Only what is free of share-alike and
copyleft terms is taken (training/README.md tells why): the Russian prompts of
``asterisk-core-sounds-ru-g722`` (CC-BY 3.0, Maxim Topal, ivrvoice.ru). ``foreign`` are sentences of
the phrasebook in other languages, ``other`` the first sentences of Python's own documentation, both
spoken by the voices of training.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import random
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from pydoc_data import topics
from typing import Any

import av
import numpy as np
import soxr

from training import teacher
from training.features import fbank
from training.make_speech import PER_SHARD, write_shard
from training.speech import engines, kokoro
from training.text import sample

PROMPTS = (Path("/usr/share/asterisk/sounds/ru_RU_f_IvrvoiceRU"),)
TRAINED = "abcdefghijklm"
"""First letters of the file names that training may read."""
LONGEST_S = 15
Speech = Callable[[], Any]
"""Gives mono samples at 16 kHz when it is called: what is finished need not be spoken again."""
_SPEAKERS = (
    # Language of the phrasebook, espeak-ng's name of it, Kokoro's voices
    ("spa", "es", ("ef_dora", "em_alex", "em_santa")),
    ("fra", "fr-fr", ("ff_siwis",)),
    # Spanish read as if it were Italian or Portuguese: it sounds like them.
    ("spa", "it", ("if_sara", "im_nicola")),
    ("spa", "pt-br", ("pf_dora", "pm_alex", "pm_santa")),
)
_READERS = (
    ("spa", "es es-419 it pt pt-br ro ca"),
    ("fra", "fr-fr fr-be fr-ch"),
    ("deu", "de nl sv da nb pl cs"),
)
"""Languages of the phrasebook, and whose sounds espeak-ng gives their words."""


def prompts(folder: Path, trained: bool = True) -> list[Path]:
    """G.722 recordings for training, or those for testing; digits are for testing alone."""
    found = sorted(path for path in folder.rglob("*.g722") if path.stat().st_size)
    return [p for p in found if (p.name[0] in TRAINED and "digits" not in p.parts) == trained]


def read_g722(path: Path) -> Any:
    """Mono samples at 16 kHz of a headerless G.722 file."""
    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = np.concatenate(frames, axis=1)[0].astype(np.float32) / 32768
    return engines.trimmed(samples)


def foreign(count: int, seed: int) -> Iterator[Speech]:
    """Sentences of the phrasebook in other languages, half of them by voices that speak them."""
    rng = random.Random(seed)
    stream = sample.stream(seed)
    espeak = engines.engine("espeak")
    for _ in range(count):
        if rng.random() < 0.5:
            lang, name, voices = rng.choice(_SPEAKERS)
            yield partial(_natural, next(stream).text(lang), name, rng.choice(voices))
        else:
            lang, names = rng.choice(_READERS)
            name = rng.choice(names.split()) + rng.choice(("", "+f2", "+f4", "+m3", "+m7"))
            voice = engines.Voice("espeak", name, rng.uniform(0.8, 1.2), rng.uniform(0.6, 1.5))
            yield partial(espeak.speak, next(stream).text(lang), voice)


def _natural(text: str, language: str, voice: str) -> Any:
    phones = kokoro.foreign(text, engines.engine("espeak").phonemes, language)
    samples = engines.engine("kokoro").network.speak(phones, voice, 1.0)
    return soxr.resample(samples, kokoro.RATE, engines.RATE)


def _prose() -> list[str]:
    """Sentences of plain words from Python's language reference."""
    text = re.sub(r"\s+", " ", " ".join(topics.topics.values()))
    return re.findall(r"(?<=[.:] )[A-Z][a-z]+(?:,? [a-z]+){3,13}\.", text)


def other_texts(held_out: bool = False) -> list[str]:
    """English sentences of 4 to 14 plain words from the standard library's documentation.

    Every fifth is ``held_out``, for testing.
    """
    found = set()
    for module in sorted(sys.stdlib_module_names - {"antigravity", "this"}):
        origin = getattr(importlib.util.find_spec(module), "origin", None)
        if not origin or not origin.endswith(".py"):
            continue
        source = Path(origin).read_text(encoding="utf-8", errors="ignore")
        found.update(re.findall(r'"""([A-Z][a-z]+(?: [a-z]+){3,13}\.)', source))
    found.update(_prose())
    return [text for i, text in enumerate(sorted(found)) if (i % 5 == 0) == held_out]


def other(count: int, seed: int) -> Iterator[Speech]:
    """English that the phrasebook does not have, by the voices of training."""
    rng = random.Random(seed)
    for text in rng.choices(other_texts(), k=count):
        kokoro_too = "kokoro" if rng.random() < 0.3 else ""
        yield partial(engines.speak, text, engines.draw_voice(rng, kokoro_too))


def people(folders: list[Path]) -> Iterator[Speech]:
    """The recorded prompts that training may hear."""
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} is missing: apt-get install asterisk-core-sounds-ru-g722"
            )
        for path in prompts(folder):
            yield partial(read_g722, path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=("people", "foreign", "other"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folder", type=Path, nargs="*", default=list(PROMPTS))
    parser.add_argument("--count", type=int, default=400, help="sentences to speak")
    args = parser.parse_args()
    if args.kind == "people":
        source = people(args.folder)
    else:
        source = (foreign if args.kind == "foreign" else other)(args.count, 31)
    for number in itertools.count():
        some = list(itertools.islice(source, PER_SHARD))
        path = args.out / f"{number:05d}.npz"
        if not some:
            break
        if path.exists():
            continue
        heard = [engines.trimmed(speak())[: LONGEST_S * engines.RATE] for speak in some]
        heard = [x for x in heard if len(x) > engines.RATE // 5]
        features = [fbank(x).astype(np.float16) for x in heard]
        described = [{"sentences": [], "voice": [args.kind, "", 1, 1]} for _ in heard]
        write_shard(path, features, described, [teacher.listen(x) for x in heard])
        print(path, len(heard), "utterances", flush=True)


if __name__ == "__main__":
    main()
