"""Text ↔ CALL, CALLRESULT, CALLERROR (OCPP-J 1.6, 4), and the schemas and error codes of each version."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs
import orjson

CALL, CALLRESULT, CALLERROR = 2, 3, 4
MAX_ID_LENGTH = 36
MAX_DESCRIPTION_LENGTH = 255


class Call(NamedTuple):
    """A question: ``[2, id, action, payload]``. The parts may still be of any type."""

    id: Any
    action: Any
    payload: Any


class CallResult(NamedTuple):
    """An answer: ``[3, id, payload]``."""

    id: Any
    payload: Any


class CallError(NamedTuple):
    """A refusal: ``[4, id, code, description, details]``."""

    id: Any
    code: str
    description: str
    details: dict[str, Any]


class ProtocolFault(Exception):
    """What the standard answers with a CALLERROR; with nothing where no ``id`` can be read (None)."""

    def __init__(self, code: str, description: str, id: Any = None) -> None:
        super().__init__(description)
        self.code, self.description, self.id = code, description, id


def read(text: str | bytes) -> Call | CallResult | CallError:
    """One frame, as far as its envelope goes.

    Raises ``ProtocolFault``; its ``id`` tells whether the sender can be answered.
    """
    message = _parsed(text)
    if not isinstance(message, list) or len(message) < 2:
        raise ProtocolFault("FormationViolation", "a message is an array of at least three items")
    kind, id = message[0], message[1]
    if kind == CALL and len(message) == 4:
        return Call(id, message[2], message[3])
    if kind == CALL and len(message) == 3:  # some leave an empty payload out
        return Call(id, message[2], None)
    if kind == CALLRESULT and len(message) >= 2:
        return CallResult(id, message[2] if len(message) > 2 else {})
    if kind == CALLERROR:
        code, description, details = (message + [None] * 3)[2:5]
        return CallError(id, _word(code), _word(description), details if isinstance(details, dict) else {})
    answerable = id if kind == CALL and isinstance(id, str | int) else None
    raise ProtocolFault("FormationViolation", "this is no CALL, CALLRESULT or CALLERROR", answerable)


def result_text(id: Any, payload: dict[str, Any]) -> str:
    """A CALLRESULT as it goes out: compact, UTF-8."""
    return dumps([CALLRESULT, id, payload])


def error_text(id: Any, code: str, description: str) -> str:
    """A CALLERROR as it goes out: always five items."""
    return dumps([CALLERROR, id, code, description[:MAX_DESCRIPTION_LENGTH], {}])


def call_text(id: str, action: str, payload: dict[str, Any]) -> str:
    """A CALL as it goes out."""
    return dumps([CALL, id, action, payload])


def dumps(value: Any) -> str:
    """Compact JSON; what orjson refuses (lone surrogates in an id) goes out escaped."""
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):
        return json.dumps(value, separators=(",", ":"))


def _word(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


# ids of CALLs in text that no parser takes
_CALL_ID = re.compile(r'^\s*\[\s*2\s*,\s*"([^"\\\x00-\x1f]{1,200})"\s*,')


def _parsed(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError:
            raise ProtocolFault("FormationViolation", "the frame is not UTF-8") from None
    try:  # orjson refuses lone surrogates, NaN and huge numbers, and then the id cannot be read
        return json.loads(text, parse_int=_whole, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        found = _CALL_ID.match(text)
        raise ProtocolFault("FormationViolation", "the message is not JSON", found and found[1]) from None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float(digits)


@dataclass(frozen=True)
class Shape:
    """The schema of one message: checks in Rust, and the schema itself for the lenient reading."""

    schema: dict[str, Any]
    validator: Any

    def fits(self, payload: Any) -> bool:
        """Whether the payload is valid."""
        try:
            return bool(self.validator.is_valid(payload))
        except ValueError:  # a lone surrogate, or nested too deeply
            return False


@dataclass(frozen=True)
class Version:
    """What a session must know of its protocol version."""

    subprotocol: str
    # What a charge point may ask, and what we may.
    incoming: dict[str, Shape]
    outgoing: dict[str, Shape]
    # JSON schema keyword → error code, in the version's own spelling; the first that applies is sent.
    codes: tuple[tuple[str, str], ...]

    def check(self, action: str, payload: Any) -> None:
        """Raise ``ProtocolFault`` where a charge point's payload breaks the schema."""
        shape = self.incoming[action]
        if not shape.fits(payload):
            raise self.fault(shape, payload)

    def in_order(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """A payload of ours with its keys as the specification lists them."""
        shape = self.outgoing.get(action)
        ordered: dict[str, Any] = _in_order(shape.schema, payload) if shape else payload
        return ordered

    def fault(self, shape: Shape, payload: Any) -> ProtocolFault:
        """Say in one CALLERROR what is wrong with a payload."""
        if not isinstance(payload, dict):
            return ProtocolFault("FormationViolation", "the payload is not an object")
        try:
            errors = {_keyword(error): error for error in shape.validator.iter_errors(payload)}
        except UnicodeEncodeError:
            return ProtocolFault("FormationViolation", "the payload has text that is not Unicode")
        except ValueError:
            return ProtocolFault("FormationViolation", "the payload is nested too deeply")
        for keyword, code in self.codes:
            if keyword in errors:
                return ProtocolFault(code, _sentence(errors[keyword]))
        return ProtocolFault("PropertyConstraintViolation", _sentence(next(iter(errors.values()))))


def _in_order(schema: dict[str, Any], value: Any) -> Any:
    if isinstance(value, list):
        return [_in_order(schema.get("items", {}), item) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    names = [
        *(name for name in properties if name in value),
        *(name for name in value if name not in properties),
    ]
    return {name: _in_order(properties.get(name, {}), value[name]) for name in names}


def _keyword(error: Any) -> str:
    path = list(error.schema_path)
    return str(path[-1]) if path else ""


def _sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error.instance_path)
    text = str(error.message)
    return (f"{where}: {text}" if where else text)[:MAX_DESCRIPTION_LENGTH]


def _shapes(folder: str, names: tuple[str, ...], suffix: str = "") -> dict[str, Shape]:
    return {name: _shape(folder, name + suffix) for name in names}


def _shape(folder: str, name: str) -> Shape:
    text = files(f"ocpp.{folder}").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8-sig")
    schema = json.loads(text)
    return Shape(schema, jsonschema_rs.validator_for(schema))


FROM_CHARGE_POINT_16 = (
    "Authorize", "BootNotification", "DataTransfer", "DiagnosticsStatusNotification",
    "FirmwareStatusNotification", "Heartbeat", "MeterValues", "StartTransaction", "StatusNotification",
    "StopTransaction",
    # security extension
    "LogStatusNotification", "SecurityEventNotification", "SignCertificate",
    "SignedFirmwareStatusNotification",
)  # fmt: skip
FROM_CENTRAL_SYSTEM_16 = (
    "CancelReservation", "ChangeAvailability", "ChangeConfiguration", "ClearCache", "ClearChargingProfile",
    "DataTransfer", "GetCompositeSchedule", "GetConfiguration", "GetDiagnostics", "GetLocalListVersion",
    "RemoteStartTransaction", "RemoteStopTransaction", "ReserveNow", "Reset", "SendLocalList",
    "SetChargingProfile", "TriggerMessage", "UnlockConnector", "UpdateFirmware",
    # security extension
    "CertificateSigned", "DeleteCertificate", "ExtendedTriggerMessage", "GetInstalledCertificateIds",
    "GetLog", "InstallCertificate", "SignedUpdateFirmware",
)  # fmt: skip

V16 = Version(
    subprotocol="ocpp1.6",
    incoming=_shapes("v16", FROM_CHARGE_POINT_16),
    outgoing=_shapes("v16", FROM_CENTRAL_SYSTEM_16),
    codes=(
        ("required", "OccurenceConstraintViolation"),  # 1.6 spells it with one r
        ("type", "TypeConstraintViolation"),
        ("enum", "PropertyConstraintViolation"),
        ("maxLength", "PropertyConstraintViolation"),
        ("additionalProperties", "FormationViolation"),
    ),
)
