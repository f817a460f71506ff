"""What tokens allow, from wherever they come; what is wrong with one makes it as good as none."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from seamless_server.rooms.rights import (
    RIGHTS,
    ROLES,
    Authenticator,
    Grant,
    bearer,
    may,
    token_of,
)
from seamless_server.settings import Settings

KEY = "k" * 32


def auth(**settings: Any) -> Authenticator:
    return Authenticator(Settings(**settings))


def token(key: str = KEY, algorithm: str = "HS256", **claims: Any) -> str:
    base = {"roles": ["speaker"], "exp": int(time.time()) + 600}
    given = {name: value for name, value in {**base, **claims}.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm)


# -- the table -------------------------------------------------------------------------------------


def test_what_is_not_in_the_table_nobody_may() -> None:
    everything = frozenset({"anybody", "listener", "speaker", "owner", "operator"})
    assert not may("shut_down", everything)
    assert may("join_room", frozenset())
    assert not may("GET /metrics", frozenset({"anybody", "speaker", "listener", "owner"}))
    assert may("GET /metrics", frozenset({"operator"}))


@pytest.mark.parametrize(
    ("what", "who"),
    [
        ("incoming_audio", {"speaker"}),
        ("configure_stream", {"speaker"}),
        ("set_dynamic_config", {"speaker"}),
        ("transcript", {"listener", "speaker", "owner", "operator"}),
        ("clear_transcript_for_all", {"speaker", "owner", "operator"}),
        ("set_room", {"owner", "operator"}),
        ("remove_member", {"owner", "operator"}),
        ("GET /metrics", {"operator"}),
        ("GET /api/debug/{recording}/{name}", {"speaker", "operator"}),
        ("POST /api/translate", {"speaker", "operator"}),
        ("WS /v1/realtime/translations", {"speaker", "operator"}),
    ],
)
def test_who_may_do_what_hurts_others(what: str, who: set[str]) -> None:
    for standing in ("anybody", "listener", "speaker", "owner", "operator"):
        assert may(what, frozenset({standing})) == (standing in who), standing
    assert RIGHTS[what] == who


# -- shared secrets --------------------------------------------------------------------------------


def test_without_secrets_everybody_may_everything() -> None:
    free = auth()
    assert not free.uses_tokens
    assert free.guarded == frozenset()
    assert free.grant(None) == free.grant("anything") == Grant(ROLES)
    assert free.standings(None) == {"anybody", "speaker", "listener", "operator"}


def test_a_secret_guards_what_it_is_for() -> None:
    speaking = auth(auth_secret="s3cret")
    assert speaking.uses_tokens
    assert speaking.guarded == {"speaker"}
    for wrong in (None, "", "s3cre", "s3cret ", "S3CRET", "\ud800"):
        assert speaking.grant(wrong) == Grant(frozenset({"listener"}))
        assert speaking.standings(wrong) == {"anybody", "listener"}
    assert speaking.grant("s3cret") == Grant(ROLES)
    assert speaking.standings("s3cret") == {"anybody", "listener", "speaker"}
    both = auth(auth_secret="s3cret", auth_for="speaker,listener")
    assert both.grant("wrong") == Grant(frozenset())
    assert both.grant("s3cret").roles == ROLES


def test_the_operators_secret_is_the_operators_only() -> None:
    only = auth(operator_secret="boss")
    assert only.uses_tokens
    assert only.guarded == frozenset()
    assert only.grant(None) == Grant(ROLES)
    assert "operator" not in only.standings(None)
    assert only.grant("boss") == Grant(ROLES, operator=True)
    assert "operator" in only.standings("boss")
    two = auth(operator_secret="boss", auth_secret="s3cret", auth_for="speaker,listener")
    assert not two.grant("s3cret").operator
    assert two.grant("boss").operator
    assert two.grant("boss").roles == ROLES


def test_an_empty_secret_opens_nothing() -> None:
    for settings in ({"operator_secret": ""}, {"auth_secret": ""}):
        empty = auth(**settings)
        assert not empty.grant("").operator
        assert not empty.grant(None).operator
        assert "operator" not in empty.standings("")


# -- JSON Web Tokens -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("roles", "allowed", "operator"),
    [
        (["speaker"], {"speaker"}, False),
        (["listener", "speaker"], {"listener", "speaker"}, False),
        ("listener", {"listener"}, False),
        (["operator"], set(), True),
        (["speaker", "operator", "king"], {"speaker"}, True),
        ([["speaker"], 1, None], set(), False),
        ([], set(), False),
        (None, set(), False),
        ({"speaker": 1}, set(), False),
    ],
)
def test_a_token_allows_the_roles_that_it_names(
    roles: object, allowed: set[str], operator: bool
) -> None:
    grant = auth(auth_jwt_key=KEY, auth_for="speaker,listener").grant(token(roles=roles))
    assert grant.roles == allowed
    assert grant.operator == operator


def test_what_needs_no_token_is_free_with_one_too() -> None:
    speaking = auth(auth_jwt_key=KEY)
    assert speaking.guarded == {"speaker"}
    assert speaking.grant(token(roles=[])).roles == {"listener"}
    assert speaking.standings(token(roles=["operator"])) == {"anybody", "listener", "operator"}


def test_a_token_says_who_its_bearer_is_and_until_when() -> None:
    checked = auth(auth_jwt_key=KEY)
    until = int(time.time()) + 99
    grant = checked.grant(token(sub="ana", iss="idp", exp=until))
    assert (grant.subject, grant.expires) == ("idp|ana", float(until))
    # The same name from another issuer is somebody else.
    assert checked.grant(token(sub="ana", iss="other")).subject == "other|ana"
    assert checked.grant(token(sub="ana")).subject == "|ana"
    assert checked.grant(token()).subject is None
    assert checked.grant("wrong").expires is None


@pytest.mark.parametrize(
    "bad",
    [
        token(exp=None),
        token(exp=int(time.time()) - 60),
        token(exp="tomorrow"),
        token(nbf=int(time.time()) + 600),
        token(key="x" * 32),
        token(algorithm="HS512", key=KEY),
        token(aud="another service"),
        jwt.encode({"roles": ["speaker"], "exp": 2e9}, None, algorithm="none"),
        token()[:-3],
        "a.b.c",
        "a.b",
        "\ud800",
    ],
    ids=lambda bad: f"{len(bad)} characters",
)  # fmt: skip
def test_a_token_with_anything_wrong_is_as_good_as_none(bad: str) -> None:
    checked = auth(auth_jwt_key=KEY, auth_for="speaker,listener")
    assert checked.grant(bad) == checked.grant(None) == Grant(frozenset())


def test_a_token_must_be_for_this_server_where_that_is_asked_for() -> None:
    checked = auth(auth_jwt_key=KEY, auth_jwt_audience="talks")
    assert "speaker" in checked.grant(token(aud="talks")).roles
    assert "speaker" in checked.grant(token(aud=["others", "talks"])).roles
    for other in (token(), token(aud="others")):
        assert "speaker" not in checked.grant(other).roles


def test_only_the_algorithms_named_are_accepted() -> None:
    checked = auth(auth_jwt_key="k" * 64, auth_jwt_algorithms="HS384, HS512")
    assert "speaker" in checked.grant(token(key="k" * 64, algorithm="HS384")).roles
    assert "speaker" in checked.grant(token(key="k" * 64, algorithm="HS512")).roles
    assert "speaker" not in checked.grant(token(key="k" * 64, algorithm="HS256")).roles


# -- tokens for listeners --------------------------------------------------------------------------


def test_a_listener_s_token_lets_people_listen_and_nothing_else() -> None:
    shared = auth(auth_secret="s3cret", auth_for="speaker,listener")
    made = shared.listener_token()
    assert made is not None
    assert "s3cret" not in made
    assert shared.grant(made) == Grant(frozenset({"listener"}))
    assert shared.standings(made) == {"anybody", "listener"}
    for wrong in (made[:-1], made + "x", made.upper()):
        assert shared.grant(wrong) == Grant(frozenset())
    # It holds as long as the secret that it is made of.
    assert auth(auth_secret="other", auth_for="listener").grant(made).roles == {"speaker"}
    assert auth(auth_secret="", auth_for="speaker,listener").grant(
        auth(auth_secret="", auth_for="speaker,listener").listener_token()
    ) == Grant(frozenset())


def test_a_listener_s_token_is_a_web_token_where_those_are_used() -> None:
    signed = auth(
        auth_jwt_key=KEY, auth_for="speaker,listener", auth_jwt_audience="talks",
        auth_jwt_algorithms="RS256,HS256",
    )  # fmt: skip
    grant = signed.grant(signed.listener_token())
    assert grant.roles == {"listener"}
    assert not grant.operator
    assert grant.expires is not None
    assert 6.9 < (grant.expires - time.time()) / 86_400 < 7.1
    plain = auth(auth_jwt_key=KEY, auth_for="speaker,listener")
    assert plain.grant(plain.listener_token()).roles == {"listener"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"auth_secret": "s3cret"},
        {"auth_jwt_key": KEY},
        {"operator_secret": "boss", "auth_for": "listener"},
        {"auth_jwt_key": "-----BEGIN", "auth_jwt_algorithms": "RS256", "auth_for": "listener"},
    ],
)
def test_where_none_is_needed_or_can_be_made_there_is_none(settings: dict[str, Any]) -> None:
    assert auth(**settings).listener_token() is None


# -- where a token comes from ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "header", "query", "found"),
    [
        ({"token": "a"}, "Bearer h", {"token": ["q"]}, "a"),
        ({}, "Bearer h", {"token": ["q"]}, "h"),
        (None, "Bearer h", {"token": ["q"]}, "h"),
        ("no mapping", None, {"token": ["q", "second"]}, "q"),
        (None, "Basic h", {"token": ["q"]}, "q"),
        (None, None, {"token": []}, None),
        (None, None, {}, None),
        ({"token": 7}, "Bearer h", {}, None),
        ({"token": None}, "Bearer h", {}, "h"),
    ],
)
def test_the_nearest_token_counts(given: Any, header: str | None, query: Any, found: Any) -> None:
    assert token_of(given, header, query) == found


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("BEARER abc", "abc"),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
        (None, None),
    ],
)
def test_the_authorization_header(header: str | None, found: str | None) -> None:
    assert bearer(header) == found
