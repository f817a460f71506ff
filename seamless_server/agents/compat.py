"""How the official pipeline behaves where ours is mended: every quirk has one switch here.

``OFFICIAL`` reproduces published evaluations push by push; ``MENDED``, the default, has all of them
off. ``docs/fidelity.md`` describes each in the user's terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from seamless_server.errors import ConfigError


@dataclass(frozen=True)
class Compat:
    """Switches for the behaviour of the official agents."""

    rerun_on_read: bool = False
    """Every module runs on every push, also when the module before it had nothing new."""
    refeed_last_chunk: bool = False
    """The last audio chunk is appended again whenever the extractor is run without new audio."""
    ignore_stream_end: bool = False
    """The VAD does not look at the end of the stream, and loses partial chunks at a reset."""
    unfinished_ends: bool = False
    """A finished source is not decoded to its end, but as far as one policy call happens to go."""
    leaking_language: bool = False
    """The target language belongs to the agent and survives resets and sessions."""
    stripped_text: bool = False
    """Every text output is stripped, so that word boundaries between outputs are lost."""
    written_symbols: bool = False
    """Padding, control symbols and language tags that the model chooses are written as text."""
    short_and_repeated_speech: bool = False
    """Segments of one token are not spoken; the last character may be spoken again at the end."""
    any_unit: bool = False
    """Units are chosen among control symbols and languages too."""
    seams: bool = False
    """Every piece of speech is synthesized without its neighbours."""


OFFICIAL_OPTIONS: Mapping[str, bool | int | float] = {
    "min_starting_wait_w2vbert": 192,
    "decision_threshold": 0.5,
    "no_early_stop": True,
    "max_len_a": 0,
    "max_len_b": 100,
    "min_unit_chunk_size": 50,
    "block_ngrams": False,
    "denormalize": False,
}
"""Options of the official evaluation: the defaults wherever its behaviour is asked for, with VAD
and without, whatever the model's own files say."""

MENDED = Compat()
OFFICIAL = Compat(*([True] * 10))


def compat_from_name(name: str | None) -> Compat:
    """``official`` or nothing.

    Raises:
        ConfigError: another name.
    """
    if name in (None, "", "none", "None"):
        return MENDED
    if name == "official":
        return OFFICIAL
    raise ConfigError("compat", f"must be 'official' or left out, not {name!r}")
