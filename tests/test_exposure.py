"""`seamless-server doctor --exposed`: what a server that strangers reach should change."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from seamless_server.cli import app
from seamless_server.diagnosis import Finding
from seamless_server.exposure import examine, is_safe
from seamless_server.settings import Settings

SAFE: dict[str, Any] = {
    "public_url": "https://talk.example.org",
    "auth_secret": "a" * 16,
    "operator_secret": "b" * 16,
    "allow_debug": "no",
    "max_speakers": "auto",
    "room_code_length": 8,
    "max_connections_per_address": 50,
}


def findings(**changes: Any) -> dict[str, Finding]:
    found = examine(Settings(**{**SAFE, **changes}))
    return {one.key.removeprefix("exposed:"): one for one in found}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_HOST", "MAX_SPEAKERS"):
        monkeypatch.delenv(name, raising=False)


def test_settings_that_need_no_change_are_all_ok() -> None:
    assert {one.status for one in findings().values()} == {"ok"}
    assert not any(one.remedy for one in findings().values())


@pytest.mark.parametrize(
    ("changes", "key", "status", "says"),
    [
        ({"public_url": None}, "tls", "unsafe", "SEAMLESS_PUBLIC_URL"),
        ({"public_url": "http://talk.example.org"}, "tls", "unsafe", "certificate"),
        ({"public_url": None}, "hosts", "warning", "SEAMLESS_ALLOWED_HOSTS"),
        ({"allowed_hosts": ("*",)}, "hosts", "unsafe", "SEAMLESS_ALLOWED_HOSTS"),
        ({"host": "0.0.0.0"}, "host", "warning", "SEAMLESS_HOST=127.0.0.1"),
        ({"host": "::"}, "host", "warning", "SEAMLESS_HOST=127.0.0.1"),
        ({"cors_origins": ("*",)}, "origins", "warning", "SEAMLESS_CORS_ORIGINS"),
        ({"auth_secret": None}, "speakers", "unsafe", "SEAMLESS_AUTH_SECRET"),
        ({"auth_for": ("listener",)}, "speakers", "unsafe", "SEAMLESS_AUTH_FOR"),
        ({"auth_secret": "a" * 15}, "secrets", "unsafe", "token_urlsafe"),
        ({"operator_secret": ""}, "secrets", "unsafe", "token_urlsafe"),
        ({"operator_secret": "a" * 16}, "one_secret", "unsafe", "another"),
        ({"auth_jwt_key": "k" * 31}, "jwt_key", "unsafe", "32 bytes"),
        ({"auth_jwt_key": "k" * 32}, "jwt_audience", "warning", "SEAMLESS_AUTH_JWT_AUDIENCE"),
        (
            {"auth_jwt_key": "k" * 32, "auth_jwt_algorithms": ("none",)},
            "jwt_algorithms",
            "unsafe",
            "SEAMLESS_AUTH_JWT_ALGORITHMS",
        ),
        (
            {"auth_jwt_key": "k" * 32, "auth_jwt_algorithms": ("HS256", "RS256")},
            "jwt_algorithms",
            "warning",
            "SEAMLESS_AUTH_JWT_ALGORITHMS",
        ),
        ({"server_lock": "anyone"}, "lock", "unsafe", "SEAMLESS_SERVER_LOCK"),
        ({"auth_secret": None, "operator_secret": None}, "lock", "unsafe", "SEAMLESS_SERVER_LOCK"),
        ({"lock_escape_hatch": True}, "escape_hatch", "unsafe", "SEAMLESS_LOCK_ESCAPE_HATCH"),
        ({"auth_secret": None, "operator_secret": None}, "metrics", "warning", "SEAMLESS_METRICS"),
        ({"operator_secret": None}, "operator", "warning", "SEAMLESS_OPERATOR_SECRET"),
        ({"room_code_length": 7}, "listeners", "warning", "SEAMLESS_ROOM_CODE_LENGTH=8"),
        ({"allow_debug": "auto"}, "recordings", "warning", "SEAMLESS_ALLOW_DEBUG=no"),
        ({"allow_debug": "yes"}, "recordings", "unsafe", "SEAMLESS_ALLOW_DEBUG=no"),
        ({"max_speakers": None}, "speakers_at_once", "warning", "MAX_SPEAKERS"),
        ({"max_joins_per_address": 0}, "addresses", "warning", "FORWARDED_ALLOW_IPS"),
        ({"redis_url": "redis://:secret@far:6379/0"}, "redis", "warning", "rediss://"),
        ({"redis_url": "redis://localhost:6379/0"}, "redis", "warning", "password"),
    ],
)  # fmt: skip
def test_each_unsafe_setting_is_named_with_its_remedy(
    changes: dict[str, Any], key: str, status: str, says: str
) -> None:
    found = findings(**changes)
    assert found[key].status == status
    assert says in found[key].remedy
    assert is_safe(list(found.values())) == ("unsafe" not in {one.status for one in found.values()})


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"room_code_length": 4, "auth_for": ("speaker", "listener")}, "listeners"),
        ({"server_lock": "off"}, "lock"),
        ({"metrics": False, "auth_secret": None, "operator_secret": None}, "metrics"),
        ({"max_speakers": 3}, "speakers_at_once"),
        ({"redis_url": "rediss://:secret@far:6379/0"}, "redis"),
        ({"redis_url": "unix:///run/redis.sock"}, "redis"),
    ],
)
def test_each_way_to_be_safe_is_known(changes: dict[str, Any], key: str) -> None:
    assert findings(**changes)[key].status == "ok"


def test_a_key_that_is_long_enough_and_for_this_server_is_not_mentioned() -> None:
    found = findings(auth_jwt_key="k" * 32, auth_jwt_audience="talks")
    assert not [key for key in found if key.startswith("jwt")]


def test_a_space_has_its_tls_and_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_HOST", "me-talks.hf.space")
    found = findings(public_url=None, host="0.0.0.0")
    assert found["tls"].status == found["hosts"].status == "ok"
    assert "host" not in found


def test_the_command_reads_the_environment_and_its_exit_code_tells() -> None:
    variables = {
        f"SEAMLESS_{name.upper()}": str(value)
        for name, value in SAFE.items()
        if name != "max_speakers"
    }
    runner = CliRunner()
    safe = runner.invoke(
        app, ["doctor", "--exposed", "--json"], env={**variables, "MAX_SPEAKERS": "auto"}
    )
    assert safe.exit_code == 0
    report = json.loads(safe.stdout)
    assert report["ok"]
    assert {one["status"] for one in report["findings"]} == {"ok"}
    unsafe = runner.invoke(
        app,
        ["doctor", "--exposed"],
        env={**variables, "SEAMLESS_ALLOW_DEBUG": "yes", "COLUMNS": "200"},
    )
    assert unsafe.exit_code == 1
    assert "SEAMLESS_ALLOW_DEBUG=no" in unsafe.stdout
    assert "Not for the open internet: Debug recordings" in unsafe.stdout


def test_every_promise_of_the_document_names_tests_that_exist() -> None:
    root = Path(__file__).resolve().parent.parent
    document = (root / "docs" / "security.md").read_text(encoding="utf-8")
    promises = re.search(r"^## Promises\n(.*?)^## ", document, re.DOTALL | re.MULTILINE)
    assert promises is not None
    rows = [line for line in promises[1].splitlines() if re.match(r"\| [A-Z]", line)]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`([\w/.-]+)::(\w+)`", row)
        assert named, f"no test: {row}"
        for file, test in named:
            text = (root / "tests" / file).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), f"{file}::{test}"
