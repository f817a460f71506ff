"""Captions as files: SubRip and WebVTT, from sentences or from pieces of text as they come."""

from __future__ import annotations

from dataclasses import dataclass

_MAX_CHARACTERS = 84
"""Two lines of 42, what subtitles usually hold."""
_SHORTEST_MS = 1_000.0


@dataclass(slots=True)
class Caption:
    """One caption."""

    start_ms: float
    end_ms: float
    text: str


class CaptionMaker:
    """Cuts a stream of text into captions: at the ends of sentences, and before they grow long."""

    def __init__(self) -> None:
        self.captions: list[Caption] = []
        self._open: Caption | None = None

    def add(self, text: str, start_ms: float, end_ms: float, *, finished: bool) -> None:
        """The next piece of text, which covers the source up to `end_ms`."""
        if self._open is not None and len(self._open.text) + len(text) > _MAX_CHARACTERS:
            # Not within a word, unless the script has no spaces to cut at.
            between = text.startswith(" ") or " " not in self._open.text
            if between:
                self._close()
        if self._open is None and text.strip():
            begun = self.captions[-1].end_ms if self.captions else 0.0
            self._open = Caption(max(start_ms, begun), end_ms, text.lstrip())
        elif self._open is not None:
            self._open.text += text
            self._open.end_ms = max(self._open.end_ms, end_ms)
        if finished:
            self._close()

    def _close(self) -> None:
        if self._open is not None:
            self._open.text = self._open.text.strip()
            self._open.end_ms = max(self._open.end_ms, self._open.start_ms + _SHORTEST_MS)
            self.captions.append(self._open)
            self._open = None

    def finish(self) -> list[Caption]:
        """All captions."""
        self._close()
        return self.captions


def _time(ms: float, comma: str) -> str:
    total = max(0, round(ms))
    hours, rest = divmod(total, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    seconds, millis = divmod(rest, 1_000)
    return f"{hours:02}:{minutes:02}:{seconds:02}{comma}{millis:03}"


def to_srt(captions: list[Caption]) -> str:
    """SubRip."""
    blocks = [
        f"{number}\n{_time(caption.start_ms, ',')} --> {_time(caption.end_ms, ',')}\n"
        f"{_one_block(caption.text)}\n"
        for number, caption in enumerate(captions, 1)
    ]
    return "\n".join(blocks)


def to_vtt(captions: list[Caption]) -> str:
    """WebVTT; text is text there too, so what would be markup is escaped."""
    blocks = ["WEBVTT\n"]
    for caption in captions:
        text = _one_block(caption.text)
        for raw, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(raw, entity)
        blocks.append(f"{_time(caption.start_ms, '.')} --> {_time(caption.end_ms, '.')}\n{text}\n")
    return "\n".join(blocks)


def _one_block(text: str) -> str:
    # An empty line would end the caption.
    return " ".join(text.split())
