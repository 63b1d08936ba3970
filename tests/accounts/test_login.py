"""The login pages."""

from __future__ import annotations

import pytest

from app.blueprints.accounts import throttle
from app.blueprints.accounts.services import create_user, passwords, users
from app.db import unit_of_work
from tests.databases import both_databases


@pytest.fixture(autouse=True)
def _people(app):
    with app.app_context(), unit_of_work() as work:
        create_user(work, "joe", "secret of joe")
        create_user(work, "anna", "secret of anna", is_staff=True)
        users.lock(create_user(work, "locked", "secret of locked"))


def log_in(client, username="joe", password=None, url="/login/", **more):
    data = {"username": username, "password": f"secret of {username}" if password is None else password}
    return client.submit(url, data | more)


def session_of(client):
    with client.session_transaction() as session:
        return dict(session)


def test_the_page_has_a_form_with_a_csrf_token(client):
    page = client.get("/login/").text

    assert 'name="username"' in page
    assert 'type="password"' in page
    assert 'name="csrf_token"' in page


@both_databases
def test_a_driver_goes_to_the_first_page(client):
    answer = log_in(client)

    assert (answer.status_code, answer.location) == (302, "/")
    assert session_of(client)["_user_id"].startswith("1:")


def test_staff_land_in_the_admin(client):
    answer = log_in(client, "anna")

    assert answer.location == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_driver_goes_to_next(client):
    assert log_in(client, url="/login/?next=/accounts/%3Fpage%3D2").location == "/accounts/?page=2"
    assert log_in(client, next="/somewhere/").location == "/somewhere/"


@pytest.mark.parametrize("target", ["/", "/login/", "/nowhere/", "//evil.example/", "/healthz"])
def test_staff_land_in_the_admin_whatever_public_page_they_came_from(client, target):
    assert log_in(client, "anna", next=target).location == "/admin/"


def test_staff_return_to_the_staff_page_that_sent_them_here(client):
    sent = client.get("/admin/users/?search=x")
    assert sent.status_code == 302

    assert log_in(client, "anna", url=sent.location).location == "/admin/users/?search=x"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "/\n/evil.example",
        " //evil.example/",
        "javascript:alert(1)",
        "evil.example",
        "http:evil.example",
        "",
    ],
)
def test_next_never_leads_to_another_site(client, target):
    assert log_in(client, next=target).location == "/"


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("joe", "wrong"),
        ("nobody", "secret of joe"),
        ("locked", "secret of locked"),
        ("joe\0", "secret of joe"),
        ("joe", "x" * 1024),
        ("' OR 1=1 --", "x"),
    ],
)
@both_databases
def test_a_wrong_name_or_password_is_told_apart_by_nobody(client, username, password):
    answer = log_in(client, username, password)

    assert answer.status_code == 401
    assert "User name or password is wrong." in answer.text
    assert "_user_id" not in session_of(client)


@pytest.mark.parametrize(
    ("username", "password"), [("", "x"), ("joe", ""), ("joe", "x" * 5_000_000), ("x" * 151, "x"), ("", "")]
)
def test_a_form_that_cannot_be_right_is_not_even_counted(client, username, password):
    for _ in range(12):
        assert log_in(client, username, password).status_code == 401

    assert log_in(client).status_code == 302


def test_the_password_is_not_sent_back(client):
    assert "letmein" not in log_in(client, "joe", "letmein").text


def test_a_login_without_a_csrf_token_is_answered_400(client):
    data = {"username": "joe", "password": "secret of joe"}

    assert client.post("/login/", data=data).status_code == 400
    assert client.post("/login/", data=data | {"csrf_token": "x"}).status_code == 400
    assert "_user_id" not in session_of(client)


def test_a_csrf_token_of_another_session_is_worth_nothing(client, app):
    foreign = app.test_client().csrf_token()
    client.csrf_token()

    answer = client.post(
        "/login/", data={"username": "joe", "password": "secret of joe", "csrf_token": foreign}
    )

    assert answer.status_code == 400


def test_a_login_begins_a_new_session_and_keeps_the_language(client):
    with client.session_transaction() as session:
        session["planted"] = "by somebody"
        session["language"] = "es"
    old_token = client.csrf_token()

    log_in(client)

    session = session_of(client)
    assert "planted" not in session
    assert session["language"] == "es"
    assert session["_permanent"]
    assert client.post("/logout/", data={"csrf_token": old_token}).status_code == 400


def test_the_cookie_is_secure_exactly_over_https(client):
    def cookie(base_url):
        client.get("/login/", base_url=base_url)
        data = {"username": "joe", "password": "secret of joe", "csrf_token": client.csrf_token()}
        headers = {"Referer": f"{base_url}/login/"}
        answer = client.post("/login/", data=data, base_url=base_url, headers=headers)
        assert answer.status_code == 302, answer.text
        return answer.headers["Set-Cookie"]

    plain, encrypted = cookie("http://localhost:8000"), cookie("https://localhost:8000")
    assert "HttpOnly" in plain
    assert "SameSite=Lax" in plain
    assert "Secure" not in plain
    assert "Secure" in encrypted


def test_whoever_is_logged_in_goes_on(client):
    log_in(client, "anna")

    assert client.get("/login/").location == "/admin/"
    assert client.get("/login/?next=//evil.example/").location == "/admin/"


def test_a_link_does_not_log_out(client):
    log_in(client)

    page = client.get("/logout/")

    assert page.status_code == 200
    assert 'method="post"' in page.text
    assert "_user_id" in session_of(client)
    assert client.post("/logout/").status_code == 400
    assert "_user_id" in session_of(client)


def test_logging_out_ends_the_session(client):
    log_in(client, "anna")

    answer = client.submit("/logout/")

    assert (answer.status_code, answer.location) == (302, "/")
    assert client.get("/admin/").status_code == 302


def test_a_stranger_may_log_out_too(client):
    assert client.submit("/logout/").location == "/"


def test_an_outdated_hash_is_renewed_by_a_login(client, app, monkeypatch):
    monkeypatch.setattr(
        passwords, "hasher", type(passwords.hasher)(time_cost=2, memory_cost=16, parallelism=1)
    )

    assert log_in(client).status_code == 302

    with app.app_context(), unit_of_work() as work:
        assert not passwords.is_outdated(users.get_user(work, "joe").password)
    assert client.get("/admin/").status_code == 403  # logged in, and no staff


def test_the_eleventh_guess_at_a_name_is_refused_with_the_time_to_wait(client):
    for _ in range(10):
        assert log_in(client, "joe", "guess").status_code == 401

    answer = log_in(client)

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert f"try again in {answer.headers['Retry-After']} second" in answer.text
    assert log_in(client, "JOE", "guess").status_code == 429
    assert log_in(client, "anna").status_code == 302


def test_guesses_from_one_address_are_counted_over_all_names(client):
    for n in range(30):
        assert log_in(client, f"user{n}", "guess").status_code == 401

    assert log_in(client, "anna").status_code == 429
    other = {"REMOTE_ADDR": "192.0.2.7"}
    token = client.csrf_token()
    data = {"username": "anna", "password": "secret of anna", "csrf_token": token}
    assert client.post("/login/", data=data, environ_base=other).status_code == 302


def test_an_ipv6_household_counts_as_one_address(client):
    for n in range(31):
        data = {"username": f"user{n}", "password": "x", "csrf_token": client.csrf_token()}
        answer = client.post("/login/", data=data, environ_base={"REMOTE_ADDR": f"2001:db8::{n:x}"})

    assert answer.status_code == 429


def test_logins_that_succeed_are_not_counted(client):
    for _ in range(35):
        assert log_in(client).status_code == 302

    for _ in range(10):
        assert log_in(client, "joe", "guess").status_code == 401
    assert log_in(client, "joe", "guess").status_code == 429


def test_a_guess_is_counted_before_it_is_made(app):
    with app.test_request_context(environ_base={"REMOTE_ADDR": "192.0.2.1"}):
        for _ in range(10):
            throttle.attempt("login", "joe")
        with pytest.raises(Exception, match="429"):
            throttle.attempt("login", "joe")
        throttle.attempt("tag", "joe")
