"""How errors are answered over HTTP."""

from __future__ import annotations

import logging

from fastapi import Request
from fastapi.responses import JSONResponse

from seamless_server.errors import SeamlessError

logger = logging.getLogger(__name__)

STATUS = {
    "unauthorized": 401,
    "too_large": 413,
    "busy": 503,
    "loading": 503,
    "no_model": 503,
    "max_speakers": 503,
    "server_locked": 503,
    "restarting": 503,
    "no_room": 507,
}
"""HTTP status by an error's code; 422 for the rest."""


async def say(_: Request, error: Exception) -> JSONResponse:
    """An error that was raised on purpose."""
    assert isinstance(error, SeamlessError)
    return JSONResponse({"detail": error.message, "code": error.code}, STATUS.get(error.code, 422))


async def apologize(_: Request, error: Exception) -> JSONResponse:
    """A fault of ours."""
    logger.error("a request failed", exc_info=error)
    return JSONResponse(
        {"detail": "The server failed to do this; its log says why.", "code": "internal"}, 500
    )
