"""The OpenAPI document, put together from what each domain tells in its ``openapi.py``.

Paths are the ones mounted on every host. What the views themselves know is read from them: who may call, how
that is refused, what an address is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from flask import Flask
from flask_babel import force_locale
from werkzeug.routing import Rule

from app import access
from app.blueprints import DOMAINS
from app.domain_error import DomainError
from app.openapi_base import Fragment, Node, merged, of, record, refusal, refusals
from app.version import __version__

# 3.1 has the JSON schemas of today, in which null is a type like others.
OPENAPI = "3.1.1"
INTRODUCTION = """\
Everything here is spoken in JSON. Send an API token as `Authorization: Bearer …`: `flask tokens create NAME`
makes one, staff revoke it in the administration. A token may do what staff do on these addresses.

An error has the status that fits and one sentence: `{"detail": "…"}`. The sentence follows `Accept-Language`;
programs go by the status. Who may call is decided first, then the method, then what was sent. A body that is
not JSON is read as a form. Times are UTC. Energy is in watt-hours, unless a name says otherwise.
Keys may be added to answers, none will be removed.
"""
# How a session proves that our own page sent a request.
UNSAFE = ("post", "put", "patch", "delete")


class CsrfToken(DomainError):
    """A session, unlike a token, needs the CSRF token of one of our pages."""


def document(app: Flask, root_path: str) -> Node:
    """The document for an application that is served under ``root_path`` (empty but for a proxy's prefix)."""
    if "api_document" not in app.extensions:
        with force_locale("en"):
            app.extensions["api_document"] = _assembled(app, dict(fragments(app)))
    found: Node = app.extensions["api_document"]
    return {**found, "servers": [{"url": root_path or "/"}]}


def fragments(app: Flask) -> Iterator[tuple[str, Fragment]]:
    """Each domain that has JSON addresses, in the order of the site map, and what it tells of them."""
    for domain in DOMAINS:
        if find_spec(f"app.blueprints.{domain}.openapi"):
            yield domain, import_module(f"app.blueprints.{domain}.openapi").fragment(app.config)


def addresses(app: Flask) -> dict[str, dict[str, Rule]]:
    """Path, as OpenAPI writes it → method → URL rule; those that are mounted by path and speak JSON."""
    found: dict[str, dict[str, Rule]] = {}
    for rule in app.url_map.iter_rules():
        if not rule.subdomain and not rule.websocket and access.rule_of(app, rule.endpoint).json:
            path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found.setdefault(path, {}).update((method.lower(), rule) for method in methods)
    return found


def _assembled(app: Flask, told: dict[str, Fragment]) -> Node:
    known = addresses(app)
    paths: Node = {}
    schemas: Node = {"Error": ERROR}
    for domain, fragment in told.items():
        schemas |= fragment.schemas
        for path, operations in fragment.paths.items():
            rules = known.get(path, {})
            paths[path] = {
                method: {"tags": [domain], **_completed(app, method, operation, rules.get(method))}
                for method, operation in operations.items()
            }
    return {
        "openapi": OPENAPI,
        "info": {"title": "Arthexis Constellation", "version": __version__, "description": INTRODUCTION},
        "tags": [{"name": domain, "description": fragment.summary} for domain, fragment in told.items()],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _security_schemes(app)},
    }


def _completed(app: Flask, method: str, operation: Node, rule: Rule | None) -> Node:
    """An operation with what its view knows."""
    if rule is None:  # described, but not there: a test says so
        return operation
    decided = access.rule_of(app, rule.endpoint)
    needs_csrf = method in UNSAFE and decided.csrf and decided.who != access.ANYONE
    summary = (app.view_functions[rule.endpoint].__doc__ or "").partition("\n")[0].removesuffix(".")
    return {
        "operationId": _name(rule.endpoint),
        "summary": summary,
        "security": _security(decided, needs_csrf),
        **operation,
        "description": "\n\n".join(
            filter(None, (operation.get("description", ""), _refused_methods(decided)))
        ),
        "responses": merged(operation["responses"], _common_refusals(decided, method, needs_csrf)),
    }


def _name(endpoint: str) -> str:
    """``ocpp.log_news`` → ``ocppLogNews``: a name for clients that are made from the document."""
    return re.sub(r"[._](\w)", lambda match: match[1].upper(), endpoint)


def _security(decided: access.Rule, needs_csrf: bool) -> list[Node]:
    """Ways to be somebody who may call; any of them will do."""
    session: Node = {"session": [], "csrf": []} if needs_csrf else {"session": []}
    if decided.who == access.ANYONE:
        return [{}]
    if decided.who == access.STAFF:
        return [session]
    return [*([{"node": []}] if decided.who == access.NODE else []), {"token": []}, session]


def _refused_methods(decided: access.Rule) -> str:
    return f"Another method is answered 400 `{access.PostRequired().detail}`." if decided.only_post else ""


def _common_refusals(decided: access.Rule, method: str, needs_csrf: bool) -> dict[str, Node]:
    errors: list[DomainError] = []
    if decided.who != access.ANYONE:
        errors.append(access.Unauthenticated())
    if decided.who not in (access.ANYONE, access.USER):
        errors.append(access.Forbidden())
    if method in UNSAFE and not decided.by_tag:
        errors.append(access.OnlyLooking())
    if method in UNSAFE and not decided.csrf:
        errors.append(access.FromAnotherSite())
    if needs_csrf:
        errors.append(CsrfToken("The CSRF token is missing."))
    return {**refusals(*errors), "default": refusal("Any other error.")}


def _security_schemes(app: Flask) -> Node:
    config: dict[str, Any] = app.config
    return {
        "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
        "node": {
            "type": "http",
            "scheme": "bearer",
            "description": "The setting `NODE_TOKEN`, of another installation.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": config["SESSION_COOKIE_NAME"],
            "description": "The cookie of whoever is logged in at `/login/`.",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": config["WTF_CSRF_HEADERS"][0],
            "description": "The CSRF token of one of our pages. This page sends its own.",
        },
    }


ERROR: Node = record(
    {"detail": of("string", "One sentence.", examples=["not found"])},
    description="Why nothing came of a request.",
)
