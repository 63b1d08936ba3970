"""Who may call which address. Closed unless its view says otherwise.

A view carries exactly one of the decorators below. Who may call is decided first (anonymous: 401 in JSON, the
login page otherwise), then the method, then the body. ``identify`` is registered by accounts.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from flask import Flask, current_app, g, redirect, request, url_for
from flask_babel import gettext
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.wrappers import Response

from app import sites
from app.domain_error import DomainError
from app.extensions import csrf

View = TypeVar("View", bound=Callable[..., Any])


class Person(Protocol):
    """What access needs to know of a user."""

    id: int
    username: str
    is_staff: bool


@dataclass(frozen=True)
class Caller:
    """Who makes this request, and whether a token (rather than a session cookie) said so.

    Nobody, by a token: one of our nodes.
    """

    user: Person | None
    by_token: bool = False
    # A session that began with a tag alone may look, not change anything.
    by_tag: bool = False

    @property
    def is_staff(self) -> bool:
        """Staff, by more than a tag."""
        return self.user is not None and self.user.is_staff and not self.by_tag


@dataclass(frozen=True)
class Rule:
    """An address's decision: who, and whether it speaks JSON or pages."""

    who: str  # anyone | user | staff | staff_or_token | node
    json: bool = False
    csrf: bool = True
    # The one method, when the contract promises 400 "POST required" for the others.
    only_post: bool = False
    # Whether a session that began with a tag alone may change something here: it may log in, and out.
    by_tag: bool = False


ANYONE = "anyone"
USER = "user"
STAFF = "staff"
STAFF_OR_TOKEN = "staff_or_token"  # noqa: S105 - a kind of caller, not a secret
# Another installation of this project, by NODE_TOKEN; or whoever STAFF_OR_TOKEN lets in.
NODE = "node"
# Methods that only look.
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")

identify: Callable[[], Caller] = lambda: Caller(None)  # noqa: E731 - replaced by accounts


def allow(
    who: str, *, json: bool = False, csrf: bool = True, only_post: bool = False, by_tag: bool = False
) -> Callable[[View], View]:
    """Open a view to ``who``."""

    def decorate(view: View) -> View:
        view.access = Rule(who, json, csrf, only_post, by_tag)  # type: ignore[attr-defined]
        return view

    return decorate


class Unauthenticated(DomainError):
    """Nobody is logged in, and no valid token came along."""

    status_code = 401

    def __init__(self) -> None:
        super().__init__(gettext("log in, or send an API token"))


class Forbidden(DomainError):
    """Somebody is logged in, but this is not for them."""

    status_code = 403

    def __init__(self) -> None:
        super().__init__(gettext("you are not allowed to do this"))


class OnlyLooking(Forbidden):
    """Somebody came by a tag alone, which may be copied or found."""

    def __init__(self) -> None:
        DomainError.__init__(self, gettext("a tag alone may only look: log in with your password"))


class FromAnotherSite(Forbidden):
    """A browser says that another site's page made it ask this."""

    def __init__(self) -> None:
        DomainError.__init__(self, gettext("this can only be asked by a page of this site"))


class PostRequired(DomainError):
    """The contract answers 400 here, not 405."""

    def __init__(self) -> None:
        super().__init__("POST required")


def caller() -> Caller:
    """Who makes this request (looked up once per request)."""
    if "caller" not in g:
        g.caller = identify()
    found: Caller = g.caller
    return found


def rule() -> Rule | None:
    """The decision for the address that this request names, whatever its method; None where there is none."""
    endpoint = request.endpoint or _endpoint_for_another_method()
    if endpoint is None:
        return None
    if endpoint == "static" or endpoint.endswith(".static"):
        return Rule(ANYONE)
    return rule_of(current_app, endpoint)


def rule_of(app: Flask, endpoint: str) -> Rule:
    """The decision of a view; staff only where nobody decided."""
    view = app.view_functions[endpoint]
    decided: Rule = getattr(view, "access", Rule(STAFF))
    return decided


def speaks_json() -> bool:
    """Whether errors of this request are JSON."""
    decided = rule()
    if decided is not None:
        return decided.json
    if request.headers.get("Authorization", "").lower().startswith("bearer "):  # a program's
        return True
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"


def guard() -> Response | None:
    """Refuse, or send to the login page, before any view runs."""
    decided = rule()
    if decided is None:
        return None
    if decided.who == NODE and _sends_node_token():
        g.caller = Caller(None, by_token=True)
    elif decided.who != ANYONE:
        who = caller()
        if who.user is None:
            if decided.json:
                raise Unauthenticated
            return redirect(url_for("login.login", next=sites.here()))
        if not may(decided, who):
            raise Forbidden
        _keep_to_looking(decided)
    if decided.only_post and request.method != "POST":
        raise PostRequired
    if request.method not in SAFE and not request.routing_exception:
        _keep_to_looking(decided)
        _check_origin(decided)
    return None


def may(decided: Rule, who: Caller) -> bool:
    """Whether this caller may call an address that was decided so."""
    if decided.who == ANYONE:
        return True
    if who.user is None:
        return False
    if decided.who == USER:
        return True
    if decided.who == STAFF:
        return who.is_staff and not who.by_token
    return who.is_staff or who.by_token


def _sends_node_token() -> bool:
    """Whether NODE_TOKEN came as Bearer; as long as it is unset, nothing does."""
    expected: str = current_app.config["NODE_TOKEN"]
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    if not expected or scheme.lower() != "bearer":
        return False
    # WSGI reads the bytes of a header as Latin-1.
    return hmac.compare_digest(sent.strip().encode("latin-1", "replace"), expected.encode())


def _keep_to_looking(decided: Rule) -> None:
    """Refuse a change to a session that began with a tag alone, whoever else may make it."""
    if request.method not in SAFE and not decided.by_tag and caller().by_tag:
        raise OnlyLooking


def _check_origin(decided: Rule) -> None:
    """A session cookie that acts must prove that our own page sent it.

    Where nothing can be proved, what browsers tell of themselves must not speak against it.
    """
    if not decided.csrf:
        if _sent_by_another_site():
            raise FromAnotherSite
        return
    if caller().by_token:
        return
    try:
        csrf.protect()
    except CSRFError as error:
        raise DomainError(str(error.description)) from error


def _sent_by_another_site() -> bool:
    """What a browser says of the page behind this request; programs say nothing."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()
    except ValueError:
        return True


def _endpoint_for_another_method() -> str | None:
    refusal = request.routing_exception
    if not isinstance(refusal, MethodNotAllowed) or not refusal.valid_methods:
        return None
    adapter = current_app.create_url_adapter(request)
    try:
        endpoint, _ = adapter.match(method=sorted(refusal.valid_methods)[0])  # type: ignore[union-attr]
    except (HTTPException, NotFound):
        return None
    return str(endpoint)


def init_app(app: Flask) -> None:
    """Put the guard before every request."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    app.before_request(guard)
