"""The table of languages and the help it gives."""

import re
from pathlib import Path

import langcodes
import pytest
from language_data.names import load_trie
from language_data.registry_parser import parse_registry
from language_data.util import data_filename

from seamless_server.errors import LanguageError, SeamlessError
from seamless_server.languages import (
    all_languages,
    codes,
    languages,
    languages_page,
    lookup,
    suggest,
)


def test_the_table_has_102_heard_97_written_and_36_spoken_languages() -> None:
    assert len([one for one in all_languages() if one.source_speech or one.target_text]) == 104
    assert (len(codes("source")), len(codes("text")), len(codes("speech"))) == (102, 97, 36)


def test_each_direction_lists_only_what_it_offers() -> None:
    assert "xho" in codes("source")
    assert "xho" not in codes("text")
    assert "cmn_Hant" in codes("text")
    assert "cmn_Hant" not in codes("source")
    assert "tam" in codes("text")
    assert "tam" not in codes("speech")
    assert set(codes("speech")) <= set(codes("text"))
    assert [language.code for language in languages("speech")] == list(codes("speech"))


def test_lookup_gives_the_row() -> None:
    spanish = lookup("spa", "speech")
    assert (spanish.code, spanish.name, spanish.script) == ("spa", "Spanish", "Latn")
    assert spanish.offers("source")
    assert lookup("nob").name == "Norwegian Bokmål"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("es", "spa"),
        ("ES", "spa"),
        ("SPA", "spa"),
        ("pt-BR", "por"),
        ("zh", "cmn"),
        ("zh_Hans", "cmn"),
        ("Spanish", "spa"),
        ("spanish", "spa"),
        ("ger", "deu"),
        ("Germn", "deu"),
        ("cmn_hant", "cmn_Hant"),
        ("mandarin chinese", "cmn"),
        ("Welsch", "cym"),
        # ISO 639-2/B and /T, 639-3 and macrolanguages
        ("rum", "ron"),
        ("chi", "cmn"),
        ("zho", "cmn"),
        ("may", "zsm"),
        ("msa", "zsm"),
        ("ekk", "est"),
        ("kur", "ckb"),
        ("fil", "tgl"),
        # withdrawn codes
        ("iw", "heb"),
        ("in", "ind"),
        ("jw", "jav"),
        ("mo", "ron"),
        # countries' codes
        ("cn", "cmn"),
        ("jp", "jpn"),
        ("kr", "kor"),
        ("ua", "ukr"),
        ("cz", "ces"),
        ("dk", "dan"),
        ("gr", "ell"),
        # tags and locales
        ("zh-TW", "cmn_Hant"),
        ("zh-Hant", "cmn_Hant"),
        ("zho_Hant", "cmn_Hant"),
        ("zh-HK", "cmn_Hant"),
        ("zh-CN", "cmn"),
        ("zh-yue", "yue"),
        ("en_US.UTF-8", "eng"),
        ("nb-NO", "nob"),
        # names
        ("Filipino", "tgl"),
        ("Simplified Chinese", "cmn"),
        ("Brazilian Portuguese", "por"),
        ("Deutsch", "deu"),
        ("español", "spa"),
        ("日本語", "jpn"),
        ("汉语", "cmn"),
        ("廣東話", "yue"),
        ("espanol", "spa"),
        ("FRANÇAIS", "fra"),
        ("o'zbek", "uzn"),
        ("norsk bokmal", "nob"),
        ("tieng viet", "vie"),
        # a country's code for the language, in a locale
        ("jp-JP", "jpn"),
        ("cn-TW", "cmn_Hant"),
        ("dk_DK.UTF-8", "dan"),
        ("ku-IQ", "ckb"),
        ("pa-IN", "pan"),
        ("Ελληνικά", "ell"),
        # with more words
        ("Portuguese (Brazil)", "por"),
        ("Chinese (Taiwan)", "cmn_Hant"),
        ("Greek, Modern (1453-)", "ell"),
        ("Thai language", "tha"),
        ("Malay (macrolanguage)", "zsm"),
        # of other models
        ("sq", "sqi"),
        ("Turkmen", "tuk"),
        ("bo", "bod"),
    ],
)
def test_a_near_miss_is_answered_with_the_code_that_was_meant(typed: str, meant: str) -> None:
    assert suggest(typed)[0].code == meant
    with pytest.raises(LanguageError) as caught:
        lookup(typed)
    assert f"'{meant}'" in caught.value.message
    assert f"'{typed}'" in caught.value.message


def test_a_word_shared_by_several_names_suggests_them() -> None:
    assert suggest("Norwegian Nynors")[0].code == "nno"
    assert {language.code for language in suggest("standard")} == {"arb", "lvs", "zsm"}


def test_what_was_one_language_suggests_its_parts():
    assert [language.code for language in suggest("sh")] == ["srp", "hrv", "bos"]
    assert [language.code for language in suggest("zh-HK")] == ["cmn_Hant", "yue"]
    assert [language.code for language in suggest("ar-EG")] == ["arb", "arz"]


RECORDS = [
    x
    for x in parse_registry()
    if x["Type"] == "language" and x.get("Scope") != "collection" and len(x["Subtag"]) < 4
]
"""All languages of ISO 639-3, as the registry of language tags has them."""
LONG = {
    x["Subtag"]: langcodes.Language.get(
        x.get("Preferred-Value", x["Subtag"]), normalize=False
    ).to_alpha3()
    for x in RECORDS
}
MACRO = {LONG[x["Subtag"]]: LONG[x["Macrolanguage"]] for x in RECORDS if "Macrolanguage" in x}


def is_same(meant: str, found: str) -> bool:
    """Whether a language that was found is the one that was meant, or one of its members."""
    same = {("ekk", "est"), ("fil", "tgl")}
    return meant in (found, MACRO.get(found)) or (meant, found) in same


def test_no_name_of_another_language_is_taken_for_one_that_the_models_know() -> None:
    asked = 0
    for record in RECORDS:
        code = LONG[record["Subtag"]]
        for name in record["Description"]:
            plain = re.sub(r"\s*\(.*\)", "", name)
            if plain in {"Luo", "Malay", "Kamba"}:
                continue  # two languages, of which the models know one
            for typed in {name, plain, f"{name} language"}:
                if len(typed) > 3:  # else it may be a code, too: Dan
                    asked += 1
                    found = [one.code[:3] for one in suggest(typed)]
                    assert all(is_same(code, x) for x in found), (typed, found)
        typed = record["Subtag"]
        found = [one.code[:3] for one in suggest(typed)]
        assert all(is_same(code, x) for x in found) or typed == "kr", (typed, found)
    assert asked > 15_000


@pytest.mark.parametrize(
    "typed",
    [
        *("Sorbian", "Egyptian", "Guana", "Male", "Prussian", "Dari", "Montenegrin", "Mongol"),
        *("Spanish Sign Language", "Ancient Greek", "Greek, Ancient (to 1453)", "Old English"),
        *("Chinese, Min Dong", "Mt. Iriga Agta", "Pa-Hng", "Congo Swahili", "Pulaar", "sorbian"),
        *("swc", "prs", "cnr", "fa-AF", "sr-ME"),
    ],
)
def test_names_that_only_look_like_others_get_no_suggestion(typed: str) -> None:
    assert suggest(typed) == ()


def test_names_in_other_languages_are_themselves_or_nothing() -> None:
    any_language, english = (
        dict(load_trie(data_filename(f"trie/{among}/name_to_language.marisa")).items())
        for among in ("und", "en")
    )
    asked = 0
    for name in sorted(any_language)[::40]:
        for found in suggest(name)[:1] if len(name) > 3 else ():
            tags = (any_language[name], english.get(name, b"mis"))
            meant = [langcodes.Language.get(tag.decode()).to_alpha3() for tag in tags]
            assert any(is_same(code, found.code[:3]) for code in meant), (name, found)
            asked += 1
    assert asked > 300


OTHER_TAGS = ("ku-TR", "ku-Latn", "az-Arab", "uz-AF", "pa-PK", "mn-Mong")
"""Other members of macrolanguages of which the models know one."""


@pytest.mark.parametrize(
    "typed", ["se", "nds", "als", "kmr", "wuu", "gsw", "nan", "Quechua", "eo", *OTHER_TAGS]
)
def test_a_language_that_no_model_knows_is_not_taken_for_another(typed):
    assert suggest(typed) == ()
    with pytest.raises(LanguageError, match="which the models do not know"):
        lookup(typed)


def test_nonsense_is_answered_with_examples_of_codes() -> None:
    assert suggest("qqqqqq") == ()
    assert suggest("") == ()
    with pytest.raises(LanguageError, match="three-letter code"):
        lookup("qqqqqq")


def test_a_known_language_outside_the_task_names_the_task_and_the_choice() -> None:
    with pytest.raises(
        LanguageError, match=r"Tamil \(tam\) is not offered as translated speech"
    ) as c:
        lookup("tam", "speech")
    assert "spa" in c.value.message
    assert c.value.code == "language"
    assert isinstance(c.value, SeamlessError)


def test_every_alias_leads_to_a_language_of_the_table() -> None:
    two_letters = "af am ar as az be bg bn bs ca cs cy da de el en es et eu fa fi fr ga gl gu he hi"
    for code in two_letters.split():
        (language,) = suggest(code)
        assert lookup(language.code) is language


def test_the_page_of_languages_is_up_to_date() -> None:
    page = Path(__file__).resolve().parent.parent / "docs" / "languages.md"
    assert page.read_text(encoding="utf-8") == languages_page()
