"""How errors are answered over HTTP, and how the interface's description tells of them."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from seamless_server.errors import SeamlessError

logger = logging.getLogger(__name__)

STATUS = {
    "unauthorized": 401,
    "not_found": 404,
    "model_not_found": 404,
    "too_large": 413,
    "rate": 429,
    "busy": 503,
    "loading": 503,
    "no_model": 503,
    "max_speakers": 503,
    "no_engine": 503,
    "server_locked": 503,
    "restarting": 503,
    "stream_failed": 500,
    "no_room": 507,
}
"""HTTP status by an error's code; 422 for the rest."""


class ErrorBody(BaseModel):
    """The body of an answer that is an error."""

    detail: str
    code: str


_MEANINGS = {
    400: "A field or the file cannot be used; says which",
    401: "A valid token is needed",
    403: "A page of another site may not do this",
    404: "There is none of that name",
    413: "The file is too large or too long",
    421: "Asked for under a name that is not the server's",
    422: "A field or the file cannot be used; says which",
    429: "Too many requests: slow down",
    503: "Busy, or the model is still loading",
    507: "The server has no room to store the upload",
}


def documented(
    *statuses: int, model: type[BaseModel] = ErrorBody
) -> dict[int | str, dict[str, Any]]:
    """Answers beside 200, for the interface's description."""
    return {status: {"model": model, "description": _MEANINGS[status]} for status in statuses}


EVERYWHERE = documented(401, 403, 421, 422)
"""What any route may answer."""
FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"*/*": {}}}, **documented(404)}
"""What a route to files answers."""


async def say(_: Request, error: Exception) -> JSONResponse:
    """An error that was raised on purpose."""
    assert isinstance(error, SeamlessError)
    return JSONResponse({"detail": error.message, "code": error.code}, STATUS.get(error.code, 422))


async def refuse(request: Request, error: Exception) -> JSONResponse:
    """A parameter that does not fit."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    message = f"{first['loc'][-1]}: {first['msg']}"
    return await say(request, SeamlessError(message, code="invalid"))


async def apologize(_: Request, error: Exception) -> JSONResponse:
    """A fault of ours."""
    logger.error("a request failed", exc_info=error)
    return JSONResponse(
        {"detail": "The server failed to do this; its log says why.", "code": "internal"}, 500
    )
