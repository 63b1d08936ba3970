"""The JSON addresses of accounts, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.accounts.errors import InvalidRfid, RfidRequired
from app.openapi_base import Fragment, Node, answer, body, of, record, refusal, refusals


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="Drivers.",
        paths={"/accounts/rfid-login/": {"post": _rfid_login()}},
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
