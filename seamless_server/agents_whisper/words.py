"""From Whisper's tokens to words, and what of them can be trusted."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

NO_SPEECH, POOR = 0.65, -1.0
"""Nobody speaks if the one is exceeded and the other not reached (Radford et al. 2022, section 4.5,
with 0.6: a voice detection has heard somebody before we ask)."""
REPETITIVE = 2.4
"""Text that is compressed better than this repeats itself (ibid.)."""
_MARKS = ".,;:!?…。，、！？；："
_ENDS = ".!?…。！？"


@dataclass(frozen=True)
class Word:
    """A word as it is written, with the space before it, and its tokens.

    The tokens begin with the times that Whisper wrote before the word. start: s of the window from
    which Whisper says that it was spoken.
    """

    text: str
    tokens: tuple[int, ...]
    start: float = 0.0

    @property
    def bare(self) -> str:
        """What two hypotheses must have in common to agree."""
        return self.text.strip().strip(_MARKS).casefold() or self.text.strip()

    @property
    def ends_sentence(self) -> bool:
        """Whether a mark at its end closes a sentence."""
        return self.text.rstrip().endswith(tuple(_ENDS))


def split_words(
    tokens: Sequence[int], decode: Callable[[list[int]], str], times: int, spaced: bool
) -> list[Word]:
    """Words of tokens; in a language without spaces, characters or groups of them.

    A token that is half a character belongs to the next one; one that is no word of its own (a
    comma) to the word before.

    Args:
        times: the token of 0 s; those above it are steps of 20 ms.
    """
    words: list[Word] = []
    held: list[int] = []
    before: list[int] = []
    start = 0.0
    for token in tokens:
        if token >= times:
            before.append(token)
            start = (token - times) * 0.02
            continue
        held.append(token)
        text = decode(held)
        if "\ufffd" in text:
            continue
        begins = text.startswith(" ") or not words
        alone = not spaced and not all(mark in _MARKS for mark in text.strip())
        if begins or alone or before:
            words.append(Word(text, (*before, *held), start))
        else:
            last = words.pop()
            words.append(Word(last.text + text, (*last.tokens, *held), last.start))
        held, before = [], []
    return words


def agreement(before: Sequence[Word], now: Sequence[Word]) -> int:
    """How many words two hypotheses that follow each other share: LocalAgreement-2.

    Polák et al. 2022 (CUNI-KIT at IWSLT), Macháček et al. 2023 (arXiv 2307.14743). Marks and
    capitals, which change as a sentence goes on, need not agree; the last word of the newer one is
    kept back while it closes a sentence that may go on.
    """
    count = 0
    for old, new in zip(before, now, strict=False):
        if old.bare != new.bare:
            break
        count += 1
    if count == len(now) and count and now[-1].ends_sentence:
        count -= 1
    return count


def believable(words: Sequence[Word], seconds: float) -> list[Word]:
    """Words up to where they are invented.

    That is where they begin after the audio has ended, and where a phrase is said the fourth time
    in a row (a single word the sixth: "very very very" is said by people).
    """
    found: list[Word] = []
    for word in words:
        if word.start > seconds - 0.2:
            break
        found.append(word)
        bare = [x.bare for x in found]
        for size in range(1, 7):
            times = 4 if size > 1 else 6
            if len(bare) >= size * times and bare[-size * times :] == bare[-size:] * times:
                return found[: -size * (times - 1)]
    return found


def is_repetitive(text: str) -> bool:
    """Whether a text repeats itself, by how well it is compressed."""
    data = text.strip().encode()
    return len(data) > 60 and len(data) / len(zlib.compress(data)) > REPETITIVE
