"""The languages of SeamlessStreaming, and which of them each task offers.

The table (`data/languages.tsv`) is the published model's: which languages it hears, which it writes
and which it speaks. A loaded model may offer fewer; this module knows only the table.
"""

from __future__ import annotations

import csv
import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

from seamless_server.errors import LanguageError

Direction = Literal["source", "text", "speech"]
"""What a language is wanted for: hearing it, writing it or speaking it."""

_DIRECTION_WORDS: Mapping[Direction, str] = {
    "source": "source speech",
    "text": "translated text",
    "speech": "translated speech",
}

# ISO 639-1 codes and other common codes that name a language of the table.
_ALIASES: Mapping[str, str] = {
    "af": "afr", "am": "amh", "ar": "arb", "ara": "arb", "as": "asm", "az": "azj", "aze": "azj",
    "be": "bel", "bg": "bul", "bn": "ben", "bs": "bos", "ca": "cat", "cs": "ces", "cze": "ces",
    "cy": "cym", "da": "dan", "de": "deu", "ger": "deu", "el": "ell", "en": "eng", "es": "spa",
    "et": "est", "eu": "eus", "fa": "pes", "fas": "pes", "ff": "fuv", "fi": "fin", "fr": "fra",
    "fre": "fra", "ga": "gle", "gl": "glg", "gu": "guj", "he": "heb", "hi": "hin", "hr": "hrv",
    "hu": "hun", "hy": "hye", "id": "ind", "ig": "ibo", "is": "isl", "it": "ita", "ja": "jpn",
    "jv": "jav", "ka": "kat", "kk": "kaz", "km": "khm", "kn": "kan", "ko": "kor", "ku": "ckb",
    "ky": "kir", "lb": "ltz", "lg": "lug", "lo": "lao", "lt": "lit", "lv": "lvs", "lav": "lvs",
    "mk": "mkd", "ml": "mal", "mn": "khk", "mon": "khk", "mr": "mar", "ms": "zsm", "msa": "zsm",
    "mt": "mlt", "my": "mya", "nb": "nob", "ne": "npi", "nep": "npi", "nl": "nld", "nn": "nno",
    "no": "nob", "nor": "nob", "ny": "nya", "oc": "oci", "om": "gaz", "or": "ory", "ori": "ory",
    "pa": "pan", "pl": "pol", "ps": "pbt", "pus": "pbt", "pt": "por", "ro": "ron", "ru": "rus",
    "sd": "snd", "sk": "slk", "sl": "slv", "sn": "sna", "so": "som", "sr": "srp", "sv": "swe",
    "sw": "swh", "swa": "swh", "ta": "tam", "te": "tel", "tg": "tgk", "th": "tha", "tl": "tgl",
    "tr": "tur", "uk": "ukr", "ur": "urd", "uz": "uzn", "uzb": "uzn", "vi": "vie", "xh": "xho",
    "yo": "yor", "zh": "cmn", "zho": "cmn", "chi": "cmn", "zu": "zul", "chinese": "cmn",
    "farsi": "pes", "persian": "pes", "malay": "zsm", "norwegian": "nob", "arabic": "arb",
    "pashto": "pbt", "mandarin": "cmn", "latvian": "lvs", "uzbek": "uzn", "azerbaijani": "azj",
    "oromo": "gaz", "fulfulde": "fuv", "kurdish": "ckb", "mongolian": "khk", "filipino": "tgl",
}  # fmt: skip


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


def suggest(text: str) -> tuple[Language, ...]:
    """The languages that `text` may have meant, likeliest first; at most three.

    Understands ISO 639-1 and common three-letter codes, language tags such as ``pt-BR``, English
    names, and near misses of all of these.
    """
    table = _table()
    wanted = text.strip().casefold()
    primary = wanted.replace("_", "-").split("-")[0]
    # Two scripts of one language share a name: the first row is the common one.
    by_name = {one.name.casefold(): one.code for one in reversed(all_languages())}
    by_code = {code.casefold(): code for code in table}
    exact = {**by_name, **_ALIASES, **by_code}
    for candidate in (wanted, primary):
        if candidate in exact:
            return (table[exact[candidate]],)
    if len(wanted) >= 3:
        within = [code for name, code in by_name.items() if wanted in name.split()]
        near = [exact[match] for match in difflib.get_close_matches(wanted, exact, 5, 0.7)]
        found = dict.fromkeys(within + near)
        return tuple(table[code] for code in list(found)[:3])
    return ()


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
    rows = [
        f"| `{one.code}` | {one.name} | {one.script} | {yes[one.source_speech]} "
        f"| {yes[one.target_text]} | {yes[one.target_speech]} |"
        for one in all_languages()
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
            "This page is made by `python -m seamless_server.languages > docs/languages.md`.",
            "",
        ]
    )


def _unknown(code: str) -> str:
    guesses = suggest(code)
    if guesses:
        meant = " or ".join(f"'{guess.code}' ({guess.name})" for guess in guesses)
        return f"unknown language '{code}': did you mean {meant}?"
    return (
        f"unknown language '{code}': use a three-letter code such as "
        "'eng', 'spa' or 'cmn' (docs/languages.md lists them all)"
    )


if __name__ == "__main__":
    sys.stdout.write(languages_page())
