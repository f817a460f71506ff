"""Numbers, clock times and digits, written out as they are spoken."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


EN_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
EN_TENS = _words("- - twenty thirty forty fifty sixty seventy eighty ninety")
ES_ONES = _words(
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro "
    "veinticinco veintiséis veintisiete veintiocho veintinueve"
)
ES_TENS = _words("- - veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa")
ES_HUNDREDS = _words(
    "- ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos "
    "ochocientos novecientos"
)
FR_ONES = _words(
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze "
    "seize dix-sept dix-huit dix-neuf"
)
FR_TENS = _words("- - vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt")
DE_ONES = _words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
DE_TENS = _words("- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")


def english(n: int) -> str:
    """``n`` (0 to 999) in English words."""
    if n < 20:
        return EN_ONES[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        return EN_TENS[tens] + (f"-{EN_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(n, 100)
    return f"{EN_ONES[hundreds]} hundred" + (f" and {english(rest)}" if rest else "")


def spanish(n: int) -> str:
    """``n`` (0 to 999) in Spanish words, counting form (uno, not un or una)."""
    if n < 30:
        return ES_ONES[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        return ES_TENS[tens] + (f" y {ES_ONES[ones]}" if ones else "")
    if n == 100:
        return "cien"
    hundreds, rest = divmod(n, 100)
    return ES_HUNDREDS[hundreds] + (f" {spanish(rest)}" if rest else "")


def french(n: int) -> str:
    """``n`` (0 to 999) in French words, masculine."""
    if n < 20:
        return FR_ONES[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        if tens in (7, 9):
            ones += 10
        word = FR_TENS[tens]
        if n == 80:
            return "quatre-vingts"
        if not ones:
            return word
        if ones in (1, 11) and tens < 8:
            return f"{word} et {FR_ONES[ones]}"
        return f"{word}-{FR_ONES[ones]}"
    hundreds, rest = divmod(n, 100)
    head = "cent" if hundreds == 1 else f"{FR_ONES[hundreds]} cent{'' if rest else 's'}"
    return head + (f" {french(rest)}" if rest else "")


def german(n: int) -> str:
    """``n`` (0 to 999) in German words, counting form (eins)."""
    if n < 20:
        return DE_ONES[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        if not ones:
            return DE_TENS[tens]
        return ("ein" if ones == 1 else DE_ONES[ones]) + "und" + DE_TENS[tens]
    hundreds, rest = divmod(n, 100)
    head = ("ein" if hundreds == 1 else DE_ONES[hundreds]) + "hundert"
    return head + (german(rest) if rest else "")


NUMBER = {"eng": english, "spa": spanish, "fra": french, "deu": german}
"""Spelling of a number by language."""

# Minutes past the hour that people say without digits.
MINUTES = (0, 5, 10, 15, 20, 30, 40, 45, 50, 55)


def clock(lang: str, hour: int, minute: int, at: bool = False, sentence: bool = False) -> str:
    """A time of day in words, on the twelve-hour clock.

    ``hour`` is 1 to 12 and ``minute`` one of :data:`MINUTES`. With ``at`` the preposition is put
    before it (Spanish "a las siete"); with ``sentence`` Spanish gets its verb ("son las siete").
    """
    if lang == "eng":
        return _clock_english(hour, minute)
    if lang == "spa":
        to, shown = minute > 30, hour % 12 + 1 if minute > 30 else hour
        article = "la" if shown == 1 else "las"
        words = f"{article} {'una' if shown == 1 else spanish(shown)}"
        rest = 60 - minute if to else minute
        if rest:
            part = {15: "cuarto", 30: "media"}.get(rest) or spanish(rest)
            words += f" {'menos' if to else 'y'} {part}"
        if sentence:
            return f"{'es' if shown == 1 else 'son'} {words}"
        return f"a {words}" if at else words
    if lang == "fra":
        to, shown = minute > 30, hour % 12 + 1 if minute > 30 else hour
        words = "une heure" if shown == 1 else f"{french(shown)} heures"
        rest = 60 - minute if to else minute
        if rest:
            quarter = {15: "le quart" if to else "et quart", 30: "et demie"}.get(rest)
            words += (" moins" if to else "") + f" {quarter or french(rest)}"
        return f"à {words}" if at else words
    words = _clock_german(hour, minute)
    return f"um {words}" if at else words


def _clock_english(hour: int, minute: int) -> str:
    if minute == 0:
        return f"{english(hour)} o'clock"
    if minute > 30:
        rest, name, shown = 60 - minute, "to", hour % 12 + 1
    else:
        rest, name, shown = minute, "past", hour
    part = {15: "a quarter", 30: "half"}.get(rest) or english(rest)
    return f"{part} {name} {english(shown)}"


def _clock_german(hour: int, minute: int) -> str:
    following = german(hour % 12 + 1)
    if minute == 0:
        return f"{'ein' if hour == 1 else german(hour)} Uhr"
    if minute == 30:
        return f"halb {following}"
    if minute > 30:
        part = "Viertel" if minute == 45 else german(60 - minute)
        return f"{part} vor {following}"
    part = "Viertel" if minute == 15 else german(minute)
    return f"{part} nach {german(hour)}"
