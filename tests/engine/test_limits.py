"""What is lost when memory runs out comes back, step by step."""

from __future__ import annotations

from seamless_server.engine.jobs import bucket
from seamless_server.engine.stats import LONGEST_PAUSE, PAUSE, Limit


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def after(limit, clock, seconds):
    clock.now += seconds
    return limit.value


def test_a_limit_comes_back_by_quarters():
    clock = Clock()
    limit = Limit(64, clock)
    limit.shed(32)
    assert limit.value == 16
    assert after(limit, clock, PAUSE - 1) == 16
    assert after(limit, clock, 1) == 20
    assert limit.value == 20, "one step at a time"
    seen = [after(limit, clock, PAUSE) for _ in range(8)]
    assert seen == sorted(seen)
    assert seen[-1] == 64


def test_a_limit_that_failed_again_waits_longer():
    clock = Clock()
    limit = Limit(64, clock)
    limit.shed(16)
    assert after(limit, clock, PAUSE) == 10
    limit.shed(10)
    assert after(limit, clock, PAUSE) == 5
    assert after(limit, clock, PAUSE) == 6
    for _ in range(20):
        limit.shed(6)
        clock.now += LONGEST_PAUSE
        assert limit.value > 1, "it never gives up"


def test_one_at_a_time_is_the_least():
    limit = Limit(8, Clock())
    limit.shed(1)
    assert limit.value == 1


def test_where_nothing_is_padded_the_oldest_go_together():
    lengths = [10, 300, 20, 5, 400]
    assert bucket(lengths, int, 3, 1000, 1.0) == [10, 300, 20]
    assert bucket(lengths, int, 9, 330, 1.0) == [10, 300, 20]
    assert bucket(lengths, int, 9, 5, 1.0) == [10], "the first one always goes"
    assert bucket(lengths, int, 9, 1000) == [10]
