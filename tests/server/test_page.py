"""The page's files over real HTTP, and where others reach them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from seamless_server.doors.address import address_of, lan_address, local_address
from seamless_server.doors.catalogue import Capability
from seamless_server.doors.page import accepted_codings
from seamless_server.doors.running import BackgroundServer
from seamless_server.doors.welcome import welcome
from seamless_server.settings import Settings

from .conftest import Connect

Start = Callable[..., BackgroundServer]


@pytest.fixture
def page(start_server: Start, tmp_path: Path) -> BackgroundServer:
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<html><head><title>The page</title></head></html>")
    script = b"console.log('a page')"
    (folder / "assets" / "a-1234.js").write_bytes(script)
    (folder / "assets" / "a-1234.js.gz").write_bytes(gzip.compress(script))
    return start_server(page_dir=folder, wait_ready=False)


def test_files_come_compressed_and_are_kept_for_good(page: BackgroundServer) -> None:
    url = f"{page.url}/assets/a-1234.js"
    small = httpx.get(url, headers={"Accept-Encoding": "gzip, br"})
    assert small.headers["content-encoding"] == "gzip"
    assert small.headers["content-type"].startswith("text/javascript")
    assert small.text == "console.log('a page')"
    assert "immutable" in small.headers["cache-control"]
    assert small.headers["vary"] == "Accept-Encoding"
    plain = httpx.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == small.text


def test_the_page_itself_is_asked_for_anew(page: BackgroundServer) -> None:
    answer = httpx.get(page.url)
    assert answer.headers["cache-control"] == "no-cache"
    again = httpx.get(page.url, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert httpx.head(page.url).status_code == 200


def test_what_is_not_there_is_said_to_people_and_to_programs(page: BackgroundServer) -> None:
    person = httpx.get(f"{page.url}/roms/ABCD", headers={"Accept": "text/html,*/*"})
    assert person.status_code == 404
    assert '<base href="/"><meta name="seamless-missing">' in person.text
    program = httpx.get(f"{page.url}/api/nothing", headers={"Accept": "application/json"})
    assert (program.status_code, program.text) == (404, "Not Found")
    for hidden in ("/assets/%2e%2e/%2e%2e/secret", "/.vite/manifest.json", "/assets"):
        assert httpx.get(page.url + hidden).status_code == 404


@pytest.mark.parametrize("name", ["%00", "a%00.js", "a" * 300, "assets/" + "b/" * 2_000, "%ff"])
def test_names_that_no_file_can_have_are_not_there(page: BackgroundServer, name: str) -> None:
    for path in (f"/{name}", f"/api/debug/{name}/x", f"/api/samples/{name}/x"):
        assert httpx.get(page.url + path).status_code == 404, path


def test_a_short_link_leads_into_the_room(page: BackgroundServer) -> None:
    answer = httpx.get(f"{page.url}/r/ABCD?ui=de", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == "../?roomID=ABCD&ui=de"
    sly = httpx.get(f"{page.url}/r/%22%3E%26view=overlay", follow_redirects=False)
    assert sly.headers["location"] == "../?roomID=%22%3E%26view%3Doverlay"


def test_the_address_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seamless_server.doors.address.lan_address", lambda: "192.168.1.5")
    everywhere = Settings(host="0.0.0.0")
    assert address_of(everywhere, "http", 8000) == "http://192.168.1.5:8000"
    assert address_of(everywhere, "https", 443) == "https://192.168.1.5"
    assert local_address(everywhere, "http", 8000) == "http://localhost:8000"
    assert address_of(Settings(host="127.0.0.1"), "http", 8000) is None
    assert address_of(Settings(host="10.0.0.7"), "http", 80) == "http://10.0.0.7"
    public = Settings(host="127.0.0.1", public_url="https://talks.example")
    assert address_of(public, "http", 8000) == "https://talks.example"


def test_this_machine_knows_its_address_or_that_it_has_none() -> None:
    found = lan_address()
    assert found is None or not found.startswith("127.")


def test_the_page_is_told_the_address(start_server: Start) -> None:
    server = start_server(public_url="https://talks.example", wait_ready=False)
    assert httpx.get(f"{server.url}/api/address").json() == {"url": "https://talks.example"}


@pytest.mark.parametrize(
    ("header", "codings"),
    [
        ("gzip, deflate, br", {"gzip", "deflate", "br"}),
        ("br;q=0, gzip;q=0.5", {"gzip"}),
        ("gzip; q=0.000", set()),
        ("", set()),
    ],
)
def test_accepted_codings(header: str, codings: set[str]) -> None:
    assert accepted_codings(header) == codings


async def test_a_room_that_nobody_has_opened_is_not_entered(
    shared_server: BackgroundServer, connect: Connect
) -> None:
    guest = await connect(shared_server, "guest")
    listening = {"roles": ["listener"], "open": False}
    answer = await guest.call("join_room", "guest", "NOWHERE", listening)
    assert answer["code"] == "no_room"
    assert "NOWHERE" in answer["message"]
    host = await connect(shared_server, "host")
    assert "roomID" in await host.call("join_room", "host", "NOWHERE", {"roles": ["speaker"]})
    assert "roomID" in await guest.call("join_room", "guest", "NOWHERE", listening)


def test_the_start_says_where_the_server_is_and_what_it_can_do() -> None:
    small = Capability(
        name="Small",
        description="",
        modalities=["s2t"],
        sourceLangs=["eng"],
        targetLangs=["deu", "spa"],
        demonstration=True,
    )
    public = Settings(host="127.0.0.1", public_url="https://talks.example")
    text = welcome(public, "http", 8000, [small], qr=True)
    for part in ("http://127.0.0.1:8000", "https://talks.example", "Small", "German, Spanish"):
        assert part in text
    assert "demonstration" in text
    assert text.splitlines()[-1].endswith("https://talks.example")
    assert any(half in text for half in "▀▄█")
    alone = welcome(Settings(host="127.0.0.1"), "http", 8000, [], qr=True)
    assert "--host 0.0.0.0" in alone
    assert alone.splitlines()[-1].endswith("http://127.0.0.1:8000")
    assert not any(half in alone for half in "▀▄█")
