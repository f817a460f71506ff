"""Who may start, who waits, who is called in: races and edges, without models or sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from seamless_server.errors import NoPlaceError, Refused, SeamlessError
from seamless_server.metrics import Metrics
from seamless_server.service.admission import LATE_MS, Admission, Place, Turn
from seamless_server.service.load import LIMIT, Load
from seamless_server.service.lock import OwnerLock
from seamless_server.service.owner import Owner
from seamless_server.service.tasks import Tasks
from seamless_server.settings import Settings

from .scripted import Asker, Running, status

TIMEOUT = 20


class Floor:
    """An admission with everything around it."""

    def __init__(self, **settings: Any) -> None:
        self.metrics = Metrics()
        self.tasks = Tasks(self.metrics)
        self.lock = OwnerLock()
        self.load = Load()
        self.models: list[Any] = []
        self.changes = 0
        self.admission = Admission(
            Settings(**{"max_speakers": 1, **settings}),
            self.metrics,
            lambda: self.models,
            self.load,
            self.lock,
            self.tasks,
            self._changed,
        )
        self.started: list[str] = []
        self.runs: asyncio.Task[None] | None = None

    def _changed(self) -> None:
        self.changes += 1

    def run(self) -> None:
        """Lets the line move from now on."""
        self.runs = asyncio.create_task(self.admission.run())

    def begin(self, place: Place) -> Running:
        """What a service does with a place."""
        session = Running(lambda: self.admission.free(place))
        place.session = session  # type: ignore[assignment]
        self.started.append(place.owner.key)
        return session

    async def start(self, place: Place) -> Running:
        return self.begin(place)

    async def speak(self, asker: Owner, *, live: bool = True) -> Running:
        """Takes a place without waiting, and starts."""
        place = await self.admission.take(asker, None, live=live)
        assert place is not None
        return self.begin(place)

    async def wait(self, asker: Asker) -> Place | None:
        """Asks for a place, and waits in line if there is none."""
        return await self.admission.take(asker, self.start, live=True)

    async def refusal(self, asking: Any) -> str:
        with pytest.raises(Refused) as refused:
            await asking
        return refused.value.code

    @property
    def waiting(self) -> float:
        return self.metrics.registry.get_sample_value("seamless_waiting_speakers") or 0.0


@pytest.fixture
async def floors() -> AsyncIterator[Callable[..., Floor]]:
    made: list[Floor] = []

    def make(**settings: Any) -> Floor:
        made.append(Floor(**settings))
        return made[-1]

    yield make
    for floor in made:
        if floor.runs is not None:
            floor.runs.cancel()
        await floor.tasks.close()


Make = Callable[..., Floor]


async def soon(condition: Callable[[], object]) -> None:
    """Waits until what runs beside has come so far."""

    async def wait() -> None:
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)  # nothing tells of everything that may be waited for

    await asyncio.wait_for(wait(), TIMEOUT)


async def settled() -> None:
    """Lets everything that can go on go on."""
    for _ in range(50):
        await asyncio.sleep(0)


# -- places ----------------------------------------------------------------------------------------


async def test_there_are_as_many_places_as_were_set_and_not_one_more(floors: Make) -> None:
    floor = floors(max_speakers=2)
    first = await floor.speak(Asker("a"))
    await floor.speak(Asker("b"))
    assert await floor.refusal(floor.speak(Asker("c"))) == "max_speakers"
    await first.stop()
    await floor.speak(Asker("c"))
    assert await floor.refusal(floor.speak(Asker("d"))) == "max_speakers"
    assert list(floor.admission.places) == ["b", "c"]
    assert not (await floors(max_speakers=None).speak(Asker("a"))).stopped
    assert await floor.refusal(floors(max_speakers=0).speak(Asker("a"))) == "max_speakers"


async def test_who_asks_again_ends_its_old_stream_and_keeps_its_place(floors: Make) -> None:
    floor = floors()
    old = await floor.speak(Asker("a"))
    old.may_end.clear()
    again = asyncio.create_task(floor.speak(Asker("a")))
    await asyncio.wait_for(old.stopping.wait(), TIMEOUT)
    # While the old stream ends, and after it has, nobody takes the place.
    rival = asyncio.create_task(floor.refusal(floor.speak(Asker("b"))))
    await settled()
    old.may_end.set()
    new = await again
    assert await rival == "max_speakers"
    assert old.stopped
    assert new is not old
    assert list(floor.admission.places) == ["a"]
    assert floor.started == ["a", "a"]
    # It is renewed no more: its place is one as any other.
    await new.stop()
    await floor.speak(Asker("b"))


async def test_nobody_takes_the_place_of_who_is_about_to_start_anew(floors: Make) -> None:
    floor = floors()
    old = await floor.speak(Asker("a"))
    refused = []

    async def stop() -> None:
        old.on_end()
        refused.append(await floor.refusal(floor.speak(Asker("b"))))

    old.stop = stop  # type: ignore[method-assign]
    await floor.speak(Asker("a"))
    assert refused == ["max_speakers"]
    assert list(floor.admission.places) == ["a"]


async def test_the_last_place_is_given_once(floors: Make) -> None:
    floor = floors()
    away = Asker("gone", away=5.0)
    old = await floor.speak(away)
    old.may_end.clear()
    rivals = [asyncio.create_task(floor.speak(Asker(name))) for name in "bcd"]
    await asyncio.wait_for(old.stopping.wait(), TIMEOUT)
    await settled()
    old.may_end.set()
    came = await asyncio.gather(*rivals, return_exceptions=True)
    assert [type(one) for one in came] == [Running, NoPlaceError, NoPlaceError]
    assert list(floor.admission.places) == ["b"]


async def test_only_the_place_that_is_held_is_freed(floors: Make) -> None:
    floor = floors()
    asker = Asker("a")
    place = await floor.admission.take(asker, None, live=True)
    assert place is not None
    assert floor.admission.holds(place)
    asker.here = False
    assert not floor.admission.holds(place)
    asker.here = True
    other = Place(asker)
    assert not floor.admission.holds(other)
    before = floor.changes
    floor.admission.free(other)
    assert floor.admission.holds(place)
    assert floor.changes == before
    floor.admission.free(place)
    assert floor.admission.places == {}
    assert floor.changes == before + 1
    floor.admission.free(place)
    assert floor.changes == before + 1


# -- those who are away ----------------------------------------------------------------------------


@pytest.mark.parametrize(("away", "gives_way"), [(-1.0, False), (0.0, False), (0.1, True)])
async def test_who_is_away_gives_way_to_who_cannot_wait(
    floors: Make, away: float, gives_way: bool
) -> None:
    floor = floors()
    old = await floor.speak(Asker("gone", away=away))
    if gives_way:
        await floor.speak(Asker("b"))
        assert list(floor.admission.places) == ["b"]
    else:
        assert await floor.refusal(floor.speak(Asker("b"))) == "max_speakers"
    assert old.stopped == gives_way


@pytest.mark.parametrize(("away", "gives_way"), [(10.0, False), (10.1, True)])
async def test_who_can_wait_leaves_who_is_away_its_stream_for_ten_seconds(
    floors: Make, away: float, gives_way: bool
) -> None:
    floor = floors()
    old = await floor.speak(Asker("gone", away=away))
    place = await floor.wait(Asker("b"))
    assert (place is not None) == gives_way
    assert old.stopped == gives_way
    assert ("b" in floor.admission.line) == (not gives_way)


async def test_nobody_is_sent_away_for_nothing(floors: Make) -> None:
    floor = floors()
    floor.lock.take("Ana", "a")
    await floor.speak(Asker("a"))
    floor.lock.release("a")
    floor.lock.take("Bob", "b")
    floor.admission.places["b"] = Place(Asker("b"))  # the lock's holder came beside it
    floor.lock.release("b")
    floor.admission.places["a"].owner.away = 60.0  # type: ignore[attr-defined]
    # Two have one place: one that goes frees none.
    assert await floor.refusal(floor.speak(Asker("c"))) == "max_speakers"
    assert set(floor.admission.places) == {"a", "b"}


# -- auto ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doing", "live", "late"),
    [
        (status(lag_ms=LATE_MS), True, False),
        (status(lag_ms=LATE_MS + 1), True, True),
        (status(queued_ms=LATE_MS), True, False),
        (status(queued_ms=LATE_MS + 1), True, True),
        (status(lag_ms=LATE_MS + 1), False, False),
    ],
)
async def test_auto_lets_nobody_in_while_a_live_stream_is_late(
    floors: Make, doing: Any, live: bool, late: bool
) -> None:
    floor = floors(max_speakers="auto")
    session = await floor.speak(Asker("a"), live=live)
    session.doing = doing
    if late:
        assert await floor.refusal(floor.speak(Asker("b"))) == "max_speakers"
    else:
        await floor.speak(Asker("b"))


async def test_auto_lets_in_what_is_carried_and_the_first_one_always(floors: Make) -> None:
    floor = floors(max_speakers="auto")
    floor.load.expect(LIMIT / 2)
    for name in "ab":
        await floor.speak(Asker(name))
    assert await floor.refusal(floor.speak(Asker("c"))) == "max_speakers"
    heavy = floors(max_speakers="auto")
    heavy.load.expect(99.0)
    await heavy.speak(Asker("a"))
    assert await heavy.refusal(heavy.speak(Asker("b"))) == "max_speakers"


async def test_auto_asks_every_engine_for_room(floors: Make) -> None:
    def model(slots: int) -> Any:
        facts = SimpleNamespace(slots=slots, slots_used=0, waiting=0)
        return SimpleNamespace(engine=SimpleNamespace(load=lambda: facts))

    import seamless_server.service.admission as module

    floor = floors(max_speakers="auto")
    floor.models = [model(9), model(1)]
    asked: list[tuple[int, int]] = []

    def has_room(one: Any, running: int) -> bool:
        asked.append((one.engine.load().slots, running))
        return running < one.engine.load().slots

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "engine_has_room", has_room)
        await floor.speak(Asker("a"))
        assert await floor.refusal(floor.speak(Asker("b"))) == "max_speakers"
        floor.models = [model(9), model(9)]
        await floor.speak(Asker("b"))
    assert (1, 1) in asked


# -- the line --------------------------------------------------------------------------------------


async def test_those_who_wait_are_told_and_called_in_by_their_order(floors: Make) -> None:
    floor = floors()
    speaking = await floor.speak(Asker("a"))
    askers = [Asker(name) for name in "bcd"]
    for asker in askers:
        assert await floor.wait(asker) is None
    assert floor.waiting == 3
    floor.run()
    for number, asker in enumerate(askers, 1):
        assert await asker.hears("moved") == ("moved", number, 3)
    await speaking.stop()
    await askers[0].hears("admitted")
    assert floor.started == ["a", "b"]
    await soon(lambda: ("moved", 1, 2) in askers[1].told)
    await soon(lambda: ("moved", 2, 2) in askers[2].told)
    assert floor.waiting == 2
    assert askers[0].told == [("moved", 1, 3), ("admitted",)]
    # Who asks again without a change is told its place again, and nobody else is told anything.
    await floor.wait(askers[1])
    await soon(lambda: askers[1].told.count(("moved", 1, 2)) == 2)
    await settled()
    assert askers[2].told == [("moved", 3, 3), ("moved", 2, 2)]


async def test_the_line_is_full_when_all_its_places_are_taken(floors: Make) -> None:
    floor = floors(waiting_places=1)
    await floor.speak(Asker("a"))
    assert await floor.wait(Asker("b")) is None
    assert await floor.refusal(floor.wait(Asker("c"))) == "max_speakers"
    assert await floor.wait(Asker("b")) is None  # it is in it already

    class Plain(Owner):
        key = "plain"

    assert (
        await floor.refusal(floor.admission.take(Plain(), floor.start, live=True)) == "max_speakers"
    )
    none = floors(waiting_places=0)
    await none.speak(Asker("a"))
    assert await none.refusal(none.wait(Asker("b"))) == "max_speakers"


async def test_nobody_overtakes_those_who_wait(floors: Make) -> None:
    floor = floors(max_speakers=1)
    speaking = await floor.speak(Asker("a"))
    await floor.wait(Asker("b"))
    await floor.wait(Asker("c"))
    await speaking.stop()
    # A place is free, and the line has not moved yet.
    assert await floor.refusal(floor.speak(Asker("new"))) == "max_speakers"
    assert await floor.wait(Asker("new too")) is None
    assert await floor.wait(Asker("c")) is None
    place = await floor.wait(Asker("b"))  # it is its turn
    assert place is not None
    assert list(floor.admission.line) == ["c", "new too"]


async def test_who_stops_waiting_leaves_the_line(floors: Make) -> None:
    floor = floors()
    await floor.speak(Asker("a"))
    await floor.wait(Asker("b"))
    assert await floor.refusal(floor.speak(Asker("b"))) == "max_speakers"
    assert len(floor.admission.line) == 0
    assert floor.waiting == 0
    await floor.wait(Asker("c"))
    before = floor.changes
    floor.admission.leave_line("nobody")
    assert floor.changes == before
    floor.admission.leave_line("c")
    assert floor.changes == before + 1
    assert floor.waiting == 0


async def test_those_who_are_away_are_passed_over_and_come_back_to_their_place(
    floors: Make,
) -> None:
    floor = floors()
    speaking = await floor.speak(Asker("a"))
    away, here, last = Asker("b", away=1.0), Asker("c"), Asker("d")
    for asker in (away, here, last):
        await floor.wait(asker)
    floor.admission.line.lose("b", time.monotonic())
    await speaking.stop()
    floor.run()
    await here.hears("admitted")
    assert floor.started == ["a", "c"]
    assert list(floor.admission.line) == ["b", "d"]
    await floor.wait(Asker("b"))
    assert floor.admission.line.first() == "b"


async def test_who_stays_away_from_the_line_loses_its_place_in_it(floors: Make) -> None:
    floor = floors()
    await floor.speak(Asker("a"))
    gone, here = Asker("b"), Asker("c")
    await floor.wait(gone)
    await floor.wait(here)
    floor.admission.line.lose("b", time.monotonic() - 9.0)
    floor.run()
    assert await here.hears("moved") == ("moved", 2, 2)
    floor.admission.line.lose("b", time.monotonic() - 10.1)
    floor.admission.changed()
    await soon(lambda: ("moved", 1, 1) in here.told)
    assert list(floor.admission.line) == ["c"]


@pytest.mark.parametrize("why", ["left its room", "lost its connection"])
async def test_a_turn_of_somebody_who_is_not_there_goes_to_the_next(floors: Make, why: str) -> None:
    floor = floors()
    speaking = await floor.speak(Asker("a"))
    gone, here = Asker("b"), Asker("c")
    await floor.wait(gone)
    await floor.wait(here)
    if why == "left its room":
        gone.here = False
    else:
        gone.away = 0.0
    await speaking.stop()
    floor.run()
    await here.hears("admitted")
    assert floor.started == ["a", "c"]
    assert ("admitted",) not in gone.told
    assert list(floor.admission.line) == []


async def test_who_leaves_while_room_is_made_for_it_is_not_started(floors: Make) -> None:
    floor = floors()
    speaker = Asker("a")
    old = await floor.speak(speaker)
    waiting = Asker("b")
    await floor.wait(waiting)
    speaker.away = 11.0
    old.may_end.clear()
    floor.run()
    await asyncio.wait_for(old.stopping.wait(), TIMEOUT)
    floor.admission.leave_line("b")
    old.may_end.set()
    await soon(lambda: old.stopped)
    await settled()
    assert floor.started == ["a"]
    assert floor.admission.places == {}
    await floor.speak(Asker("c"))  # the place is free for others


async def test_who_asks_while_it_is_called_in_starts_once(floors: Make) -> None:
    floor = floors()
    speaker = Asker("a")
    old = await floor.speak(speaker)
    await floor.wait(Asker("b"))
    speaker.away = 11.0
    old.may_end.clear()
    floor.run()
    await asyncio.wait_for(old.stopping.wait(), TIMEOUT)
    again = asyncio.create_task(floor.wait(Asker("b")))
    rival = asyncio.create_task(floor.wait(Asker("c")))
    await settled()
    old.may_end.set()
    await asyncio.wait({again, rival})
    await settled()
    # Called in or not: what it asked for last is what it has, and it does not wait as well.
    assert floor.admission.places == {"b": again.result()}
    assert list(floor.admission.line) == ["c"]


@pytest.mark.parametrize("fails", [SeamlessError("No such voice."), RuntimeError("broken")])
async def test_who_cannot_be_started_is_told_and_others_are_called(
    floors: Make, fails: Exception
) -> None:
    floor = floors()
    speaking = await floor.speak(Asker("a"))
    unlucky, next_one = Asker("b"), Asker("c")

    async def fail(place: Place) -> None:
        floor.admission.free(place)
        raise fails

    await floor.admission.take(unlucky, fail, live=True)
    await floor.wait(next_one)
    await speaking.stop()
    floor.run()
    message = (await unlucky.hears("refused"))[1]
    assert message[0].isupper()
    assert message.endswith(".")
    assert (message == "No such voice.") == isinstance(fails, SeamlessError)
    assert "broken" not in message
    await next_one.hears("admitted")
    assert ("admitted",) not in unlucky.told
    errors = floor.metrics.registry.get_sample_value("seamless_errors_total", {"where": "task"})
    assert (errors or 0.0) == (0.0 if isinstance(fails, SeamlessError) else 1.0)


async def test_one_who_cannot_be_told_does_not_stop_the_line(floors: Make) -> None:
    class Broken(Asker):
        async def moved(self, position: int, waiting: int) -> None:
            raise OSError("its way is broken")

    floor = floors()
    speaking = await floor.speak(Asker("a"))
    await floor.wait(Broken("b"))
    floor.run()

    def errors() -> float | None:
        return floor.metrics.registry.get_sample_value("seamless_errors_total", {"where": "line"})

    await soon(errors)
    await speaking.stop()
    await soon(lambda: floor.started == ["a", "b"])


async def test_who_finds_no_engine_waits_before_all_others(floors: Make) -> None:
    floor = floors(waiting_places=2)
    await floor.speak(Asker("a"))
    first, back = Asker("b"), Asker("c")
    await floor.wait(first)
    floor.admission.back_in_line(back, floor.start)
    assert list(floor.admission.line) == ["c", "b"]
    floor.run()
    assert await back.hears("moved") == ("moved", 1, 2)
    assert await first.hears("moved") == ("moved", 2, 2)


async def test_who_finds_no_engine_starts_when_its_turn_comes_again(floors: Make) -> None:
    floor = floors()
    back = Asker("b")
    floor.admission.back_in_line(back, floor.start)
    floor.run()
    await back.hears("admitted")
    assert floor.started == ["b"]


async def test_who_waits_is_called_in_when_the_load_falls_which_nobody_tells(floors: Make) -> None:
    floor = floors(max_speakers="auto")
    speaking = await floor.speak(Asker("a"))
    speaking.doing = status(lag_ms=LATE_MS + 1)
    waiting = Asker("b")
    assert await floor.wait(waiting) is None
    floor.run()
    assert await waiting.hears("moved") == ("moved", 1, 1)
    speaking.doing = status(lag_ms=LATE_MS)
    await waiting.hears("admitted")
    assert floor.started == ["a", "b"]


async def test_who_came_from_the_line_counts_when_it_is_late(floors: Make) -> None:
    floor = floors(max_speakers="auto")
    speaking = await floor.speak(Asker("a"))
    speaking.doing = status(lag_ms=LATE_MS + 1)
    waiting = Asker("b")
    await floor.wait(waiting)
    floor.run()
    speaking.doing = status()
    await waiting.hears("admitted")
    came = floor.admission.places["b"].session
    assert isinstance(came, Running)
    came.doing = status(queued_ms=LATE_MS + 1)
    assert await floor.refusal(floor.speak(Asker("c"))) == "max_speakers"
    came.doing = status()
    await floor.speak(Asker("c"))


@pytest.mark.parametrize("room", [True, False])
async def test_who_is_called_in_and_finds_no_engine_waits_again_or_is_told(
    floors: Make, room: bool
) -> None:
    floor = floors(waiting_places=2 if room else 1)
    speaking = await floor.speak(Asker("a"))
    waiting, late = Asker("b"), Asker("c")

    async def start(place: Place) -> None:
        floor.admission.free(place)
        assert floor.admission.line.join("c", Turn(late, floor.start))
        raise NoPlaceError

    await floor.admission.take(waiting, start, live=True)
    await speaking.stop()
    floor.run()
    if room:
        await soon(lambda: list(floor.admission.line) == ["b", "c"])
        assert not [what for what in waiting.told if what[0] == "refused"]
    else:
        assert "in use" in (await waiting.hears("refused"))[1]
        assert list(floor.admission.line) == ["c"]


async def test_who_finds_no_engine_and_cannot_wait_is_refused(floors: Make) -> None:
    class Plain(Owner):
        key = "plain"

    floor = floors()
    with pytest.raises(SeamlessError) as refused:
        floor.admission.back_in_line(Plain(), floor.start)
    assert refused.value.code == "max_speakers"
    none = floors(waiting_places=0)
    with pytest.raises(SeamlessError):
        none.admission.back_in_line(Asker("a"), none.start)
    assert len(none.admission.line) == 0


# -- the server's lock -----------------------------------------------------------------------------


async def test_the_holder_has_the_server_to_itself(floors: Make) -> None:
    floor = floors(max_speakers=2)
    others = [Asker("a"), Asker("b")]
    running = [await floor.speak(asker) for asker in others]
    floor.lock.take("Host", "host")
    assert await floor.refusal(floor.speak(Asker("c"))) == "server_locked"
    assert await floor.refusal(floor.wait(Asker("c"))) == "server_locked"
    assert not any(session.stopped for session in running)
    holder = await floor.speak(Asker("host"))
    await soon(lambda: all(session.stopped for session in running))
    for asker in others:
        assert ("complaint", "server_locked") in asker.told
    assert not holder.stopped
    assert list(floor.admission.places) == ["host"]
    again = await floor.speak(Asker("host"))  # it does not end itself
    assert not again.stopped
    floor.lock.release("host")
    await floor.speak(Asker("c"))


async def test_the_holder_does_not_start_beside_who_is_just_called_in(floors: Make) -> None:
    floor = floors()
    gone, waiting = Asker("a"), Asker("b")
    leaving = await floor.speak(gone)
    leaving.may_end.clear()
    await floor.wait(waiting)
    gone.away = 99.0
    floor.run()
    await asyncio.wait_for(leaving.stopping.wait(), TIMEOUT)  # it makes room for the next in line
    floor.lock.take("mine", "h")
    taking = asyncio.create_task(floor.speak(Asker("h")))
    await settled()
    assert not taking.done()
    leaving.may_end.set()
    await taking
    assert await waiting.hears("complaint") == ("complaint", "server_locked")
    await soon(lambda: list(floor.admission.places) == ["h"])


async def test_the_holder_is_called_before_those_who_wait_longer(floors: Make) -> None:
    floor = floors()
    await floor.speak(Asker("a"))
    first, host = Asker("b"), Asker("host")
    await floor.wait(first)
    await floor.wait(host)
    floor.lock.take("Host", "host")
    floor.run()
    await host.hears("admitted")
    assert list(floor.admission.line) == ["b"]
    await settled()
    assert ("admitted",) not in first.told  # the server is locked for it
    floor.lock.release("host")
    await floor.admission.stop("host")
    await first.hears("admitted")


async def test_a_server_that_is_locked_completely_has_no_holder(floors: Make) -> None:
    floor = floors(lock_server_completely=True)
    floor.lock.take("Host", "host")
    assert await floor.refusal(floor.speak(Asker("host"))) == "server_locked"
    assert await floor.admission.locked("anybody")
    assert not await floors().admission.locked("anybody")


# -- the end of streams ----------------------------------------------------------------------------


async def test_a_stream_that_does_not_end_in_time_is_aborted(floors: Make) -> None:
    floor = floors(stop_seconds=0.01)
    stuck = await floor.speak(Asker("a"))
    stuck.may_end.clear()
    await floor.admission.stop("a")
    assert stuck.aborted
    assert floor.admission.places == {}
    await floor.admission.stop("a")  # nothing is there any more
    floor.admission.places["b"] = Place(Asker("b"))
    await floor.admission.stop("b")  # it has not begun
    quick = floors(stop_seconds=60)
    ends = await quick.speak(Asker("a"))
    await quick.admission.stop("a")
    assert (ends.stopped, ends.aborted) == (True, False)
    late = await quick.speak(Asker("a"))
    late.may_end.clear()
    await quick.admission.stop("a", seconds=0.01)
    assert late.aborted


async def test_at_the_end_nobody_starts_and_everybody_is_told(floors: Make) -> None:
    floor = floors(max_speakers=2, flush_seconds=0.05, stop_seconds=60)
    quick, stuck = [await floor.speak(Asker(name)) for name in "ab"]
    stuck.may_end.clear()
    waiting = Asker("c")
    await floor.wait(waiting)
    assert not floor.admission.draining
    await floor.admission.drain()
    assert floor.admission.draining
    assert (quick.stopped, quick.aborted) == (True, False)
    assert stuck.aborted
    assert "connect again" in (await waiting.hears("refused"))[1]
    assert len(floor.admission.line) == 0
    assert await floor.refusal(floor.speak(Asker("d"))) == "restarting"
    assert await floor.refusal(floor.wait(Asker("d"))) == "restarting"


async def test_one_that_cannot_be_ended_keeps_nobody_else_from_its_last_word(
    floors: Make,
) -> None:
    floor = floors(max_speakers=2)
    broken, other = [await floor.speak(Asker(name)) for name in "ab"]
    other.may_end.clear()

    async def fail() -> None:
        asyncio.get_running_loop().call_later(0.05, other.may_end.set)
        raise RuntimeError("broken")

    broken.stop = fail  # type: ignore[method-assign]
    await floor.admission.drain()
    assert other.stopped


async def test_who_was_about_to_start_anew_does_not_start_at_the_end(floors: Make) -> None:
    floor = floors()
    old = await floor.speak(Asker("a"))
    old.may_end.clear()
    again = asyncio.create_task(floor.speak(Asker("a")))
    await asyncio.wait_for(old.stopping.wait(), TIMEOUT)
    ending = asyncio.create_task(floor.admission.drain())
    await settled()
    old.may_end.set()
    await ending
    assert await floor.refusal(again) == "restarting"
    assert floor.admission.places == {}


async def test_closing_ends_everything_at_once(floors: Make) -> None:
    floor = floors(max_speakers=2)
    session = await floor.speak(Asker("a"))
    floor.admission.places["b"] = Place(Asker("b"))  # not begun yet
    await floor.wait(Asker("c"))
    await floor.admission.close()
    assert (session.stopped, session.aborted) == (False, True)
    assert len(floor.admission.line) == 0
