"""What every HTTP request passes before it reaches a route: host, origin, rights."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import orjson
from fastapi import HTTPException, Request

from seamless_server.errors import SeamlessError
from seamless_server.rooms.rights import Authenticator, may, token_of
from seamless_server.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FOREIGN = "seamless.foreign"
"""In a connection's scope: whether a page of another site opened it."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SECRET = re.compile(
    r"(?i)((?:token|key|secret|auth|password|passcode)(?:=|%3d)|bearer(?:\s|%20|\+)+|api-key\.)"
    r"[^\s&'\"\\,;]+"
)
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w.-]+")
"""A JSON Web Token, wherever somebody put it."""


def masked(text: str) -> str:
    """A line for a log without the tokens that requests carry."""
    return _JWT.sub("***", _SECRET.sub(r"\1***", text))


async def check_rights(request: Request) -> None:
    """Refuses a route that the bearer of the request's token may not ask for.

    Raises:
        SeamlessError: `unauthorized`.
    """
    auth: Authenticator = request.app.state.parts.auth
    standings = auth.standings(token_in(request))
    if not may(f"{request.method} {request.scope['route'].path}", standings):
        raise SeamlessError("Send a valid token for this.", code="unauthorized")


def token_in(request: Request) -> str | None:
    """The token of a request: from its header, or the query."""
    return token_of(
        None, request.headers.get("authorization"), {"token": request.query_params.getlist("token")}
    )


class HostGuard:
    """Refuses requests under names that are not this server's, and foreign pages' changes.

    A page of another site can make its own name point here (DNS rebinding) and would then be
    trusted like the server's own page; the `Host` header gives it away.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._hosts = _own_names(settings)
        self._any = "*" in settings.allowed_hosts
        self._origins = frozenset(settings.cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value for key, value in scope["headers"]}
        host = _name(headers.get("host", b"").decode("latin-1"))
        origin = headers.get("origin", b"").decode("latin-1")
        is_foreign = bool(origin) and not self._is_friend(origin, host)
        problem = None
        if not self._is_own(host, (scope.get("server") or ("", 0))[0]):
            shown = re.sub(r"[^\w.:-]", "", host)[:100] or "without a name"
            problem = (
                421,
                f"This server does not answer to '{shown}': if it is its name, set "
                f"SEAMLESS_ALLOWED_HOSTS={shown}.",
                "host",
            )
        elif is_foreign and scope["type"] == "http" and scope["method"] not in _SAFE:
            problem = (403, "Pages of other sites may not change anything here.", "origin")
        if problem is None:
            await self._app({**scope, FOREIGN: is_foreign}, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": problem[1][:120]})
        else:
            await _answer(send, *problem)

    def _is_own(self, host: str, arrived_at: str) -> bool:
        """Args: host: as asked for. arrived_at: this end of the connection."""
        if self._any or not host or host in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host.endswith(".localhost") or any(
                name.startswith("*.") and host.endswith(name[1:]) for name in self._hosts
            )
        # An address cannot be made to point elsewhere. What comes over the network may have been
        # forwarded from an address of the host's; what comes from this machine has no such excuse.
        return address.is_loopback or not _is_loopback(arrived_at)

    def _is_friend(self, origin: str, host: str) -> bool:
        return (
            "*" in self._origins
            or origin in self._origins
            or _name(urlsplit(origin).netloc) in (host, *self._hosts)
        )


class SmallBodies:
    """Refuses requests that are larger than any may be, before they fill the memory.

    Args:
        limit: bytes of a request.
        except_for: paths that bound what they take themselves.
    """

    def __init__(self, app: App, limit: int, except_for: Collection[str]) -> None:
        self._app = app
        self._limit = limit
        self._except_for = frozenset(except_for)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["path"] in self._except_for:
            await self._app(scope, receive, send)
            return
        received = 0

        async def receive_bounded() -> MutableMapping[str, Any]:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, f"Send at most {self._limit} bytes here.")
            return message

        await self._app(scope, receive_bounded, send)


class HeadAsGet:
    """Answers HEAD wherever GET is answered: with the same head, and no body."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, send_head)


def _own_names(settings: Settings) -> frozenset[str]:
    machine = socket.gethostname().lower()
    names = {"localhost", machine, f"{machine}.local", *settings.allowed_hosts, settings.host}
    names |= {socket.getfqdn().lower(), *_own_addresses()}
    if settings.public_url:
        names.add(_name(urlsplit(settings.public_url).netloc))
    names |= set(os.environ.get("SPACE_HOST", "").split(","))
    return frozenset(name.strip().lower() for name in names if name.strip())


def _own_addresses() -> Iterator[str]:
    with suppress(OSError):
        for *_, address in socket.getaddrinfo(socket.gethostname(), None):
            yield str(address[0]).partition("%")[0]
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # sends nothing; only asks which way it would go
            yield str(probe.getsockname()[0])


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return True


def _name(netloc: str) -> str:
    """The name or address of `name:port`, `[v6]:port`."""
    netloc = netloc.strip().lower().rpartition("@")[2]
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0]
    return netloc.partition(":")[0].rstrip(".")


async def _answer(send: Send, status: int, message: str, code: str) -> None:
    body = orjson.dumps({"detail": message, "code": code})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
