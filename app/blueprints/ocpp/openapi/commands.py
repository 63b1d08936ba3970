"""Commands in the words of OpenAPI, made from the tables that the commands themselves are read by."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from app.blueprints.ocpp.commands import ACTIONS, DEFAULTS, MAX_TIMEOUT_S, PARAMETERS
from app.blueprints.ocpp.errors import (
    BadParameter,
    BusAway,
    ChargerOffline,
    CommandNotAllowed,
    NoAnswer,
    NoTransaction,
    RefusedByCharger,
    UnknownAction,
)
from app.blueprints.ocpp.wire import V16
from app.openapi_base import FORM, JSON, Node, answer, of, record, ref, refusals

# What we fill in: a stop without an id ends the transaction that runs.
FILLED_IN: dict[str, set[str]] = {
    "RemoteStopTransaction": {"transactionId"},
    **{action: set(values) for action, values in DEFAULTS.items()},
}
# What no OpenAPI schema needs: names of the schema itself, and its parts, which are put where they belong.
LEFT_OUT = {"$schema", "$id", "id", "title", "definitions"}
PROFILE = {
    "charging_profile_id": 1,
    "stack_level": 0,
    "charging_profile_purpose": "TxDefaultProfile",
    "charging_profile_kind": "Absolute",
    "charging_schedule": {
        "charging_rate_unit": "A",
        "charging_schedule_period": [{"start_period": 0, "limit": 16.0}],
    },
}
EXAMPLES: dict[str, dict[str, Any]] = {
    "start": {"action": "remote_start", "id_tag": "FFFFFFFF", "connector_id": 1},
    "stop what runs": {"action": "remote_stop"},
    "restart": {"action": "reset", "type": "Hard"},
    "unlock": {"action": "unlock", "connector_id": 1},
    "close an outlet": {"action": "change_availability", "connector_id": 1, "type": "Inoperative"},
    "read the configuration": {"action": "get_configuration", "timeout": 10},
    "limit the current": {
        "action": "set_charging_profile",
        "connector_id": 0,
        "cs_charging_profiles": PROFILE,
    },
    "in OCPP's own words": {
        "action": "RemoteStartTransaction",
        "payload": {"idTag": "FFFFFFFF", "connectorId": 1},
    },
}


def operation() -> Node:
    """Sending a command."""
    sent = '[2,"4f1c","RemoteStartTransaction",{"idTag":"FFFFFFFF","connectorId":1}]'
    example = {"sent": sent, "response": {"status": "Accepted"}}
    examples = {name: {"value": value} for name, value in EXAMPLES.items()}
    return {
        "description": "Either by our names (`remote_start`), with parameters in snake_case beside the "
        "action, or by OCPP's (`RemoteStartTransaction`), with the payload as it is to be sent. "
        "Nothing is sent unless it is valid OCPP 1.6.",
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": ref("Command"), "examples": examples}, FORM: {"schema": FORM_BODY}},
        },
        "responses": {
            "200": answer("The charger has answered.", ref("CommandAnswer"), example=example),
            **refusals(
                UnknownAction(),
                BadParameter('type: "Gentle" is not one of "Hard" or "Soft"'),
                CommandNotAllowed("the charger's registration is rejected: nothing is sent to it"),
                ChargerOffline(),
                NoTransaction(),
                RefusedByCharger("NotSupported", "no such feature"),
                BusAway(),
                NoAnswer(),
            ),
        },
    }


def schemas(timeout_s: float) -> dict[str, Node]:
    """Every command, by our name and by the standard's. ``timeout_s`` is how long we wait by default."""
    ours = {f"{action}Command": _by_our_name(action) for action in V16.outgoing}
    theirs = {f"{action}Call": _by_its_own_name(action) for action in V16.outgoing}
    choices = {name: f"{action}Command" for name, action in ACTIONS.items()}
    choices |= {action: f"{action}Call" for action in V16.outgoing}
    return {
        "Command": {
            "oneOf": [ref(name) for name in [*ours, *theirs]],
            "discriminator": {
                "propertyName": "action",
                "mapping": {name: ref(schema)["$ref"] for name, schema in choices.items()},
            },
        },
        "CommandTimeout": of(
            "number", "Seconds to wait for the charger's answer.",
            exclusiveMinimum=0, maximum=MAX_TIMEOUT_S, default=timeout_s,
        ),
        "CommandAnswer": COMMAND_ANSWER,
        **ours,
        **theirs,
    }  # fmt: skip


def in_snake_case(name: str) -> str:
    """A property of OCPP as people write it here: ``idTag`` → ``id_tag``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _by_our_name(action: str) -> Node:
    schema = _readable(V16.outgoing[action].schema, in_snake_case)
    names = [name for name, known in ACTIONS.items() if known == action]
    ours = {theirs: name for name, theirs in PARAMETERS[action].items()}
    filled_in = {ours[name] for name in FILLED_IN.get(action, ())}
    for name, value in DEFAULTS.get(action, {}).items():
        schema["properties"][ours[name]]["default"] = value
    return {
        "type": "object",
        "description": f"OCPP's {action}.",
        "properties": {
            "action": of("string", enum=names),
            **schema["properties"],
            "timeout": ref("CommandTimeout"),
        },
        "required": ["action", *(name for name in schema.get("required", ()) if name not in filled_in)],
        "additionalProperties": False,
    }


def _by_its_own_name(action: str) -> Node:
    payload = _readable(V16.outgoing[action].schema, str)
    properties = {"action": {"const": action}, "payload": payload, "timeout": ref("CommandTimeout")}
    may_lack_it = action == "RemoteStopTransaction" or not payload.get("required")
    return {
        "type": "object",
        "properties": properties,
        "required": ["action"] if may_lack_it else ["action", "payload"],
        "additionalProperties": False,
    }


def _readable(schema: Node, name_of: Callable[[str], str], definitions: Node | None = None) -> Node:
    """A schema of the standard's as one of today's, complete in itself, with its properties renamed."""
    definitions = schema.get("definitions", {}) if definitions is None else definitions
    if "$ref" in schema:
        return _readable(definitions[schema["$ref"].rpartition("/")[2]], name_of, definitions)
    found = {key: value for key, value in schema.items() if key not in LEFT_OUT}
    if "properties" in found:
        found["properties"] = {
            name_of(name): _readable(part, name_of, definitions) for name, part in found["properties"].items()
        }
        found["required"] = [name_of(name) for name in found.get("required", ())]
    else:
        found.pop("additionalProperties", None)  # which the standard's say of texts, too
    if "items" in found:
        found["items"] = _readable(found["items"], name_of, definitions)
    return found


FORM_BODY: Node = {
    "type": "object",
    "description": "The same as a form; objects and lists need JSON.",
    "properties": {"action": of("string", enum=list(ACTIONS)), "timeout": ref("CommandTimeout")},
    "required": ["action"],
    "additionalProperties": {"type": "string"},
}
COMMAND_ANSWER: Node = record(
    {
        "sent": of("string", "The CALL as it went out."),
        "response": of("object", "The charger's answer, as it came (OCPP 1.6, 6)."),
    }
)
