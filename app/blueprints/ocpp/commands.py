"""What we may send to a charge point, by the names that people and programs use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ocpp.charge_point import snake_to_camel_case
from ocpp.v16 import call

from app.blueprints.ocpp import dispatch
from app.blueprints.ocpp.dispatch import Answer
from app.blueprints.ocpp.errors import BadParameter, UnknownAction
from app.blueprints.ocpp.messages import camel
from app.blueprints.ocpp.wire import V16

# Names that the seed gave some; the others are the standard's, in snake case.
SHORT = {
    "remote_start": "RemoteStartTransaction",
    "remote_stop": "RemoteStopTransaction",
    "unlock": "UnlockConnector",
}
DEFAULTS: dict[str, dict[str, Any]] = {"Reset": {"type": "Soft"}}
# A form also sends what was left empty; but ChangeConfiguration may empty a key.
MAY_BE_EMPTY = {"value"}
MAX_TIMEOUT_S = 600.0


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


# name → OCPP action, and action → {parameter name → OCPP property}
ACTIONS: dict[str, str] = {**{_snake(action): action for action in V16.outgoing}, **SHORT}
PARAMETERS: dict[str, dict[str, str]] = {
    action: {field.name: camel(field.name) for field in fields(getattr(call, action))}
    for action in V16.outgoing
}
# What an action's body may hold besides parameters.
ENVELOPE = {"action", "payload", "timeout", "csrf_token"}


def read(body: Mapping[str, Any]) -> tuple[str, dict[str, Any], float | None]:
    """(OCPP action, payload, time-out in seconds) of an action's body.

    Either ``{"action": "remote_start", "id_tag": …}``
    or ``{"action": "RemoteStartTransaction", "payload": {…}}``. Raises ``UnknownAction`` or ``BadParameter``.
    """
    name = body.get("action")
    timeout_s = _timeout(body.get("timeout"))
    if not isinstance(name, str):
        raise UnknownAction
    if name in V16.outgoing:
        return name, _as_it_stands(body), timeout_s
    if name not in ACTIONS:
        raise UnknownAction
    given = {key: value for key, value in body.items() if key not in ENVELOPE - {"payload"}}
    return ACTIONS[name], _payload(ACTIONS[name], given), timeout_s


def check(action: str, payload: dict[str, Any]) -> None:
    """Raise ``BadParameter``, naming what is wrong, unless the payload is valid OCPP."""
    shape = V16.outgoing[action]
    if not shape.fits(payload):
        raise BadParameter(V16.fault(shape, payload).description)


def send(charger_id: str, action: str, payload: dict[str, Any], timeout_s: float | None = None) -> Answer:
    """Check a command, send it, and wait for the charge point's answer.

    Raises ``BadParameter`` (nothing was sent) and what ``dispatch.send`` raises.
    """
    check(action, payload)
    return dispatch.send(charger_id, action, payload, timeout_s)


def _as_it_stands(body: Mapping[str, Any]) -> dict[str, Any]:
    payload = body.get("payload", {})
    if not isinstance(payload, dict):
        raise BadParameter("payload: must be an object")
    for name in body.keys() - ENVELOPE:
        raise BadParameter(f"{name}: with the standard's name of an action, parameters stand in payload")
    return payload


def _payload(action: str, given: Mapping[str, Any]) -> dict[str, Any]:
    names = PARAMETERS[action]
    payload = dict(DEFAULTS.get(action, {}))
    for name, value in given.items():
        key = names.get(name) or (name if name in names.values() else None)
        if key is None:
            raise BadParameter(f"{name}: unknown parameter")
        if value is not None and (value != "" or key in MAY_BE_EMPTY):
            payload[key] = _typed(action, key, value)
    return payload


def _typed(action: str, key: str, value: Any) -> Any:
    """Forms know only text; the schema says where a number belongs."""
    kind = V16.outgoing[action].schema["properties"].get(key, {}).get("type")
    if kind == "integer" and isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            raise BadParameter(f"{key}: not a whole number") from None
    return snake_to_camel_case(value)  # objects and lists hold names, too


def _timeout(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        raise BadParameter("timeout: not a number of seconds") from None
    if not 0 < seconds <= MAX_TIMEOUT_S:
        raise BadParameter(f"timeout: must be between 0 and {MAX_TIMEOUT_S:.0f} seconds")
    return seconds
