"""The JSON addresses of the mailer, in the words of OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.blueprints.mailer.errors import (
    BadContext,
    BadTemplate,
    BadTemplateId,
    IncompleteMail,
    IncompleteTemplate,
    InvalidTemplate,
    MissingPlaceholder,
    NotText,
    TooLong,
    UnknownMail,
)
from app.blueprints.mailer.models import LONGEST_NAME, LONGEST_SUBJECT
from app.blueprints.mailer.services.placeholders import LONGEST_TEXT
from app.blueprints.mailer.services.templates import LONGEST_BODY
from app.mail import BadAddress
from app.openapi_base import Fragment, Node, answer, body, in_path, of, record, refusals, time

LANGUAGE = (
    "A placeholder is a name in braces, `{username}`, of letters, digits and _; nothing else may stand"
    " there. A brace itself is written twice."
)


def fragment(_settings: Mapping[str, Any]) -> Fragment:
    """What they take and answer."""
    return Fragment(
        summary="Mail: templates, and the queue that the worker sends.",
        paths={
            "/mailer/template/add/": {"post": _add_template()},
            "/mailer/queue/add/": {"post": _add_mail()},
            "/mailer/status/{mail_id}/": {"get": _status()},
            "/mailer/purge/": {"post": _purge()},
        },
    )


def _add_template() -> Node:
    told = record(
        {
            "name": of("string", "Another of this name is replaced as a whole.", maxLength=LONGEST_NAME),
            "subject": of("string", "One line.", maxLength=LONGEST_SUBJECT),
            "body": of("string", "The mail as plain text.", maxLength=LONGEST_BODY),
            "html": of("string", "The same in HTML; values are escaped in it.", maxLength=LONGEST_BODY),
        },
        optional=("html",),
    )
    example = {"name": "greeting", "subject": "Hello {username}", "body": "Good day, {username}."}
    wrong = BadTemplate("body", "line 2, character 1: “{a.b}” is no placeholder")
    return {
        "description": LANGUAGE,
        "requestBody": body(told, example),
        "responses": {
            "200": answer("It is kept.", record({"id": of("integer")}), example={"id": 4}),
            **refusals(IncompleteTemplate(), NotText("body"), wrong),
        },
    }


def _add_mail() -> Node:
    values = of(
        "object",
        "Placeholder → value: everything that the template asks for. As a form: JSON text.",
        additionalProperties=of("string") | {"type": ["string", "number", "boolean"]},
        default={},
    )
    told = record(
        {"to": of("string", "One mail address."), "template_id": of("integer"), "context": values},
        optional=("context",),
    )
    example = {"to": "ann@example.com", "template_id": 4, "context": {"username": "Ann"}}
    return {
        "description": "It is written at once: what is changed in the template later does not change it.",
        "requestBody": body(told, example),
        "responses": {
            "200": answer("It is queued.", record({"id": of("integer")}), example={"id": 12}),
            **refusals(
                IncompleteMail(), BadAddress("ann"), BadTemplateId(), BadContext(),
                MissingPlaceholder("username"), TooLong(LONGEST_TEXT), InvalidTemplate(),
            ),
        },
    }  # fmt: skip


def _status() -> Node:
    told = record({"sent": of("boolean"), "sent_at": time("When a mail server took it.", null=True)})
    example = {"sent": True, "sent_at": "2026-01-31T08:30:00Z"}
    return {
        "parameters": [in_path("mail_id", "The id that queueing answered.", of("integer"))],
        "responses": {
            "200": answer("Whether it has been sent.", told, example=example),
            **refusals(UnknownMail()),
        },
    }


def _purge() -> Node:
    told = record({"purged": of("integer", "How many there were.")})
    return {
        "description": "What waits, failed or was cancelled stays.",
        "responses": {"200": answer("They are gone.", told, example={"purged": 120})},
    }
