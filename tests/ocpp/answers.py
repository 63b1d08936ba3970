"""Whether what the central system answers is what the standard allows."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft4Validator

# OCPP-J 1.6, 4.2.3, in its own spelling.
ERROR_CODES = {
    "NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "FormationViolation",
    "PropertyConstraintViolation", "OccurenceConstraintViolation", "TypeConstraintViolation", "GenericError",
}  # fmt: skip
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def result(action: str, answer: list[Any]) -> dict[str, Any]:
    """The payload of a CALLRESULT, which has passed the schema of its action."""
    assert answer[0] == 3, answer
    assert len(answer) == 3
    payload: dict[str, Any] = answer[2]
    _validator(action).validate(payload)
    for time in (payload.get("currentTime"), payload.get("idTagInfo", {}).get("expiryDate")):
        assert time is None or UTC_TIME.fullmatch(time), time
    return payload


def error(answer: list[Any]) -> str:
    """The code of a CALLERROR, which is well formed."""
    assert answer[0] == 4, answer
    assert len(answer) == 5
    code, description, details = answer[2:]
    assert code in ERROR_CODES
    assert isinstance(description, str)
    assert len(description) <= 255
    assert isinstance(details, dict)
    return str(code)


def is_well_formed(action: str, answer: list[Any]) -> bool:
    """Whether an answer, whichever of the two it is, is one."""
    return bool(error(answer) if answer[0] == 4 else result(action, answer) is not None)


@cache
def _validator(action: str) -> Draft4Validator:
    text = files("ocpp.v16").joinpath("schemas", f"{action}Response.json").read_text(encoding="utf-8-sig")
    return Draft4Validator(json.loads(text))
