"""The word lists and how their words are inflected: articles, plurals, cases, adjective endings."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"
LANGUAGES = ("eng", "spa", "fra", "deu")
VOWELS = "aeiouyàâäéèêëîïôöùûüœh"
# French words whose h or vowel does not take an elision.
NO_ELISION = ("huit", "onze", "hasard", "hall", "hamburger", "yaourt", "haricot")

_DE_ARTICLE = {
    # determiner -> (masculine, feminine, neuter, plural) by case n, a, d
    "the": {"n": "der die das die", "a": "den die das die", "d": "dem der dem den"},
    "a": {"n": "ein eine ein -", "a": "einen eine ein -", "d": "einem einer einem -"},
    "this": {
        "n": "dieser diese dieses diese",
        "a": "diesen diese dieses diese",
        "d": "diesem dieser diesem diesen",
    },
}
_DE_POSSESSIVE = {"my": "mein", "our": "unser", "your": "Ihr", "no": "kein"}
_DE_ENDING = {"n": ("", "e", "", "e"), "a": ("en", "e", "", "e"), "d": ("em", "er", "em", "en")}
_ES = {
    "the": ("el", "la", "los", "las"),
    "a": ("un", "una", "unos", "unas"),
    "my": ("mi", "mi", "mis", "mis"),
    "our": ("nuestro", "nuestra", "nuestros", "nuestras"),
    "your": ("su", "su", "sus", "sus"),
    "this": ("este", "esta", "estos", "estas"),
}
_FR = {
    "the": ("le", "la", "les"),
    "a": ("un", "une", "des"),
    "my": ("mon", "ma", "mes"),
    "our": ("notre", "notre", "nos"),
    "your": ("votre", "votre", "vos"),
    "this": ("ce", "cette", "ces"),
    "some": ("du", "de la", "des"),
}


def elides(word: str) -> bool:
    """Whether a French word makes the article before it lose its vowel."""
    return word[:1].lower() in VOWELS and not word.lower().startswith(NO_ELISION)


@dataclass(frozen=True)
class Adjective:
    """An adjective in four languages; ``before`` says that the French one precedes its noun."""

    eng: str
    spa: tuple[str, str]
    fra: tuple[str, str, str]
    deu: str
    before: bool

    def form(self, lang: str, gender: str = "m") -> str:
        """The predicative form in the singular."""
        if lang == "eng":
            return self.eng
        if lang == "spa":
            return self.spa[gender == "f"]
        if lang == "fra":
            return self.fra[1] if gender == "f" else self.fra[0]
        return self.deu

    def bare(self, lang: str) -> str:
        """The adjective as a noun ("in red", German "in Rot")."""
        return self.form(lang).capitalize() if lang == "deu" else self.form(lang)


@dataclass(frozen=True)
class Noun:
    """A noun in four languages: its singular, plural and gender in each."""

    words: dict[str, tuple[str, str]]
    genders: dict[str, str]
    weak: bool
    preposition: str

    def gender(self, lang: str) -> str:
        """ "m", "f" or (German only) "n"; English has none."""
        return self.genders.get(lang, "m")

    def phrase(self, lang: str, form: str, adjective: Adjective | None = None) -> str:
        """The noun with its determiner.

        ``form`` is a determiner (the, a, my, our, your, this, no, some), ``pl``, ``sg`` or
        ``bare``, for German with ``.n``, ``.a`` or ``.d`` for the case, or ``at`` (place, dative).
        """
        kind, _, case = form.partition(".")
        case = case or "n"
        singular, plural = self.words[lang]
        if kind == "pl":
            return plural
        if kind in ("sg", "bare") or (kind == "some" and lang != "fra"):
            return singular
        if lang == "eng":
            return " ".join(filter(None, (kind, adjective.eng if adjective else "", singular)))
        if lang == "spa":
            feminine = self.gender(lang) == "f"
            # A stressed a- takes the masculine article; "agua" is listed as masculine for that.
            described = adjective.form(lang, self.gender(lang)) if adjective else ""
            parts = [_ES[kind][feminine], singular, described]
            return " ".join(filter(None, parts))
        if lang == "fra":
            return self._french(kind, adjective)
        return self._german(kind, case, adjective)

    def _french(self, kind: str, adjective: Adjective | None) -> str:
        singular = self.words["fra"][0]
        feminine = self.gender("fra") == "f"
        described = singular
        if adjective is not None:
            if adjective.before:
                form = adjective.fra[1] if feminine else adjective.fra[2 if elides(singular) else 0]
                described = f"{form} {singular}"
            else:
                described = f"{singular} {adjective.form('fra', self.gender('fra'))}"
        vowel = elides(described)
        if kind == "some" and vowel:
            return f"de l'{described}"
        article = _FR[kind][feminine]
        if vowel and kind == "the":
            return f"l'{described}"
        if vowel and kind == "my":
            article = "mon"
        if vowel and kind == "this" and not feminine:
            article = "cet"
        return f"{article} {described}"

    def _german(self, kind: str, case: str, adjective: Adjective | None) -> str:
        singular, plural = self.words["deu"]
        which = "mfn".index(self.gender("deu"))
        prefix = ""
        if kind == "at":
            prefix, kind = f"{self.preposition} ", "the"
        if kind in _DE_POSSESSIVE:
            article = _DE_POSSESSIVE[kind] + _DE_ENDING[case][which]
        else:
            article = _DE_ARTICLE[kind][case].split()[which]
        noun = plural if self.weak and case != "n" else singular
        if adjective is None:
            return f"{prefix}{article} {noun}"
        return f"{prefix}{article} {_decline(adjective.deu, kind, case, which)} {noun}"


def _decline(stem: str, kind: str, case: str, which: int) -> str:
    """A German adjective before a singular noun, after the determiner ``kind``."""
    if case == "d" or (case == "a" and which == 0):
        ending = "en"
    elif kind in ("the", "this"):
        ending = "e"
    else:
        ending = ("er", "e", "es")[which]
    if stem == "teuer":
        stem = "teur"
    return stem + ending


def rows(name: str) -> list[list[str]]:
    """The cells of a word list, without its comments."""
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row for row in lines if row and not row[0].startswith("#")]


@cache
def nouns() -> dict[str, list[Noun]]:
    """Nouns by class (place, item, food, ...)."""
    classes: dict[str, list[Noun]] = {}
    for kind, *columns, preposition in rows("nouns.tsv"):
        words: dict[str, tuple[str, str]] = {}
        genders: dict[str, str] = {}
        weak = False
        for lang, cell in zip(LANGUAGES, columns, strict=True):
            if lang != "eng":
                genders[lang], cell = cell.split(":")
            singular, plural, *flags = cell.split("/")
            weak = weak or "w" in flags
            words[lang] = (singular, plural)
        classes.setdefault(kind, []).append(Noun(words, genders, weak, preposition))
    return classes


@cache
def adjectives() -> dict[str, list[Adjective]]:
    """Adjectives by class (color, taste, mood, ...)."""
    classes: dict[str, list[Adjective]] = {}
    for kind, eng, spa, fra, deu in rows("adjectives.tsv"):
        before = fra.endswith(" B")
        forms = fra.removesuffix(" B")
        masculine, feminine, *vowel = forms.split("/")
        spanish = tuple(spa.split("/"))
        classes.setdefault(kind, []).append(
            Adjective(
                eng,
                (spanish[0], spanish[1]),
                (masculine, feminine, vowel[0] if vowel else masculine),
                deu,
                before,
            )
        )
    return classes


@cache
def words() -> dict[str, list[dict[str, str]]]:
    """Words and set phrases that do not inflect, by class (city, day, future, ...)."""
    classes: dict[str, list[dict[str, str]]] = {}
    for kind, *columns in rows("words.tsv"):
        classes.setdefault(kind, []).append(dict(zip(LANGUAGES, columns, strict=True)))
    return classes


@cache
def weather() -> list[dict[str, str]]:
    """Weather phrases: ``LANG:now`` and ``LANG:will``; the German ones follow an adverb."""
    names = [f"{lang}:{tense}" for lang in LANGUAGES for tense in ("now", "will")]
    return [dict(zip(names, row, strict=True)) for row in rows("weather.tsv")]


PERSONS = ("1s", "3s", "1p", "3p", "2")


@cache
def verbs() -> dict[str, list[dict[str, dict[str, str]]]]:
    """Modal verbs by class: language -> person (1s, 3s, 1p, 3p, 2 polite) -> form."""
    classes: dict[str, list[dict[str, dict[str, str]]]] = {}
    for kind, *columns in rows("verbs.tsv"):
        verb = {}
        for lang, cell in zip(LANGUAGES, columns, strict=True):
            forms = cell.split("/")
            if len(forms) == 1:
                forms = forms * 5
            if len(forms) == 4:  # the polite address: third person, singular in Spanish
                forms.append(forms[1] if lang == "spa" else forms[3])
            verb[lang] = dict(zip(PERSONS, forms, strict=True))
        classes.setdefault(kind, []).append(verb)
    return classes
