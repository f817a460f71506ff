"""What a page asks for when it opens, compressed."""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

_LISTS = ("/api/languages", "/api/models", "/api/options", "/api/phrases", "/api/samples")


class CompressedLists(GZipMiddleware):
    """Compresses the long lists of the catalogue and nothing else: sound would hardly shrink, and
    texts that come line by line must not wait for one another."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http" and scope["path"].endswith(_LISTS):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
