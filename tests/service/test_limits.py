"""Limits at their exact edge: buckets, addresses, the line, the lock, the queue, the load."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from seamless_server.service.limits import Addresses, AddressLimits, ClientLimits, TokenBucket
from seamless_server.service.line import Line
from seamless_server.service.load import LIMIT, Load, Pace
from seamless_server.service.lock import Holder, OwnerLock
from seamless_server.service.positions import Positions
from seamless_server.service.queue import AudioQueue
from seamless_server.settings import Settings


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def allowed(bucket: TokenBucket, count: float = 1.0) -> int:
    """How many are let through at once."""
    return next(number for number in itertools.count() if not bucket.take(count))


# -- buckets ---------------------------------------------------------------------------------------


def test_a_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, 6.0, clock)
    assert allowed(bucket) == 6
    clock.now += 0.49
    assert not bucket.take()
    clock.now += 0.02
    assert bucket.take()
    assert not bucket.take()
    clock.now += 2.0
    assert allowed(bucket) == 4


def test_a_bucket_saves_nothing_up_beyond_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, 6.0, clock)
    clock.now += 3600
    assert allowed(bucket) == 6
    clock.now += 3600
    assert allowed(bucket) == 6


def test_what_is_refused_costs_nothing_and_many_count_as_many() -> None:
    bucket = TokenBucket(1.0, 10.0, Clock())
    assert not bucket.take(10.5)
    assert bucket.take(7)
    assert not bucket.take(4)
    assert bucket.take(3)
    assert not bucket.take(0.1)


def test_the_limits_of_an_address_are_those_of_the_settings() -> None:
    clock = Clock()
    limits = AddressLimits(
        Settings(
            max_events_per_address=10,
            max_joins_per_address=3,
            max_rooms_per_address=120,
            max_audio_mb_per_address=2,
        ),
        clock,
    )
    assert allowed(limits.events) == 20  # two seconds
    assert allowed(limits.joins) == 15  # five seconds
    assert allowed(limits.rooms) == 120  # a minute
    assert allowed(limits.audio_bytes, 1e6) == 10  # five seconds
    clock.now += 1
    assert allowed(limits.events) == 10
    assert allowed(limits.joins) == 3
    assert allowed(limits.audio_bytes, 1e6) == 2
    clock.now += 4
    assert allowed(limits.rooms) == 10


def test_zero_is_no_limit_of_an_address() -> None:
    limits = AddressLimits(
        Settings(
            max_events_per_address=0,
            max_joins_per_address=0,
            max_rooms_per_address=0,
            max_audio_mb_per_address=0,
        ),
        Clock(),
    )
    for bucket in (limits.events, limits.joins, limits.rooms, limits.audio_bytes):
        assert bucket.take(1e12)
        assert bucket.take(1e12)


def test_clients_of_one_address_share_its_limits_until_it_is_forgotten() -> None:
    clock = Clock()
    addresses = Addresses(Settings(max_joins_per_address=1), clock)
    first = addresses.of("1.1.1.1")
    assert allowed(first.joins) == 5
    assert addresses.of("1.1.1.1") is first
    assert addresses.of("2.2.2.2") is not first
    assert len(addresses) == 2
    clock.now += 60
    addresses.of("2.2.2.2")
    clock.now += 59.9
    addresses.forget()
    assert len(addresses) == 2
    clock.now += 0.1
    addresses.forget()
    assert len(addresses) == 1  # the first is gone, 120 s after it was heard of
    assert addresses.of("1.1.1.1") is not first
    # Its limits run by the same clock.
    assert allowed(addresses.of("2.2.2.2").joins) == 5
    clock.now += 1
    assert allowed(addresses.of("2.2.2.2").joins) == 1


def test_the_limits_of_a_client() -> None:
    clock = Clock()
    limits = ClientLimits(20, clock)
    assert allowed(limits.events) == 40
    assert allowed(limits.audio) == 200
    assert allowed(limits.joins) == 60
    assert allowed(limits.notices) == 5
    assert allowed(limits.patience) == 60
    clock.now += 1
    assert [
        allowed(bucket)
        for bucket in (limits.events, limits.audio, limits.joins, limits.notices, limits.patience)
    ] == [20, 20, 1, 1, 2]


def test_an_address_that_flooded_is_borne_with_less_for_a_minute() -> None:
    clock = Clock()
    limits = AddressLimits(Settings(), clock)
    assert not limits.suspect
    limits.flooded()
    clock.now += 59
    assert limits.suspect
    less = ClientLimits(20, clock, suspect=True)
    assert [allowed(less.events), allowed(less.audio), allowed(less.patience)] == [2, 10, 3]
    clock.now += 2
    assert not limits.suspect


# -- the line --------------------------------------------------------------------------------------


def test_the_line_is_first_come_first_served_and_has_an_end() -> None:
    line: Line[int] = Line(2)
    assert line.first() is None
    assert line.join("a", 1)
    assert line.join("b", 2)
    assert not line.join("c", 3)
    assert list(line) == ["a", "b"]
    assert len(line) == 2
    assert [line.position(key) for key in "abc"] == [1, 2, 0]
    assert ("a" in line, "c" in line) == (True, False)
    assert line.first() == "a"
    # Who is in it keeps its place, also in a full line, and may want something else.
    assert line.join("a", 9)
    assert list(line) == ["a", "b"]
    assert (line.get("a"), line.get("c")) == (9, None)
    assert line.leave("a") == 9
    assert line.leave("a") is None
    assert [line.position(key) for key in "ab"] == [0, 1]
    assert line.join("c", 3)
    assert not Line[int](0).join("a", 1)


def test_who_is_away_is_passed_over_and_keeps_its_place_for_a_moment() -> None:
    line: Line[int] = Line(5)
    for number, key in enumerate("abc"):
        line.join(key, number)
    line.lose("a", now=10.0)
    line.lose("x", now=10.0)  # is not in it
    assert line.first() == "b"
    assert line.position("a") == 1
    line.lose("b", now=11.0)
    assert line.first() == "c"
    assert not line.expire(before=9.9)
    assert list(line) == ["a", "b", "c"]
    assert line.join("b", 7)  # is back
    assert line.first() == "b"
    assert line.expire(before=10.0)
    assert list(line) == ["b", "c"]
    assert not line.expire(before=99.0)
    assert list(line) == ["b", "c"]


def test_who_left_and_came_again_is_not_taken_for_away() -> None:
    line: Line[int] = Line(5)
    line.join("a", 1)
    line.lose("a", now=10.0)
    line.leave("a")
    line.join("a", 2)
    assert line.first() == "a"
    assert not line.expire(before=99.0)
    line.lose("a", now=10.0)
    assert line.first() is None


# -- the lock --------------------------------------------------------------------------------------


def test_the_lock_has_one_holder() -> None:
    lock = OwnerLock()
    assert not lock.held_by("a")
    assert lock.take("Ana", "a")
    assert lock.holder == Holder("Ana", "a")
    assert (lock.held_by("a"), lock.held_by("b")) == (True, False)
    assert not lock.take("Bob", "b")
    assert lock.take("Ana's talk", "a")
    assert lock.holder == Holder("Ana's talk", "a")
    lock.release("b")
    assert lock.held_by("a")
    lock.release("a")
    assert lock.holder is None
    assert lock.take("Bob", "b")
    lock.remove()
    assert lock.holder is None


# -- the queue -------------------------------------------------------------------------------------


def counted(start: int, stop: int) -> np.ndarray:
    return np.arange(start, stop, dtype=np.int16)


def test_a_queue_that_is_exactly_full_has_lost_nothing() -> None:
    queue = AudioQueue(1000, 0.5)
    assert queue.put(counted(0, 500)) == 0
    assert queue.waiting_ms == 500
    assert queue.put(counted(500, 501)) == 1
    assert queue.samples == 500
    taken = queue.take(500)
    assert taken.skipped == 1
    assert taken.pcm.tolist() == list(range(1, 501))


def test_whole_messages_and_parts_of_them_are_dropped_in_order() -> None:
    queue = AudioQueue(1000, 0.01)
    assert queue.put(counted(0, 4)) == 0
    assert queue.put(counted(4, 8)) == 0
    assert queue.put(counted(8, 14)) == 4  # exactly the first message
    assert queue.put(counted(14, 17)) == 3
    assert queue.put(counted(17, 47)) == 30  # more than there is room for by itself
    taken = queue.take(99)
    assert taken.pcm.tolist() == list(range(37, 47))
    assert taken.skipped == 37
    assert queue.samples == 0
    assert queue.waiting_ms == 0
    assert queue.take(1).skipped == 0


def test_what_is_taken_may_span_messages_and_end_within_one() -> None:
    queue = AudioQueue(1000, 1.0)
    for start in range(0, 30, 10):
        queue.put(counted(start, start + 10))
    assert queue.take(10).pcm.tolist() == list(range(10))
    assert queue.take(15).pcm.tolist() == list(range(10, 25))
    assert queue.samples == 5
    assert queue.take(0).pcm.tolist() == []
    assert queue.take(6).pcm.tolist() == list(range(25, 30))


def test_a_cleared_queue_is_empty_and_one_without_a_limit_keeps_everything() -> None:
    queue = AudioQueue(1000, float("inf"))
    assert queue.put(np.zeros(100_000, np.float32)) == 0
    assert queue.waiting_ms == 100_000
    queue.clear()
    assert queue.samples == 0
    assert len(queue.take(10).pcm) == 0
    queue.put(np.ones(3, np.float32))
    assert queue.take(10).pcm.dtype == np.float32
    assert AudioQueue(1000, 1e-9).put(counted(0, 3)) == 2  # one sample is the least


# -- positions -------------------------------------------------------------------------------------


def test_arrivals_are_found_at_their_edges_and_forgotten_in_time() -> None:
    positions = Positions()
    assert positions.arrival(5) is None
    for number in range(3):
        positions.received(10, now=float(number))
    assert positions.received_ms == 30
    assert [positions.arrival(ms) for ms in (0, 10, 10.001, 20, 30, 31)] == [0, 0, 1, 1, 2, 2]
    for number in range(5_000):
        positions.received(10, now=100.0 + number)
    assert positions.arrival(10) == 100.0 + 1_000  # the oldest that is still known


def test_source_and_stream_part_and_stay_apart() -> None:
    positions = Positions()
    positions.pushed(100)
    assert (positions.stream_ms, positions.source_ms) == (100, 100)
    assert positions.to_source(-5) == 0
    assert positions.to_source(500) == 100  # nothing beyond what was given
    positions.skipped(50)
    positions.skipped(50)  # twice at one place
    positions.pushed(100)
    assert positions.to_source(99) == 99
    assert positions.to_source(100) == 200
    assert positions.to_source(150) == 250
    positions.silence(30)
    positions.silence(30)
    positions.pushed(10)
    assert (positions.stream_ms, positions.source_ms) == (270, 310)
    at = [positions.to_source(ms) for ms in (200, 215, 230, 245, 260, 265, 270)]
    assert at == [300, 300, 300, 300, 300, 305, 310]


def test_a_gap_is_where_it_was_whatever_the_numbers() -> None:
    positions = Positions()
    positions.pushed(100)
    positions.skipped(50)
    positions.pushed(50)
    positions.skipped(10)  # the stream is now as far as the source was at the first gap
    positions.pushed(50)
    at = [positions.to_source(ms) for ms in (99, 100, 120, 149, 150, 200)]
    assert at == [99, 150, 170, 199, 210, 260]


# -- the load --------------------------------------------------------------------------------------


def test_one_more_stream_is_let_in_up_to_the_limit_exactly() -> None:
    load = Load(slots=1, clock=Clock())
    assert load.allows(7)  # nothing is known
    load.expect(LIMIT / 4)
    load.expect(LIMIT / 8)  # the costlier model counts
    assert load.cost == pytest.approx(LIMIT / 4)
    assert load.allows(3)
    assert not load.allows(4)
    load.expect(9.0)
    assert load.allows(0)  # the first one always
    assert not load.allows(1)


def test_what_was_measured_counts_once_it_is_enough() -> None:
    clock = Clock()
    load = Load(slots=2, clock=clock)
    load.expect(1.0)
    assert load.cost == 0.5
    with load.step(4.9, speech=True):
        clock.now += 1.0
    assert load.cost == 0.5
    with load.step(100.0, speech=False):
        clock.now += 50.0
    assert load.cost == 0.5
    with load.step(0.1, speech=True):
        clock.now += 0.5
    assert load.cost == pytest.approx(1.5 / 2 / 5.0)


def test_steps_at_the_same_time_count_as_the_slots_that_they_fill() -> None:
    clock = Clock()
    load = Load(slots=2, clock=clock)
    with load.step(3.0, speech=True):
        clock.now += 1.0  # one of two slots
        with load.step(3.0, speech=True):
            clock.now += 1.0  # both
            with load.step(4.0, speech=True):
                clock.now += 1.0  # a third has to wait for them
    clock.now += 100.0
    assert load.cost == pytest.approx((0.5 + 1 + 1) / 10)


def test_a_step_that_fails_is_over_too() -> None:
    clock = Clock()
    load = Load(slots=1, clock=clock)

    def fails() -> None:
        with load.step(5.0, speech=True):
            clock.now += 1.0
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fails()
    clock.now += 100.0
    with load.step(5.0, speech=True):
        clock.now += 1.0
    assert load.cost == pytest.approx(2 / 10)


def test_old_measures_count_half() -> None:
    clock = Clock()
    load = Load(slots=1, clock=clock)
    with load.step(60.0, speech=True):
        clock.now += 60.0
    assert load.cost == pytest.approx(1.0)
    with load.step(60.0, speech=True):
        pass
    assert load.cost == pytest.approx(0.5)
    with load.step(30.0, speech=True):
        clock.now += 60.0
    assert load.cost == pytest.approx((30 + 60) / (60 + 30))


def test_the_pace_forgets_what_is_long_ago() -> None:
    pace = Pace(memory=5.0)
    assert pace.factor is None
    pace.add(1.0, 2.0)
    assert pace.factor == pytest.approx(0.5)
    pace.add(6.0, 5.0)
    assert pace.factor == pytest.approx((1.0 * 5 / 7 + 6.0) / (2.0 * 5 / 7 + 5.0))
