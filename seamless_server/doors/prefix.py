"""The server below a path: https://example.org/translate/ instead of https://example.org/."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from seamless_server.settings import read_prefix


class Prefix:
    """Tells the application below which path it is seen.

    That is `root_path`, or what the proxy in front says in ``X-Forwarded-Prefix``. The proxy may
    strip the prefix or leave it in the path.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or connection."""
        if scope["type"] in ("http", "websocket"):
            scope = _below(scope, self._root_path or _forwarded(scope))
        await self._app(scope, receive, send)


def _forwarded(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-forwarded-prefix":
            try:
                return read_prefix(value.decode("latin-1").split(",")[0])
            except ValueError:
                return ""
    return ""


def _below(scope: Scope, prefix: str) -> Scope:
    if not prefix:
        return scope
    changed: MutableMapping[str, Any] = {**scope, "root_path": prefix}
    path = scope["path"]
    if path == prefix or path.startswith(f"{prefix}/"):
        changed["path"] = path[len(prefix) :] or "/"
        raw = scope.get("raw_path")
        if raw is not None and raw.startswith(prefix.encode()):
            changed["raw_path"] = raw[len(prefix) :] or b"/"
    return changed
