"""Who is calling: tokens, sessions, and what ends them."""

from __future__ import annotations

import pytest
from flask import jsonify

from app import access
from app.blueprints.accounts.services import create_token, revoke_token, set_password, users
from tests.databases import both_databases
from tests.factories import UserFactory


@pytest.fixture
def overrides():
    """An application of its own: addresses are added to it."""
    return {"SECRET_KEY": "its own"}


@pytest.fixture(autouse=True)
def _addresses(app):
    """Addresses that say who calls, one per rule."""
    for who in (access.ANYONE, access.USER, access.STAFF_OR_TOKEN, access.STAFF):

        def view():
            caller = access.caller()
            return jsonify(user=caller.user and caller.user.username, by_token=caller.by_token)

        app.add_url_rule(
            f"/test/{who}/", f"test_{who}", access.allow(who, json=True)(view), methods=["GET", "POST"]
        )


@pytest.fixture
def token(work):
    """A driver's token: the row, and the header."""
    row, plain = create_token(work, UserFactory(username="joe"))
    return row, {"Authorization": f"Bearer {plain}"}


@both_databases
def test_a_token_calls_as_its_user_without_csrf(client, token):
    answer = client.post("/test/staff_or_token/", headers=token[1])

    assert answer.json == {"user": "joe", "by_token": True}


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_may_be_written_as_http_allows(client, token, scheme):
    headers = {"Authorization": token[1]["Authorization"].replace("Bearer", scheme)}

    assert client.get("/test/user/", headers=headers).json["user"] == "joe"


def test_a_token_does_not_open_what_is_for_staff_alone(client, token):
    assert client.get("/test/staff/", headers=token[1]).status_code == 403


@pytest.mark.parametrize("who", ["user", "staff_or_token", "staff"])
def test_a_revoked_token_is_answered_401(client, work, token, who):
    revoke_token(token[0])

    answer = client.get(f"/test/{who}/", headers=token[1])

    assert answer.status_code == 401
    assert answer.json == {"detail": "invalid API token"}


def test_the_token_of_a_locked_user_is_answered_401(client, token):
    users.lock(token[0].user)

    assert client.get("/test/user/", headers=token[1]).status_code == 401


@pytest.mark.parametrize(
    "credentials", ["Bearer", "Bearer ", "Bearer x", "Bearer x y", "Bearer " + "x" * 10_000]
)
def test_a_bearer_token_that_nobody_has_is_answered_401(client, credentials):
    answer = client.get("/test/user/", headers={"Authorization": credentials})

    assert answer.status_code == 401
    assert answer.json == {"detail": "invalid API token"}


def test_an_invalid_token_on_a_page_is_a_page(client):
    answer = client.get("/admin/", headers={"Authorization": "Bearer x"})

    assert answer.status_code == 401
    assert "invalid API token" in answer.text
    assert answer.mimetype == "text/html"


def test_a_wrong_token_is_not_made_good_by_a_session(staff):
    assert staff.get("/test/staff/", headers={"Authorization": "Bearer x"}).status_code == 401


def test_another_scheme_is_not_ours(staff):
    answer = staff.get("/test/staff/", headers={"Authorization": "Basic c3RhZmY6eA=="})

    assert answer.json == {"user": "staff", "by_token": False}


def test_a_stranger_is_nobody(client):
    assert client.get("/test/anyone/").json == {"user": None, "by_token": False}
    assert client.get("/test/user/").status_code == 401


@both_databases
def test_a_session_calls_as_its_user(client, work):
    client.log_in(UserFactory(username="joe"))

    assert client.get("/test/user/").json == {"user": "joe", "by_token": False}
    assert client.get("/test/staff_or_token/").status_code == 403


def test_a_session_that_acts_without_a_csrf_token_is_answered_400(client, work):
    client.log_in(UserFactory())

    assert client.post("/test/user/").status_code == 400
    assert client.submit("/test/user/").status_code == 200


def test_a_lock_ends_the_session_for_good(client, work):
    user = UserFactory()
    client.log_in(user)

    users.lock(user)
    assert client.get("/test/user/").status_code == 401
    users.unlock(user)
    assert client.get("/test/user/").status_code == 401


def test_a_new_password_ends_the_session(client, work):
    user = UserFactory()
    client.log_in(user)

    set_password(user, "another")

    assert client.get("/test/user/").status_code == 401


@pytest.mark.parametrize("session_id", ["", ":", "1", "x:y", "0:", "-1:", "²:", "999999999:"])
def test_a_session_of_nobody_is_nobody(client, session_id):
    with client.session_transaction() as session:
        session["_user_id"] = session_id

    assert client.get("/test/anyone/").json["user"] is None
