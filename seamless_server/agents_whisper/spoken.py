"""Whisper's languages by this package's codes, and which of them a speaker speaks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

from seamless_server.languages import resolve, spoken

_WHISPER = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th "
    "ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr "
    "pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt "
    "haw ln ha ba jw su yue"
)
"""Its 99 languages, and Cantonese, which the third version brought."""
_OTHER_NAMES = {"jw": "jav", "no": "nob", "nn": "nno", "ms": "zlm"}


@lru_cache(maxsize=1)
def whisper_codes() -> Mapping[str, str]:
    """Whisper's code -> ours."""
    known = spoken()
    return {code: _OTHER_NAMES.get(code) or resolve(code, known) for code in _WHISPER.split()}


@lru_cache(maxsize=1)
def our_codes() -> Mapping[str, str]:
    """Ours -> Whisper's. Malay is one language there, and two codes of ours."""
    found = {ours: theirs for theirs, ours in whisper_codes().items()}
    return {**found, "zsm": "ms"}


class SpokenLanguage:
    """What a speaker speaks: what has been recognised so far, the latest counting most.

    Args:
        known: languages to choose from, by our codes.
    """

    _FORGETS = 0.5

    def __init__(self, known: Collection[str]) -> None:
        self._known = frozenset(known)
        self._belief: dict[str, float] = {}
        self.code: str | None = None

    def hear(self, shares: Mapping[str, float], seconds: float) -> str:
        """Take a window's probabilities in, by Whisper's codes; gives our code of the likeliest.

        Args:
            seconds: of audio in the window; short ones count less.
        """
        weight = min(1.0, seconds / 3)
        belief = {code: share * self._FORGETS for code, share in self._belief.items()}
        for theirs, share in shares.items():
            ours = whisper_codes().get(theirs)
            if ours in self._known:
                assert ours is not None
                belief[ours] = belief.get(ours, 0.0) + share * weight
        self._belief = belief
        self.code = max(belief, key=lambda code: belief[code], default="eng")
        return self.code
