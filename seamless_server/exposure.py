"""What a server that strangers can reach should change in its settings: `doctor --exposed`.

Looks at the settings of the environment only; docs/security.md says what each protects from.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from seamless_server.diagnosis import Finding, Status
from seamless_server.rooms.rights import Authenticator
from seamless_server.settings import Settings

SHORTEST_SECRET = 16
"""Characters of a secret that nobody finds by trying."""
SHORTEST_KEY = 32
"""Bytes of a key for HS256 (RFC 7518, section 3.2)."""
LONG_CODE = 8
"""Letters of a room's code that is all that keeps strangers out."""
_GROUP = "Exposed"


def examine(settings: Settings) -> list[Finding]:
    """What is right and what is not, should strangers be able to reach the server."""
    auth = Authenticator(settings)
    return [
        *_ways_in(settings),
        *_tokens(settings, auth),
        *_powers(settings, auth),
        *_rooms(settings, auth),
        *_recordings(settings),
        *_load(settings),
        *_redis(settings),
    ]


def is_safe(findings: list[Finding]) -> bool:
    """Whether nothing was found that lets strangers do harm."""
    return all(finding.status != "unsafe" for finding in findings)


def _finding(key: str, name: str, status: Status, value: str, remedy: str = "") -> Finding:
    return Finding(f"exposed:{key}", _GROUP, name, status, value, remedy)


def _ways_in(settings: Settings) -> Iterator[Finding]:
    on_a_space = bool(os.environ.get("SPACE_HOST"))
    https = on_a_space or urlsplit(settings.public_url or "").scheme == "https"
    if https:
        yield _finding("tls", "TLS", "ok", settings.public_url or "the Space's own")
    else:
        yield _finding(
            "tls",
            "TLS",
            "unsafe",
            "no https address is set: speech, translations and tokens could be read on the way",
            "put a proxy with a certificate in front (docs/proxies.md) and set SEAMLESS_PUBLIC_URL="
            "https://..., or serve --ssl-certfile --ssl-keyfile and set it too",
        )
    if https and not on_a_space and not _is_local(settings.host):
        yield _finding(
            "host",
            "Address",
            "warning",
            f"listens on {settings.host}: whoever reaches port {settings.port} goes around a proxy",
            "SEAMLESS_HOST=127.0.0.1, unless it has the certificate itself or a container or "
            "firewall keeps that port closed",
        )
    if "*" in settings.allowed_hosts:
        yield _finding(
            "hosts",
            "Host names",
            "unsafe",
            "every name is answered, so pages of strangers can point their own at it",
            "SEAMLESS_ALLOWED_HOSTS=the names under which it is reached",
        )
    elif settings.allowed_hosts or settings.public_url or on_a_space:
        yield _finding("hosts", "Host names", "ok", "only its own")
    else:
        yield _finding(
            "hosts",
            "Host names",
            "warning",
            "its public name is not known and would be refused",
            "SEAMLESS_PUBLIC_URL=https://... or SEAMLESS_ALLOWED_HOSTS=its names",
        )
    everyone = "*" in settings.cors_origins
    yield _finding(
        "origins",
        "Pages of others",
        "warning" if everyone else "ok",
        "any page may speak and listen here" if everyone else "only its own and those named",
        "SEAMLESS_CORS_ORIGINS=the origins that need it" if everyone else "",
    )


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tokens(settings: Settings, auth: Authenticator) -> Iterator[Finding]:
    if "speaker" in auth.guarded:
        yield _finding("speakers", "Speaking", "ok", "needs a token")
    else:
        yield _finding(
            "speakers",
            "Speaking",
            "unsafe",
            "anybody may speak and upload, and so use up this machine",
            "SEAMLESS_AUTH_SECRET=a long secret, or SEAMLESS_AUTH_JWT_KEY; "
            "SEAMLESS_AUTH_FOR=speaker",
        )
    secrets = {
        "SEAMLESS_AUTH_SECRET": settings.auth_secret,
        "SEAMLESS_OPERATOR_SECRET": settings.operator_secret,
    }
    short = [name for name, value in secrets.items() if _length(value) < SHORTEST_SECRET]
    if short:
        yield _finding(
            "secrets",
            "Secrets",
            "unsafe",
            f"{' and '.join(short)}: shorter than {SHORTEST_SECRET} characters",
            "python -c 'import secrets; print(secrets.token_urlsafe(24))' makes one",
        )
    if (
        settings.auth_secret is not None
        and settings.operator_secret is not None
        and settings.auth_secret.get_secret_value() == settings.operator_secret.get_secret_value()
    ):
        yield _finding(
            "one_secret",
            "Secrets",
            "unsafe",
            "speakers have the operator's secret, and so its rights",
            "SEAMLESS_OPERATOR_SECRET=another one",
        )
    if settings.auth_jwt_key is not None:
        yield from _web_tokens(settings)


def _length(secret: SecretStr | None) -> int:
    """Characters; what is not set is long enough."""
    return SHORTEST_SECRET if secret is None else len(secret.get_secret_value())


def _web_tokens(settings: Settings) -> Iterator[Finding]:
    assert settings.auth_jwt_key is not None
    key = settings.auth_jwt_key.get_secret_value().encode()
    shared = [name for name in settings.auth_jwt_algorithms if name.upper().startswith("HS")]
    if any(name.lower() == "none" for name in settings.auth_jwt_algorithms):
        yield _finding(
            "jwt_algorithms",
            "JSON Web Tokens",
            "unsafe",
            "tokens without a signature are named among those accepted",
            "SEAMLESS_AUTH_JWT_ALGORITHMS=the one that your issuer uses",
        )
    elif shared and len(shared) < len(settings.auth_jwt_algorithms):
        yield _finding(
            "jwt_algorithms",
            "JSON Web Tokens",
            "warning",
            "algorithms with a shared and with a public key are accepted together",
            "SEAMLESS_AUTH_JWT_ALGORITHMS=the one that your issuer uses",
        )
    if shared and len(key) < SHORTEST_KEY:
        yield _finding(
            "jwt_key",
            "JSON Web Tokens",
            "unsafe",
            f"the key is shorter than {SHORTEST_KEY} bytes and could be found from one token",
            "a random SEAMLESS_AUTH_JWT_KEY of 32 bytes or more, or a public key with RS256, "
            "ES256 or EdDSA",
        )
    if settings.auth_jwt_audience is None:
        yield _finding(
            "jwt_audience",
            "JSON Web Tokens",
            "warning",
            "tokens of the same issuer that name no service are accepted",
            "SEAMLESS_AUTH_JWT_AUDIENCE=this server's name there",
        )


def _powers(settings: Settings, auth: Authenticator) -> Iterator[Finding]:
    who = settings.server_lock or ("operator" if auth.uses_tokens else "anyone")
    yield _finding(
        "lock",
        "Server lock",
        "unsafe" if who == "anyone" else "ok",
        {
            "anyone": "anybody may end everybody else's stream",
            "operator": "the operator's",
            "off": "off",
        }[who],
        "SEAMLESS_SERVER_LOCK=off, or operator with a SEAMLESS_OPERATOR_SECRET"
        if who == "anyone"
        else "",
    )
    if settings.lock_escape_hatch:
        yield _finding(
            "escape_hatch",
            "Lock's escape hatch",
            "unsafe",
            "whoever knows its well-known name takes the lock away",
            "unset SEAMLESS_LOCK_ESCAPE_HATCH",
        )
    if settings.metrics and not auth.uses_tokens:
        yield _finding(
            "metrics",
            "Metrics",
            "warning",
            "anybody may read /metrics",
            "SEAMLESS_METRICS=0, or any secret, which closes it to all but the operator",
        )
    else:
        shown = "only the operator reads them" if settings.metrics else "off"
        yield _finding("metrics", "Metrics", "ok", shown)
    if auth.uses_tokens and settings.operator_secret is None and settings.auth_jwt_key is None:
        yield _finding(
            "operator",
            "Operator",
            "warning",
            "there is none, so nobody reads metrics or can clear up in a room",
            "SEAMLESS_OPERATOR_SECRET=a long secret",
        )


def _rooms(settings: Settings, auth: Authenticator) -> Iterator[Finding]:
    if "listener" in auth.guarded:
        yield _finding("listeners", "Listening", "ok", "needs a token")
    elif settings.room_code_length >= LONG_CODE:
        yield _finding("listeners", "Listening", "ok", "needs a room's code, which is long")
    else:
        yield _finding(
            "listeners",
            "Listening",
            "warning",
            f"needs a room's code of {settings.room_code_length} letters, "
            "which can be found by trying",
            f"SEAMLESS_ROOM_CODE_LENGTH={LONG_CODE}, or SEAMLESS_AUTH_FOR=speaker,listener, or a "
            "passcode for each room",
        )


def _recordings(settings: Settings) -> Iterator[Finding]:
    recording = {
        "yes": "anybody who may speak has what it says recorded, and may fetch what others said",
        "auto": "clients on this machine are recorded if they ask, and a proxy's visitors too "
        "if it sends no X-Forwarded-For",
    }
    if settings.allow_debug == "no":
        yield _finding("recordings", "Debug recordings", "ok", "off")
    else:
        yield _finding(
            "recordings",
            "Debug recordings",
            "unsafe" if settings.allow_debug == "yes" else "warning",
            recording[settings.allow_debug],
            "SEAMLESS_ALLOW_DEBUG=no",
        )


def _load(settings: Settings) -> Iterator[Finding]:
    if settings.max_speakers is None:
        yield _finding(
            "speakers_at_once",
            "Streams at once",
            "warning",
            "no limit: enough speakers make everybody late",
            "MAX_SPEAKERS=auto, or a number",
        )
    else:
        yield _finding("speakers_at_once", "Streams at once", "ok", str(settings.max_speakers))
    open_limits = [
        f"SEAMLESS_{name.upper()}"
        for name in (
            "max_connections_per_address",
            "max_events_per_address",
            "max_joins_per_address",
            "max_rooms_per_address",
            "max_audio_mb_per_address",
        )
        if not getattr(settings, name)
    ]
    yield _finding(
        "addresses",
        "Limits of an address",
        "warning" if open_limits else "ok",
        f"without: {', '.join(open_limits)}" if open_limits else "all set",
        "set them; behind a proxy on another machine also FORWARDED_ALLOW_IPS=its address, or all "
        "its visitors share one"
        if open_limits
        else "",
    )


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    url = urlsplit(settings.redis_url.get_secret_value())
    here = url.scheme == "unix" or _is_local(url.hostname or "localhost")
    problems = []
    if not here and url.scheme != "rediss":
        problems.append("is reached without TLS (rediss://)")
    if url.scheme != "unix" and not url.password:
        problems.append("asks for no password")
    yield _finding(
        "redis",
        "Redis",
        "warning" if problems else "ok",
        f"it {' and '.join(problems)}; it holds what is said, and passcodes"
        if problems
        else "with a password, or on this machine only",
        "SEAMLESS_REDIS_URL=rediss://:password@host:6379/0, in a network of its own"
        if problems
        else "",
    )
