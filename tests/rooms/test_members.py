"""Who gets what in a room, and what is kept for those who are away."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest

from seamless_server.errors import SeamlessError
from seamless_server.rooms.members import (
    Held,
    Member,
    Role,
    Room,
    Wish,
    group_name,
    new_room_code,
)

from .conftest import Clock


def member(client_id: str = "ana", **fields: Any) -> Member:
    base: dict[str, Any] = {"sid": "s1", "protocol": 2, "roles": {"listener"}, "room_id": "ROOM"}
    given = {**base, **fields}
    return Member(client_id, **{**given, "roles": frozenset(given["roles"])})


def room(*members: Member, replay_bytes: int = 1000) -> Room:
    made = Room("ROOM", replay_bytes)
    for one in members:
        made.add(one)
    return made


# -- groups ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "groups"),
    [
        ({"wish": Wish("spa", "s2s&t")}, {"ROOM|spa|text", "ROOM|spa|speech"}),
        ({"wish": Wish("spa", "s2t")}, {"ROOM|spa|text"}),
        ({"wish": Wish("spa", "s2s")}, {"ROOM|spa|speech"}),
        ({"wish": Wish("spa", "s2s&t", encoding="opus")}, {"ROOM|spa|text", "ROOM|spa|opus"}),
        ({"wish": Wish("spa", "s2t", encoding="opus")}, {"ROOM|spa|text"}),
        ({"wish": Wish("spa", "none")}, set()),
        ({"wish": Wish(None, "s2t")}, {"ROOM|*|text"}),
        ({"wish": Wish("spa", "s2t", heard=True)}, {"ROOM|spa|text", "ROOM|=|text"}),
        ({"wish": Wish("spa", "none", heard=True)}, {"ROOM|=|text"}),
        ({"wish": None}, {"ROOM|follow"}),
        ({"protocol": 1}, {"ROOM|v1"}),
        ({"protocol": 1, "wish": Wish("spa", "s2t")}, {"ROOM|v1"}),
        ({"roles": {"speaker", "listener"}, "wish": None}, {"ROOM|follow"}),
        ({"roles": {"speaker"}}, set()),
        ({"roles": set()}, set()),
        ({"room_id": None}, set()),
    ],
)
def test_a_member_is_in_the_groups_of_what_it_takes(
    fields: dict[str, Any], groups: set[str]
) -> None:
    assert member(**fields).groups() == groups


def test_the_names_of_groups() -> None:
    assert group_name("ROOM", "spa", "text") == "ROOM|spa|text"
    assert group_name("ROOM", "follow") == "ROOM|follow"


def test_what_a_room_hears_counts_those_who_are_away_and_those_only_who_listen() -> None:
    made = room(
        member("a", wish=Wish("spa", "s2t")),
        member("b", wish=Wish("fra", "s2s&t"), sid=None),
        member("c", wish=Wish("deu", "none")),
        member("d", wish=Wish(None, "s2t")),
        member("e", wish=Wish("ita", "s2t"), roles={"speaker"}),
        member("f", wish=Wish("por", "s2t"), protocol=1),
        member("g"),
    )
    assert made.languages() == {"spa", "fra"}
    assert made.audience() == {
        "ROOM|spa|text", "ROOM|fra|text", "ROOM|fra|speech", "ROOM|*|text", "ROOM|v1",
        "ROOM|follow",
    }  # fmt: skip


def test_a_room_counts_its_members() -> None:
    made = room(
        member("a", roles={"speaker"}, streaming=True),
        member("b", roles={"speaker", "listener"}, sid=None, streaming=True),
        member("c", roles={"listener"}),
        member("d", roles={"speaker"}),
    )
    assert made.speakers() == ["a", "b", "d"]
    assert made.listeners() == 2
    assert made.connected() == 3
    assert made.streaming() == ["a", "b"]


def test_speakers_are_named_in_the_order_in_which_they_came() -> None:
    first, second = member("first"), member("second")
    made = room(first, second)
    for one in (second, first):
        one.roles, one.streaming = frozenset({"speaker"}), True
    assert made.speakers() == made.streaming() == ["first", "second"]


def test_a_room_s_numbers_follow_its_members() -> None:
    ana, bob = member("a", wish=Wish("spa", "s2t")), member("b", wish=Wish("spa", "s2t"))
    made = room(ana, bob)
    assert made.listening() == [("spa", 2)]
    assert made.alone_with(ana) is None
    bob.wish = Wish("fra", "s2s")
    assert made.languages() == {"spa", "fra"}
    assert made.audience() == {"ROOM|spa|text", "ROOM|fra|speech"}
    assert made.alone_with(ana) == "spa"
    assert made.alone_with(member("c")) is None
    bob.sid = None
    assert made.listening() == [("spa", 1)]
    assert made.languages() == {"spa", "fra"}
    assert made.connected() == 1
    bob.roles = frozenset({"speaker"})
    assert made.languages() == {"spa"}
    assert (made.speakers(), made.listeners(), made.streaming()) == (["b"], 1, [])
    bob.streaming = True
    assert made.streaming() == ["b"]
    ana.protocol = 1
    assert made.audience() == {"ROOM|v1"}
    assert made.listening() == [(None, 1)]
    # Whoever takes a member's place is counted in its stead.
    made.add(member("b", roles={"listener"}, wish=None))
    bob.roles = frozenset({"speaker", "listener"})
    assert (made.speakers(), made.streaming(), made.listeners()) == ([], [], 2)
    made.drop("a")
    made.drop("nobody")
    ana.wish = Wish("ita", "s2t")
    assert made.audience() == {"ROOM|follow"}
    assert (made.connected(), list(made.members)) == (1, ["b"])
    made.drop("b")
    assert made.connected() == made.listeners() == 0
    assert made.audience() == made.languages() == set()
    assert made.listening() == []


def test_members_are_read_in_pages_that_stay_where_they_are() -> None:
    made = room(*(member(name, roles={"speaker"}) for name in "abcde"))
    page, after = made.page(0, 2)
    assert [one.client_id for one in page] == ["a", "b"]
    made.drop("b")
    made.drop("c")
    made.add(member("f", roles={"speaker"}))
    page, after = made.page(after or 0, 2)
    assert [one.client_id for one in page] == ["d", "e"]
    page, after = made.page(after or 0, 2)
    assert [one.client_id for one in page] == ["f"]
    assert after is None
    page, after = made.page(0, 3)
    assert [one.client_id for one in page] == ["a", "d", "e"]
    assert [one.client_id for one in made.page(after or 0, 3)[0]] == ["f"]
    page, after = made.page(0, 4)  # exactly all of them
    assert ([one.client_id for one in page], after) == (["a", "d", "e", "f"], None)
    made.add(member("d", roles={"speaker"}))  # is there already, so that it keeps its place
    assert made.speakers() == ["a", "d", "e", "f"]


# -- what a member is ------------------------------------------------------------------------------


def test_a_member_is_the_same_on_another_replica() -> None:
    full = Member(
        "ana", sid="s1", protocol=2, name="Ana", roles=frozenset({"speaker", "listener"}),
        target_language="spa", source_language="deu", expressive=True,
        send_voice=True, wish=Wish("fra", "s2t", True, "opus", True), model_type="s2s&t",
        model="tiny", streaming=True, resume_key="key", subject="iss|ana", room_id="ROOM",
        since=12.5, segment_base=7,
    )  # fmt: skip
    record = orjson.loads(orjson.dumps(full.record()))
    assert record["roles"] == ["listener", "speaker"]
    again = Member.from_record(record)
    assert again.record() == full.record()
    assert again.roles == {"speaker", "listener"}
    assert again.wish == Wish("fra", "s2t", True, "opus", True)
    assert again.groups() == full.groups()
    kept = {
        "client_id", "sid", "protocol", "name", "roles", "target_language", "expressive", "wish",
        "model_type", "streaming", "resume_key", "subject", "room_id", "since", "segment_base",
        "source_language", "model", "send_voice", "server_id",
    }  # fmt: skip
    assert set(record) == kept
    assert all(record[key] == value for key, value in vars(full).items() if key in kept - {
        "roles", "wish"})  # fmt: skip
    assert Member.from_record(Member("bob").record()).wish is None
    assert Member.from_record({"client_id": "old"}).roles == set()


def test_a_new_member_has_nothing() -> None:
    new = Member("ana")
    assert not new.connected
    assert (new.protocol, set(new.roles), new.streaming, new.segment_base) == (1, set(), False, 0)
    assert new.groups() == set()
    assert new.dynamic_config() is None
    assert new.stream_ended < time.monotonic() - 1e6


def test_how_long_a_member_has_been_away(clock: Clock) -> None:
    away = member(sid=None, gone_since=990.0)
    assert away.away_for() == 10.0
    away.sid = "back"
    assert away.away_for() < 0
    assert member(sid=None, gone_since=None).away_for() < 0


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"target_language": "spa"}, {"targetLanguage": "spa"}),
        ({"source_language": "deu"}, {"sourceLanguage": "deu"}),
        ({"expressive": False}, {"expressive": False}),
        ({"target_language": "spa", "expressive": True},
         {"targetLanguage": "spa", "expressive": True}),
        ({}, None),
    ],
)  # fmt: skip
def test_what_a_speaker_set(fields: dict[str, Any], config: Any) -> None:
    assert member(**fields).dynamic_config() == config


# -- owners ----------------------------------------------------------------------------------------


def test_a_room_passes_to_the_longest_standing_speaker_when_its_owner_goes() -> None:
    made = room(member("l"), member("s1", roles={"speaker"}), member("s2", roles={"speaker"}))
    made.owner = "gone"
    assert not made.pass_on("somebody else")
    assert made.owner == "gone"
    assert made.pass_on("gone")
    assert made.owner == "s1"
    empty = room(member("l"))
    empty.owner = "gone"
    assert empty.pass_on("gone")
    assert empty.owner is None


def test_the_facts_of_a_room_are_taken_over() -> None:
    made, other = room(), room()
    assert made.facts() == {
        "owner": None, "passcode": None, "closed": False, "speakers_closed": False
    }  # fmt: skip
    for facts in (
        {"owner": "ana", "passcode": "open", "closed": True, "speakers_closed": False},
        {"owner": "bob", "passcode": None, "closed": False, "speakers_closed": True},
    ):
        other.take_over(orjson.loads(orjson.dumps(facts)))
        assert other.facts() == facts
    other.take_over({})
    assert other.facts() == made.facts()


def refusal(made: Room, client_id: str, passcode: str | None, *roles: Role) -> str:
    try:
        made.let_in(client_id, passcode, roles)
    except SeamlessError as error:
        return error.code
    return "in"


def test_a_passcode_and_a_closed_room_keep_others_out_and_nobody_who_is_in() -> None:
    made = room(member("in"), member("owner", roles={"speaker"}))
    made.owner = "owner"
    assert refusal(made, "new", None, "speaker") == "in"
    made.passcode = "open"
    assert refusal(made, "new", "open") == "in"
    for wrong in (None, "", "Open", "open "):
        assert refusal(made, "new", wrong, "listener") == "passcode"
    assert refusal(made, "in", None, "listener", "speaker") == "in"
    made.closed = True
    assert refusal(made, "new", "open", "listener") == "room_closed"
    assert refusal(made, "new", "wrong", "listener") == "passcode"
    assert refusal(made, "in", None, "listener") == "in"
    made.passcode = None
    assert refusal(made, "new", None, "listener") == "room_closed"


def test_a_room_with_its_speakers_takes_listeners_only() -> None:
    made = room(member("in"), member("speaks", roles={"speaker"}), member("owner"))
    made.owner = "owner"
    made.speakers_closed = True
    assert refusal(made, "new", None, "listener") == "in"
    assert refusal(made, "new", None, "listener", "speaker") == "speakers_closed"
    assert refusal(made, "in", None, "speaker") == "speakers_closed"
    assert refusal(made, "in", None, "listener") == "in"
    assert refusal(made, "speaks", None, "speaker", "listener") == "in"
    assert refusal(made, "owner", None, "speaker") == "in"
    made.owner = "gone"  # an owner that is not there has no place either
    assert refusal(made, "gone", None, "speaker") == "speakers_closed"


def test_a_new_room_is_empty_and_open(clock: Clock) -> None:
    made = Room("ROOM", 10)
    assert made.empty_since == 1000.0
    assert (made.owner, made.passcode, made.closed, made.said) == (None, None, False, False)


def test_codes_are_letters_and_new() -> None:
    code = new_room_code(6, ())
    assert len(code) == 6
    assert code.isascii()
    assert code.isalpha()
    assert code.isupper()
    alphabet = [chr(ord("A") + number) for number in range(26)]
    assert new_room_code(1, set(alphabet) - {"Q"}) == "Q"
    assert len({new_room_code(8, ()) for _ in range(50)}) == 50


# -- output for those who are away -----------------------------------------------------------------


def held(made: Room, who: Member) -> list[Any]:
    return [one.data["n"] for one in made.missed(who)]


def test_output_is_held_for_those_who_are_away_and_want_it(clock: Clock) -> None:
    away = member("a", wish=Wish("spa", "s2t"), sid=None, gone_since=clock.now)
    here = member("b", wish=Wish("fra", "s2t"))
    made = room(away, here)
    made.hold("ROOM|fra|text", "translation_text", {"n": 1}, 10)  # nobody away wants it
    made.hold("ROOM|spa|speech", "translation_speech", {"n": 2}, 10)  # nor this
    made.hold("ROOM|spa|text", "translation_text", {"n": 3}, 10)
    assert made.missed(away) == [Held(clock.now, "ROOM|spa|text", "translation_text", {"n": 3}, 10)]
    assert made.missed(here) == []
    here.sid, here.gone_since = None, clock.now
    assert held(made, here) == []


def test_what_was_said_before_somebody_went_is_not_said_again(clock: Clock) -> None:
    early = member("a", sid=None, gone_since=clock.now)
    late = member("b", sid=None, gone_since=clock.now + 2)
    made = room(early, late)
    for number in range(4):
        made.hold("ROOM|follow", "translation_text", {"n": number}, 1)
        clock.now += 1
    assert held(made, early) == [0, 1, 2, 3]
    assert held(made, late) == [2, 3]
    late.gone_since = None
    assert held(made, late) == []


def test_what_is_held_has_a_limit_and_the_oldest_goes(clock: Clock) -> None:
    away = member("a", sid=None, gone_since=clock.now)
    made = room(away, replay_bytes=100)
    made.hold("ROOM|follow", "e", {"n": 1}, 60)
    made.hold("ROOM|follow", "e", {"n": 2}, 40)
    assert held(made, away) == [1, 2]  # exactly as much as is allowed
    made.hold("ROOM|follow", "e", {"n": 3}, 1)
    assert held(made, away) == [2, 3]
    made.hold("ROOM|follow", "e", {"n": 4}, 59)
    assert held(made, away) == [2, 3, 4]
    made.hold("ROOM|follow", "e", {"n": 5}, 101)  # more than the limit by itself
    assert held(made, away) == []
    made.hold("ROOM|follow", "e", {"n": 6}, 100)
    assert held(made, away) == [6]


def test_what_nobody_waits_for_is_forgotten(clock: Clock) -> None:
    first = member("a", sid=None, gone_since=clock.now)
    second = member("b", sid=None, gone_since=clock.now + 2)
    made = room(first, second, replay_bytes=40)
    for number in range(4):
        made.hold("ROOM|follow", "e", {"n": number}, 10)
        clock.now += 1
    made.forget_held()
    assert held(made, first) == [0, 1, 2, 3]
    first.sid = "back"
    made.forget_held()
    first.gone_since = None
    assert held(made, second) == [2, 3]
    # What was forgotten takes no room any more.
    made.hold("ROOM|follow", "e", {"n": 4}, 20)
    assert held(made, second) == [2, 3, 4]
    made.hold("ROOM|follow", "e", {"n": 5}, 1)
    assert held(made, second) == [3, 4, 5]
    second.sid = "back"
    made.forget_held()
    second.sid = None
    assert held(made, second) == []
