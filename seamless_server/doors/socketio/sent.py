"""What went out before, read from the events themselves: by a replica that goes on with a stream,
or for a client that comes back from another one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from seamless_server.agents.said import Part
from seamless_server.doors.socketio.delivery import Emitted

_KINDS = {
    "translation_text": "text",
    "not_understood": "text",
    "translation_speech": "speech",
}
_FAR = 1_000
"""What the other replica may still have sent, numbered in the same way."""
_MOST = 1_000
_AWAY_SECONDS = 15.0
"""Longer than a client takes to come back."""


def said_in(events: Iterable[Emitted], speaker: str) -> tuple[dict[Part, int], int]:
    """How much of each segment of a speaker went out, and a number behind those of all events."""
    given: Counter[Part] = Counter()
    ends, seq = set(), 0
    for event in events:
        kind, data = _KINDS.get(event.name), event.data
        if kind is None or data.get("speakerID") != speaker or "offset" not in data:
            continue
        part = (kind, data["lang"], data["segmentID"])
        given[part] = max(given[part], data["offset"] + _length(data))
        seq = max(seq, data["seq"] + _FAR)
        if data["eos"]:
            ends.add((*part, data["seq"]))
    for kind, lang, segment, _ in ends:
        given[f"end of {kind}", lang, segment] += 1
    return dict(given), seq


def _length(data: Mapping[str, Any]) -> int:
    """Characters of text, or samples of speech."""
    payload = data.get("payload", "")
    if isinstance(payload, str):
        return len(payload)
    samples = data.get("samples")
    return len(payload) // 2 if samples is None else int(samples)


class Had:
    """What a client had of a room's events: of each speaker, language and kind the last one.

    Args:
        told: by the client: `[[speakerID, lang, kind, segmentID, seq], ...]`; all else is passed
            over.
        since: when it came; of what it had nothing it lacks what came later (seconds since the
            epoch).
    """

    def __init__(self, told: object, since: float) -> None:
        self._tells = isinstance(told, list)
        self._since = max(since, time.time() - _AWAY_SECONDS)
        self._last: dict[tuple[str, str, str], tuple[int, int]] = {}
        for entry in told[:_MOST] if isinstance(told, list) else ():
            if isinstance(entry, list) and _fits(entry):
                speaker, lang, kind, segment, seq = entry
                self._last[speaker, lang, kind] = segment, seq

    def lacks(self, event: Emitted) -> bool:
        """Whether an event that another replica may have sent it is to be sent again."""
        known = _place(event.name, event.data)
        if not self._tells or known is None:
            return False
        key, _ = known
        return (key in self._last or event.at >= self._since) and self.is_new(
            event.name, event.data
        )

    def is_new(self, name: str, data: Mapping[str, Any]) -> bool:
        """Whether the client has not had an event; it counts as had from now on."""
        if (known := _place(name, data)) is None:
            return True
        key, place = known
        if place <= self._last.get(key, (-1, -1)):
            return False
        self._last[key] = place
        return True


def _place(
    name: str, data: Mapping[str, Any]
) -> tuple[tuple[str, str, str], tuple[int, int]] | None:
    """What an event is of, and its place there; None for events of other kinds."""
    kind = _KINDS.get(name)
    if kind is None or "segmentID" not in data:
        return None
    return (data["speakerID"], data["lang"], kind), (data["segmentID"], data["seq"])


def _fits(entry: list[Any]) -> bool:
    kinds = (str, str, str, int, int)
    return len(entry) == len(kinds) and all(map(isinstance, entry, kinds))
