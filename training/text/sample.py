"""Sentences drawn from the grammar: finished text, alignment, compounds, held-out split."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from training.text import grammar, lexicon
from training.text.grammar import Context, Key, Words
from training.text.lexicon import LANGUAGES

KNOWN = Path(__file__).parents[1] / "state" / "phonemes.json"
PHRASE = "phrase"
HELD_OUT = 0.03
"""Share of the English sentences that no training set may hold."""

_CONTRACTIONS = {
    "spa": {("de", "el"): "del", ("a", "el"): "al"},
    "fra": {("de", "le"): "du", ("à", "le"): "au", ("de", "les"): "des", ("à", "les"): "aux"},
    "deu": {
        ("in", "dem"): "im",
        ("an", "dem"): "am",
        ("zu", "dem"): "zum",
        ("zu", "der"): "zur",
        ("von", "dem"): "vom",
        ("bei", "dem"): "beim",
    },
}
_SPOKEN = {
    "eng": {
        (subject, verb): subject + "'" + verb[-left:]
        for verb, left, subjects in (
            ("am", 1, "i"),
            ("are", 2, "we you they"),
            ("is", 1, "he she it that what where who there"),
            ("will", 2, "i he she it we you they"),
            ("would", 1, "i he she we you they"),
        )
        for subject in subjects.split()
    }
    | {("is", "not"): "isn't", ("are", "not"): "aren't"}
}
"""What English speakers mostly run together."""
SPOKEN = 0.6
"""Share of the sentences in which they do."""
PHRASES = 0.16
"""Share of phrases without slots (``data/phrases.tsv``)."""
_ELIDED = ("le", "la", "de", "je", "que", "ne", "me", "se", "te")


def _letters(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower())


@cache
def _phrases() -> frozenset[str]:
    rng = random.Random(0)
    drawn = (_sentence(_realise(phrase, rng), PHRASE, False) for phrase in grammar.phrases())
    return frozenset(_letters(sentence.text("eng")) for sentence in drawn)


@dataclass(frozen=True)
class Sentence:
    """One sentence (or two joined): ``words`` by language, ``needs`` by target language.

    ``needs[lang][i]`` is how many English words must have been heard before target word ``i``.
    """

    words: dict[str, tuple[str, ...]]
    needs: dict[str, tuple[int, ...]]
    template: str

    def text(self, lang: str) -> str:
        """The sentence in ``lang``."""
        return " ".join(self.words[lang])

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the test sets: decided by the words alone.

        What has no slots, and what has three words or fewer, is for training: there is too little
        of it to do without.
        """
        letters = _letters(self.text("eng"))
        if len(self.words["eng"]) < 4 or letters in _phrases():
            return False
        digest = hashlib.sha256(letters.encode()).digest()
        return int.from_bytes(digest[:4], "big") < HELD_OUT * 2**32


def _polish(words: Words, lang: str, spoken: bool = False) -> Words:
    """Contractions, elisions and "an": the forms that depend on the neighbouring word.

    With ``spoken`` also those that English leaves to the speaker ("I'm").
    """
    polished: Words = []
    rules = _CONTRACTIONS.get(lang, {}) | (_SPOKEN.get(lang, {}) if spoken else {})
    for word, keys in words:
        if polished:
            before, other = polished[-1]
            joined = rules.get((before.lower(), word))
            if joined:
                if before[0].isupper():
                    joined = joined.capitalize()
                polished[-1] = (joined, other | keys)
                continue
            numeral = before.lower() == "le" and word == "un"
            elided = before.lower() in _ELIDED and lexicon.elides(word) and not numeral
            if lang == "fra" and elided:
                polished[-1] = (f"{before[:-1]}'{word}", other | keys)
                continue
            vowel = word[0].lower() in "aeiou" and not word.startswith(("uni", "one", "euro"))
            if lang == "eng" and before.lower() == "a" and vowel:
                polished[-1] = (before + "n", other)
            if lang == "spa" and before == "y" and re.match("h?i[^ae]", word.lower()):
                polished[-1] = ("e", other | keys)
        polished.append((word, keys))
    return polished


def _finish(words: Words, lang: str) -> Words:
    """Capital at the start; the French space before a question mark."""
    word, keys = words[0]
    head = 1 if word[0] == "¿" else 0
    words[0] = (word[:head] + word[head : head + 1].upper() + word[head + 1 :], keys)
    if lang == "fra" and words[-1][0].endswith("?"):
        last, keys = words[-1]
        words[-1:] = [(last[:-1], keys), ("?", keys)]
    return words


def _lowered(words: Words, template: grammar.Template, lang: str) -> Words:
    """The words for a place inside a longer sentence: no capital from the template."""
    first = template.lines[lang][0]
    word, keys = words[0]
    if first.text and not (lang == "eng" and re.match(r"I\b", word)):
        head = 1 if word[0] == "¿" else 0
        word = word[:head] + word[head : head + 1].lower() + word[head + 1 :]
    return [(word, keys), *words[1:]]


def _prefixed(words: Words, mark: str) -> Words:
    return [(word, frozenset((mark, *key) for key in keys)) for word, keys in words]


def _realise(template: grammar.Template, rng: random.Random) -> dict[str, Words]:
    context = Context(rng)
    context.chosen["negated"] = any(
        piece.slot == "notmodal" for piece in template.lines["eng"] if piece.slot
    )
    return {lang: grammar.realise(template, context, lang) for lang in LANGUAGES}


def _question(template: grammar.Template) -> bool:
    return template.lines["eng"][-1].text.endswith("?")


def _bare(template: grammar.Template) -> bool:
    """Whether it is an answer or numbers alone, which nobody joins to a sentence."""
    return template.kind == "answer" or all(
        piece.slot.startswith(("num", "digits")) or piece.text == "."
        for piece in template.lines["eng"]
    )


_JOINTS = (
    ({"eng": "and", "spa": "y", "fra": "et", "deu": "und"}, 0.6),
    ({"eng": "but", "spa": "pero", "fra": "mais", "deu": "aber"}, 0.4),
)


def draw(rng: random.Random, weights: list[float] | None = None) -> Sentence:
    """One random sentence: a phrase, or a template, perhaps greeted or joined to a second one.

    ``weights`` of the templates; with them no phrases are drawn.
    """
    spoken = rng.random() < SPOKEN
    if weights is None and rng.random() < PHRASES:
        number = rng.randrange(len(grammar.phrases()))
        return _sentence(_realise(grammar.phrases()[number], rng), f"{PHRASE} {number}", False)
    pool = grammar.sentences()
    template = rng.choices(pool, weights or template_weights())[0]
    parts = _realise(template, rng)
    name = str(pool.index(template))
    if _bare(template):
        return _sentence(parts, name, spoken)
    if rng.random() < 0.12:
        greeting = rng.choice(lexicon.words()["greet"])
        parts = {
            lang: [
                *_comma([(w, frozenset({("greet",)})) for w in greeting[lang].split()]),
                *_lowered(words, template, lang),
            ]
            for lang, words in parts.items()
        }
    elif not _question(template) and rng.random() < 0.22:
        second = rng.choices(pool, weights or template_weights())[0]
        while _question(second) or _bare(second) or second is template:
            second = rng.choices(pool, weights or template_weights())[0]
        joint = rng.choices([j for j, _ in _JOINTS], [w for _, w in _JOINTS])[0]
        others = _realise(second, rng)
        name += f"+{pool.index(second)}"
        parts = {
            lang: [
                *_prefixed(_comma(words), "1"),
                (joint[lang], frozenset({("joint",)})),
                *_prefixed(_lowered(others[lang], second, lang), "2"),
            ]
            for lang, words in parts.items()
        }
    return _sentence(parts, name, spoken)


def _comma(words: Words) -> Words:
    word, keys = words[-1]
    return [*words[:-1], (word.rstrip(".") + ",", keys)]


def _sentence(parts: dict[str, Words], name: str, spoken: bool) -> Sentence:
    finished = {lang: _finish(_polish(words, lang, spoken), lang) for lang, words in parts.items()}
    last: dict[Key, int] = {}
    for position, (_, keys) in enumerate(finished["eng"]):
        for key in keys:
            last[key] = position + 1
    needs: dict[str, tuple[int, ...]] = {}
    for lang, words in finished.items():
        running = 1
        heard = []
        for position, (_, keys) in enumerate(words):
            if lang == "eng":
                running = position + 1
            else:
                known = [last[key] for key in keys if key in last]
                running = max([running, *known])
            heard.append(running)
        needs[lang] = tuple(heard)
    return Sentence(
        {lang: tuple(w for w, _ in words) for lang, words in finished.items()}, needs, name
    )


def template_weights() -> list[float]:
    """How often each template is drawn: by the variety it has to offer."""
    global _WEIGHTS
    if _WEIGHTS is None:
        _WEIGHTS = []
        for template in grammar.sentences():
            slots = [piece.slot for piece in template.lines["eng"] if piece.slot]
            weight = 0.35 + 0.45 * min(len(slots), 3)
            if any(slot.startswith("act") for slot in slots):
                weight *= 4.0
            if any(slot.startswith(("digits", "num", "time")) for slot in slots):
                weight *= 1.5
            _WEIGHTS.append(weight)
    return _WEIGHTS


_WEIGHTS: list[float] | None = None


def stream(
    seed: int, held_out: bool = False, known: frozenset[str] | None = None
) -> Iterator[Sentence]:
    """Endless sentences of the training split, or of the held-out one; the same for a seed.

    With ``known``, only those all of whose English words are among them (:func:`plain_words`).
    """
    rng = random.Random(seed)
    while True:
        sentence = draw(rng)
        if sentence.held_out == held_out and (
            known is None or known.issuperset(plain_words(sentence.text("eng")))
        ):
            yield sentence


def plain_words(text: str) -> list[str]:
    """Lower-case words of an English text, without punctuation, hyphens as spaces."""
    return re.findall(r"[a-zé']+", text.lower())


def known_words(path: Path = KNOWN) -> frozenset[str]:
    """The English words that the shipped weights were trained with: those whose phonemes are kept
    beside them."""
    return frozenset(json.loads(path.read_text(encoding="utf-8"))["lexicon"])
