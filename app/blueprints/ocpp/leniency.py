"""The lenient reading: a payload that breaks its schema is made to fit as far as it can be understood.

Every step away from the schema is named, so that staff see what a charger does wrong.
"""

from __future__ import annotations

import math
from typing import Any

from app.blueprints.ocpp.wire import Shape

# Longer arrays than any charger sends are cut: one message must not fill a disk.
MAX_ITEMS = 10_000
MAX_DEVIATIONS = 20
MAX_DIGITS = 40
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def soften(shape: Shape, payload: Any) -> tuple[dict[str, Any], list[str]]:
    """The payload with types put right and what makes no sense left out, and the deviations in words."""
    deviations: list[str] = []
    if payload is None:
        deviations.append("the payload is null")
        payload = {}
    return _object(shape.schema, payload, "", deviations), deviations[:MAX_DEVIATIONS]


def _object(
    schema: dict[str, Any], value: dict[str, Any], where: str, deviations: list[str]
) -> dict[str, Any]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            deviations.append(f"{where}{name}: missing")
    fitted: dict[str, Any] = {}
    for name, item in value.items():
        if name not in properties:
            deviations.append(f"{where}{name[:50]}: unknown property")
            continue
        kept = _value(properties[name], item, f"{where}{name}", deviations)
        if kept is not None:
            fitted[name] = kept
    return fitted


def _value(schema: dict[str, Any], value: Any, where: str, deviations: list[str]) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    fitted = _FIT.get(kind, _string)(schema, value, where, deviations)
    if fitted is None:
        deviations.append(f"{where}: not understood, left out")
    elif type(fitted) is not type(value):
        deviations.append(f"{where}: should be {kind}")
    return fitted


def _string(schema: dict[str, Any], value: Any, where: str, deviations: list[str]) -> str | None:
    if value is None or isinstance(value, dict | list):
        return None
    text = value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) > schema.get("maxLength", len(text)):
        deviations.append(f"{where}: longer than {schema['maxLength']}")
    allowed = schema.get("enum")
    if allowed and text not in allowed:
        deviations.append(f"{where}: {text[:40]!r} is not in the standard")
        return next((word for word in allowed if word.lower() == text.strip().lower()), text)
    return text


def _integer(_schema: dict[str, Any], value: Any, _where: str, _deviations: list[str]) -> int | None:
    number = _number(_schema, value, _where, _deviations)
    return None if number is None or abs(number) >= 2**63 else int(number)


def _number(_schema: dict[str, Any], value: Any, _where: str, _deviations: list[str]) -> int | float | None:
    number = _parsed(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        return None
    return number


def _parsed(text: str) -> int | float | None:
    for kind in (int, float) if len(text) <= MAX_DIGITS else ():
        try:
            return kind(text.strip().replace(",", "."))
        except ValueError:
            continue
    return None


def _boolean(_schema: dict[str, Any], value: Any, _where: str, _deviations: list[str]) -> bool | None:
    if isinstance(value, bool):
        return value
    return BOOLEANS.get(str(value).lower()) if isinstance(value, str | int) else None


def _array(schema: dict[str, Any], value: Any, where: str, deviations: list[str]) -> list[Any] | None:
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        return None
    if len(items) > MAX_ITEMS:
        deviations.append(f"{where}: {len(items)} items, {MAX_ITEMS} kept")
    each = schema.get("items", {})
    fitted = (
        _value(each, item, f"{where}.{index}", deviations) for index, item in enumerate(items[:MAX_ITEMS])
    )
    return [item for item in fitted if item is not None]


def _any_object(
    schema: dict[str, Any], value: Any, where: str, deviations: list[str]
) -> dict[str, Any] | None:
    return _object(schema, value, f"{where}.", deviations) if isinstance(value, dict) else None


_FIT = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _any_object,
}
