"""Forms that bring files: their description, their reading within bounds, and their fields."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.types import Message

from seamless_server.errors import SeamlessError

AnyForm = TypeVar("AnyForm", bound=BaseModel)

logger = logging.getLogger(__name__)

UPLOADS = ("/api/translate", "/v1/audio/translations", "/v1/audio/transcriptions")
"""Routes that take files, and bound them by `upload_form`."""


def described_form(required: list[str], **fields: Any) -> dict[str, Any]:
    """A form with a `file`, for the interface's description."""
    file = {"type": "string", "format": "binary", "description": "Any sound file."}
    schema = {
        "type": "object",
        "required": ["file", *required],
        "properties": {"file": file, **fields},
    }
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@asynccontextmanager
async def upload_form(
    request: Request, max_mb: float
) -> AsyncIterator[tuple[dict[str, Any], UploadFile]]:
    """The form's fields and its `file`, with the upload's size bounded while it arrives.

    Raises:
        SeamlessError: it is too large, no form, or without a file.
    """
    limit = int(max_mb * 1e6)
    too_large = SeamlessError(f"The upload is larger than {max_mb:g} MB.", code="too_large")
    announced = request.headers.get("content-length") or "0"
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large
        return message

    bounded = Request(request.scope, receive)
    try:
        form = await bounded.form(max_files=1, max_fields=50)
    except SeamlessError:
        raise
    except OSError as error:
        raise no_room(error) from error
    except Exception as error:
        raise SeamlessError("Send the file as multipart/form-data.", code="invalid") from error
    try:
        fields: dict[str, Any] = {**request.query_params, **form}
        file = fields.pop("file", None)
        if not isinstance(file, UploadFile):
            raise SeamlessError("file: send a sound file in this field.", code="invalid")
        yield fields, file
    finally:
        await form.close()


def read_form(kind: type[AnyForm], given: dict[str, Any]) -> AnyForm:
    """A form's fields as a model.

    Raises:
        SeamlessError: names the first that does not fit.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise SeamlessError(f"{first['loc'][0]}: {first['msg']}", code="invalid") from None


def no_room(error: OSError) -> SeamlessError:
    """What is said when an upload cannot be stored."""
    logger.warning("an upload could not be stored: %s", error)
    return SeamlessError(
        "The server has no room for the upload; its operator may free some (TMPDIR).",
        code="no_room",
    )
