"""Logging in with a tag alone: by JSON, and on the page for readers that act as a keyboard."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from app.blueprints.accounts import throttle
from app.blueprints.accounts.models import AuditEntry, User
from app.blueprints.accounts.services import set_password, users
from app.blueprints.accounts.throttle import Allowance
from app.clock import utcnow
from app.db import db
from tests.databases import both_databases
from tests.factories import RFIDFactory, UserFactory

URL = "/accounts/rfid-login/"
TAG = "04A1B2C3"
REFUSED = (401, b'{"detail":"invalid RFID"}\n')


@pytest.fixture
def tag(work):
    """The tag of the driver ``joe``."""
    return RFIDFactory(rfid=TAG, user__username="joe")


def log_in(client, rfid=TAG, **more):
    return client.post(URL, json={"rfid": rfid}, **more)


def session_of(client):
    with client.session_transaction() as session:
        return dict(session)


def is_logged_in(client):
    """Whether the session is anybody's: what is for staff then answers 403, else with the login page."""
    return client.get("/admin/").status_code == 403


# The answer


@both_databases
def test_a_tag_logs_its_user_in(client, tag):
    answer = log_in(client)

    assert (answer.status_code, answer.json) == (200, {"id": tag.user.id, "username": "joe"})
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert is_logged_in(client)


@pytest.mark.parametrize("written", ["04a1b2c3", " 04A1B2C3\n"])
def test_a_tag_may_be_written_as_readers_write_it(client, tag, written):
    assert log_in(client, written).status_code == 200
    assert client.post(URL, data={"rfid": written}).status_code == 200


def test_digits_may_come_as_a_number(client, work):
    RFIDFactory(rfid="12345678")

    assert log_in(client, 12345678).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"rfid": ""}, {"rfid": None}, {"rfid": " "}, {"rfid": []}, {"rfid": True}]
)
def test_without_a_tag_it_is_400(client, tag, body):
    answer = client.post(URL, json=body)

    assert (answer.status_code, answer.json) == (400, {"detail": "rfid required"})
    assert client.post(URL, data=b"{", content_type="application/json").status_code == 400


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_another_method_is_400(client, method):
    answer = client.open(URL, method=method)

    assert (answer.status_code, answer.json) == (400, {"detail": "POST required"})


def _not_there(tag):
    tag.rfid = "04FFFFFF"


def _blocked(tag):
    tag.allowed = False


def _expired(tag):
    tag.expires_at = utcnow() - timedelta(seconds=1)


def _nobodys(tag):
    tag.user = None


def _locked(tag):
    users.lock(tag.user)


def _staff(tag):
    tag.user.is_staff = True


def _superuser(tag):
    tag.user.is_superuser = True


REASONS = [_not_there, _blocked, _expired, _nobodys, _locked, _staff, _superuser]


@pytest.mark.parametrize("spoil", REASONS)
@both_databases
def test_a_tag_that_logs_nobody_in_is_refused_alike(client, app, work, tag, spoil):
    """Also in what it costs: the same questions to the database, which find nothing."""
    spoil(tag)
    work.flush()
    work.commit()
    with app.app_context():
        engine = db.engine
    asked = []
    listener = lambda *event: asked.append(event[2].replace("\n", ""))  # noqa: E731
    client.get("/healthz")  # now it knows its sites
    event.listen(engine, "before_cursor_execute", listener)
    try:
        answer = log_in(client)
    finally:
        event.remove(engine, "before_cursor_execute", listener)

    assert (answer.status_code, answer.data) == REFUSED
    assert "Set-Cookie" not in answer.headers
    asked = [statement for statement in asked if statement != "BEGIN"]
    assert len(asked) == 1
    assert "FROM rfid JOIN" in asked[0]


@pytest.mark.parametrize("rfid", ["x" * 9_000, "04A1B2C3\0", "ﬀA1B2C3", "' OR 1=1 --", "\ud800", "%"])
@both_databases
def test_what_cannot_be_a_tag_is_refused(client, tag, rfid):
    answer = log_in(client, rfid)

    assert (answer.status_code, answer.data) == REFUSED


def test_a_large_body_is_not_read(client, tag):
    for answer in (log_in(client, "x" * 20_000), client.post(URL, data={"rfid": "x" * 20_000})):
        assert answer.status_code == 413
        assert answer.json["detail"]


def test_a_tag_that_expires_later_is_good(client, tag):
    tag.expires_at = utcnow() + timedelta(minutes=1)

    assert log_in(client).status_code == 200


def test_the_log_holds_no_tag(client, tag, caplog):
    with caplog.at_level(logging.DEBUG):
        log_in(client)
        log_in(client, "04BADBAD")

    assert "failed login by a tag from 127.0.0.1" in caplog.text
    assert "04BADBAD" not in caplog.text
    assert TAG not in caplog.text


class TestSwitchedOff:
    """RFID_LOGIN=0."""

    @pytest.fixture
    def overrides(self):
        return {"RFID_LOGIN": False}

    def test_every_tag_is_refused_and_no_page_is_there(self, client, tag):
        answer = log_in(client)

        assert (answer.status_code, answer.data) == REFUSED
        assert client.get("/login/tag/").status_code == 404
        assert client.submit("/login/tag/", {"rfid": TAG}).status_code == 404
        assert "/login/tag/" not in client.get("/login/").text


# The session


@both_databases
def test_the_session_may_look_and_not_change_anything(client, tag):
    log_in(client)

    assert session_of(client)["by_tag"]
    assert not session_of(client).get("_permanent")
    answer = client.submit("/login/change-password/", {"password": "x"})
    assert answer.status_code == 403
    assert "a tag alone may only look" in answer.text


def test_the_last_login_is_remembered(client, work, tag):
    log_in(client)

    work.refresh(tag.user)
    assert utcnow() - tag.user.last_login < timedelta(minutes=1)


def test_a_login_begins_a_new_session_and_keeps_the_language(client, tag):
    with client.session_transaction() as session:
        session["planted"] = "by somebody"
        session["language"] = "es"

    log_in(client)

    assert "planted" not in session_of(client)
    assert session_of(client)["language"] == "es"


def test_a_password_makes_the_session_a_full_one(client, work, tag):
    set_password(tag.user, "secret of joe")
    log_in(client)
    assert client.get("/login/").status_code == 200

    answer = client.submit("/login/", {"username": "joe", "password": "secret of joe"})

    assert answer.status_code == 302
    assert "by_tag" not in session_of(client)
    assert "tag_id" not in session_of(client)
    assert client.get("/login/change-password/").status_code == 200


def test_a_refused_tag_leaves_the_session_as_it_was(client, tag):
    log_in(client)

    assert log_in(client, "04FFFFFF").status_code == 401
    assert is_logged_in(client)


def test_a_tag_session_logs_out(client, tag):
    log_in(client)

    assert client.submit("/logout/").status_code == 302
    assert not is_logged_in(client)


@pytest.mark.parametrize("spoil", [_blocked, _expired, _nobodys, _locked, _staff])
@both_databases
def test_the_session_ends_with_the_tag_that_it_began_with(client, work, tag, spoil):
    log_in(client)
    assert is_logged_in(client)

    spoil(tag)
    work.flush()

    assert not is_logged_in(client)


def test_the_session_ends_when_the_tag_is_somebody_elses(client, work, tag):
    log_in(client)

    tag.user = UserFactory()
    work.flush()

    assert not is_logged_in(client)


def test_the_session_ends_when_tags_no_longer_log_in(client, app, tag):
    log_in(client)

    app.config["RFID_LOGIN"] = False

    assert not is_logged_in(client)


# Who may ask


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:8000"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:9000"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": ""},
    ],
)
def test_another_site_cannot_log_a_visitor_in_as_somebody_else(client, tag, headers):
    for answer in (log_in(client, headers=headers), client.post(URL, data={"rfid": TAG}, headers=headers)):
        assert answer.status_code == 403
        assert answer.json == {"detail": "this can only be asked by a page of this site"}
        assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:8000"},
        {"Origin": "https://LOCALHOST:8000"},
        {"Origin": "http://charge.example", "Host": "charge.example"},
        {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
    ],
)
def test_our_own_pages_may_ask_on_any_host(client, tag, headers):
    assert log_in(client, headers=headers).status_code == 200


def test_it_answers_on_its_subdomain_too(client, tag):
    answer = client.post("/rfid-login/", json={"rfid": TAG}, headers={"Host": "accounts.localhost:8000"})

    assert answer.json["username"] == "joe"


# How often


def test_the_eleventh_try_of_a_tag_is_429(client, work):
    for _ in range(10):
        assert log_in(client, "04bad000").status_code == 401

    answer = log_in(client, " 04BAD000 ")

    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "try again in" in answer.json["detail"]
    assert log_in(client, "04BAD001").status_code == 401


def test_tags_cannot_be_walked_from_one_address(client, tag):
    """Not even by somebody who has a good tag, and uses it in between."""
    tried = 0
    for n in range(40):
        answer = log_in(client, f"{n:08X}")
        tried += answer.status_code == 401
        log_in(client)

    assert tried == 30
    assert answer.status_code == 429
    other = {"REMOTE_ADDR": "192.0.2.7"}
    assert log_in(client, environ_base=other).status_code == 200


def test_a_day_has_fewer_tries_than_its_minutes(client, work, monkeypatch):
    monkeypatch.setitem(throttle.ALLOWANCES, "tag", Allowance("30 per minute; 12 per day", "10 per minute"))
    for n in range(12):
        assert log_in(client, f"{n:08X}").status_code == 401

    answer = log_in(client)

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60


def test_a_provider_full_of_ipv6_households_is_counted_as_one_in_the_end(client, monkeypatch):
    monkeypatch.setitem(throttle.ALLOWANCES, "tag", Allowance("30 per minute", "10 per minute", "5 per day"))

    def from_household(n):
        return log_in(client, f"{n:08X}", environ_base={"REMOTE_ADDR": f"2001:db8:1:{n:x}::1"}).status_code

    assert [from_household(n) for n in range(6)] == [401] * 5 + [429]
    assert log_in(client, environ_base={"REMOTE_ADDR": "2001:db8:2::1"}).status_code == 401


def test_logins_that_succeed_are_not_counted(client, tag):
    for _ in range(35):
        assert log_in(client).status_code == 200


def test_ipv4_addresses_on_an_ipv6_socket_are_counted_each_for_itself(client, tag):
    for n in range(31):
        log_in(client, f"{n:08X}", environ_base={"REMOTE_ADDR": "::ffff:192.0.2.1"})

    assert log_in(client, environ_base={"REMOTE_ADDR": "::ffff:192.0.2.1"}).status_code == 429
    assert log_in(client, environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 429
    assert log_in(client, environ_base={"REMOTE_ADDR": "::ffff:192.0.2.2"}).status_code == 200


@both_databases
def test_too_many_tries_are_in_the_trail_once_and_without_the_tag(client, work, tag):
    _locked(tag)
    for _ in range(14):
        log_in(client)

    entry = work.scalars(select(AuditEntry)).one()
    assert (entry.username, entry.action, entry.subject, entry.subject_id) == (
        *("", "too many attempts", "rfid"),
        str(tag.id),
    )
    assert entry.details == {"purpose": "tag", "address": "127.0.0.1"}


# The page


def test_the_login_page_leads_to_the_page_for_tags_and_to_forgotten_passwords(client):
    page = client.get("/login/?next=/ocpp/").text

    assert 'href="/login/tag/?next=/ocpp/"' in page
    assert 'href="/login/forgot/"' in page


def test_the_page_takes_a_tag_from_a_reader_that_types(client, tag):
    page = client.get("/login/tag/").text
    assert "autofocus" in page
    assert 'autocomplete="off"' in page

    answer = client.submit("/login/tag/?next=/ocpp/", {"rfid": "04a1b2c3"})

    assert (answer.status_code, answer.location) == (302, "/ocpp/")
    assert session_of(client)["by_tag"]
    assert is_logged_in(client)


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_the_page_leads_to_no_other_site(client, tag, target):
    assert client.submit("/login/tag/", {"rfid": TAG, "next": target}).location == "/"
    assert "evil" not in client.get("/login/tag/", query_string={"next": "/"}).text


@pytest.mark.parametrize("rfid", ["04FFFFFF", "", "x" * 41])
def test_the_page_says_that_a_tag_is_refused(client, tag, rfid):
    answer = client.submit("/login/tag/", {"rfid": rfid})

    assert answer.status_code == 401
    assert "This tag logs nobody in." in answer.text or "invalid-feedback" in answer.text
    assert "04FFFFFF" not in answer.text  # a reader would type the next number after it
    assert not is_logged_in(client)


def test_the_page_needs_a_csrf_token(client, tag):
    assert client.post("/login/tag/", data={"rfid": TAG}).status_code == 400
    assert not is_logged_in(client)


def test_page_and_json_count_together(client, tag):
    for n in range(30):
        client.submit("/login/tag/", {"rfid": f"{n:08X}"})

    assert log_in(client).status_code == 429
    assert client.submit("/login/tag/", {"rfid": TAG}).status_code == 429


def test_a_driver_without_tags_is_not_found_by_an_empty_one(client, work):
    UserFactory()

    assert log_in(client, "-").status_code == 401
    assert work.scalars(select(User.last_login)).all() == [None]
