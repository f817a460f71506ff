"""Everything that an operator can set, in one place.

Each field is an environment variable ``SEAMLESS_<NAME>`` and most are flags of
``seamless-server serve``. The docstring below a field is its documentation:
``python -m seamless_server.settings`` prints the table of docs/settings.md from them.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from seamless_server.errors import ConfigError
from seamless_server.stream_options import OptionPolicy, read_policy

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Names = Annotated[tuple[str, ...], NoDecode]


def read_prefix(text: str) -> str:
    """``/a/b`` of any spelling of it; empty for none.

    Raises:
        ValueError: it is no path.
    """
    path = "/" + text.strip("/ ")
    if "//" in text or (path != "/" and not re.fullmatch(r"(/[\w~-][\w.~-]*)+", path, re.ASCII)):
        raise ValueError(f"'{text}' is no path such as /translate")
    return path.rstrip("/")


def _also(field: str, *others: str) -> AliasChoices:
    return AliasChoices(f"seamless_{field}", *others, field)


class ModelChoice(BaseModel):
    """A model to serve, and what it offers of what it can do; everything by default."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"\w")]
    modalities: Annotated[tuple[Literal["s2t", "s2s"], ...], Field(min_length=1)] | None = None
    target_langs: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        default=None, alias="targetLangs"
    )

    def __str__(self) -> str:
        return self.name


def _each_once(choices: tuple[ModelChoice, ...]) -> tuple[ModelChoice, ...]:
    names = [choice.name for choice in choices]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} more than once")
    return choices


_CHOICES = TypeAdapter(
    Annotated[tuple[ModelChoice, ...], Field(min_length=1), AfterValidator(_each_once)]
)
MODELS_FORMS = (
    "takes names separated by commas (SeamlessStreaming,SeamlessStreaming-mini), or JSON as the "
    'original does ([{"name": "SeamlessStreaming", "modalities": ["s2t", "s2s"], "targetLangs": '
    '["eng", "spa"]}])'
)


class Settings(BaseSettings):
    """The server's settings, read from the environment; keyword arguments win."""

    model_config = SettingsConfigDict(
        env_prefix="SEAMLESS_",
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    # What is served
    models: Annotated[tuple[ModelChoice, ...], NoDecode] = Field(
        default=(ModelChoice(name="auto"),),
        validation_alias=_also("models", "seamless_model", "MODELS_OVERRIDE"),
    )
    """Models to serve: names or folders, separated by commas; the first is the default. `auto` is
    the best SeamlessStreaming model present, the published or else the embedded one, and beside it
    the Whisper models present. Or the original's JSON array, which also
    narrows what each offers: `[{"name": "SeamlessStreaming", "modalities": ["s2t", "s2s"],
    "targetLangs": ["eng", "spa"]}]`. Also read from `MODELS_OVERRIDE`."""
    load_models: Literal["wanted", "start"] = "wanted"
    """When models are loaded: the default one at the start and the others when somebody `wanted`
    them, or all at the `start`."""
    min_free_memory_mb: Count = 500
    """With less memory than this free, in megabytes, models that nobody uses are dropped, and
    loaded again when they are wanted; 0 keeps them."""
    device: str = "auto"
    """Where the networks run: `auto`, `cpu`, `cuda:0`, `mps`."""
    dtype: str = "auto"
    """Number format of the networks: `auto` (`fp16` on CUDA, else `fp32`; for a large model on a
    CPU the fastest of `fp32`, `bf16` and `int8` by a trial at the start), `fp32`, `fp16`, `bf16`,
    `int8` (large models on CPUs), `int8-weights` (smaller on GPUs); docs/benchmarks.md says what
    the last two change."""
    engine: Literal["auto", "inline", "scheduled"] = "auto"
    """`inline` computes every request in its session's thread; `scheduled`, which `auto` means,
    serves all sessions in batches (docs/benchmarks-server.md)."""
    use_expressive_model: bool = Field(
        default=False, validation_alias=_also("use_expressive_model", "USE_EXPRESSIVE_MODEL")
    )
    """Load the expressive voice with the models that speak, and let speakers choose their own voice
    (docs/expressive.md). Also read from `USE_EXPRESSIVE_MODEL`."""
    expressive_voice: str = "vocoder_pretssel"
    """Which expressive voice: `vocoder_pretssel` (24 kHz), `vocoder_pretssel_16khz`, or a file or
    folder of one's own."""
    workers: Count = 0
    """Streams that compute at once; 0 means 64 with the scheduled engine, for which streams mostly
    wait, and one a CPU core with the inline one."""
    threads_per_worker: Count = 0
    """CPU threads of one network call; 0 is one for a small model, and one a core for a large
    one."""
    default_target_language: str = "eng"
    """What a speaker gets who never chose a language; the model's first one if it lacks this."""

    # Address
    host: str = "127.0.0.1"
    """Address to listen on (`serve` only)."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one (`serve` only)."""
    public_url: str | None = None
    """Address that people open, when a proxy stands in front: for links and QR codes. Default: this
    machine's address in its network, when `host` lets others in."""
    root_path: str = ""
    """Path below which a proxy serves this server, such as `/translate`; the proxy may strip it or
    not. Empty: what the proxy says in `X-Forwarded-Prefix`, else none (docs/proxies.md)."""
    page_dir: Path | None = None
    """Folder of the built page; by default `streaming-react-app/dist` beside the package."""
    cors_origins: Names = ()
    """Other origins whose pages may connect, separated by commas; `*` is everyone. Empty: only
    pages that this server serves itself."""
    metrics: bool = True
    """Serve Prometheus metrics at `/metrics`."""

    # Speakers and rooms
    max_speakers: Count | Literal["auto"] | None = Field(
        default=None, validation_alias=_also("max_speakers", "MAX_SPEAKERS")
    )
    """Streams at once: a number, or `auto` for as many as the machine was measured to carry.
    Further speakers wait in line or are refused with `max_speakers`. Empty: no limit. Also read
    from `MAX_SPEAKERS`."""
    waiting_places: Count = 20
    """Speakers that may wait in line for a stream; beyond it, and with 0, they are refused."""
    lock_server_completely: bool = Field(
        default=False, validation_alias=_also("lock_server_completely", "LOCK_SERVER_COMPLETELY")
    )
    """Refuse every new stream with `server_locked`, and show a lock to everybody as the original
    does. Also read from `LOCK_SERVER_COMPLETELY`."""
    lock_escape_hatch: bool = False
    """Let the lock name `remove_server_lock` remove another client's lock, as the original did.
    Anybody who knows the name can use it: leave it off on a public server."""
    max_languages: Annotated[int, Field(ge=1)] = 8
    """Languages that the listeners of one speaker may choose between them."""
    room_code_length: Annotated[int, Field(ge=4, le=12)] = 4
    """Letters of a new room's code. Longer codes are harder to guess."""
    grace_seconds: Positive = 60.0
    """How long a member that lost its connection is kept: its stream goes on and output is held
    back for it."""
    room_expiry_seconds: Positive = 600.0
    """How long an empty room keeps its transcript; one in which nothing was said goes after a
    minute."""
    replay_bytes: Count = 8_000_000
    """Output held back for absent members of one room, in bytes; the oldest goes first."""
    transcript_entries: Count = 1_000
    """Sentences that a room remembers for those who join late, over all languages."""

    # Streams
    chunk_ms: Annotated[int, Field(ge=20, le=2000)] = 320
    """Audio that one step of a stream takes when the server keeps up."""
    longest_chunk_ms: Annotated[int, Field(ge=20, le=2000)] = 960
    """Audio that one step takes at most while the server keeps up: steps grow from `chunk_ms` to
    it when they take long, before audio begins to wait, and shrink again when all is quiet. As
    long as `chunk_ms`: they never grow."""
    join_limit_ms: Annotated[int, Field(ge=20, le=30_000)] = 2_560
    """Longest stretch of waiting audio that is joined into one step when it does not."""
    queue_seconds: Positive = 60.0
    """Audio that may wait in a stream; beyond it the oldest is dropped with a notice."""
    idle_ms: Annotated[int, Field(ge=100)] = 1_500
    """Without audio for so long, an open sentence is closed as if silence followed."""
    stop_seconds: Positive = 60.0
    """How long a stream that its speaker stops may take to translate what was said."""
    flush_seconds: Positive = 5.0
    """How long streams may take for that when the server is told to end (SIGTERM, Ctrl-C)."""

    stream_options: str = ""
    """What speakers get and may choose, separated by commas: `decision_threshold=0.6` is the
    default of every stream, `chunk_ms=320..960` the range that speakers may choose from,
    `chunk_ms=320..960:480` both. docs/stream-options.md lists the options."""

    # Clients
    max_message_bytes: Annotated[int, Field(ge=10_000)] = 1_048_576
    """Largest Socket.IO message."""
    max_events_per_second: Positive = 200.0
    """Events of one client, on average over two seconds (audio: over ten); more are refused."""
    max_connections: Count = 2_000
    """Connections at once."""
    max_connections_per_address: Count = 0
    """Connections at once from one address; 0 means no limit of its own."""
    max_events_per_address: Count = 4_000
    """Events of one address a second, over all its clients; 0 means no limit of its own."""
    max_joins_per_address: Count = 200
    """Rooms that clients of one address join or ask for in a second; 0 is no limit of its own."""
    max_rooms_per_address: Count = 600
    """Rooms that clients of one address open in a minute; 0 means no limit of its own."""
    max_audio_mb_per_address: Count = 16
    """Audio of one address a second, in megabytes; 0 means no limit of its own."""
    listener_backlog: Annotated[int, Field(ge=4)] = 128
    """Messages that may wait for one client; beyond it output for this client is skipped."""
    max_upload_mb: Positive = 200.0
    """Largest file for `POST /api/translate`, in megabytes."""
    max_upload_seconds: Positive = 3_600.0
    """Longest audio for `POST /api/translate`."""
    max_translate_jobs: Annotated[int, Field(ge=1)] = 2
    """Files translated at once; more are answered with 503."""

    # Who may speak and listen
    auth_secret: SecretStr | None = None
    """Shared secret that clients send as `token`."""
    auth_jwt_key: SecretStr | None = None
    """Key (or public key) that checks the signature of a JSON Web Token sent as `token`; its
    claim `roles` lists what its bearer may do: `speaker`, `listener`."""
    auth_jwt_algorithms: Names = ("HS256",)
    """Algorithms accepted for it, separated by commas."""
    auth_jwt_audience: str | None = None
    """Audience that the token must name."""
    auth_for: Names = ("speaker",)
    """What needs the secret or token: `speaker`, `listener`, or both, separated by commas."""

    operator_secret: SecretStr | None = None
    """Secret of the operator, sent as `token`: may do what any room's owner may, take the server's
    lock, and read `/metrics` where tokens are used. The role `operator` of a JSON Web Token is the
    same."""
    server_lock: Literal["off", "anyone", "operator"] | None = None
    """Who may take the server's lock, which ends everybody else's stream. Empty: `operator` where
    tokens are used, else `anyone`."""
    allowed_hosts: Names = ()
    """Names under which this server is reached, separated by commas (`talks.example.org`,
    `*.example.org`; `*` is every name), besides this machine's own, `SEAMLESS_PUBLIC_URL`'s and IP
    addresses. Requests under other names are refused."""

    # Several replicas
    redis_url: SecretStr | None = None
    """`redis://host:6379/0`: rooms, transcripts and room events are shared through it."""
    redis_seconds: Positive = 1.0
    """How long one command may take. While Redis is away, everybody on one server goes on; what
    others missed comes when it is back."""
    redis_prefix: str = "seamless"
    """Prefix of every key and channel there."""

    # Several machines
    role: Literal["all", "front", "engine"] = "all"
    """What this process is: `all` of a server; a `front`, which has the page, the rooms and all
    connections, but no model; or `engine`, which runs models for fronts (docs/scaling.md)."""
    ray_address: str = ""
    """`host:6379` of the Ray cluster that joins fronts and engines. Empty: the one that runs on
    this machine; an engine starts one if there is none. `new`: an engine starts one anyway."""
    engines: str = "1"
    """Engines that run: a number, or `1..8` for as many as their places are used."""
    engine_places: Annotated[int, Field(ge=1)] = 8
    """Streams that one engine takes at once (docs/scaling.md says what a device carries)."""
    engine_gpus: Annotated[float, Field(ge=0)] | None = None
    """GPUs of one engine. Empty: 1 where Ray sees one, else 0."""
    engine_cpus: Positive = 1.0
    """Processors that Ray sets aside for one engine."""

    # Debug recordings
    allow_debug: Literal["auto", "yes", "no"] = "auto"
    """Record streams that ask for `debug`. `auto`: only for clients on this very machine."""
    debug_dir: Path = Path("debug")
    """Where recordings go, one folder a stream."""
    debug_max_mb: Positive = 2_000.0
    """All recordings together; the oldest are removed first."""
    debug_max_days: Positive = 14.0
    """Age at which a recording is removed."""
    debug_max_minutes: Positive = 60.0
    """Longest recording of one stream."""
    debug_min_free_mb: Count = 500
    """Recording stops when the disk has less than this left."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """How much is logged; `debug` also logs every request."""
    log_json: bool = False
    """Log one JSON object a line."""
    traces_url: str = ""
    """`http://host:4318`: an OpenTelemetry collector (OTLP over HTTP) that gets a trace of every
    chunk of audio, from its speaker to who listens. Needs the extra `tracing`."""

    @field_validator("models", mode="before")
    @classmethod
    def _choices(cls, value: object) -> object:
        if isinstance(value, str):
            if not value.strip():
                return (ModelChoice(name="auto"),)  # `MODELS_OVERRIDE=` in a compose file
            try:
                return _CHOICES.validate_python(json.loads(value))
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "the array"
                raise ValueError(f"{MODELS_FORMS}; {where}: {first['msg']}") from None
            except ValueError as error:
                if value.lstrip()[:1] in ("[", "{"):
                    raise ValueError(f"{MODELS_FORMS}; this is no JSON: {error}") from None
            value = [part.strip() for part in value.split(",") if part.strip()]
            if not value or any(set(part) & set('[]{}"') for part in value):
                raise ValueError(MODELS_FORMS)
        if isinstance(value, list | tuple):
            return [ModelChoice(name=x) if isinstance(x, str) else x for x in value]
        return value

    @field_validator(
        "cors_origins", "allowed_hosts", "auth_jwt_algorithms", "auth_for", mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, values: Any) -> Any:
        # What .env files of Windows and of Docker leave around a value.
        bare = {name: _bare(value) for name, value in values.items()}
        return {name: x for name, x in bare.items() if x != "" or cls._may_be_empty(name)}

    @classmethod
    def _may_be_empty(cls, name: str) -> bool:
        """Numbers, switches and choices may not: there `NAME=` in a compose file is "not set"."""
        info = cls.model_fields.get(name.removeprefix("seamless_"))
        kind: Any = str if info is None else info.annotation
        if get_origin(kind) is tuple:
            return True
        try:
            TypeAdapter(kind).validate_python("")
        except ValidationError:
            return False
        return True

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value and not re.match(r"https?://[^/\s]+", value):
            raise ValueError("begins with http:// or https://")
        return value or None

    @field_validator("root_path")
    @classmethod
    def _path(cls, value: str) -> str:
        return read_prefix(value)

    @field_validator("traces_url")
    @classmethod
    def _traces(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("begins with http:// or https://")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if not value.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("begins with redis://, rediss:// or unix://")
        return value

    @field_validator("stream_options")
    @classmethod
    def _policy(cls, value: str) -> str:
        try:
            read_policy(value)
        except ConfigError as error:
            raise ValueError(error.message) from None
        return value

    @property
    def option_policy(self) -> OptionPolicy:
        """What `stream_options` says."""
        return read_policy(self.stream_options)

    @field_validator("engines")
    @classmethod
    def _engines(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9]\d{0,3}(\.\.[1-9]\d{0,3})?", value):
            raise ValueError(f"'{value}' is neither a number nor two such as 1..8")
        return value

    @property
    def engine_range(self) -> tuple[int, int]:
        """The least and the most engines."""
        least, _, most = self.engines.partition("..")
        return int(least), int(most or least)

    @field_validator("auth_for")
    @classmethod
    def _roles(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = set(value) - {"speaker", "listener"}
        if unknown:
            raise ValueError(f"knows only speaker and listener, not {', '.join(sorted(unknown))}")
        return value

    @field_validator("max_speakers", mode="before")
    @classmethod
    def _number_or_auto(cls, value: object) -> object:
        if isinstance(value, str) and value not in ("", "auto") and not value.isdecimal():
            raise ValueError(f"'{value}' is neither a number nor auto")
        return None if value == "" else value


def _bare(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = value.strip()
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def read_settings(**overrides: Any) -> Settings:
    """The settings of the environment with `overrides` (those that are not `None`) on top.

    Raises:
        ConfigError: a value is impossible; names the field as the operator spells it.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = _spelled(str(first["loc"][0]) if first["loc"] else "settings")
        raise ConfigError(name, first["msg"].removeprefix("Value error, ")) from None


def _spelled(field: str) -> str:
    """The variable that set a field, of the names that it has; else the first of them."""
    name = f"SEAMLESS_{field.upper().removeprefix('SEAMLESS_')}"
    info = Settings.model_fields.get(name.removeprefix("SEAMLESS_").lower())
    aliases = info.validation_alias if info is not None else None
    names = [name]
    if isinstance(aliases, AliasChoices):
        names += [str(choice).upper() for choice in aliases.choices]
    return next((each for each in names if os.environ.get(each)), name)


@cache
def _sections() -> dict[str, str]:
    """The comment above each group of fields, by the group's first field."""
    source = inspect.getsource(sys.modules[Settings.__module__]).splitlines()
    tree = ast.parse("\n".join(source))
    body = next(
        node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"
    )
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            above = source[node.lineno - 2].strip()
            if above.startswith("# "):
                found[node.target.id] = above[2:]
    return found


def settings_table() -> str:
    """The settings as Markdown, in the order of the class."""
    lines: list[str] = []
    sections = _sections()
    for name, field in Settings.model_fields.items():
        if name in sections:
            lines += ["", f"### {sections[name]}", "", "| variable | default | meaning |"]
            lines.append("|---|---|---|")
        default = field.default
        if isinstance(default, tuple):
            default = ",".join(str(x) for x in default)
        shown = "" if default in (None, "") else f"`{default}`"
        meaning = " ".join((field.description or "").split())
        lines.append(f"| `SEAMLESS_{name.upper()}` | {shown} | {meaning} |")
    return "\n".join(lines[1:]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(settings_table())
