"""How many engines, fronts and how much network an audience needs: arithmetic on measured costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

TEXT_PER_SECOND = 1.5
"""Messages of text of one language while somebody speaks, as the embedded model gives them."""
TEXT_BYTES = 300
SPEECH_PER_SECOND = 0.5
SPEECH_BYTES_PER_SECOND = 32_000.0
"""16-bit samples at 16 kHz; half of the time is pause."""
SPEECH_SHARE = 0.6
AUDIO_IN_BYTES_PER_SECOND = 32_000.0
ENGINE_BYTES_PER_SECOND = 64_000.0
"""Float samples, from a front to an engine."""
FRONT_CONNECTIONS = 2_000
"""The default of SEAMLESS_MAX_CONNECTIONS."""
REDIS_BYTES_PER_SECOND = 250e6
"""What one Redis writes and sends on a network of 10 Gbit/s, with room to spare."""
FRONT_BYTES_PER_SECOND = 110e6
"""A network of 1 Gbit/s."""


@dataclass(frozen=True)
class Attendance:
    """Who is there.

    languages: that each speaker's listeners choose, all together.
    """

    speakers: int
    listeners: int
    languages: int
    speech: bool


def needs(load: Attendance, per_engine: float, per_front: float) -> Iterator[str]:
    """What it takes, one sentence each; the last one says what breaks first.

    Args:
        per_engine: speakers that one engine carries with so many languages.
        per_front: messages a second that one front sends.
    """
    rate = TEXT_PER_SECOND + (SPEECH_PER_SECOND if load.speech else 0)
    sound = SPEECH_BYTES_PER_SECOND * SPEECH_SHARE if load.speech else 0.0
    each = TEXT_PER_SECOND * TEXT_BYTES + sound
    messages, out = load.listeners * rate, load.listeners * each
    engines = math.ceil(load.speakers / per_engine)
    inward = load.speakers * (AUDIO_IN_BYTES_PER_SECOND + ENGINE_BYTES_PER_SECOND)
    wants = {
        "messages": messages / per_front,
        "connections": (load.listeners + load.speakers) / FRONT_CONNECTIONS,
        "network": (out + inward) / FRONT_BYTES_PER_SECOND,
    }
    fronts = max(1, math.ceil(max(wants.values())))
    if load.listeners + load.speakers > 1:
        fronts = max(2, fronts)  # one may fail
    spread = min(fronts, max(1.0, load.listeners / max(1, load.speakers)))
    written = load.speakers * load.languages * each
    redis = written * (1 + spread)
    yield f"engines: {engines} ({load.speakers} speakers, {per_engine:g} each)"
    yield (
        f"fronts: {fronts} ({messages:,.0f} messages a second, {(out + inward) / 1e6:,.1f} MB/s; "
        f"the {max(wants, key=lambda name: wants[name])} decide)"
    )
    yield f"Redis: {written / 1e6:,.1f} MB/s written, {redis / 1e6:,.1f} MB/s in all"
    yield f"to listeners: {out * 8 / 1e6:,.0f} Mbit/s"
    shares = {
        "the engines' places": load.speakers / (engines * per_engine),
        f"the fronts' {max(wants, key=lambda name: wants[name])}": max(wants.values()) / fronts,
        "one Redis": redis / REDIS_BYTES_PER_SECOND,
    }
    first = max(shares, key=lambda name: shares[name])
    if shares["one Redis"] > 1:
        yield (
            "breaks first: one Redis is not enough. Give every event a cluster of its own, or let "
            "listeners hear fewer languages."
        )
    else:
        yield f"fullest: {first}, {shares[first]:.0%} used"
