"""Where in the speaker's audio a moment of the stream lies, and when that audio arrived.

The two clocks part when audio is dropped (the source runs ahead) and when silence is put in for a
muted microphone (the stream runs ahead).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque

_REMEMBERED = 4_000
"""Entries kept; at 20 ms a message that is more than a minute of arrivals."""


class Positions:
    """Maps stream milliseconds to source milliseconds and to wall-clock arrival.

    Args:
        stream_ms, source_ms: where the stream goes on; 0 is its beginning.
    """

    def __init__(self, stream_ms: float = 0.0, source_ms: float = 0.0) -> None:
        self.received_ms = source_ms
        """Source audio that arrived so far."""
        self.stream_ms = stream_ms
        """Audio that the stream was given so far, put-in silence included."""
        self.source_ms = source_ms
        """Where in the source `stream_ms` is."""
        self._marks: list[tuple[float, float, bool]] = [(stream_ms, source_ms, True)]
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def received(self, ms: float, now: float) -> None:
        """`ms` more of source audio arrived at `now` (seconds)."""
        self.received_ms += ms
        self._arrivals.append((self.received_ms, now))

    def skipped(self, ms: float) -> None:
        """`ms` of source audio will never reach the stream."""
        self.source_ms += ms
        self._mark(moving=True)

    def pushed(self, ms: float) -> None:
        """`ms` of source audio go into the stream."""
        self.stream_ms += ms
        self.source_ms += ms

    def silence(self, ms: float) -> None:
        """`ms` of silence, which the source does not have, go into the stream."""
        self._mark(moving=False)
        self.stream_ms += ms
        self._mark(moving=True)

    def _mark(self, *, moving: bool) -> None:
        mark = (self.stream_ms, self.source_ms, moving)
        if self._marks[-1][0] == self.stream_ms:
            self._marks[-1] = mark
        else:
            self._marks.append(mark)
        del self._marks[:-_REMEMBERED]

    def to_source(self, stream_ms: float) -> float:
        """The place in the source of a moment of the stream."""
        index = bisect_right(self._marks, stream_ms, key=lambda mark: mark[0]) - 1
        stream, source, moving = self._marks[max(0, index)]
        place = source + (stream_ms - stream if moving else 0.0)
        return min(max(place, 0.0), max(self.source_ms, source))

    def arrival(self, source_ms: float) -> float | None:
        """When the sample at `source_ms` arrived; `None` if that is forgotten or to come."""
        index = bisect_left(self._arrivals, source_ms - 1e-6, key=lambda entry: entry[0])
        if index == len(self._arrivals):
            return self._arrivals[-1][1] if self._arrivals else None
        return self._arrivals[index][1]
