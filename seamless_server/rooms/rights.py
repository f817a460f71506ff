"""Who may speak and who may listen: a shared secret, JSON Web Tokens, or nobody asks."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import jwt

from seamless_server.settings import Settings

ROLES = frozenset({"speaker", "listener"})


class Authenticator:
    """Tells which roles a token gives."""

    def __init__(self, settings: Settings) -> None:
        self._secret = settings.auth_secret
        self._key = settings.auth_jwt_key
        self._algorithms = list(settings.auth_jwt_algorithms)
        self._audience = settings.auth_jwt_audience
        guarded = self._secret is not None or self._key is not None
        self.guarded: frozenset[str] = frozenset(settings.auth_for) if guarded else frozenset()
        """Roles that need a token."""

    def roles(self, token: str | None) -> frozenset[str]:
        """What the bearer of `token` may do; a wrong token is as good as none."""
        free = ROLES - self.guarded
        if not token:
            return free
        if self._secret is not None and hmac.compare_digest(
            token.encode(), self._secret.get_secret_value().encode()
        ):
            return ROLES
        return free | self._claimed(token)

    def _claimed(self, token: str) -> frozenset[str]:
        if self._key is None:
            return frozenset()
        try:
            claims = jwt.decode(
                token,
                self._key.get_secret_value(),
                algorithms=self._algorithms,
                audience=self._audience,
                options={"require": ["exp"]},
            )
        except (jwt.PyJWTError, ValueError):
            return frozenset()
        roles = claims.get("roles", [])
        named = roles if isinstance(roles, list) else [roles]
        return ROLES & {role for role in named if isinstance(role, str)}


def token_of(auth: object, query: Mapping[str, list[str]]) -> str | None:
    """The token of a Socket.IO connection: from its auth data, else from the query."""
    token: Any = auth.get("token") if isinstance(auth, Mapping) else None
    if token is None:
        token = next(iter(query.get("token", ())), None)
    return token if isinstance(token, str) else None


def bearer(header: str | None) -> str | None:
    """The token of an `Authorization` header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None
