"""Behind other people's servers, below a path, and with addresses that lead nowhere."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from seamless_server.client import ClientError, StreamingClient, Text
from seamless_server.doors.running import BackgroundServer
from seamless_server.errors import ConfigError, UsageError
from seamless_server.settings import read_settings

from .conftest import RECORDINGS

AUDIO = RECORDINGS / "audio" / "human_short.flac"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location /translate/ {{
      proxy_pass {upstream}{strip};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-Proto $scheme;
      {header}
      client_max_body_size 100m;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Starts nginx before a server and gives its address below /translate."""
    if NGINX is None:
        pytest.skip("Debian's nginx is not installed")
    running: list[subprocess.Popen[bytes]] = []

    def start(upstream: str, *, strip: bool, header: str = "") -> str:
        port = free_port()
        path = tmp_path / "nginx.conf"
        path.write_text(
            CONFIGURATION.format(
                folder=tmp_path,
                port=port,
                upstream=upstream,
                strip="/" if strip else "",
                header=header,
            )
        )
        running.append(subprocess.Popen([NGINX, "-c", str(path), "-e", f"{tmp_path}/error.log"]))
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        return f"http://127.0.0.1:{port}/translate"

    yield start
    for process in running:
        process.terminate()
        process.wait()


HEADER = "proxy_set_header X-Forwarded-Prefix /translate;"


@pytest.mark.parametrize(
    ("strip", "header", "root_path"),
    [(True, HEADER, ""), (True, "", "/translate"), (False, "", "translate/"), (False, HEADER, "")],
    ids=["told", "set", "set, not stripped", "told, not stripped"],
)
async def test_everything_works_below_a_path(
    nginx: Callable[..., str],
    shared_server: BackgroundServer,
    start_server: Callable[..., BackgroundServer],
    strip: bool,
    header: str,
    root_path: str,
) -> None:
    server = start_server(root_path=root_path) if root_path else shared_server
    url = nginx(server.url, strip=strip, header=header)
    async with StreamingClient(url, target_language="spa", output="s2t") as client:
        events = [event async for event in client.translate(AUDIO, realtime=False)]
    assert [event for event in events if isinstance(event, Text)]
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/readyz")).status_code == 200
        docs = await http.get(f"{url}/docs")
        assert "'/translate/openapi.json'" in docs.text
        described = (await http.get(f"{url}/openapi.json")).json()
        assert described["servers"] == [{"url": "/translate"}]
        answer = await http.post(
            f"{url}/api/translate",
            files={"file": AUDIO.read_bytes()},
            data={"targetLanguage": "spa"},
            timeout=60,
        )
        assert answer.json()["text"]
        page = await http.get(f"{url}/")
        assert page.status_code == 200
        assert 'href="/' not in page.text
        assert 'src="/' not in page.text
        for text in (page.text, docs.text):
            for name in re.findall(r'(?:src|href)="([^"#:]+[.]\w+)"', text):
                asset = await http.get(urljoin(f"{url}/", name))
                assert asset.status_code == 200, name
                assert "text/html" not in asset.headers["content-type"], name


@pytest.mark.parametrize("prefix", ["//evil.example", "/a b", "/../x", "javascript:", "/a,/b"])
def test_a_prefix_that_is_no_path_is_not_believed(
    shared_server: BackgroundServer, prefix: str
) -> None:
    answer = httpx.get(f"{shared_server.url}/docs", headers={"X-Forwarded-Prefix": prefix})
    assert answer.status_code == 200
    assert "evil" not in answer.text
    assert "javascript:" not in answer.text


def test_settings_of_the_environment_may_be_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_PORT", "8123\r")
    monkeypatch.setenv("SEAMLESS_HOST", '"0.0.0.0"')
    monkeypatch.setenv("SEAMLESS_ROOT_PATH", "'/a/b/'\r\n")
    settings = read_settings()
    assert (settings.port, settings.host, settings.root_path) == (8123, "0.0.0.0", "/a/b")
    monkeypatch.setenv("SEAMLESS_ROOT_PATH", "http://x")
    with pytest.raises(ConfigError, match="ROOT_PATH"):
        read_settings()


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://x", "http://", "http://a:b", "http://a b", "ws://x", "http://example..com"),
        *("https://.com", f"http://{'x' * 64}.com"),
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a server"):
        StreamingClient(url)


async def test_each_way_of_not_reaching_a_server_is_its_own_sentence(
    shared_server: BackgroundServer, capfd: pytest.CaptureFixture[str]
) -> None:
    async def reason(url: str) -> str:
        with pytest.raises(ClientError, match="cannot be joined") as caught:
            async with StreamingClient(url):
                pass
        return caught.value.message

    port = shared_server.url.rpartition(":")[2]
    assert "connection refused" in await reason(f"http://127.0.0.1:{free_port()}")
    assert "no host named nowhere.invalid" in await reason("http://nowhere.invalid")
    assert "try http://" in await reason(f"https://127.0.0.1:{port}")
    assert "404" in await reason(f"http://127.0.0.1:{port}/other")
    async with StreamingClient(f"127.0.0.1:{port}/") as client:
        assert client.room
    assert "Unclosed" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "nowhere.invalid", "--port", "1"], "no host named nowhere.invalid"),
        (["--host", "203.0.113.1", "--port", "1"], "port 1 of 203.0.113.1 cannot be used"),
        (["--ssl-certfile", str(AUDIO), "--port", "0"], "no usable certificate"),
        (["--redis-url", "nonsense"], "REDIS_URL"),
        (["--root-path", "a b"], "ROOT_PATH"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "seamless_server", "serve", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_empty_language_is_refused() -> None:
    with pytest.raises(UsageError, match="language is empty"):
        StreamingClient("http://localhost", target_language=" ")
