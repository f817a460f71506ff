"""What agents ask of an engine, and what they get: plain data, no session state.

Requests come as lists, so that all languages of a speaker are computed together. Whoever asks says
so with a :class:`Caller`, which counts the time of its calls and can end them from outside.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from seamless_server.caller import Caller, Cancelled
from seamless_server.nn.threads import settle_thread

DecisionMethod = Literal["min", "mean", "median"]
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class PolicyOptions:
    """Parameters of the EMMA policy, by their official names and with the official defaults.

    repetition_penalty (not official): logits of tokens that the sentence has are divided by it
    where they are positive and multiplied by it elsewhere (CTRL, arXiv 1909.05858); 1 is none.
    """

    decision_threshold: float = 0.5
    decision_method: DecisionMethod = "min"
    p_choose_start_layer: int = 0
    no_early_stop: bool = False
    block_ngrams: bool = False
    max_len_a: int = 1
    max_len_b: int = 200
    max_consecutive_write: int = 50
    repetition_penalty: float = 1.0

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
    """One decoder step as the policy saw it: p_choose is ``prob``, the best token ``index``."""

    tokens: Sequence[int]
    index: int
    prob: float
    probability: float
    """Of the best token among all that might have been chosen."""


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
    confidence: float | None = None
    """Of the target so far, where the model has a head that tells and there is a target."""

    @property
    def probabilities(self) -> list[float]:
        """The decoder's probability of each of ``tokens``."""
        return [step.probability for step in self.steps[: len(self.tokens)]]


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

    There are no ids when there were fewer than the request's ``at_least``, or when the text is
    ``too_long``: more units than the network can position.
    """

    ids: list[int]
    durations: list[int]
    too_long: bool = False


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


@dataclass(frozen=True)
class SpeakRequest:
    """Units to be made audible by the expressive voice.

    lang: one of the voice's languages. frames: (T, 80) log mel energies, of 16-bit samples, of the
    person whose voice, prosody and pace are wanted; at least one.
    """

    units: Sequence[int]
    lang: str
    frames: Samples


@contextlib.contextmanager
def measured(name: str, caller: Caller | None) -> Iterator[None]:
    """Time one call of a stage for whoever asks, in a thread that is fit to compute.

    Raises:
        Cancelled: the caller was cancelled before.
    """
    settle_thread()
    if caller is None:
        yield
        return
    if caller.cancelled:
        raise Cancelled
    start = caller.clock()
    try:
        yield
    finally:
        caller.count(name, caller.clock() - start)


class Engine(Protocol):
    """Computes for all sessions; keeps nothing between calls.

    Every call takes a list of requests and gives their results in the same order, each as soon as
    it is there; it may block meanwhile. The first request that fails raises, and ends the call.
    """

    def encode(self, requests: Sequence[Samples], caller: Caller | None = None) -> Iterator[Tensor]:
        """Filterbanks (T, 80) of segments so far -> encoder states (S, D)."""
        ...

    def decode(
        self, requests: Sequence[DecodeRequest], caller: Caller | None = None
    ) -> Iterator[DecodeResult]:
        """Run the policy loop once for each.

        Raises:
            NumericalError: p_choose or a logit came out as NaN or infinite.
        """
        ...

    def units(
        self, requests: Sequence[UnitsRequest], caller: Caller | None = None
    ) -> Iterator[UnitsResult]:
        """Text features -> units.

        Raises:
            NumericalError: a duration or a logit came out as NaN or infinite.
        """
        ...

    def vocode(
        self, requests: Sequence[VocodeRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """Units -> samples at the vocoder's rate, for each unit behind those to be skipped."""
        ...

    def speak(
        self, requests: Sequence[SpeakRequest], caller: Caller | None = None
    ) -> Iterator[Samples]:
        """Units -> samples of the expressive voice, at its rate."""
        ...
