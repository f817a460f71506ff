"""Every Socket.IO event, as a model: what a client may send and what it gets.

``python -m seamless_server.doors.socketio.schema`` prints all of it as one JSON schema, from
which the page's types are made.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import models_json_schema

from seamless_server.doors.catalogue import Capability
from seamless_server.errors import LanguageError, SeamlessError
from seamless_server.languages import resolve
from seamless_server.rooms.members import Encoding, Role, Take

MIN_RATE, MAX_RATE = 8_000, 192_000
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class EventError(SeamlessError):
    """What a client sent does not fit; names the field."""

    code = "invalid"

    def __init__(self, event: str, field: str, reason: str) -> None:
        super().__init__(f"{event}: {field}: {reason}" if field else f"{event}: {reason}")
        self.event = event
        self.field = field


def _whole(value: object) -> object:
    # JavaScript has one kind of number: 48000.0 is a whole one.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _coded(value: object) -> object:
    try:
        return resolve(value) if isinstance(value, str) else value
    except LanguageError as error:
        raise ValueError(str(error)) from None


def _clean(value: str) -> str:
    return _UNPRINTABLE.sub(" ", value).strip()


Name = Annotated[str, StringConstraints(max_length=100), AfterValidator(_clean)]
"""A display name: data to show, never markup; control and direction characters are blanked."""
ClientID = Annotated[str, StringConstraints(min_length=1, max_length=200)]
RoomID = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Lang = Annotated[str, BeforeValidator(_coded)]
"""The code of a language, whatever the client calls it: spa, es-MX, Spanish."""
ModelType = Literal["s2s&t", "s2t", "s2s"]
Rate = Annotated[int, BeforeValidator(_whole), Field(ge=MIN_RATE, le=MAX_RATE)]


class _Inbound(BaseModel):
    # Clients of other versions may send more than we know.
    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class JoinConfig(_Inbound):
    """Third argument of `join_room`."""

    roles: list[Role] | None = Field(default=None, max_length=2)
    lockServerName: Name | None = None
    passcode: str | None = Field(default=None, max_length=100)
    open: bool = True
    """Whether a room that nobody has opened is opened; otherwise that is an error, `no_room`."""


class RoomRules(_Inbound):
    """Argument of `set_room`; what is absent stays as it is."""

    passcode: str | None = Field(default=None, max_length=100)
    closed: bool = False
    speakersClosed: bool = False
    """Whether those who do not speak yet may become speakers."""


class DynamicConfig(_Inbound):
    """Argument of `set_dynamic_config`; what is absent stays as it is."""

    targetLanguage: Lang | None = None
    sourceLanguage: Lang | None = None
    expressive: bool | None = None
    sendVoice: bool = False
    """Whether listeners may hear the speaker's own voice."""


class StreamConfig(_Inbound):
    """Argument of `configure_stream`."""

    event: str | None = Field(default=None, max_length=100)
    rate: Rate
    model_name: str | None = Field(default=None, max_length=200)
    model_type: ModelType = "s2s&t"
    debug: bool = False
    async_processing: bool = True
    buffer_limit: float = Field(default=0.0, ge=0.0, le=60.0, allow_inf_nan=False)
    wait: bool = False
    encoding: Encoding = "pcm16"
    """How audio is to come; samples may always."""
    options: dict[str, Any] = Field(default_factory=dict, max_length=50)
    """By the names of `StreamOptions`; those that a speaker may set."""


class OpusAudio(_Inbound):
    """Audio as Opus, where `incoming_audio` takes samples too. `payload` is packets of at most 1 s
    in all, each behind its length in two bytes, big-endian.

    `preSkip` tells that a new encoder begins, and how many samples are to be left out at its
    beginning; then the payload gives `samples`, and more is silence at the end. All are counted at
    the stream's `rate`, which has to be one that Opus knows.
    """

    payload: Annotated[bytes, Field(json_schema_extra={"tsType": "ArrayBuffer"})]
    samples: Annotated[int, BeforeValidator(_whole), Field(ge=0, le=MAX_RATE)]
    preSkip: Annotated[int, BeforeValidator(_whole), Field(ge=0, le=MAX_RATE)] | None = None


_Audio = Annotated[
    Annotated[bytes, Tag("samples")] | Annotated[OpusAudio, Tag("opus")],
    Discriminator(lambda value: "opus" if isinstance(value, dict) else "samples"),
]


class ListenerConfig(_Inbound):
    """Argument of `set_listener_config`."""

    targetLanguage: Lang | None = None
    output: Take = "s2s&t"
    heard: bool = False
    """Also what was heard, as text in the language that is spoken."""
    encoding: Encoding = "pcm16"
    """How speech is to come."""
    original: bool = False
    """Also the own voices of speakers who send them, as `original_speech`."""


class MembersPage(_Inbound):
    """Argument of `members`."""

    after: Annotated[int, BeforeValidator(_whole), Field(ge=0)] = 0
    """`next` of the page before."""
    limit: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=100)] = 100


class _Outbound(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class RoomStatus(_Outbound):
    activeConnections: int
    activeTranscoders: int


class ServerLock(_Outbound):
    name: str
    clientID: str
    isActive: bool


class ServerState(_Outbound):
    """`server_state_update`."""

    statusByRoom: dict[str, RoomStatus]
    totalActiveConnections: int
    totalActiveTranscoders: int
    agentsCapabilities: list[Capability]
    serverLock: ServerLock | None
    ready: bool = True
    maxSpeakers: int | None = None
    waitingSpeakers: int = 0


class MemberState(_Outbound):
    client_id: str
    session_id: str | None
    name: str | None
    connection_status: Literal["connected", "disconnected"]
    transcoder: bool
    requested_output_type: ModelType | None
    transcoder_dynamic_config: dict[str, Any] | None
    roles: list[Role] = []
    listener_config: dict[str, Any] | None = None
    model: str | None = None
    """What translates its stream, or did so last."""


class RoomCounts(_Outbound):
    """All members of a room, however many `room_state_update` names."""

    members: int
    connected: int
    speakers: int
    listeners: int


class ListenersOf(_Outbound):
    """How many connected listeners chose a language; null is the speaker's choice."""

    targetLanguage: str | None
    count: int


class RoomState(_Outbound):
    """`room_state_update`.

    In a crowded room `complete` is false: `members`, `listeners` and `speakers` then name only the
    owner and those who speak, and the event `members` tells the rest.
    """

    room_id: str
    members: dict[str, MemberState]
    listeners: list[str]
    speakers: list[str]
    activeTranscoders: int
    owner: str | None = None
    hasPasscode: bool = False
    closed: bool = False
    complete: bool = True
    counts: RoomCounts
    listening: list[ListenersOf] = []
    speakersClosed: bool = False


class _Translation(_Outbound):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)
    eos: bool
    speakerID: str = Field(alias="speakerID")
    lang: str
    segmentID: int = Field(alias="segmentID")
    seq: int
    start_ms: float
    end_ms: float
    latency_ms: float
    offset: int = 0


class TranslationText(_Translation):
    """`translation_text` for protocol 2. `payload` begins with a space where a word begins.

    `offset` is how many characters of the segment, in this language, came before it.

    `confidence`, from 0 to 1, is how sure the decoder is of the sentence up to here.
    """

    event: Literal["translation_text"] = "translation_text"
    payload: str
    confidence: float | None = None


class NotUnderstood(_Translation):
    """`not_understood`: what was held back of a sentence is neither written nor spoken.

    At its end the decoder was less sure of it than the stream's `min_confidence`.
    """

    event: Literal["not_understood"] = "not_understood"
    confidence: float | None = None


class TranslationSpeech(_Translation):
    """`translation_speech` for protocol 2. `payload` is binary, mono: 16-bit little-endian
    samples, or packets of Opus, each behind its length in two bytes, big-endian. `offset` is how
    many samples of the segment, in this language, came before it.

    Of Opus only: `preSkip` tells that a new decoder is needed and how many samples are to be left
    out at its beginning; then the payload gives `samples`, and more is silence at the end.
    """

    event: Literal["translation_speech"] = "translation_speech"
    payload: Annotated[bytes, Field(json_schema_extra={"tsType": "ArrayBuffer"})]
    encoding: Encoding = "pcm16"
    sample_rate: int = Field(alias="sample_rate")
    pre_skip: int | None = None
    samples: int | None = None


class OriginalSpeech(_Outbound):
    """`original_speech` for protocol 2: a speaker's own voice, as it comes. `payload`, `encoding`,
    `preSkip` and `samples` are those of `translation_speech`.
    """

    event: Literal["original_speech"] = "original_speech"
    speakerID: str
    payload: Annotated[bytes, Field(json_schema_extra={"tsType": "ArrayBuffer"})]
    encoding: Encoding = "pcm16"
    sample_rate: int
    preSkip: int | None = None
    samples: int | None = None


class StreamStatus(_Outbound):
    """`stream_status`, to the speaker, at most twice a second."""

    state: Literal["listening", "speech", "flushing"]
    lagMs: float
    queuedMs: float
    coalesced: int
    droppedMs: float = 0.0
    realTimeFactor: float | None = None
    warning: str | None = None
    sourceLanguage: str | None = None


class PlaceInLine(_Outbound):
    """`place_in_line`, to a speaker that waits for a stream."""

    state: Literal["waiting", "admitted", "ended"]
    position: int
    waiting: int
    debug: bool | None = None
    message: str | None = None


class TranscriptSentence(_Outbound):
    """One sentence of the answer to `transcript`."""

    speakerID: str
    lang: str
    segmentID: int
    startMs: float
    endMs: float
    text: str
    finished: bool = True
    confidence: float | None = None


class SavedRecording(_Outbound):
    """`recording_saved`, to the speaker."""

    name: str
    files: list[str]
    url: str


class ServerRestart(_Outbound):
    """`server_restart`: the server is about to end; connect again after this time."""

    retryAfterMs: int


class ServerException(_Outbound):
    """`server_exception`, to the client that it concerns."""

    message: str
    timeEpochMs: int
    code: str = "error"
    event: str | None = None
    field: str | None = None
    room: str | None = None
    clientID: str | None = None


class Ack(_Outbound):
    """Answer to most events."""

    status: Literal["ok", "error"]
    message: str
    field: str | None = None
    code: str | None = None


class StreamAck(_Outbound):
    """Answer to `configure_stream`; `waiting` only if `wait` was asked for."""

    status: Literal["ok", "error", "waiting"]
    message: str
    field: str | None = None
    code: str | None = None
    model: str | None = None
    """The model that translates."""
    encoding: Encoding | None = None
    """How audio may come, if another way than as samples was asked for."""
    debug: bool | None = None
    position: int | None = None
    waiting: int | None = None


class JoinAck(_Outbound):
    """Answer to `join_room`."""

    roomsJoined: list[str]
    roomID: str


class MembersAck(_Outbound):
    """Answer to `members`: a page, and where the next one begins."""

    members: dict[str, MemberState]
    next: int | None
    total: int


class ListenerAck(Ack):
    """Answer to `set_listener_config`: what the listener will get."""

    targetLanguage: str | None = None
    output: Take = "s2s&t"


class InviteAck(Ack):
    """Answer to `invite_token`: a token for listeners only; null where none is needed or known."""

    token: str | None = None


class AudioAck(_Outbound):
    """Answer to `incoming_audio`, if one is asked for."""

    queuedMs: float
    receivedMs: float | None = None
    """All audio that came of this stream; null while none runs."""
    doneMs: float | None = None
    """Audio that nobody will ask for again; who has the rest can go on with another server."""


INBOUND: dict[str, tuple[tuple[str, Any], ...]] = {
    "join_room": (("clientID", ClientID), ("roomID", RoomID | None), ("config", JoinConfig)),
    "set_dynamic_config": (("config", DynamicConfig),),
    "configure_stream": (("config", StreamConfig),),
    "incoming_audio": (("audio", _Audio),),
    "stop_stream": (),
    "clear_transcript_for_all": (),
    "set_name": (("name", Name),),
    "set_listener_config": (("config", ListenerConfig),),
    "transcript": (),
    "set_room": (("rules", RoomRules),),
    "invite_token": (),
    "remove_member": (("clientID", ClientID),),
    "members": (("page", MembersPage),),
    "mute_member": (("clientID", ClientID),),
    "end_room": (),
}
"""Arguments of each event that clients send."""

_ADAPTERS: dict[str, tuple[tuple[str, TypeAdapter[Any]], ...]] = {
    event: tuple((name, TypeAdapter(kind)) for name, kind in arguments)
    for event, arguments in INBOUND.items()
}


def parse(event: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Checks the arguments of an event; superfluous ones are ignored.

    Raises:
        EventError: names the first field that does not fit.
    """
    adapters = _ADAPTERS[event]
    if len(args) < len(adapters):
        raise EventError(event, adapters[len(args)][0], "missing")
    parsed = []
    for (name, adapter), value in zip(adapters, args, strict=False):
        try:
            parsed.append(adapter.validate_python(value, strict=True))
        except ValidationError as error:
            raise EventError(event, *_describe(name, error)) from None
        except RecursionError:
            raise EventError(event, name, "nested too deeply") from None
    return tuple(parsed)


def _describe(name: str, error: ValidationError) -> tuple[str, str]:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    inner = [str(part) for part in first["loc"] if isinstance(part, int) or part in _FIELDS]
    reason = first["msg"].removeprefix("Value error, ")
    return ".".join(inner) if inner else name, reason


_INBOUND: tuple[type[BaseModel], ...] = (
    JoinConfig,
    DynamicConfig,
    StreamConfig,
    OpusAudio,
    ListenerConfig,
    RoomRules,
    MembersPage,
)
_FIELDS = {field for model in _INBOUND for field in model.model_fields}

OUTBOUND: dict[str, type[BaseModel] | None] = {
    "server_id": None,
    "server_state_update": ServerState,
    "room_state_update": RoomState,
    "translation_text": TranslationText,
    "translation_speech": TranslationSpeech,
    "original_speech": OriginalSpeech,
    "not_understood": NotUnderstood,
    "clear_transcript": None,
    "stream_status": StreamStatus,
    "place_in_line": PlaceInLine,
    "recording_saved": SavedRecording,
    "server_exception": ServerException,
    "server_restart": ServerRestart,
}
"""Payload of each event that the server sends."""


def export() -> dict[str, Any]:
    """All models as one JSON schema, with the events' arguments and payloads beside."""
    outbound = [model for model in OUTBOUND.values() if model is not None]
    answers: list[type[BaseModel]] = [
        Ack,
        StreamAck,
        JoinAck,
        ListenerAck,
        MembersAck,
        InviteAck,
        AudioAck,
        TranscriptSentence,
    ]
    _, schema = models_json_schema(
        [(model, "validation") for model in _INBOUND]
        + [(model, "serialization") for model in [*outbound, *answers]],
        title="Seamless Server protocol 2",
    )
    schema["x-client-events"] = {
        event: [{"name": name, "type": _type_name(kind)} for name, kind in arguments]
        for event, arguments in INBOUND.items()
    }
    schema["x-server-events"] = {
        event: model.__name__ if model else None for event, model in OUTBOUND.items()
    }
    return schema


def _type_name(kind: Any) -> str:
    if isinstance(kind, type):
        return kind.__name__
    if kind is _Audio:
        return "bytes | OpusAudio"
    nullable = "None" in str(kind)
    return "string | null" if nullable else "string"


if __name__ == "__main__":
    json.dump(export(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
