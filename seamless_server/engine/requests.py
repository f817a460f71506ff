"""What agents ask of an engine, and what they get: plain data, no session state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

DecisionMethod = Literal["min", "mean", "median"]
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PolicyOptions:
    """Parameters of the EMMA policy, by their official names and with the official defaults."""

    decision_threshold: float = 0.5
    decision_method: DecisionMethod = "min"
    p_choose_start_layer: int = 0
    no_early_stop: bool = False
    block_ngrams: bool = False
    max_len_a: int = 1
    max_len_b: int = 200
    max_consecutive_write: int = 50

    def max_len(self, source_frames: int) -> int:
        """Longest target for a source of so many encoder frames."""
        return self.max_len_a * source_frames + self.max_len_b


@dataclass(frozen=True)
class DecodeRequest:
    """One call of the policy: the source so far and the target so far.

    source: encoder states (S, D). prefix: [</s>, language]. target: tokens already written.
    ngram_blocks: blocks since the last WRITE. to_end: with a finished source, go on to </s> or the
    maximal length in this one call. ending_token: appended for the speech branch when something
    was written, None for text alone (then no features are returned).
    """

    source: Tensor
    prefix: Sequence[int]
    target: Sequence[int]
    source_finished: bool
    options: PolicyOptions
    ngram_blocks: int = 0
    to_end: bool = False
    ending_token: int | None = None


@dataclass(frozen=True)
class StepRecord:
    """One decoder step as the policy saw it."""

    tokens: Sequence[int]
    index: int
    prob: float


@dataclass
class DecodeResult:
    """New tokens (WRITE if ``write``, else READ), and for speech the features of ``ids``.

    features (N, D) stand for ids = prefix + target + new tokens (+ ending token).
    """

    tokens: list[int]
    write: bool
    finished: bool
    ngram_blocks: int
    ids: list[int] = field(default_factory=list)
    features: Tensor | None = None
    steps: list[StepRecord] = field(default_factory=list)


@dataclass(frozen=True)
class UnitsRequest:
    """Text features (N, D) of ids (N) to be spoken.

    any_id: choose among all ids of the unit vocabulary, also control symbols and languages.
    skip: characters in front whose units are not wanted any more; they only shape the others.
    at_least: when the characters behind those last fewer units than this, only durations are
    wanted, and the larger half of the network need not run.
    """

    features: Tensor
    ids: Sequence[int]
    d_factor: float = 1.0
    any_id: bool = False
    at_least: int = 0
    skip: int = 0


@dataclass
class UnitsResult:
    """Unit vocabulary ids behind the skipped characters, and the units that each character lasts.

    There are no ids when there were fewer than the request's ``at_least``.
    """

    ids: list[int]
    durations: list[int]


@dataclass(frozen=True)
class VocodeRequest:
    """Units to be made audible; ``speaker`` is a row of the speaker table, ``lang`` a code.

    skip: units in front that were heard before: they shape the sound of those behind them, but
    their own samples are not wanted.
    """

    units: Sequence[int]
    lang: str
    speaker: int
    skip: int = 0


class Engine(Protocol):
    """Computes for all sessions; keeps nothing between calls. Every call may block."""

    def encode(self, features: Samples) -> Tensor:
        """Filterbanks (T, 80) of a segment so far -> encoder states (S, D)."""
        ...

    def decode(self, request: DecodeRequest) -> DecodeResult:
        """Run the policy loop once."""
        ...

    def units(self, request: UnitsRequest) -> UnitsResult:
        """Text features -> units.

        Raises:
            ValueError: more units than the network can position.
        """
        ...

    def vocode(self, request: VocodeRequest) -> Samples:
        """Units -> samples at 16 kHz, 320 for each unit behind those to be skipped."""
        ...
