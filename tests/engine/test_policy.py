"""The EMMA policy at its edges: a decoder that answers what the test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from seamless_server.checkpoints.tokenizers import EOS
from seamless_server.engine.api import DecodeRequest, DecodeResult, PolicyOptions
from seamless_server.engine.policy import MOST_BLOCKS, NgramGuard, Step, StepResult, emma_policy
from seamless_server.engine.sample import MOST_REPEATED, Choice
from seamless_server.errors import NumericalError

PREFIX = [3, 900]
ENDING = 77
Answer = tuple[int, float]
"""The best token, and p_choose."""


@dataclass
class Played:
    """A policy call that is over."""

    result: DecodeResult
    steps: list[Step] = field(default_factory=list)

    @property
    def fed(self) -> list[int]:
        """All tokens that the decoder was given, in order."""
        return [token for step in self.steps for token in step.tokens]


def play(
    *answers: Answer,
    target: tuple[int, ...] = (),
    finished: bool = False,
    frames: int = 4,
    blocks: int = 0,
    to_end: bool = False,
    ending: int | None = None,
    **options: Any,
) -> Played:
    """Runs the policy; features tell the position at which they were computed."""
    request = DecodeRequest(
        torch.zeros(frames, 1), PREFIX, list(target), finished, PolicyOptions(**options),
        ngram_blocks=blocks, to_end=to_end, ending_token=ending,
    )  # fmt: skip
    policy = emma_policy(request)
    step = next(policy)
    played = Played(DecodeResult([], False, False, 0))
    left = list(answers)
    while True:
        played.steps.append(step)
        index, prob = left.pop(0) if step.choose else (0, 0.0)
        at = torch.arange(step.position, step.position + len(step.tokens), dtype=torch.float)
        try:
            step = policy.send(StepResult(Choice(index, 1.0, 0.5, prob), at[:, None]))
        except StopIteration as stop:
            played.result = stop.value
            assert not left, f"the decoder was not asked for {left}"
            return played


def endless(count: int, prob: float = 1.0) -> list[Answer]:
    return [(100 + number, prob) for number in range(count)]


# -- READ and WRITE --------------------------------------------------------------------------------


@pytest.mark.parametrize(("prob", "writes"), [(0.49, False), (0.5, True), (0.51, True)])
def test_a_token_is_written_from_the_threshold_on(prob: float, writes: bool) -> None:
    answers = [(10, prob), (11, 0.0)] if writes else [(10, prob)]
    result = play(*answers).result
    assert result.tokens == ([10] if writes else [])
    assert result.write == writes
    assert not result.finished


def test_writing_goes_on_while_it_may_and_the_first_doubt_ends_it() -> None:
    played = play((10, 0.9), (11, 0.8), (12, 0.2), target=(5, 6))
    assert played.result.tokens == [10, 11]
    assert (played.result.write, played.result.finished) == (True, False)
    # The context is taken in at once, then token by token, each at its place.
    assert [list(step.tokens) for step in played.steps] == [[3, 900, 5, 6], [10], [11]]
    assert [step.position for step in played.steps] == [0, 4, 5]
    assert played.result.ids == []
    assert played.result.features is None
    assert [(one.index, one.prob, one.probability) for one in played.result.steps] == [
        (10, 0.9, 0.5), (11, 0.8, 0.5), (12, 0.2, 0.5),
    ]  # fmt: skip
    assert played.result.probabilities == [0.5, 0.5]


def test_with_the_whole_source_doubt_does_not_matter() -> None:
    result = play((10, 0.0), (11, 0.0), (EOS, 0.0), finished=True).result
    assert result.tokens == [10, 11]
    assert (result.write, result.finished) == (True, True)


@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_the_end_of_the_sentence_finishes_it(prob: float) -> None:
    result = play((EOS, prob)).result
    assert (result.tokens, result.write, result.finished) == ([], True, True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", ["prob", "score", "probability"])
def test_numbers_that_are_none_end_the_call(bad: float, where: str) -> None:
    request = DecodeRequest(torch.zeros(4, 1), PREFIX, [], False, PolicyOptions())
    policy = emma_policy(request)
    next(policy)
    numbers = {"score": 1.0, "probability": 0.5, "prob": 0.9, where: bad}
    with pytest.raises(NumericalError):
        policy.send(StepResult(Choice(10, **numbers), torch.zeros(2, 1)))


# -- lengths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 1, 2, 3])
def test_one_call_writes_no_more_than_it_may_at_once(most: int) -> None:
    result = play(*endless(most + 1), max_consecutive_write=most).result
    assert len(result.tokens) == most
    assert result.write == (most > 0)


def test_to_the_end_writes_more_than_at_once_but_only_with_the_whole_source() -> None:
    answers = [*endless(5), (EOS, 1.0)]
    whole = play(*answers, finished=True, to_end=True, max_consecutive_write=2).result
    assert len(whole.tokens) == 5
    assert (whole.write, whole.finished) == (True, True)
    part = play(*endless(3), finished=False, to_end=True, max_consecutive_write=2).result
    assert len(part.tokens) == 2
    assert not part.finished
    usual = play(*endless(3), finished=True, max_consecutive_write=2).result
    assert len(usual.tokens) == 2
    assert not usual.finished


def test_to_the_end_of_a_whole_source_always_ends_the_sentence() -> None:
    result = play((EOS, 0.0), finished=True, to_end=True, target=(5,)).result
    assert (result.tokens, result.write, result.finished) == ([], True, True)
    long = play(*endless(3), finished=True, to_end=True, max_len_a=0, max_len_b=2).result
    assert (len(long.tokens), long.write, long.finished) == (2, True, True)
    open_source = play((10, 0.0), to_end=True).result
    assert (open_source.write, open_source.finished) == (False, False)


@pytest.mark.parametrize(
    ("frames", "a", "b", "target", "tokens", "finished"),
    [
        # As long as it may be: what was written stays, and the next call ends it.
        (4, 1, 0, (), 4, True),  # 0 + 2 * 4 > 4, the official count
        (4, 0, 9, (1, 2, 3), 6, True),
        (4, 0, 3, (1, 2), 1, True),  # 2 + 2 > 3
        (4, 0, 3, (1, 2, 3), 0, False),
        (4, 0, 3, (1, 2, 3, 4), 0, True),  # longer than it may be: over
        (2, 2, 1, (), 5, True),
    ],
)
def test_a_sentence_is_as_long_as_its_source_allows(
    frames: int, a: int, b: int, target: tuple[int, ...], tokens: int, finished: bool
) -> None:
    result = play(
        *endless(tokens + 1), frames=frames, max_len_a=a, max_len_b=b, target=target
    ).result
    assert (len(result.tokens), result.finished) == (tokens, finished)
    assert result.write == (tokens > 0 or finished)


@pytest.mark.parametrize(("limit", "finished"), [(3, True), (4, False), (5, False)])
def test_new_tokens_count_twice_for_the_end_as_in_the_official_code(
    limit: int, finished: bool
) -> None:
    result = play((10, 1.0), (11, 1.0), (12, 0.0), max_len_a=0, max_len_b=limit).result
    assert result.tokens == [10, 11]
    assert result.finished == finished


# -- no early stop ---------------------------------------------------------------------------------


def test_without_early_stop_the_end_waits_for_the_source() -> None:
    assert not play((EOS, 0.7), no_early_stop=True).result.write
    assert play((EOS, 0.7), no_early_stop=True, finished=True).result.finished
    kept = play((10, 0.9), (EOS, 0.7), no_early_stop=True).result
    assert (kept.tokens, kept.finished) == ([10], False)
    doubt = play((10, 0.9), (11, 0.49), no_early_stop=True).result
    assert doubt.tokens == [10]


def test_without_early_stop_an_end_that_is_certain_takes_everything_back() -> None:
    result = play((10, 0.9), (11, 0.9), (EOS, 1.0), no_early_stop=True).result
    assert (result.tokens, result.write, result.finished) == ([], False, False)
    nearly = play((10, 0.9), (EOS, 0.999), no_early_stop=True).result
    assert nearly.tokens == [10]


# -- repetitions -----------------------------------------------------------------------------------


def test_the_guard_finds_what_was_just_said() -> None:
    guard = NgramGuard([1, 2, 3, 4, 5], 0)  # looks at 2, 3, 4, 5
    assert guard.blocked([9, 9, 2, 3, 4]) == 2
    assert guard.blocked([9, 9, 4, 5]) == 1
    assert guard.blocks == 2
    assert guard.blocked([9, 1, 2]) == 0  # too long ago
    assert guard.blocked([9, 1, 2]) == 2  # now it has seen it
    assert NgramGuard([], 0).blocked([1]) == 0
    assert NgramGuard([1, 2], 0).blocked([1, 2]) == 1
    assert NgramGuard([1, 2, 3], 0).blocked([1, 2, 3]) == 2


def test_the_guard_gives_up_after_as_many_blocks_as_it_may() -> None:
    guard = NgramGuard([1, 2], MOST_BLOCKS - 1)
    assert guard.blocked([1, 2]) == 1
    assert guard.blocks == MOST_BLOCKS
    assert guard.blocked([1, 2]) == 0


def test_a_repetition_is_taken_back_and_ends_the_call() -> None:
    one = play((10, 0.9), (4, 0.9), (5, 0.9), target=(4, 5), block_ngrams=True).result
    # 4 5 again: the token before goes back too, the repeating one was not written yet.
    assert one.tokens == [10]
    assert (one.write, one.finished, one.ngram_blocks) == (True, False, 0)
    nothing = play((4, 0.9), (5, 0.9), target=(4, 5), block_ngrams=True, blocks=2).result
    assert (nothing.tokens, nothing.write, nothing.ngram_blocks) == ([], False, 3)
    # Two words of a longer repetition are enough.
    two = play((10, 0.9), (6, 0.9), (7, 0.9), target=(6, 7, 8), block_ngrams=True).result
    assert two.tokens == [10]


def test_without_the_option_repetitions_are_written() -> None:
    result = play((4, 0.9), (5, 0.9), (6, 0.0), target=(4, 5)).result
    assert result.tokens == [4, 5]


def test_with_the_whole_source_the_last_tokens_are_forbidden_instead() -> None:
    played = play((10, 0.9), (EOS, 0.9), target=(1, 2, 3, 4, 5), finished=True, block_ngrams=True)
    assert [list(step.rule.banned) for step in played.steps] == [[2, 3, 4, 5], [3, 4, 5, 10]]
    open_source = play((10, 0.0), target=(1, 2), block_ngrams=True)
    assert list(open_source.steps[0].rule.banned) == []
    usual = play((EOS, 0.0), target=(1, 2), finished=True)
    assert list(usual.steps[0].rule.banned) == []


def test_a_penalty_names_what_the_sentence_has() -> None:
    long = tuple(range(MOST_REPEATED))
    played = play((99, 0.9), (98, 0.0), target=long, repetition_penalty=1.5)
    assert list(played.steps[0].rule.repeated) == list(long)
    assert list(played.steps[1].rule.repeated) == [*long[1:], 99]
    assert list(play((99, 0.0), target=(1, 2)).steps[0].rule.repeated) == []


# -- what speech needs -----------------------------------------------------------------------------


def test_features_stand_for_all_that_is_said_and_its_ending() -> None:
    played = play((10, 0.9), (11, 0.9), (12, 0.0), target=(5,), ending=ENDING)
    result = played.result
    assert result.ids == [*PREFIX, 5, 10, 11, ENDING]
    assert result.features is not None
    assert result.features[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    last = played.steps[-1]
    assert (list(last.tokens), last.position, last.choose) == ([ENDING], 5, False)


def test_a_sentence_that_ends_by_itself_is_ended_too() -> None:
    result = play((10, 0.9), (EOS, 0.9), ending=ENDING).result
    assert result.ids == [*PREFIX, 10, ENDING]
    only_end = play((EOS, 0.9), target=(5,), ending=ENDING)
    assert only_end.result.ids == [*PREFIX, 5]
    assert only_end.result.features is not None
    assert only_end.result.features[:, 0].tolist() == [0, 1, 2]


def test_where_nothing_is_written_nothing_is_computed_for_speech() -> None:
    played = play((10, 0.0), ending=ENDING)
    assert (played.result.ids, played.result.features) == ([], None)
    assert len(played.steps) == 1


def test_what_was_taken_back_is_not_said() -> None:
    played = play((10, 0.9), (4, 0.9), (5, 0.9), target=(4, 5), block_ngrams=True, ending=ENDING)
    assert played.result.tokens == [10]
    assert played.result.ids == [*PREFIX, 4, 5, 10, ENDING]
    assert played.result.features is not None
    assert len(played.result.features) == len(played.result.ids)
