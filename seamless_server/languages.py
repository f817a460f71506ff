"""The languages of SeamlessStreaming, and which of them each task offers.

The table (`data/languages.tsv`) is the published model's: which languages it hears, which it writes
and which it speaks. A loaded model may offer fewer; this module knows only the table. Some rows are
of languages that only other models know (Whisper), and have none of the three.
"""

from __future__ import annotations

import csv
import difflib
import re
import sys
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

import langcodes
from language_data.names import load_trie, normalize_name
from language_data.util import data_filename

from seamless_server.errors import LanguageError

Direction = Literal["source", "text", "speech"]
"""What a language is wanted for: hearing it, writing it or speaking it."""

_DIRECTION_WORDS: Mapping[Direction, str] = {
    "source": "source speech",
    "text": "translated text",
    "speech": "translated speech",
}

# Which of a macrolanguage's members the table has (ISO 639-3), likeliest first, and individual
# languages that the table calls by another code.
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "ara": ("arb",), "aze": ("azj",), "ekk": ("est",), "fas": ("pes",), "fil": ("tgl",),
    "ful": ("fuv",), "kur": ("ckb",), "lav": ("lvs",),
    "mon": ("khk",), "msa": ("zsm", "zlm"), "nep": ("npi",), "nor": ("nob",), "ori": ("ory",),
    "orm": ("gaz",), "pus": ("pbt",), "swa": ("swh",), "uzb": ("uzn",), "zho": ("cmn",),
}  # fmt: skip

# Codes of countries that people write for the language, and are no code of another language.
_COUNTRIES: Mapping[str, str] = {
    "cn": "cmn", "cz": "ces", "dk": "dan", "gr": "ell", "jp": "jpn", "kr": "kor", "ua": "ukr",
    "vn": "vie",
}  # fmt: skip

# Old codes that libraries read as something narrower, and names that they do not have.
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "sh": ("srp", "hrv", "bos"), "hbs": ("srp", "hrv", "bos"),
    "serbo-croatian": ("srp", "hrv", "bos"), "serbocroatian": ("srp", "hrv", "bos"),
    "castellano": ("spa",), "mandarin": ("cmn",), "farsi": ("pes",), "fulfulde": ("fuv",),
    "汉语": ("cmn",), "漢語": ("cmn",), "国语": ("cmn",), "國語": ("cmn",),
    "zh-chs": ("cmn",), "zh-cht": ("cmn_Hant",),
    "廣東話": ("yue",), "广东话": ("yue",), "粤语": ("yue",), "粵語": ("yue",),
    "bahasa": ("ind",), "bahasa melayu": ("zsm",), "basa jawa": ("jav",), "darija": ("ary",),
    "brazilian": ("por",), "brasileiro": ("por",), "valencia": ("cat",),
    "bokmal": ("nob",), "khalkha": ("khk",), "hayeren": ("hye",), "flemish": ("nld",),
}  # fmt: skip

# With these scripts and territories a tag means another member of its macrolanguage, which the
# table does not have.
_OTHER_MEMBER = frozenset(
    {("kur", "Latn"), ("kur", "TR"), ("aze", "Arab"), ("aze", "IR"), ("uzb", "Arab")}
    | {("uzb", "AF"), ("pan", "Arab"), ("pan", "PK"), ("mon", "Mong")}
    # What langcodes makes of Montenegrin, Dari and Congo Swahili.
    | {("srp", "ME"), ("fas", "AF"), ("swa", "CD")}
)

# What is mostly spoken in a territory, behind the standard that is written there.
_SPOKEN: Mapping[tuple[str, str], str] = {
    ("cmn_Hant", "HK"): "yue", ("cmn_Hant", "MO"): "yue", ("arb", "EG"): "arz",
    ("arb", "MA"): "ary",
}  # fmt: skip


_UNSPACED_SCRIPTS = frozenset({"Hans", "Hant", "Jpan", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})


@dataclass(frozen=True, slots=True)
class Language:
    """One row of the table."""

    code: str
    """Three-letter code as the model's vocabulary spells it, e.g. ``spa``, ``cmn_Hant``."""
    name: str
    """English name."""
    script: str
    """ISO 15924 code of the script that its text is written in, e.g. ``Latn``."""
    source_speech: bool
    """The model understands it when it is spoken."""
    target_text: bool
    """The model translates into it as text."""
    target_speech: bool
    """The model translates into it as speech."""

    @property
    def spaced(self) -> bool:
        """Its words are written with spaces between them."""
        return self.script not in _UNSPACED_SCRIPTS

    def offers(self, direction: Direction) -> bool:
        """Whether the model can use this language in `direction`."""
        return {
            "source": self.source_speech,
            "text": self.target_text,
            "speech": self.target_speech,
        }[direction]


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Language]:
    file = resources.files("seamless_server").joinpath("data", "languages.tsv")
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines(), delimiter="\t")
    return MappingProxyType(
        {
            row["code"]: Language(
                code=row["code"],
                name=row["name"],
                script=row["script"],
                source_speech=row["source_speech"] == "1",
                target_text=row["target_text"] == "1",
                target_speech=row["target_speech"] == "1",
            )
            for row in rows
        }
    )


def all_languages() -> tuple[Language, ...]:
    """Every language of the table, by code."""
    return tuple(_table().values())


def languages(direction: Direction) -> tuple[Language, ...]:
    """The languages that the published model offers in `direction`, by code."""
    return tuple(language for language in _table().values() if language.offers(direction))


def codes(direction: Direction) -> tuple[str, ...]:
    """The codes of `languages`."""
    return tuple(language.code for language in languages(direction))


def spoken() -> tuple[str, ...]:
    """The codes of all languages that some model hears, the published one or another."""
    table = _table().values()
    return tuple(one.code for one in table if one.source_speech or not one.target_text)


def suggest(text: str) -> tuple[Language, ...]:
    """The languages that `text` may have meant, likeliest first; at most three.

    Understands the codes of ISO 639-1, 639-2 and 639-3 with macrolanguages and withdrawn codes,
    language tags (BCP 47) and locales such as ``zh-TW`` or ``pt_BR.UTF-8``, English names and the
    languages' own, and near misses of English names. A language that the table does not have gets
    no suggestion.
    """
    wanted = " ".join(text.split()).casefold()
    meant = _meant(wanted)
    if meant is not None:
        return meant
    if len(wanted) < 4:
        return ()
    table, names = _table(), _names_of("language", "en")
    within = [code for name, code in _by_name().items() if wanted in name.split()]
    if not within and any(wanted in name.split() for name in names):
        return ()  # Sorbian: a word of names of other languages
    # The nearest of all the world's names, so that nobody's language is taken for another.
    near = difflib.get_close_matches(wanted, {**dict.fromkeys(_by_name()), **names}, 5, 0.8)
    codes = [_known_code(name) for name in near]
    known = [code for code in codes if code is not None] if codes[:1] != [None] else []
    return tuple(table[code] for code in list(dict.fromkeys(within + known))[:3])


def resolve(text: str, offered: Collection[str] | None = None) -> str:
    """The code of a language, whatever people call it: ``es``, ``spa``, ``Spanish``, ``es-MX``.

    Args:
        offered: codes to choose from; None is every language of the table.

    Raises:
        LanguageError: it is none of the languages offered, or no language at all (with what it
            may have meant).
    """
    if offered is None:
        offered = _table()
    if text in offered:
        return text
    meant = _meant(" ".join(text.split()).casefold())
    if not meant:
        raise LanguageError(_unknown(text))
    for language in meant:
        if language.code in offered:
            return language.code
    named = "" if meant[0].code == text else f" ({meant[0].name}, '{meant[0].code}')"
    listed = ", ".join(sorted(offered))
    raise LanguageError(f"'{text}'{named} is not offered; choose one of: {listed}")


@lru_cache(maxsize=1)
def _by_name() -> Mapping[str, str]:
    # Two scripts of one language share a name: the first row is the common one.
    return {one.name.casefold(): one.code for one in reversed(all_languages())}


@lru_cache(maxsize=1)
def _by_plain_name() -> Mapping[str, str]:
    """Languages by their English and own names as they are typed without accents."""
    rows = reversed(all_languages())
    pairs = [(name, one.code) for one in rows for name in (_autonym(one.code), one.name)]
    return {_plain(name): code for name, code in pairs if name}


def _autonym(code: str) -> str:
    return "" if "_" in code else langcodes.Language.get(code).autonym()


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    kept = (x for x in letters if unicodedata.category(x) != "Mn" and x not in "'‘’ʻʼ")
    return " ".join("".join(kept).replace("-", " ").split())


def _meant(wanted: str) -> tuple[Language, ...] | None:
    """What a name, code or tag means without guessing; None if it is none."""
    table, by_name = _table(), _by_name()
    by_code = {code.casefold(): code for code in table}
    exact = {**by_name, **_COUNTRIES, **by_code}
    if wanted in exact:
        return (table[exact[wanted]],)
    for name in (wanted, _plain(wanted)):
        if name in _OTHER_NAMES:
            return tuple(table[code] for code in _OTHER_NAMES[name])
    tag = _tag(wanted)
    return None if tag is None else tuple(table[code] for code in _codes_of(tag))


def _tag(wanted: str) -> langcodes.Language | None:
    """A tag, locale or name in any language as a valid language tag."""
    if not wanted:
        return None
    is_name = len(wanted) > 3 or not wanted.isascii()
    found = _named(wanted, "en") if is_name else None
    found = found or _located(wanted)
    if found is None and is_name:
        own = _by_plain_name().get(_plain(wanted))
        if own is not None:
            found = langcodes.Language.get(own)
        elif not difflib.get_close_matches(wanted, _by_name(), 1, 0.9):
            found = _named(wanted, "und")
    return found


def _located(wanted: str) -> langcodes.Language | None:
    """What a tag or locale says."""
    language, dash, rest = re.sub(r"[.@].*", "", wanted).replace("_", "-").partition("-")
    locale = _COUNTRIES.get(language, language) + dash + rest
    try:
        found = langcodes.Language.get(locale)
    except ValueError:
        return None  # no tag; perhaps a name
    return found if found.is_valid() and found.language not in (None, "und") else None


def _named(name: str, among: str) -> langcodes.Language | None:
    """The language of exactly this name.

    Args:
        among: ``en`` for English names, ``und`` for those of any language.
    """
    # "Greek, Modern (1453-)", "Portuguese (Brazil)", "Thai language"
    name = _unadorned(re.sub(r"^([^,(]+),([^(]+)", r"\2 \1 ", name))
    names = _names_of("language", among)
    for known in (name, name.removesuffix(" language")):
        if known in names:
            return langcodes.Language.get(names[known])
    for end in (at for at, letter in enumerate(name) if letter == " "):
        place = _names_of("territory", "en").get(name[end + 1 :])
        if place is not None and name[:end] in names:
            return langcodes.Language.get(f"{names[name[:end]]}-{place}")
    return None


@lru_cache(maxsize=4)
def _names_of(kind: str, among: str) -> Mapping[str, str]:
    """Tags by names without capitals, hyphens, commas and parentheses."""
    trie = load_trie(data_filename(f"trie/{among}/name_to_{kind}.marisa"))
    return {name: tag.decode() for name, tag in trie.items()}


def _unadorned(name: str) -> str:
    return " ".join(normalize_name(name).split())


def _known_code(name: str) -> str | None:
    """The language of the table that has this English name."""
    code = _by_name().get(name)
    if code is None:
        tag = _named(name, "en")
        code = None if tag is None else next(iter(_codes_of(tag)), None)
    return code


def _codes_of(tag: langcodes.Language) -> tuple[str, ...]:
    """What the table has of a language, by its script where it has two."""
    try:
        code = tag.to_alpha3()
    except LookupError:
        return ()
    if _OTHER_MEMBER & {(code, tag.script or ""), (code, tag.territory or "")}:
        return ()
    members = (code,) if code in _table() else _MEMBERS.get(code, ())
    if members == ("cmn",) and tag.maximize().script == "Hant":
        members = ("cmn_Hant",)
    spoken = [_SPOKEN.get((member, tag.territory or "")) for member in members]
    return members + tuple(code for code in spoken if code is not None)


def lookup(code: str, direction: Direction | None = None) -> Language:
    """The language with exactly this code.

    Args:
        code: as in the table; no other spelling is accepted, so that what is stored and sent is
            always the one code.
        direction: what it is wanted for; `None` for any.

    Raises:
        LanguageError: unknown code (with what it may have meant), or not offered in `direction`.
    """
    language = _table().get(code)
    if language is None:
        raise LanguageError(_unknown(code))
    if direction is not None and not language.offers(direction):
        offered = ", ".join(codes(direction))
        raise LanguageError(
            f"{language.name} ({code}) is not offered as {_DIRECTION_WORDS[direction]}; "
            f"choose one of: {offered}"
        )
    return language


def languages_page() -> str:
    """The table as the Markdown page docs/languages.md."""
    yes = {True: "yes", False: ""}
    published = [one for one in all_languages() if one.source_speech or one.target_text]
    others = [one for one in all_languages() if one not in published]
    rows = [
        f"| `{one.code}` | {one.name} | {one.script} | {yes[one.source_speech]} "
        f"| {yes[one.target_text]} | {yes[one.target_speech]} |"
        for one in published
    ]
    return "\n".join(
        [
            "# Languages",
            "",
            "What the published SeamlessStreaming hears, writes and speaks: "
            f"{len(codes('source'))} languages in, {len(codes('text'))} out as text, "
            f"{len(codes('speech'))} out as speech.",
            "The embedded model knows far fewer; `seamless-server models list` says which.",
            "",
            "| code | language | script | spoken source | text | speech |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "Whisper hears some more ([models.md](models.md)): "
            + ", ".join(f"{one.name} (`{one.code}`)" for one in others)
            + ".",
            "",
            "This page is made by `python -m seamless_server.languages > docs/languages.md`.",
            "",
        ]
    )


def _unknown(code: str) -> str:
    guesses = suggest(code)
    if guesses:
        meant = " or ".join(f"'{guess.code}' ({guess.name})" for guess in guesses)
        return f"unknown language '{code}': did you mean {meant}?"
    tag = _tag(code.strip().casefold())
    other = "" if tag is None else f" ({tag.language_name()}, which the models do not know)"
    return (
        f"unknown language '{code}'{other}: use a three-letter code such as "
        "'eng', 'spa' or 'cmn' (docs/languages.md lists them all)"
    )


if __name__ == "__main__":
    sys.stdout.write(languages_page())
