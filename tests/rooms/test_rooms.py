"""Members that come, go and stay away; rooms of several replicas; rooms that expire."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Collection
from typing import Any

import pytest

from seamless_server.rooms.members import Member, Room, Wish
from seamless_server.rooms.rooms import Rooms
from seamless_server.rooms.store import Change, MemoryStore, transcript_key
from seamless_server.settings import Settings

from .conftest import Clock


class Shared(MemoryStore):
    """A store in which a test plays the other replicas."""

    def __init__(self) -> None:
        super().__init__(100)
        self.records: dict[str, dict[str, Any]] = {}
        self.facts: dict[str, dict[str, Any]] = {}
        self.saved: list[tuple[dict[str, Any], float]] = []
        self.removed: list[tuple[str, str | None]] = []
        self.cleared: list[str] = []
        self.forgetful: set[str] = set()
        """Replicas of which it has forgotten all."""

    async def load_member(self, client_id: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.records.get(client_id))

    async def members(self, room_id: str) -> list[dict[str, Any]]:
        return [copy.deepcopy(x) for x in self.records.values() if x.get("room_id") == room_id]

    async def told(self, replicas: Collection[str]) -> set[str]:
        return set(replicas) - self.forgetful

    async def has_members(self, room_id: str) -> bool:
        return bool(await self.members(room_id))

    async def save_member(self, record: dict[str, Any], ttl: float) -> None:
        self.saved.append((record, ttl))

    async def remove_member(self, client_id: str, room_id: str | None) -> None:
        self.removed.append((client_id, room_id))

    async def save_room(self, room_id: str, facts: dict[str, Any]) -> None:
        self.facts[room_id] = facts

    async def load_room(self, room_id: str) -> dict[str, Any] | None:
        return self.facts.get(room_id)

    async def clear_transcript(self, room_id: str) -> None:
        self.cleared.append(room_id)

    def elsewhere(self, client_id: str, **fields: Any) -> None:
        """A member that replica `r2` has."""
        member = Member(client_id, **{"sid": "far", "room_id": "ROOM", **fields})
        self.records[client_id] = {**member.record(), "replica": "r2"}


class Told:
    """What `Rooms` told others."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.changes: list[str] = []
        self.claims: list[str] = []
        self.moved: list[str] = []
        self.asked: list[tuple[str, str]] = []


@pytest.fixture
def store() -> Shared:
    return Shared()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def rooms(store: Shared, told: Told) -> Rooms:
    return Rooms(
        Settings(grace_seconds=30, room_expiry_seconds=600, room_code_length=5),
        store,
        is_here=lambda member: member.client_id in told.here,
        on_change=lambda room: told.changes.append(room.room_id),
        on_claim=lambda member: told.claims.append(member.client_id),
        on_moved=lambda member: told.moved.append(member.client_id),
        on_asked=lambda member, ruling: told.asked.append((member.client_id, ruling)),
    )


async def joined(rooms: Rooms, client_id: str, room_id: str = "ROOM", **fields: Any) -> Member:
    member = Member(client_id, **{"sid": "s", "roles": frozenset({"listener"}), **fields})
    rooms.members[client_id] = member
    rooms.enter(await rooms.open(room_id), member)
    return member


# -- coming and going ------------------------------------------------------------------------------


async def test_a_room_is_made_once_and_known_by_its_code(rooms: Rooms, store: Shared) -> None:
    assert rooms.get("ROOM") is None
    assert not await rooms.has("ROOM")
    room = await rooms.open("ROOM")
    assert await rooms.open("ROOM") is room is rooms.get("ROOM")
    assert await rooms.has("ROOM")
    store.elsewhere("far", room_id="FARR")
    assert await rooms.has("FARR")
    assert rooms.get("FARR") is None
    code = rooms.new_code()
    assert len(code) == 5
    assert code not in rooms.rooms


async def test_who_enters_is_in_the_room_and_who_leaves_is_not(
    rooms: Rooms, store: Shared, clock: Clock
) -> None:
    ana = await joined(rooms, "ana", replica="r2")
    bob = await joined(rooms, "bob")
    room = rooms.of(ana)
    assert room is not None
    assert ana.replica is None
    assert room.empty_since is None
    assert list(room.members) == ["ana", "bob"]
    clock.now += 5
    assert await rooms.leave(ana) is room
    assert (ana.room_id, rooms.of(ana)) == (None, None)
    assert list(room.members) == ["bob"]
    assert room.empty_since is None  # somebody is still there
    assert store.removed == [("ana", "ROOM")]
    clock.now += 5
    await rooms.leave(bob)
    assert room.empty_since == clock.now
    assert await rooms.leave(bob) is None  # once more does no harm


async def test_a_room_whose_owner_leaves_is_passed_on_and_replicas_hear_of_it(
    rooms: Rooms, store: Shared
) -> None:
    owner = await joined(rooms, "owner", roles=frozenset({"speaker"}))
    listener = await joined(rooms, "listener")
    speaker = await joined(rooms, "speaker", roles=frozenset({"speaker"}))
    room = rooms.of(owner)
    assert room is not None
    room.owner = "owner"
    await rooms.leave(listener)
    assert store.facts == {}
    await rooms.leave(owner)
    assert room.owner == "speaker"
    assert store.facts == {"ROOM": room.facts()}
    assert store.facts["ROOM"]["owner"] == "speaker"
    await rooms.leave(speaker)
    assert room.owner is None


# -- what replicas know ----------------------------------------------------------------------------


async def test_members_of_other_replicas_come_and_go(
    rooms: Rooms, store: Shared, told: Told
) -> None:
    await joined(rooms, "ana")
    store.elsewhere("far", roles=frozenset({"listener"}), protocol=2, wish=Wish("spa", "s2t"))
    store.facts["ROOM"] = {"owner": "far", "passcode": "p", "closed": True}
    told.changes.clear()
    await rooms.refresh("ROOM")
    room = rooms.get("ROOM")
    assert room is not None
    assert set(room.members) == {"ana", "far"}
    assert room.members["far"].replica == "r2"
    assert room.members["far"].connected
    assert "far" not in rooms.members
    assert room.languages() == {"spa"}
    assert (room.owner, room.passcode, room.closed) == ("far", "p", True)
    assert told.changes == ["ROOM"]
    del store.records["far"]
    store.forgetful.add("r2")  # it does not know that nobody is there
    await rooms.refresh("ROOM")
    assert set(room.members) == {"ana", "far"}
    store.forgetful.clear()
    await rooms.refresh("ROOM")
    assert set(room.members) == {"ana"}  # who is here stays, though no other replica knows it
    assert "ana" in rooms.members


async def test_a_room_is_opened_with_those_whom_other_replicas_hold(
    rooms: Rooms, store: Shared, told: Told
) -> None:
    store.elsewhere("far")
    room = await rooms.open("ROOM")
    assert list(room.members) == ["far"]
    await rooms.refresh("NONE")
    assert told.changes == ["ROOM"]
    assert rooms.get("NONE") is None


@pytest.mark.parametrize(("here", "there", "stays"), [(20, 10, True), (10, 10, True),
                                                      (10, 20, False)])  # fmt: skip
async def test_of_two_connections_of_one_member_the_newer_counts(
    rooms: Rooms, store: Shared, told: Told, here: float, there: float, stays: bool
) -> None:
    ana = await joined(rooms, "ana", since=here)
    told.here.add("ana")
    store.elsewhere("ana", since=there)
    await rooms.refresh("ROOM")
    room = rooms.get("ROOM")
    assert room is not None
    assert (told.claims, told.moved) == ((["ana"], []) if stays else ([], ["ana"]))
    assert (room.members["ana"] is ana) == stays
    assert ("ana" in rooms.members) == stays


async def test_a_record_that_tells_no_time_is_older(
    rooms: Rooms, store: Shared, told: Told
) -> None:
    await joined(rooms, "ana", since=0.5)
    told.here.add("ana")
    store.elsewhere("ana")
    del store.records["ana"]["since"]
    await rooms.refresh("ROOM")
    assert (told.claims, told.moved) == (["ana"], [])


async def test_who_is_away_here_and_connected_elsewhere_is_elsewhere(
    rooms: Rooms, store: Shared, told: Told
) -> None:
    await joined(rooms, "ana", since=99, sid=None)
    store.elsewhere("ana", since=1)
    await rooms.refresh("ROOM")
    room = rooms.get("ROOM")
    assert room is not None
    assert room.members["ana"].replica == "r2"
    assert "ana" not in rooms.members
    assert (told.claims, told.moved) == ([], [])


def record(client_id: str, **fields: Any) -> dict[str, Any]:
    return Member(client_id, **{"sid": "far", "room_id": "ROOM", **fields}).record()


async def test_changes_of_other_replicas_are_taken_over_as_they_come(
    rooms: Rooms, store: Shared, told: Told
) -> None:
    room = await rooms.open("ROOM")
    await rooms.open("OTHR")
    await rooms.changed(Change("r2"))  # the first sign of it: everything is read anew
    assert sorted(told.changes[2:]) == ["OTHR", "ROOM"]
    told.changes.clear()
    await rooms.changed(Change("r2"))
    assert told.changes == []
    facts = {"owner": "far", "passcode": None, "closed": True}
    await rooms.changed(Change("r2", "ROOM", members=(record("far"), record("too")), facts=facts))
    assert {key: one.replica for key, one in room.members.items()} == {"far": "r2", "too": "r2"}
    assert (room.owner, room.closed) == ("far", True)
    assert told.changes == ["ROOM"]
    await rooms.changed(Change("r2", "NONE", members=(record("x"),)))
    assert told.changes == ["ROOM"]
    # A member is taken away by the replica that has it and by no other.
    await rooms.changed(Change("r3"))
    store.elsewhere("far")
    store.elsewhere("too")
    await rooms.refresh("ROOM")
    await rooms.changed(Change("r3", "ROOM", gone=("far",)))
    assert set(room.members) == {"far", "too"}
    ana = await joined(rooms, "ana")
    await rooms.changed(Change("r2", "ROOM", gone=("far", "ana", "unknown")))
    assert set(room.members) == {"too", "ana"}
    assert rooms.of(ana) is room
    # Where something was missed, everything is read.
    await rooms.changed(Change("r2", missed=True))
    assert set(room.members) == {"too", "ana", "far"}


@pytest.mark.parametrize("what", ["a change", "a stranger's change", "a gap"])
async def test_nothing_is_missed_while_a_room_is_read(
    rooms: Rooms, store: Shared, what: str
) -> None:
    reading, read_on = asyncio.Event(), asyncio.Event()
    plain = store.members

    async def slow(room_id: str) -> list[dict[str, Any]]:
        found = await plain(room_id)
        reading.set()
        await read_on.wait()
        return found

    await rooms.changed(Change("r2"))
    store.members = slow  # type: ignore[method-assign]
    opening = asyncio.create_task(rooms.open("ROOM"))
    await reading.wait()
    store.elsewhere("far")
    if what == "a gap":
        await rooms.changed(Change("r2", missed=True))
    else:
        replica = "r2" if what == "a change" else "r9"
        await rooms.changed(Change(replica, "ROOM", members=(record("far"),)))
    read_on.set()
    room = await opening
    assert set(room.members) == {"far"}
    assert await rooms.open("ROOM") is room


async def test_members_of_a_replica_that_is_silent_for_long_are_forgotten(
    rooms: Rooms, store: Shared, told: Told, clock: Clock
) -> None:
    await joined(rooms, "ana")
    store.elsewhere("far")
    await rooms.refresh("ROOM")
    room = await rooms.open("ROOM")
    told.changes.clear()
    clock.now += 60
    await rooms.expire()
    assert set(room.members) == {"ana", "far"}
    await rooms.changed(Change("r2"))  # a sign of life
    clock.now += 60
    await rooms.expire()
    assert set(room.members) == {"ana", "far"}
    assert told.changes == []
    clock.now += 0.1
    await rooms.expire()
    assert set(room.members) == {"ana"}
    assert told.changes == ["ROOM"]


async def test_who_comes_back_elsewhere_before_it_leaves_here_stays_there(
    rooms: Rooms, store: Shared
) -> None:
    ana = await joined(rooms, "ana", sid=None)
    room = await rooms.open("ROOM")
    await rooms.changed(Change("r2"))
    await rooms.changed(Change("r2", "ROOM", members=(record("ana"),)))
    await rooms.leave(ana)
    assert room.members["ana"].replica == "r2"


async def test_a_member_is_recalled_from_here_or_from_a_replica_that_died(
    rooms: Rooms, store: Shared
) -> None:
    ana = await joined(rooms, "ana")
    assert await rooms.recall("ana") is ana
    assert await rooms.recall("nobody") is None
    store.elsewhere("quiet", name="Q", segment_base=7, resume_key="k")
    quiet = await rooms.recall("quiet")
    assert quiet is not None
    assert (quiet.sid, quiet.streaming, quiet.replica) == (None, False, None)
    assert (quiet.name, quiet.resume_key, quiet.room_id) == ("Q", "k", "ROOM")
    assert quiet.segment_base == 7
    store.elsewhere("loud", segment_base=7, streaming=True)
    loud = await rooms.recall("loud")
    assert loud is not None
    assert not loud.streaming
    # How far its segments went is not known, so that they go on far behind.
    assert loud.segment_base > 7 + 50_000
    store.elsewhere("further", segment_base=9, streaming=True)
    further = await rooms.recall("further")
    assert further is not None
    assert further.segment_base == loud.segment_base + 2


async def test_members_in_rooms_are_saved_and_only_own_ones(rooms: Rooms, store: Shared) -> None:
    ana = await joined(rooms, "ana")
    far = await joined(rooms, "far")
    far.replica = "r2"
    rooms.members["lobby"] = lobby = Member("lobby")
    await rooms.save(ana)
    await rooms.save(far)
    await rooms.save(lobby)
    assert store.saved == [(ana.record(), 60.0)]  # longer than a connection may be away
    store.saved.clear()
    await rooms.save_all()
    assert [record["client_id"] for record, _ in store.saved] == ["ana"]


# -- staying away ----------------------------------------------------------------------------------


async def test_the_grace_period_ends_behind_its_last_moment(rooms: Rooms, clock: Clock) -> None:
    gone = await joined(rooms, "gone", sid=None, gone_since=clock.now)
    await joined(rooms, "here")
    clock.now += 30
    assert rooms.overdue() == []
    clock.now += 0.1
    assert rooms.overdue() == [gone]
    gone.gone_since = None
    assert rooms.overdue() == []


@pytest.mark.parametrize(
    ("said", "expiry", "seconds"), [(True, 600, 600), (False, 600, 60), (False, 10, 10)]
)
async def test_an_empty_room_is_kept_for_as_long_as_it_is_worth(
    store: Shared, clock: Clock, said: bool, expiry: float, seconds: float
) -> None:
    rooms = Rooms(
        Settings(room_expiry_seconds=expiry),
        store,
        is_here=lambda _: False,
        on_change=lambda _: None,
        on_claim=lambda _: None,
        on_moved=lambda _: None,
        on_asked=lambda *_: None,
    )
    ana = await joined(rooms, "ana")
    other = await joined(rooms, "bob", "OTHR")
    (await rooms.open("ROOM")).said = said
    clock.now += 10_000
    assert await rooms.expire() == []  # somebody is there
    await rooms.leave(ana)
    clock.now += seconds
    assert await rooms.expire() == []
    assert store.cleared == []
    clock.now += 0.1
    assert await rooms.expire() == ["ROOM"]
    assert store.cleared == ["ROOM"]
    assert set(rooms.rooms) == {"OTHR"}
    assert rooms.of(other) is not None


async def test_a_room_that_was_entered_again_is_not_empty(rooms: Rooms, clock: Clock) -> None:
    room = await rooms.open("ROOM")
    clock.now += 59
    room.add(Member("far", replica="r2"))  # a replica told of it
    assert await rooms.expire() == []
    room.drop("far")
    clock.now += 59
    assert await rooms.expire() == []  # its time counts anew
    clock.now += 60
    assert await rooms.expire() == []
    clock.now += 0.1
    assert await rooms.expire() == ["ROOM"]


async def test_tidying_lets_go_of_output_that_nobody_waits_for(rooms: Rooms, clock: Clock) -> None:
    ana = await joined(rooms, "ana", sid=None, gone_since=clock.now)
    room: Room = await rooms.open("ROOM")
    room.hold("ROOM|v1", "e", {"n": 1}, 10)
    assert len(room.missed(ana)) == 1
    ana.sid = "back"
    await rooms.expire()
    assert room.missed(ana) == []


# -- transcripts -----------------------------------------------------------------------------------


def entry(text: str, *, segment: int = 0, lang: str = "spa", who: str = "ana",
          end: float = 100.0, finished: bool = False) -> dict[str, Any]:  # fmt: skip
    return {
        "speakerID": who, "lang": lang, "segmentID": segment, "startMs": 0.0, "endMs": end,
        "text": text, "finished": finished,
    }  # fmt: skip


async def test_pieces_of_one_sentence_are_one_entry() -> None:
    store = MemoryStore(10)
    await store.add_text("ROOM", entry("", finished=True))  # nothing was said
    await store.add_text("ROOM", entry(" Hola", end=100))
    await store.add_text("ROOM", {**entry(" mundo ", end=250), "confidence": 0.5})
    await store.add_text("ROOM", {**entry("", end=240, finished=True), "confidence": 0.25})
    await store.add_text("ROOM", entry(" Salut", lang="fra"))
    await store.add_text("ROOM", entry(" Otra", who="bob"))
    await store.add_text("ROOM", entry(" Luego", segment=1))
    await store.add_text("OTHR", entry(" Lejos"))
    kept = await store.transcript("ROOM")
    assert [one["text"] for one in kept] == ["Hola mundo", "Salut", "Otra", "Luego"]
    assert (kept[0]["endMs"], kept[0]["finished"]) == (250, True)
    assert kept[0]["confidence"] == 0.25  # the newest piece's
    assert not kept[1]["finished"]
    assert sorted(store.rooms()) == ["OTHR", "ROOM"]
    assert store.entries("ROOM")[0]["text"] == " Hola mundo "
    assert store.entry("ROOM", transcript_key(kept[1])) == store.entries("ROOM")[1]
    assert store.entry("ROOM", "none") is store.entry("NONE", "none") is None
    store.entries("ROOM")[0]["text"] = "changed"
    assert (await store.transcript("ROOM"))[0]["text"] == "Hola mundo"
    await store.clear_transcript("ROOM")
    await store.clear_transcript("NONE")
    assert await store.transcript("ROOM") == []
    assert len(await store.transcript("OTHR")) == 1


async def test_a_single_process_shares_nothing() -> None:
    store = MemoryStore(10)
    await store.save_member(Member("ana", room_id="ROOM").record(), 60)
    await store.save_room("ROOM", {"owner": "ana"})
    await store.remove_member("ana", "ROOM")
    assert await store.load_member("ana") is await store.load_room("ROOM") is None
    assert await store.members("ROOM") == []
    assert not await store.has_members("ROOM")
    assert store.entries("ROOM") == []


async def test_a_transcript_keeps_its_newest_sentences() -> None:
    store = MemoryStore(2)
    for number in range(4):
        await store.add_text("ROOM", entry(f" {number}", segment=number))
    assert [one["text"] for one in await store.transcript("ROOM")] == ["2", "3"]
    nothing = MemoryStore(0)
    await nothing.add_text("ROOM", entry(" Hola"))
    assert await nothing.transcript("ROOM") == []
    assert nothing.rooms() == []
