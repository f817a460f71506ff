"""Checked records: what files, options and clients say, held against declared fields.

pydantic does the checking; this module makes its findings the family's `ConfigError`, which names
the field and says in one sentence what is wrong with it. An unknown field is refused with the
known one that its writer most likely meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from seamless_server.errors import ConfigError


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` is most likely a misspelling of, if any is near."""
    found = difflib.get_close_matches(name, list(known), 1, 0.7)
    return found[0] if found else None


class CheckedRecord(BaseModel):
    """A set of fields of exact types (no ``"64"`` for 64); anything else in it is an error."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=()
    )


def config_error(error: ValidationError, kind: type[BaseModel], name: str) -> ConfigError:
    """What pydantic found first, as an error of the family.

    Args:
        error: what reading a ``kind`` raised.
        kind: the whole record.
        name: what stands for the whole of it, where the error concerns no single field.
    """
    first = error.errors(include_url=False)[0]
    path = first["loc"]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    reason = _reason(first)
    if first["type"] == "extra_forbidden":
        meant = nearest(str(path[-1]), _fields_at(kind, path[:-1]))
        reason = "is not a known field" + (f"; did you mean {meant}?" if meant else "")
    return ConfigError(field.removeprefix(".") or name, reason)


def _fields_at(kind: type[BaseModel], path: Sequence[int | str]) -> Iterable[str]:
    """The fields of the record that a path of fields leads to."""
    for part in path:
        annotation = kind.model_fields[str(part)].annotation
        kind = next(
            x
            for x in (annotation, *get_args(annotation))
            if isinstance(x, type) and issubclass(x, BaseModel)
        )
    return kind.model_fields


def _reason(found: Mapping[str, Any]) -> str:
    if found["type"] == "missing":
        return "is missing"
    message: str = found["msg"].removeprefix("Value error, ")
    if not message.startswith("Input should"):
        return message
    given = repr(found["input"])
    shown = f", not {given}" if len(given) <= 40 else ""
    return "must" + message.removeprefix("Input should") + shown
