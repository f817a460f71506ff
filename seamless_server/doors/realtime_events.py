"""Events of the realtime translation wire, as models: what a client may send.

Facts of the wire are from OpenAI's guide and typed clients (2026).
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from seamless_server.errors import SeamlessError


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NoiseReduction(_Strict):
    """Accepted and without effect: this server has none of its own."""

    type: Literal["near_field", "far_field"]
    strength: float | None = Field(default=None, ge=0, le=1)


class Transcription(_Strict):
    """Asks for what was heard, too."""

    model: str | None = None


class AudioInput(_Strict):
    """How the audio comes. `language` is ours: the language spoken."""

    noise_reduction: NoiseReduction | None = None
    transcription: Transcription | None = None
    language: str | None = Field(default=None, max_length=40)


class AudioOutput(_Strict):
    """What is made of it."""

    language: str | None = Field(default=None, max_length=40)


class Audio(_Strict):
    """Both directions."""

    input: AudioInput = Field(default_factory=AudioInput)
    output: AudioOutput = Field(default_factory=AudioOutput)


class SessionFields(_Strict):
    """What a session can be told; its type and model stay."""

    type: Literal["translation"] | None = None
    model: str | None = None
    audio: Audio = Field(default_factory=Audio)


class _Event(_Strict):
    event_id: str | None = Field(default=None, max_length=512)


class Update(_Event):
    """`session.update`"""

    type: Literal["session.update"]
    session: SessionFields


def _pcm(value: object) -> object:
    try:
        pcm = base64.b64decode(value, validate=True)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError("is no base64") from None
    if len(pcm) % 2:
        raise ValueError("16-bit samples come in even byte counts")
    return pcm


class Append(_Event):
    """`session.input_audio_buffer.append`"""

    type: Literal["session.input_audio_buffer.append"]
    audio: Annotated[bytes, BeforeValidator(_pcm)]


class Close(_Event):
    """`session.close`"""

    type: Literal["session.close"]


ClientEvent = Update | Append | Close
_KINDS = ("session.update", "session.input_audio_buffer.append", "session.close")
_ADAPTER: TypeAdapter[ClientEvent] = TypeAdapter(
    Annotated[ClientEvent, Field(discriminator="type")]
)


class BadEvent(SeamlessError):
    """An event that does not fit; the session goes on."""

    def __init__(self, message: str, code: str, param: str | None, event_id: str | None) -> None:
        super().__init__(message, code=code)
        self.param = param
        self.event_id = event_id


def parse(text: str | bytes) -> ClientEvent | BadEvent:
    """The event of a JSON object, or what is wrong with it, by the name of the field."""
    try:
        data: Any = orjson.loads(text)
    except ValueError:
        return BadEvent("This is no JSON.", "invalid_json", None, None)
    given = data if isinstance(data, dict) else {}
    name = given.get("event_id")
    event_id = name if isinstance(name, str) and len(name) <= 512 else None
    try:
        return _ADAPTER.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = [str(part) for part in first["loc"] if part not in _KINDS]
        code = "unknown_parameter" if first["type"] == "extra_forbidden" else "invalid_value"
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"].startswith("union_tag"):
            code, where, reason = "unknown_event", ["type"], f"is none of {', '.join(_KINDS)}"
        elif not where:
            reason = "send a JSON object"
        param = ".".join(where) or None
        return BadEvent(f"{param or 'event'}: {reason}", code, param, event_id)
