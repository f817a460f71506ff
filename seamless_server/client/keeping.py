"""What a client keeps so that it can go on with another server, should its own be gone."""

from __future__ import annotations

from collections import deque

from seamless_server.audio.reader import SAMPLE_RATE
from seamless_server.client.messages import Pcm, Translation

_MOST_MS = 120_000.0
"""Audio that is kept at most."""
_ROUNDING_MS = 0.1
"""Times come rounded from the server."""


class SentAudio:
    """Audio that the server does not have, or has not done with; times are those of the stream that
    the server runs."""

    def __init__(self) -> None:
        self.unsure = False
        """How much the server has is to be asked."""
        self._kept: deque[tuple[float, Pcm]] = deque()
        """Chunks, and where each ends."""
        self._end_ms = 0.0
        self._sent_ms = 0.0

    def add(self, pcm: Pcm) -> None:
        """One more chunk is to be sent."""
        if len(pcm):
            self._end_ms += _ms(pcm)
            self._kept.append((self._end_ms, pcm))
        while self._kept and self._end_ms - self._kept[0][0] > _MOST_MS:
            self._kept.popleft()

    def next(self) -> Pcm | None:
        """What is to be sent next."""
        for end, pcm in self._kept:
            if end > self._sent_ms + _ROUNDING_MS:
                known = round((self._sent_ms - end) * SAMPLE_RATE / 1000) + len(pcm)
                return pcm[max(0, known) :]
        return None

    def sent(self, pcm: Pcm) -> None:
        """The server has it."""
        self._sent_ms += _ms(pcm)

    def done(self, ms: float) -> None:
        """Nobody will ask again for what came before."""
        while self._kept and self._kept[0][0] <= min(ms, self._sent_ms) + _ROUNDING_MS:
            self._kept.popleft()

    def go_on(self, received_ms: float) -> None:
        """The server has so much of the stream."""
        begins = self._kept[0][0] - _ms(self._kept[0][1]) if self._kept else self._end_ms
        if received_ms < begins - _ROUNDING_MS:  # it lacks what is not kept: that is lost
            self._move(received_ms - begins)
        self._sent_ms = received_ms

    def begin(self) -> None:
        """A stream begins, with what the server did not have of the one before."""
        self.done(self._sent_ms)
        self._move(-self._sent_ms)
        self._sent_ms = 0.0

    def _move(self, ms: float) -> None:
        self._kept = deque((end + ms, pcm) for end, pcm in self._kept)
        self._end_ms += ms


class Arrivals:
    """What came of each speaker, language and kind: the last piece, and where it ended."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], tuple[int, int, int]] = {}

    def add(self, piece: Translation, kind: str, offset: int | None, length: int) -> int:
        """A piece came; returns how much of it had come before, from another server."""
        key = (piece.speaker_id, piece.lang, kind)
        segment, _, end = self._last.get(key, (-1, -1, 0))
        if offset is None:  # a server of before does not tell
            self._last[key] = piece.segment_id, piece.seq, 0
            return 0
        known = max(0, min(length, end - offset)) if segment == piece.segment_id else 0
        self._last[key] = piece.segment_id, piece.seq, max(offset + length, end if known else 0)
        return known

    def told(self) -> list[list[str | int]]:
        """For the server that this client comes to."""
        return [[*key, segment, seq] for key, (segment, seq, _) in self._last.items()]


def _ms(pcm: Pcm) -> float:
    return len(pcm) * 1000 / SAMPLE_RATE
