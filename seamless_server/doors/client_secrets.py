"""`POST /v1/realtime/translations/client_secrets`: short-lived tokens to hand to a browser.

Who has one may open realtime translation sessions as it describes them, until it expires, and
nothing else. It is signed and not kept, so that every replica with the same secrets takes it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any, Literal

import jwt
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from seamless_server.doors.failures import documented
from seamless_server.doors.guards import token_in
from seamless_server.doors.openai_audio import ClientRoute, OpenAIFailure, model_of
from seamless_server.doors.parts import parts_of
from seamless_server.doors.realtime_events import SessionFields
from seamless_server.doors.realtime_session import RealtimeTranslation
from seamless_server.settings import Settings

router = APIRouter(
    tags=["openai"],
    route_class=ClientRoute,
    responses={**documented(403, 421), **documented(401, 503, model=OpenAIFailure)},
)

PATH = "/v1/realtime/translations/client_secrets"
_PREFIX = "ek_"
_USE = "realtime translation"


class ExpiresAfter(BaseModel):
    """How long a secret is good for; sessions that it opened go on."""

    model_config = ConfigDict(extra="forbid")

    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7_200)


class SecretRequest(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")

    session: SessionFields = Field(default_factory=SessionFields)
    expires_after: ExpiresAfter = Field(default_factory=ExpiresAfter)


class ClientSecrets:
    """Makes secrets and reads them."""

    def __init__(self, settings: Settings) -> None:
        known = (settings.auth_secret, settings.auth_jwt_key, settings.operator_secret)
        shared = "".join(each.get_secret_value() for each in known if each is not None)
        seed = shared.encode() or secrets.token_bytes(32)
        self._key = hashlib.sha256(b"client secrets\0" + seed).digest()

    def issue(self, session: dict[str, Any], expires: int) -> str:
        """A secret for such sessions, good until `expires` (seconds since the epoch)."""
        claims = {"aud": _USE, "exp": expires, "session": session}
        return _PREFIX + jwt.encode(claims, self._key, "HS256")

    def read(self, token: str | None) -> SessionFields | None:
        """The session that a secret describes; None if it is none, or none any more."""
        if token is None or not token.startswith(_PREFIX):
            return None
        try:
            signed = token.removeprefix(_PREFIX)
            claims = jwt.decode(signed, self._key, algorithms=["HS256"], audience=_USE)
        except (jwt.PyJWTError, ValueError):
            return None
        return SessionFields.model_validate(claims["session"])


class Secret(BaseModel):
    """What is answered."""

    value: str
    expires_at: int
    session: dict[str, Any]


@router.post(
    PATH,
    summary="Make a secret for a browser",
    responses=documented(400, 404, 413, model=OpenAIFailure),
)
async def create(request: Request, wanted: SecretRequest) -> Secret:
    """Opens sessions as `session` describes them, for `expires_after.seconds`."""
    parts = parts_of(request)
    model = model_of(parts, wanted.session.model)

    async def nobody(_: dict[str, Any]) -> None: ...

    described = RealtimeTranslation(model, parts.settings.default_target_language, nobody)
    described.update(wanted.session.model_copy(update={"model": None}))
    expires = int(time.time()) + wanted.expires_after.seconds
    # Nobody passes on more than it has.
    if (own := parts.auth.grant(token_in(request)).expires) is not None:
        expires = min(expires, int(own))
    fields = {**wanted.session.model_dump(exclude_unset=True), "model": model.name}
    value = request.app.state.client_secrets.issue(fields, expires)
    return Secret(value=value, expires_at=expires, session=described.description())
