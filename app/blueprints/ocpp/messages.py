"""Payloads ↔ the ocpp package's call and result classes, by tables made once."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ocpp.charge_point import snake_to_camel_case
from ocpp.v16 import call, call_result


def camel(name: str) -> str:
    """``id_tag`` → ``idTag``, as the ocpp package spells it."""
    return str(next(iter(snake_to_camel_case({name: None}))))


class Request:
    """Builds a request from a payload; what is missing is None. ``told`` is what the charge point sent."""

    def __init__(self, name: str) -> None:
        base = getattr(call, name)
        self._names = tuple((field.name, camel(field.name)) for field in fields(base))
        # The package's class, without its required arguments: lenient mode serves incomplete payloads.
        self._class = type(name, (base,), {"__init__": lambda self: None, "told": None})

    def __call__(self, payload: dict[str, Any], told: dict[str, Any]) -> Any:
        request = self._class()
        values = request.__dict__
        for name, key in self._names:
            values[name] = payload.get(key)
        values["told"] = told
        return request


_RESULT_NAMES: dict[type, tuple[tuple[str, str], ...]] = {}


def payload_of(message: Any) -> dict[str, Any]:
    """The payload of a result object: keys in the specification's order, None left out."""
    kind = type(message)
    names = _RESULT_NAMES.get(kind)
    if names is None:
        names = _RESULT_NAMES[kind] = _in_order(kind)
    values = message.__dict__
    return {key: values[name] for name, key in names if values[name] is not None}


def _in_order(kind: type) -> tuple[tuple[str, str], ...]:
    names = tuple((field.name, camel(field.name)) for field in fields(kind))
    # The package has the standard's order, but for OCPP 1.6, 6.46.
    return names[::-1] if kind is call_result.StartTransaction else names
