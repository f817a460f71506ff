"""Templates of sentences in four languages, and their realisation with word alignment.

A template is four lines; see ``data/sentences.txt``. Realising one gives, for every language, its
words, and for every target word the number of English words that must have been heard before it can
be said: a slot's words need the whole slot, other words the stretch that they translate.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from training.text import lexicon, numbers
from training.text.lexicon import DATA, LANGUAGES

Key = tuple[str, ...]
Words = list[tuple[str, frozenset[Key]]]
"""Words, each with the alignment units that it belongs to."""

_PART = re.compile(r"\{([^}]*)\}|([^{|]+)|(\|)")
_SUBJECTS = (
    # English, Spanish, French, German, person
    ("I", "", "je", "ich", "1s"),
    ("we", "", "nous", "wir", "1p"),
    ("he", "él", "il", "er", "3s"),
    ("she", "ella", "elle", "sie", "3s"),
    ("they", "ellos", "ils", "sie", "3p"),
    ("you", "usted", "vous", "Sie", "2"),
)


@dataclass(frozen=True)
class Piece:
    """A slot, or literal words with the stretches of English that they need."""

    slot: str = ""
    text: str = ""
    stretches: tuple[int, ...] = ()


@dataclass(frozen=True)
class Template:
    """One sentence pattern; ``lines`` has the pieces of every language."""

    lines: dict[str, tuple[Piece, ...]]
    kind: str

    @property
    def negatable(self) -> bool:
        """Whether a negated modal may stand before this action (definite objects only)."""
        return not any(
            re.search(r":a\b|count|mass|meal", piece.slot)
            for piece in self.lines["eng"]
            if piece.slot
        )


def parse_line(line: str) -> tuple[Piece, ...]:
    """Split a template's line into slots and stretches of literal words."""
    pieces: list[Piece] = []
    number = 0
    fresh = True
    for slot, text, bar in _PART.findall(line):
        if bar:
            fresh = True
        elif slot:
            pieces.append(Piece(slot=slot))
            fresh = True
        elif text.strip():
            stripped = text.strip()
            if re.fullmatch(r"[.,?!]+", stripped):
                pieces.append(Piece(text=stripped, stretches=(-1,)))
                continue
            punctuation = re.match(r"([.,?!]+)\s+(.*)", stripped)
            if punctuation:
                pieces.append(Piece(text=punctuation[1], stretches=(-1,)))
                stripped = punctuation[2]
            marked = re.match(r"([\d,]+)>\s*(.*)", stripped)
            if fresh or marked:
                number += 1
            needs: tuple[int, ...] = (number,)
            if marked:
                needs = tuple(int(n) for n in marked[1].split(","))
                stripped = marked[2]
            pieces.append(Piece(text=stripped, stretches=needs))
            fresh = False
    return tuple(pieces)


def _load(name: str, kind: str) -> list[Template]:
    templates = []
    text = (DATA / name).read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for block in re.split(r"\n\s*\n", lines.strip()):
        parsed = [parse_line(line) for line in block.splitlines()]
        templates.append(Template(dict(zip(LANGUAGES, parsed, strict=True)), kind))
    return templates


@cache
def sentences() -> list[Template]:
    """All sentence templates, and those of answers that are no whole sentence."""
    return [*_load("sentences.txt", "sentence"), *_load("answers.txt", "answer")]


@cache
def phrases() -> list[Template]:
    """What people say by itself: greetings, answers, exclamations, without slots."""
    return [
        Template(
            {lang: parse_line(text) for lang, text in zip(LANGUAGES, row, strict=True)}, "phrase"
        )
        for row in lexicon.rows("phrases.tsv")
    ]


@cache
def actions() -> list[Template]:
    """Infinitive phrases."""
    return _load("actions.txt", "action")


@dataclass
class Context:
    """The choices made for one sentence, shared by its four languages."""

    rng: random.Random
    chosen: dict[str, Any] = field(default_factory=dict)

    def choose(self, name: str, options: Any) -> Any:
        """The choice called ``name``, made now if it is new."""
        if name not in self.chosen:
            self.chosen[name] = self.rng.choice(options)
        return self.chosen[name]


def _split(text: str, keys: frozenset[Key]) -> Words:
    return [(word, keys) for word in text.split()]


def realise(template: Template, context: Context, lang: str, path: Key = ()) -> Words:
    """The words of ``template`` in ``lang``; choices are kept in ``context``."""
    stretches = sum(1 for p in template.lines["eng"] if p.text and p.stretches != (-1,))
    words: Words = []
    for piece in template.lines[lang]:
        if piece.slot:
            words += _slot(piece.slot, context, lang, path)
        elif piece.stretches == (-1,):
            if words:
                words[-1] = (words[-1][0] + piece.text, words[-1][1])
        else:
            needs = [min(n, stretches) for n in piece.stretches]
            words += _split(piece.text, frozenset((*path, f"#{n}") for n in needs))
    return words


def _slot(spec: str, context: Context, lang: str, path: Key) -> Words:
    name, _, form = spec.partition(":")
    if "=" in name:
        return _agreeing(name, context, lang, path)
    if name in ("A", "N"):
        return list(context.chosen.get(f"{name}:{lang}", []))
    kind = name.rstrip("0123456789")
    key = frozenset({(*path, name)})
    label = "/".join((*path, name))
    if kind in ("subj", "modal", "notmodal"):
        return _clause(kind, context, lang, path)
    if kind == "act":
        return _action(form, context, lang, path)
    if kind in ("num", "digits", "time"):
        return _numeric(kind, form, context, lang, label, (*path, name))
    if kind == "weather":
        entry = context.choose(label, lexicon.weather())
        return _split(_weather(entry, form, lang), key)
    if kind in lexicon.nouns():
        noun = context.choose(label, lexicon.nouns()[kind])
        form, _, described = form.partition("+")
        adjective = None
        if described:
            adjective = context.choose(f"{label}+", lexicon.adjectives()[described])
        return _split(noun.phrase(lang, form or "bare", adjective), key)
    if kind in lexicon.adjectives():
        choice = context.choose(label, lexicon.adjectives()[kind])
        text = choice.bare(lang) if form == "bare" else choice.form(lang)
        return _split(text, key)
    word = context.choose(label, lexicon.words()[kind])
    text = word[lang]
    if kind == "tongue" and form == "the" and lang == "fra":
        text = f"l'{text}" if lexicon.elides(text) else f"le {text}"
    return _split(text, key)


def _agreeing(name: str, context: Context, lang: str, path: Key) -> Words:
    kind, owner = name.split("=")
    noun = context.choose("/".join((*path, owner)), lexicon.nouns()[owner.rstrip("0123456789")])
    gender = noun.gender(lang)
    if kind == "demo":
        return [("esta" if gender == "f" else "este", frozenset({(*path, owner)}))]
    adjective = context.choose("/".join((*path, kind)), lexicon.adjectives()[kind])
    keys = frozenset({(*path, kind), (*path, owner)})
    return _split(adjective.form(lang, gender), keys)


def _clause(kind: str, context: Context, lang: str, path: Key) -> Words:
    if "subject" not in context.chosen:
        rng = context.rng
        if rng.random() < 0.6:
            context.chosen["subject"] = rng.choice(_SUBJECTS)
        else:
            group = rng.choice(("family", "role", "name"))
            pool = lexicon.words()["name"] if group == "name" else lexicon.nouns()[group]
            context.chosen["subject"] = (group, rng.choice(pool))
    subject = context.chosen["subject"]
    subject_key = frozenset({(*path, "subj")})
    person = subject[4] if len(subject) == 5 else "3s"
    if kind == "subj":
        if len(subject) == 5:
            return _split(subject[LANGUAGES.index(lang)], subject_key)
        group, entry = subject
        if group == "name":
            return _split(entry[lang], subject_key)
        return _split(entry.phrase(lang, "my" if group == "family" else "the"), subject_key)
    verb = context.choose("verb", lexicon.verbs()[kind])
    # The verb's ending tells the person, so that it needs the subject too.
    keys = (
        frozenset({(*path, "subj"), (*path, "verb")})
        if lang != "eng"
        else frozenset({(*path, "verb")})
    )
    return _split(verb[lang][person], keys)


def _action(form: str, context: Context, lang: str, path: Key) -> Words:
    pool = actions()
    if context.chosen.get("negated"):
        pool = [action for action in pool if action.negatable]
    action = context.choose("action", pool)
    if lang == "deu":
        adverb: Words = []
        if form.startswith("adverb"):
            entry = context.choose("future", lexicon.words()["future"])
            adverb = _split(entry["deu"], frozenset({("future",)}))
        context.chosen["A:deu"] = adverb
        negated = form.endswith("not")
        context.chosen["N:deu"] = [("nicht", frozenset({("verb",)}))] if negated else []
    return realise(action, context, lang, (*path, "act"))


_RANGES = {"": (2, 199), "count": (2, 60), "small": (2, 12), "few": (2, 5), "big": (101, 999)}


def _numeric(kind: str, form: str, context: Context, lang: str, label: str, path: Key) -> Words:
    key = frozenset({path})
    if kind == "time":
        hour, minute = context.choose(
            label, [(h, m) for h in range(1, 13) for m in numbers.MINUTES]
        )
        return _split(
            numbers.clock(lang, hour, minute, at=form == "at", sentence=form == "es"), key
        )
    if kind == "digits":
        if label not in context.chosen:
            length = context.rng.randint(1, 3) if form == "few" else context.rng.randint(4, 7)
            context.chosen[label] = [context.rng.randrange(10) for _ in range(length)]
        digits = context.chosen[label]
        return [
            (numbers.NUMBER[lang](digit), frozenset({(*path, str(i))}))
            for i, digit in enumerate(digits)
        ]
    if label not in context.chosen:
        low, high = _RANGES[form.split(".")[0]]
        number = context.rng.randint(low, high)
        # Numbers that end in one agree with their noun: they are kept for room numbers.
        while form != "big" and number % 10 == 1 and number != 11:
            number = context.rng.randint(low, high)
        if form in ("", "count") and context.rng.random() < 0.3:
            number = context.rng.randint(2, 10)
        context.chosen[label] = number
    return _split(numbers.NUMBER[lang](context.chosen[label]), key)


def _weather(entry: dict[str, str], form: str, lang: str) -> str:
    if lang != "deu":
        return entry[f"{lang}:{'now' if form == 'now' else 'will'}"]
    if form == "inverted":
        return entry["deu:now"]
    words = entry["deu:will"].split()
    start = 3 if words[1] == "das" else 2
    if form == "willstart":
        return " ".join(words[:start])
    if form == "willend":
        return " ".join(words[start:])
    return " ".join(words)
