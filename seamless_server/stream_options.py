"""Everything that a stream can be asked for, declared once.

The command line's flags, the agents' arguments, the fields of the Socket.IO and HTTP doors, what
the page offers and the table of docs/stream-options.md (``python -m
seamless_server.stream_options``) are read from here.
``None`` means the model's own value: its system file's, else the official agents' default.

A new option is a field here, `add_option` in the agent that reads it, its use, and a test.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from seamless_server.errors import ConfigError, LanguageError
from seamless_server.languages import resolve, spoken
from seamless_server.validation import nearest

Setter = Literal["speaker", "operator", "command"]
"""Who may set an option: a speaker through any door; the operator alone; only a command line."""


def _option(
    who: Setter,
    help: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    session: bool = False,
) -> Any:
    """One option.

    Args:
        who: may set it; an operator may set what a speaker may, a command line everything.
        help: what it does, for people.
        ge: least value.
        le: greatest value.
        session: read by the session that feeds the stream, not by an agent.
    """
    extra: dict[str, Any] = {"who": who, "session": session}
    return Field(
        default=None,
        ge=ge,
        le=le,
        description=help,
        json_schema_extra=extra,
    )


class StreamOptions(BaseModel):
    """Options of one stream; what is ``None`` is left to the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chunk_ms: int | None = _option(
        "speaker", "Audio that one step takes, in ms.", ge=20, le=60_000, session=True
    )
    longest_chunk_ms: int | None = _option(
        "speaker",
        "Longest step of a busy server, in ms: steps grow from chunk_ms to it before audio "
        "begins to wait, and shrink again. As long as chunk_ms: they never grow.",
        ge=20,
        le=60_000,
        session=True,
    )
    patience: float | None = _option(
        "speaker",
        "Share of decision_threshold: after a p_choose below it one step of audio is only taken "
        "in. Saves work and delays words; 0 is off.",
        ge=0,
        le=1,
    )
    decision_threshold: float | None = _option(
        "speaker", "p_choose that writes a token: lower is sooner, higher is steadier.", ge=0, le=1
    )
    block_ngrams: bool | None = _option("speaker", "Block repetitions of 2 and 3 tokens.")
    silence_limit_ms: int | None = _option(
        "speaker", "Silence that ends a segment, in ms.", ge=1, le=600_000
    )
    speech_soft_limit_ms: int | None = _option(
        "speaker", "Speech after which half of that silence ends it, in ms.", ge=1, le=3_600_000
    )
    vad_threshold: float | None = _option(
        "speaker",
        "Probability from which sound counts as speech: higher where it is noisy.",
        ge=0.05,
        le=0.95,
    )
    repetition_penalty: float | None = _option(
        "speaker", "Makes words of the sentence less likely to come again: 1 is off.", ge=1, le=2
    )
    min_confidence: float | None = _option(
        "speaker",
        "Confidence below which text waits, and a sentence that stays below to its end is given "
        "up as not understood: 0 is off.",
        ge=0,
        le=1,
    )
    max_segment_seconds: float | None = _option(
        "speaker",
        "Longest segment, in seconds: one that does not pause is cut at a quiet place; "
        "0 is no limit.",
        ge=0,
        le=600,
    )
    speech_pad_ms: int | None = _option(
        "speaker",
        "Audio before the first speech that a segment begins with, in ms: a first word often "
        "begins softly.",
        ge=0,
        le=1_000,
    )
    raise_quiet_speech: bool | None = _option(
        "speaker", "Raise speech below -40 dBFS; louder speech stays as it is."
    )
    d_factor: float | None = _option(
        "speaker", "Length of spoken output: above 1 speaks slower.", ge=0.1, le=10
    )
    source_lang: str | None = _option(
        "speaker",
        "Language that is spoken, for models that would recognise it otherwise: eng, spa.",
    )
    expressive: bool | None = _option(
        "speaker", "Speak in the speaker's own voice, where the server has the model for it."
    )
    voice_number: int | None = _option(
        "speaker",
        "Voice of the translation, where the model has several for a language: 1 is the first; "
        "a language that has fewer takes its last.",
        ge=1,
        le=1_000,
    )
    decision_method: Literal["min", "mean", "median"] | None = _option(
        "operator", "How p_choose of all heads and layers becomes one number."
    )
    p_choose_start_layer: int | None = _option(
        "operator", "First decoder layer whose p_choose counts.", ge=0, le=1_000
    )
    no_early_stop: bool | None = _option(
        "operator", "Never end a sentence before its audio has ended."
    )
    max_len_a: int | None = _option(
        "operator", "Longest target: a * encoder frames + b tokens.", ge=0, le=1_000
    )
    max_len_b: int | None = _option(
        "operator", "Longest target: a * encoder frames + b tokens.", ge=0, le=4_000
    )
    max_consecutive_write: int | None = _option(
        "operator", "Most tokens of one decision.", ge=1, le=4_000
    )
    min_starting_wait: int | None = _option(
        "operator", "Encoder frames before the first text.", ge=0, le=10_000
    )
    min_starting_wait_w2vbert: int | None = _option(
        "operator", "Feature frames of 10 ms before the first encoding.", ge=0, le=100_000
    )
    min_unit_chunk_size: int | None = _option(
        "operator", "Fewest units of one piece of speech.", ge=0, le=10_000
    )
    init_speech_prob: float | None = _option(
        "operator", "How much surer the VAD must be at the start of a segment.", ge=0, le=1
    )
    vocoder_speaker_id: int | None = _option(
        "operator", "Voice of the vocoder; -1 is the language's first.", ge=-1, le=100_000
    )
    prosody_seconds: float | None = _option(
        "operator",
        "Latest audio of a segment that the expressive voice listens to, in s; 0 is all.",
        ge=0,
        le=3_600,
    )
    chunk_size_samples: int | None = _option(
        "command", "Samples that the VAD keeps or drops together.", ge=512, le=160_000
    )
    denormalize: bool | None = _option("command", "Features of 16-bit integers.")
    detokenize_only: bool | None = _option("command", "Write pieces as they come.")
    window_size_samples: int | None = _option(
        "command", "Samples that the VAD scores at once.", ge=512, le=512
    )
    shift_size: int | None = _option("command", "ms between two frames.", ge=10, le=10)
    window_size: int | None = _option("command", "ms that a frame covers.", ge=25, le=25)
    feature_dim: int | None = _option("command", "Channels of a frame.", ge=80, le=80)
    vocoder_name: str | None = _option("command", "For official command lines; without effect.")

    @field_validator("source_lang")
    @classmethod
    def _language(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return resolve(value, spoken())
        except LanguageError:
            raise ValueError("is no language that can be spoken to a model") from None

    def agents(self) -> dict[str, Any]:
        """What the agents are told, by their official names; the rest is the session's."""
        given = self.model_dump(exclude_none=True)
        return {name: value for name, value in given.items() if not extra(name)["session"]}

    def over(self, base: StreamOptions) -> StreamOptions:
        """These on top of `base`."""
        return base.model_copy(update=self.model_dump(exclude_none=True))


def extra(name: str) -> dict[str, Any]:
    """Who may set an option, and who reads it."""
    return cast(dict[str, Any], StreamOptions.model_fields[name].json_schema_extra)


def settable(who: Setter) -> tuple[str, ...]:
    """Names of the options that somebody may set."""
    order = get_args(Setter)
    return tuple(
        name
        for name in StreamOptions.model_fields
        if order.index(extra(name)["who"]) <= order.index(who)
    )


def bounds(name: str) -> tuple[float, float] | None:
    """Least and greatest value of a number; `None` for other options."""
    low = high = None
    for rule in StreamOptions.model_fields[name].metadata:
        low = getattr(rule, "ge", low)
        high = getattr(rule, "le", high)
    return None if low is None or high is None else (float(low), float(high))


def add_option(parser: ArgumentParser, name: str, default: Any) -> None:
    """An option as an argument of an agent, which says what it is when nobody asks for it."""
    field, flag = StreamOptions.model_fields[name], f"--{name.replace('_', '-')}"
    kind = next(each for each in get_args(field.annotation) if each is not type(None))
    if kind is bool:
        parser.add_argument(flag, action="store_true", default=default, help=field.description)
        return
    choices = get_args(kind) or None
    kind = str if choices else kind
    parser.add_argument(flag, type=kind, choices=choices, default=default, help=field.description)


def number(value: float) -> str:
    """A number as people write it."""
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def read_options(given: Mapping[str, Any], who: Setter = "command") -> StreamOptions:
    """Options by name.

    Raises:
        ConfigError: one is unknown, not for this setter, or out of its range; names it.
    """
    allowed = settable(who)
    for name in given:
        if name not in StreamOptions.model_fields:
            meant = nearest(str(name), allowed)
            hint = f"; did you mean {meant}?" if meant else f"; known: {', '.join(allowed)}"
            raise ConfigError(str(name), f"there is no such option{hint}")
        if name not in allowed:
            raise ConfigError(name, "may be set by the server's operator only")
        if isinstance(given[name], bool) and bounds(name) is not None:
            raise ConfigError(name, f"must be a number, not {given[name]!r}")
    try:
        return StreamOptions.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(str(first["loc"][0]), f"{message}, not {first['input']!r}") from None


@dataclass(frozen=True, slots=True)
class OptionPolicy:
    """What an operator makes of the options: defaults for every stream, and narrower ranges."""

    defaults: StreamOptions = field(default_factory=StreamOptions)
    ranges: tuple[tuple[str, float, float], ...] = ()

    def range(self, name: str) -> tuple[float, float] | None:
        """Least and greatest value that a speaker may choose."""
        for narrowed, low, high in self.ranges:
            if narrowed == name:
                return low, high
        return bounds(name)

    def admit(self, given: Mapping[str, Any]) -> StreamOptions:
        """A speaker's options on top of the operator's.

        Raises:
            ConfigError: one is unknown, out of range, or kept by the operator.
        """
        chosen = read_options(given, "speaker")
        for name, value in chosen.model_dump(exclude_none=True).items():
            limits = self.range(name)
            if limits is not None and not limits[0] <= value <= limits[1]:
                raise ConfigError(
                    name,
                    f"must be from {number(limits[0])} to {number(limits[1])} here, not {value}",
                )
        return chosen.over(self.defaults)


def read_policy(text: str) -> OptionPolicy:
    """The operator's policy: ``decision_threshold=0.4..0.8,chunk_ms=480``.

    ``name=value`` is the default of every stream, ``name=low..high`` the range that speakers may
    choose from, ``name=low..high:value`` both.

    Raises:
        ConfigError: a part makes no sense; names the option.
    """
    defaults: dict[str, Any] = {}
    ranges: list[tuple[str, float, float]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ConfigError(name, "write name=value, name=low..high or name=low..high:value")
        span, _, default = value.partition(":") if ".." in value else ("", "", value)
        if span:
            ranges.append((name, *_span(name, span)))
        if default:
            defaults[name] = default
    known = read_options(defaults, "operator")
    policy = OptionPolicy(known, tuple(ranges))
    for name, default in known.model_dump(exclude_none=True).items():
        limits = policy.range(name)
        if limits is not None and not limits[0] <= default <= limits[1]:
            raise ConfigError(name, f"{default} is not in its own range")
    return policy


def _span(name: str, span: str) -> tuple[float, float]:
    widest = bounds(name) if name in settable("speaker") else None
    if widest is None:
        raise ConfigError(name, "is no number that speakers may choose")
    try:
        low, high = (float(end) for end in span.split(".."))
    except ValueError:
        raise ConfigError(name, f"'{span}' is no range of numbers") from None
    if not widest[0] <= low <= high <= widest[1]:
        raise ConfigError(name, f"must lie within {number(widest[0])}..{number(widest[1])}")
    return low, high


def options_table() -> str:
    """The options as Markdown, in the order of the class."""
    lines = ["| option | values | who may set it | meaning |", "|---|---|---|---|"]
    who = {
        "speaker": "speakers, operators, command line",
        "operator": "operators, command line",
        "command": "command line",
    }
    for name, info in StreamOptions.model_fields.items():
        limits = bounds(name)
        kinds = [kind for kind in get_args(info.annotation) if kind is not type(None)]
        choices = [str(choice) for kind in kinds for choice in get_args(kind)]
        values = (
            f"{number(limits[0])} to {number(limits[1])}"
            if limits
            else ", ".join(choices) or ("yes, no" if kinds == [bool] else "text")
        )
        lines.append(f"| `{name}` | {values} | {who[extra(name)['who']]} | {info.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(options_table())
