"""The JSON addresses of accounts, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.accounts.errors import (
    BadField,
    BadFields,
    BadMunicipality,
    InvalidRfid,
    NothingTold,
    RfidRequired,
)
from app.blueprints.accounts.municipalities import MUNICIPALITIES, STATES
from app.blueprints.accounts.services import contact
from app.language import LANGUAGES
from app.openapi_base import Fragment, Node, answer, array, body, of, record, ref, refusal, refusals


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="People, and what they say of themselves.",
        paths={
            "/accounts/rfid-login/": {"post": _rfid_login()},
            "/accounts/profile/": {"get": _profile(), "post": _change_profile()},
            "/accounts/municipalities/": {"get": _municipalities()},
        },
        schemas={"Address": ADDRESS, "Profile": PROFILE},
    )


def _rfid_login() -> Node:
    told = record({"rfid": of("string", "The tag's number.", examples=["04A1B2C3"])})
    user = record({"id": of("integer"), "username": of("string")})
    too_often = refusal(
        "Too many attempts from this address, or with this tag; `Retry-After` has the seconds to wait.",
        {"too often": {"value": {"detail": "Too many attempts: try again in 42 seconds."}}},
    )
    return {
        "description": (
            "The session that begins may look at the user's own pages, not change anything. A tag that is "
            "unknown, blocked, expired, nobody's, a locked user's or a member of staff's is answered alike."
        ),
        "requestBody": body(told, {"rfid": "04A1B2C3"}),
        "responses": {
            "200": answer(
                "Logged in; the session is in the cookie.", user, example={"id": 7, "username": "maria"}
            ),
            **refusals(RfidRequired(), InvalidRfid()),
            "429": too_often,
        },
    }


def _profile() -> Node:
    return {"responses": {"200": answer("The caller's own.", ref("Profile"), example=EXAMPLE)}}


def _change_profile() -> Node:
    told = record(CONTACT, optional=tuple(CONTACT))
    wrong = BadFields(
        [BadField("email", "this is not an email address"), BadMunicipality("Saltillo", "Nuevo León")]
    )
    return {
        "description": (
            "What is left out stays as it is; an address comes whole, or null for none. Every wrong field is "
            "named, and then nothing is changed. In a form, the address is a JSON text. A session goes on in "
            "the language that was set."
        ),
        "requestBody": body(told, {"language": "es", "address": EXAMPLE["address"]}),
        "responses": {
            "200": answer("The whole profile, changed.", ref("Profile"), example=EXAMPLE),
            **refusals(wrong, NothingTold(contact.FIELDS)),
        },
    }


def _municipalities() -> Node:
    state = record({"name": of("string"), "municipalities": array(of("string"))})
    example = {
        code: {"name": name, "municipalities": MUNICIPALITIES[code][:2]} for code, name in STATES.items()
    }
    return {
        "description": "The municipality of an address lies in its state.",
        "responses": {
            "200": answer("Each state, by its code.", record(dict.fromkeys(STATES, state)), example=example)
        },
    }


PARTS: dict[str, Node] = {
    name: of("string", minLength=1, maxLength=longest) for name, longest in contact.ADDRESS.items()
}
PARTS["state"]["enum"] = list(STATES)
ADDRESS: Node = record(PARTS, description="Where somebody lives. The municipality lies in the state.")
CONTACT: dict[str, Node] = {
    "email": of("string", "Empty for none.", maxLength=254),
    "phone_number": of("string", "Digits, spaces, and + - ( ) . / #; empty for none.", maxLength=20),
    "language": of("string", "Of pages and mails; empty: whatever the browser says.", enum=["", *LANGUAGES]),
    "has_charger": of("boolean", "Whether there is a charger at the address."),
    "address": {"anyOf": [ref("Address"), {"type": "null"}], "description": "Null for none."},
}
PROFILE: Node = record(
    {"username": of("string"), **CONTACT}, description="How to reach somebody, and where they live."
)
EXAMPLE: Node = {
    "username": "maria",
    "email": "maria@example.com",
    "phone_number": "+52 81 1234 5678",
    "language": "es",
    "has_charger": True,
    "address": {
        "street": "Av. Constitución",
        "number": "400",
        "state": "NL",
        "municipality": "Monterrey",
        "postal_code": "64000",
    },
}
