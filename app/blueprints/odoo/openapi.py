"""The JSON addresses of odoo, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.odoo.errors import CheckFailed, InvalidCredentials
from app.domain_error import NotFound
from app.openapi_base import Fragment, Node, answer, in_path, of, record, refusals

ID = in_path("instance_id", "The instance's number in the administration.", of("integer", minimum=0))


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    path = {"get": _test("odooTest"), "post": _test("odooTestByPost")}
    return Fragment(
        summary="Odoo servers, and whether they answer.", paths={"/odoo/test/{instance_id}/": path}
    )


def _test(name: str) -> Node:
    said = record({"detail": of("string", const="success")})
    troubles = (CheckFailed("timeout", "10"), CheckFailed("wrong_database", "sales"))
    return {
        "operationId": name,
        "description": "Answers when the server has, or after ten seconds. It stands in the history.",
        "parameters": [ID],
        "responses": {
            "200": answer("It answers, and accepts the password.", said, example={"detail": "success"}),
            **refusals(InvalidCredentials(), *troubles, NotFound("not found")),
        },
    }
