"""Every address of both mounts: who may call it is decided, strangers get no further, nothing breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app import access
from app.access import ANYONE
from tests.clients import Browser
from tests.factories import UserFactory

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
JUNK = ("-1", "99999999999999999999", "x" * 300, "ñ\0'\"<script>&%2F..")
SERVER_NAME = "localhost:8000"


def admin_blueprints(app: Flask) -> set[str]:
    """Flask-Admin's, whose views decide by ``is_accessible``: every one of them is for staff."""
    views = [view for admin in app.extensions["admin"] for view in admin._views]
    assert all(not view.is_accessible() for view in views)
    return {view.blueprint.name for view in views}


def is_static(rule: Rule) -> bool:
    return rule.endpoint == "static" or rule.endpoint.endswith(".static")


def address(rule: Rule, value: str = "1") -> str:
    """An address that this rule matches, with ``value`` for every part that varies."""
    return re.sub(
        r"<(?:any\(['\"]([^'\"]+)[^>]*|[^>]*)>", lambda part: quote(part[1] or value, safe=""), rule.rule
    )


def host(rule: Rule) -> str:
    return f"{rule.subdomain}.{SERVER_NAME}" if rule.subdomain else SERVER_NAME


def call(client: Browser, rule: Rule, method: str, value: str = "1", **options):
    """Send a request; an endless answer is not waited for."""
    headers = {"Host": host(rule), **options.pop("headers", {})}
    answer = client.open(address(rule, value), method=method, headers=headers, **options)
    answer.close()
    return answer


def rules(app: Flask) -> Iterator[Rule]:
    """Every rule that a plain request can reach; a socket's are tested where the sockets are."""
    return (rule for rule in app.url_map.iter_rules() if not rule.websocket)


def test_every_view_says_who_may_call_it(app):
    with app.test_request_context():
        admin = admin_blueprints(app)
    undecided = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not isinstance(getattr(app.view_functions[rule.endpoint], "access", None), access.Rule)
        and not is_static(rule)
        and rule.endpoint.partition(".")[0] not in admin
    }

    assert undecided == set()


def test_a_view_decides_the_same_by_path_and_by_subdomain(app):
    for rule in rules(app):
        domain, _, name = rule.endpoint.partition(".")
        if domain.endswith("@site"):
            twin = f"{domain.removesuffix('@site')}.{name}"
            assert access.rule_of(app, rule.endpoint) == access.rule_of(app, twin)


def test_a_stranger_gets_no_further_whatever_the_method(app, client):
    for rule in rules(app):
        decided = access.rule_of(app, rule.endpoint)
        if decided.who == ANYONE or is_static(rule):
            continue
        for method in METHODS:
            answer = call(client, rule, method)
            if decided.json:
                assert answer.status_code == 401, f"{method} {rule}: {answer.status}"
            elif answer.status_code != 401:
                assert answer.status_code == 302, f"{method} {rule}: {answer.status}"
                assert answer.location.startswith("/login/?next="), f"{method} {rule}: {answer.location}"


def test_a_stranger_with_a_wrong_token_gets_no_further(app, client):
    for rule in rules(app):
        if access.rule_of(app, rule.endpoint).who != ANYONE and not is_static(rule):
            answer = call(client, rule, "GET", headers={"Authorization": "Bearer wrong"})
            assert answer.status_code in (401, 405), f"{rule}: {answer.status}"


def test_a_token_opens_no_page_of_the_staff(app, client, api):
    for rule in rules(app):
        decided = access.rule_of(app, rule.endpoint)
        if decided.who == access.STAFF and not is_static(rule):
            answer = call(client, rule, "GET", headers=api)
            assert answer.status_code in (401, 403, 405), f"{rule}: {answer.status}"


def test_nothing_changes_without_a_csrf_token(app, staff):
    """A session cookie that acts must prove that our own page sent it; 400 says that it did not."""
    for rule in rules(app):
        decided = access.rule_of(app, rule.endpoint)
        if decided.csrf and not is_static(rule) and "POST" in (rule.methods or ()):
            answer = call(staff, rule, "POST")
            # A login holds for one host: on a subdomain this is a stranger.
            refused = answer.status_code in (400, 401) or str(answer.location).startswith("/login/?next=")
            assert refused, f"{rule}: {answer.status}"


@pytest.mark.parametrize(
    "value",
    [pytest.param(value, id=str(i), marks=[pytest.mark.slow] if i else []) for i, value in enumerate(JUNK)],
)
@pytest.mark.parametrize("caller", ["stranger", "staff", "token"])
def test_junk_breaks_nothing(app, request, caller, value):
    for rule in rules(app):
        if is_static(rule) or rule.endpoint == "login.logout":
            continue
        client = request.getfixturevalue("staff" if caller == "staff" else "client")
        headers = request.getfixturevalue("api") if caller == "token" else {}
        junk = dict.fromkeys(PARAMETERS, value)
        for method in {"GET", "POST"} & set(rule.methods or ()):
            if method == "POST" and caller == "staff":
                junk["csrf_token"] = client.csrf_token()
            options = {"query_string": junk} if method == "GET" else {"data": junk}
            answer = call(client, rule, method, value or "1", headers=headers, **options)
            assert answer.status_code < 500, f"{method} {rule}: {answer.status}"


# Names that views and Flask-Admin look for.
PARAMETERS = (
    "id", "page", "per_page", "page_size", "sort", "desc", "search", "q", "query", "charger", "account",
    "since", "until",
    "running", "format", "before", "after", "next", "url", "action", "rowid", "name", "lookup", "limit",
    "offset", "timeout",
    "flt0_0", "flt1_1", "username", "password", "rfid", "amount_kwh", "user", "charger_id", "domain", "label",
    "payload",
)  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"3", b'"x"', b'{"a":' * 500, b"\xff\xfe", b'{"id":1e400}']
)
def test_a_body_that_is_not_what_was_asked_for_breaks_nothing(app, client, api, body):
    for rule in rules(app):
        if access.rule_of(app, rule.endpoint).json and "POST" in (rule.methods or ()):
            for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain", "x"):
                answer = call(client, rule, "POST", data=body, content_type=kind, headers=api)
                assert answer.status_code < 500, f"{rule} {kind}: {answer.status}"


def test_an_unknown_address_is_not_found_whatever_the_method(client):
    for method in METHODS:
        assert client.open("/nothing/here/", method=method).status_code == 404


def test_errors_of_json_addresses_are_json_and_those_of_pages_are_pages(app, client):
    for rule in rules(app):
        decided = access.rule_of(app, rule.endpoint)
        if decided.who not in (ANYONE,) and decided.json:
            answer = call(client, rule, "DELETE")
            assert answer.mimetype == "application/json", rule
    assert client.get("/nothing/", headers={"Accept": "text/html"}).mimetype == "text/html"
    assert client.get("/nothing/", headers={"Accept": "application/json"}).json["detail"]


# Where a session that began with a tag alone may send more than a question: to log in, and out.
FOR_TAGS = {
    *("login.submit", "login.submit_tag", "login.logout", "login.send_reset", "login.set_password"),
    *("accounts.rfid_login", "website.language"),
}


def test_whoever_came_by_a_tag_changes_nothing_anywhere(app, client, work):
    client.log_in(UserFactory(is_staff=True))
    with client.session_transaction() as session:
        session["by_tag"] = True
    data = {"csrf_token": client.csrf_token()}

    let_through = set()
    for rule in rules(app):
        for method in {"POST", "PUT", "PATCH", "DELETE"} & set(rule.methods or ()):
            if is_static(rule) or rule.subdomain:  # by subdomain a view decides the same, see above
                continue
            if access.rule_of(app, rule.endpoint).by_tag:
                let_through.add(rule.endpoint)
            else:
                assert call(client, rule, method, data=data).status_code == 403, f"{method} {rule}"

    assert let_through == FOR_TAGS


class TestAnyAddress:
    """Whatever a domain may yet bring."""

    @pytest.fixture
    def overrides(self):
        """An application of its own: an address is added to it."""
        return {"SECRET_KEY": "its own"}

    @pytest.mark.parametrize("who", ["anyone", "user", "staff", "staff_or_token", "node"])
    def test_a_tag_alone_changes_nothing_whoever_else_may(self, app, client, work, who):
        methods = ["POST", "PUT", "PATCH", "DELETE"]
        view = access.allow(who, json=True)(lambda: {"done": True})
        app.add_url_rule("/test/", "test", view, methods=[*methods, "GET"])
        client.log_in(UserFactory(is_staff=True))
        with client.session_transaction() as session:
            session["by_tag"] = True
        data = {"csrf_token": client.csrf_token()}

        for method in methods:
            assert client.open("/test/", method=method, data=data).status_code == 403
        assert client.get("/test/").status_code == (200 if who in ("anyone", "user") else 403)
