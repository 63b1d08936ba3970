"""Forms for every command, made from the standard's own JSON schemas: what is asked, and what is then sent.

A field is named by its path in the payload: ``csChargingProfiles.chargingSchedule.duration``; the rows of a
list are numbered: ``localAuthorizationList.0.idTag``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from math import isfinite
from typing import Any

from flask_babel import gettext, lazy_gettext, to_utc

from app.blueprints.ocpp.command_words import LABELS
from app.blueprints.ocpp.wire import V16

# Rows of a list that one form holds at most.
MAX_ROWS = 200


@dataclass(frozen=True)
class Field:
    """One thing that a command asks.

    ``kind``: text, long, whole, number, switch, time, choice, lines, group, rows.
    """

    name: str
    kind: str
    required: bool = False
    choices: Sequence[str] = ()
    most: int | None = None
    # Of a group, and of each row.
    parts: Sequence[Field] = field(default=())

    @property
    def label(self) -> str:
        """What people read."""
        return str(LABELS.get(self.name, self.name))


class Refused(Exception):
    """What was typed cannot be sent: path → why."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__()
        self.errors = errors


@cache
def fields(action: str) -> Sequence[Field]:
    """What a command asks."""
    schema = V16.outgoing[action].schema
    return _parts(schema, schema.get("definitions", {}))


def rows_of(given: Mapping[str, str], path: str) -> list[int]:
    """The numbers of a list's rows that a form holds; at least one, and one more where it asks for it."""
    prefix = f"{path}."
    heads = (name.removeprefix(prefix).partition(".")[0] for name in given if name.startswith(prefix))
    numbers = sorted(
        {int(head) for head in heads if head.isascii() and head.isdecimal() and len(head) < 5}
    ) or [0]
    if given.get("more") == path:
        numbers.append(numbers[-1] + 1)
    return numbers[:MAX_ROWS]


def payload(action: str, given: Mapping[str, str]) -> dict[str, Any]:
    """What is sent, of what was typed. Raises ``Refused``."""
    errors: dict[str, str] = {}
    found = _read(fields(action), given, "", errors)
    if errors:
        raise Refused(errors)
    return found


def _parts(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[Field, ...]:
    required = schema.get("required", ())
    found = [
        _field(name, part, name in required, definitions)
        for name, part in schema.get("properties", {}).items()
    ]
    return tuple(sorted(found, key=lambda part: (not part.required, part.kind in ("group", "rows"))))


def _field(name: str, schema: Mapping[str, Any], required: bool, definitions: Mapping[str, Any]) -> Field:
    if reference := schema.get("$ref"):
        schema = definitions[reference.rpartition("/")[2]]
    kind, most = schema.get("type"), schema.get("maxLength")
    if kind == "object":
        return Field(name, "group", required, parts=_parts(schema, definitions))
    if kind == "array":
        items = schema["items"]
        if items.get("type") == "object":
            return Field(name, "rows", required, parts=_parts(items, definitions))
        return Field(name, "lines", required, most=items.get("maxLength"))
    if "enum" in schema:
        return Field(name, "choice", required, schema["enum"])
    if schema.get("format") == "date-time":
        return Field(name, "time", required)
    kinds = {"integer": "whole", "number": "number", "boolean": "switch"}
    long = kind == "string" and (most or 0) > LINE
    return Field(name, "long" if long else kinds.get(str(kind), "text"), required, most=most)


# Longer texts get more than a line.
LINE = 500


def _read(
    parts: Sequence[Field], given: Mapping[str, str], prefix: str, errors: dict[str, str]
) -> dict[str, Any]:
    found = {}
    for part in parts:
        path = prefix + part.name
        value = _value(part, given, path, errors)
        if value is not None:
            found[part.name] = value
        elif part.required and path not in errors:
            errors[path] = gettext("This is needed.")
    return found


def _value(part: Field, given: Mapping[str, str], path: str, errors: dict[str, str]) -> Any:
    """What was typed there; None where nothing was."""
    if part.kind == "group":
        if not part.required and not _is_filled(given, path):
            return None
        return _read(part.parts, given, f"{path}.", errors)
    if part.kind == "rows":
        return [
            _read(part.parts, given, f"{path}.{number}.", errors)
            for number in rows_of(given, path) if _is_filled(given, f"{path}.{number}")
        ] or None  # fmt: skip
    text = given.get(path, "").replace("\r\n", "\n")  # as browsers send it
    text = text if part.kind == "long" else text.strip()
    if not text.strip():
        # An empty value of a configuration key is a value.
        return "" if part.name == "value" and path in given else None
    try:
        return _READ[part.kind](text)
    except (ValueError, OverflowError):
        errors[path] = str(_WRONG[part.kind])
        return None


def _is_filled(given: Mapping[str, str], path: str) -> bool:
    return any(text.strip() for name, text in given.items() if name.startswith(f"{path}."))


def _time(text: str) -> str:
    """The reader's time, in UTC."""
    at = datetime.fromisoformat(text)
    at = at.astimezone(UTC) if at.tzinfo else to_utc(at).replace(tzinfo=UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _whole(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**31:
        raise ValueError
    return number


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError
    return number


def _switch(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


_READ: dict[str, Callable[[str], Any]] = {
    "text": str, "long": str, "choice": str, "whole": _whole, "number": _number, "switch": _switch,
    "time": _time, "lines": _lines,
}  # fmt: skip
_WRONG = {
    "whole": lazy_gettext("This must be a whole number."),
    "number": lazy_gettext("This must be a number."),
    "time": lazy_gettext("Enter a time, such as 2026-01-31T08:00."),
    "switch": lazy_gettext("This must be yes or no."),
}


def walk(parts: Sequence[Field], prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Every field with its path, groups and rows included."""
    for part in parts:
        yield prefix + part.name, part
        yield from walk(part.parts, f"{prefix}{part.name}.")
