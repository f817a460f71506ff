"""Vocabularies: text pieces, characters, English phonemes.

python -m training.vocabulary --out WORK/vocabulary
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
from pathlib import Path

import sentencepiece

from seamless_server.checkpoints.tokenizers import CharTokenizer, TextTokenizer
from training.speech import engines
from training.text import sample
from training.text.lexicon import LANGUAGES

PIECES = 1000
SENTENCES = 60_000
STRESS = "ˈˌː"
TEXT_FILE, CHARACTER_FILE, PHONEME_FILE = (
    "tokenizer.model",
    "spm_char_lang38_tc.model",
    "phonemes.json",
)


def make(out: Path, sentences: int = SENTENCES, seed: int = 7) -> None:
    """Train the two SentencePiece models and list the phonemes of every English word."""
    out.mkdir(parents=True, exist_ok=True)
    drawn = list(itertools.islice(sample.stream(seed), sentences))
    lines = [s.text(lang) for s in drawn for lang in LANGUAGES]
    for name, kind, size, pad in (
        (TEXT_FILE, "bpe", PIECES, -1),
        (CHARACTER_FILE, "char", 200, 0),
    ):
        shift = pad + 1
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=kind,
            vocab_size=size,
            hard_vocab_limit=kind == "bpe",
            character_coverage=1.0,
            normalization_rule_name="nfkc",
            pad_id=pad,
            unk_id=shift,
            bos_id=shift + 1,
            eos_id=shift + 2,
            max_sentence_length=4096,
            input_sentence_size=120_000,
            num_threads=1,
            minloglevel=2,
        )
        (out / name).write_bytes(model.getvalue())
    spell(out, drawn)


def spell(out: Path, drawn: list[sample.Sentence]) -> None:
    """List the phonemes of every English word; symbols that are known already keep their order."""
    espeak = engines.engine("espeak")
    vocabulary = sorted({word for s in drawn for word in sample.plain_words(s.text("eng"))})
    lexicon = {
        word: [c for c in espeak.phonemes(word, "en-us") if c.isalpha() and c not in STRESS]
        for word in vocabulary
    }
    path = out / PHONEME_FILE
    if path.exists():
        known = json.loads(path.read_text())
        symbols = known["symbols"]
        for phones in lexicon.values():
            phones[:] = [c for c in phones if c in symbols]
        lexicon = {**known["lexicon"], **lexicon}
    else:
        symbols = sorted({c for phones in lexicon.values() for c in phones})
    path.write_text(
        json.dumps({"symbols": symbols, "lexicon": lexicon}, ensure_ascii=False, indent=0)
    )


class Vocabulary:
    """The three vocabularies of a folder."""

    def __init__(self, folder: Path) -> None:
        self.text = TextTokenizer(folder / TEXT_FILE, LANGUAGES)
        self.chars = CharTokenizer(folder / CHARACTER_FILE)
        data = json.loads((folder / PHONEME_FILE).read_text())
        self.symbols: list[str] = data["symbols"]
        self._lexicon: dict[str, list[int]] = {
            word: [self.symbols.index(c) + 1 for c in phones]
            for word, phones in data["lexicon"].items()
        }

    def phonemes(self, text: str) -> list[int]:
        """Phoneme ids (1 and up; 0 is the CTC blank) of an English text."""
        return [p for word in sample.plain_words(text) for p in self._lexicon.get(word, [])]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--keep-pieces",
        action="store_true",
        help="keep the pieces and characters that are there, so that trained weights still fit; "
        "only the phonemes of new words are added",
    )
    args = parser.parse_args()
    if args.keep_pieces:
        spell(args.out, list(itertools.islice(sample.stream(7), SENTENCES)))
    else:
        make(args.out)


if __name__ == "__main__":
    main()
