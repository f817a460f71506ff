"""Who may do what: tokens, what they allow, and one table of rights.

A right belongs to a connection, by what its token allows and by its place in its room, and never to
a client ID, which everybody in the room can read.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jwt
from pydantic import SecretStr

from seamless_server.settings import Settings

_WEEK = 7 * 24 * 3600
_NOTICE_SECONDS = 60.0
"""How long before a token expires its bearer is told."""

ROLES = frozenset({"speaker", "listener"})

Standing = Literal["anybody", "listener", "speaker", "owner", "operator"]
"""What somebody is to a room or to the server; a room's owner is who opened it."""

ANYBODY: frozenset[Standing] = frozenset({"anybody"})
_MEMBERS: frozenset[Standing] = frozenset({"listener", "speaker", "owner", "operator"})
_SPEAKERS: frozenset[Standing] = frozenset({"speaker"})
_HOSTS: frozenset[Standing] = frozenset({"owner", "operator"})

RIGHTS: dict[str, frozenset[Standing]] = {
    # Socket.IO events
    "join_room": ANYBODY,
    "set_name": ANYBODY,
    "set_listener_config": ANYBODY,
    "set_dynamic_config": _SPEAKERS,
    "configure_stream": _SPEAKERS,
    "incoming_audio": _SPEAKERS,
    "stop_stream": ANYBODY,
    "transcript": _MEMBERS,
    "clear_transcript_for_all": _SPEAKERS | _HOSTS,
    "invite_token": _SPEAKERS | _HOSTS,
    "set_room": _HOSTS,
    "remove_member": _HOSTS,
    "members": _SPEAKERS | _HOSTS,
    "mute_member": _HOSTS,
    "end_room": _HOSTS,
    # HTTP routes
    "GET /healthz": ANYBODY,
    "GET /readyz": ANYBODY,
    "GET /metrics": frozenset({"operator"}),
    "GET /api/status": frozenset({"operator"}),
    "GET /api/languages": ANYBODY,
    "GET /api/models": ANYBODY,
    "GET /api/options": ANYBODY,
    "GET /api/phrases": ANYBODY,
    "GET /api/samples": ANYBODY,
    "GET /api/samples/{model}/{name}": ANYBODY,
    "GET /api/rooms/{room_id}": frozenset({"listener", "speaker", "operator"}),
    "GET /api/debug/{recording}/": frozenset({"speaker", "operator"}),
    "GET /api/debug/{recording}/{name}": frozenset({"speaker", "operator"}),
    "POST /api/translate": frozenset({"speaker", "operator"}),
    "GET /v1/models": ANYBODY,
    "GET /v1/models/{name}": ANYBODY,
    "POST /v1/audio/translations": frozenset({"speaker", "operator"}),
    "POST /v1/audio/transcriptions": frozenset({"speaker", "operator"}),
    "POST /v1/realtime/translations/client_secrets": frozenset({"speaker", "operator"}),
    "WS /v1/realtime/translations": frozenset({"speaker", "operator"}),
}
"""Who may send an event or ask for a route; what is not listed nobody may.

Events that are open to anybody touch only who sends them. Where a server uses no tokens, everybody
has a speaker's, a listener's and, for HTTP routes, an operator's standing.
"""


def may(what: str, standings: frozenset[Standing]) -> bool:
    """Whether somebody of these standings may send an event or ask for a route."""
    return bool(RIGHTS.get(what, frozenset()) & (standings | ANYBODY))


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows."""

    roles: frozenset[str]
    operator: bool = False
    subject: str | None = None
    """Who its bearer is, if the token says so."""
    expires: float | None = None
    """Seconds since the epoch."""


class Authenticator:
    """Tells what a token allows."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.auth_secret
        self._operator_secret = settings.operator_secret
        self._key = settings.auth_jwt_key
        self._algorithms = list(settings.auth_jwt_algorithms)
        self._audience = settings.auth_jwt_audience
        guarded = self._secret is not None or self._key is not None
        self.guarded: frozenset[str] = frozenset(settings.auth_for) if guarded else frozenset()
        """Roles that need a token."""
        self.uses_tokens = guarded or self._operator_secret is not None

    def grant(self, token: str | None) -> Grant:
        """What the bearer of `token` may do; a wrong token is as good as none."""
        free = ROLES - self.guarded
        if not token:
            return Grant(free)
        if _same(self._operator_secret, token):
            return Grant(ROLES, operator=True)
        if _same(self._secret, token):
            return Grant(ROLES)
        if self._secret and _same(SecretStr(self._listeners_secret()), token):
            return Grant(free | {"listener"})
        claims = self._claims(token)
        if claims is None:
            return Grant(free)
        named = claims.get("roles", [])
        given = named if isinstance(named, list) else [named]
        roles = {role for role in given if isinstance(role, str)}
        subject = claims.get("sub")
        return Grant(
            free | {role for role in ROLES if role in roles},
            operator="operator" in roles,
            subject=f"{claims.get('iss', '')}|{subject}" if isinstance(subject, str) else None,
            expires=float(claims["exp"]),
        )

    def listener_token(self) -> str | None:
        """A token that lets people listen and nothing else; None where nobody needs one.

        With a shared secret it is made of that, and holds as long as it; with a key of ours it is a
        JSON Web Token of a week. A server that only checks others' signatures cannot make any.
        """
        if "listener" not in self.guarded:
            return None
        if self._secret is not None:
            return self._listeners_secret()
        algorithm = next((name for name in self._algorithms if name.startswith("HS")), None)
        if self._key is None or algorithm is None:
            return None
        claims: dict[str, Any] = {"roles": ["listener"], "exp": int(time.time()) + _WEEK}
        if self._audience is not None:
            claims["aud"] = self._audience
        return jwt.encode(claims, self._key.get_secret_value(), algorithm=algorithm)

    def _listeners_secret(self) -> str:
        assert self._secret is not None
        key = self._secret.get_secret_value().encode()
        return "listen-" + hmac.new(key, b"listener", "sha256").hexdigest()[:32]

    def standings(self, token: str | None) -> frozenset[Standing]:
        """Of somebody who is in no room: what its token allows over HTTP."""
        grant = self.grant(token)
        found: set[Standing] = {"anybody"}
        found |= {role for role in ("speaker", "listener") if role in grant.roles}
        if grant.operator or not self.uses_tokens:
            found.add("operator")
        return frozenset(found)

    def _claims(self, token: str) -> dict[str, Any] | None:
        if self._key is None:
            return None
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.get_secret_value(),
                algorithms=self._algorithms,
                audience=self._audience,
                options={"require": ["exp"]},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        return claims


def _same(secret: SecretStr | None, token: str) -> bool:
    return secret is not None and hmac.compare_digest(
        token.encode("utf-8", "surrogatepass"), secret.get_secret_value().encode()
    )


def token_of(auth: object, headers: str | None, query: Mapping[str, list[str]]) -> str | None:
    """The token of a connection: from its auth data, its `Authorization` header, or the query."""
    token: Any = auth.get("token") if isinstance(auth, Mapping) else None
    if token is None:
        token = bearer(headers) or next(iter(query.get("token", ())), None)
    return token if isinstance(token, str) else None


def bearer(header: str | None) -> str | None:
    """The token of an `Authorization` header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def until_expired(expires: float, tell: Callable[[str, str], Awaitable[None]]) -> None:
    """Returns when a token has expired, which its bearer is told before.

    Args:
        expires: seconds since the epoch.
        tell: takes a sentence and its code.
    """
    left = expires - time.time()
    await asyncio.sleep(left - min(_NOTICE_SECONDS, left / 2))
    left = max(0.0, expires - time.time())
    await tell(
        f"Your token expires in {left:.0f} s: connect again with a new one to go on.",
        "token_expires",
    )
    await asyncio.sleep(left)
